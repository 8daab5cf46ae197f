/*
 * Arrays of no elements among those of a watch: a framework gives them for
 * layers without parameters, often as NULL. The trainer is gradient descent on
 * 1/2 sum c_i x_i^2, c = 1 .. 5, in two arrays, once with empty arrays around
 * them and once without: every figure is the same, bit for bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "traj.h"

#define MOST 5
#define LR 0.25
#define STEPS 3

struct trainer {
    double x[5], g[5];
    struct traj_watch_segment segments[MOST];
    size_t n_segments;
    size_t at[2]; /* of the two arrays that have elements */
    struct traj_group groups[2];
    struct traj_watch_options options;
    struct recorded recorded;
    struct traj_step step;   /* the last one */
    struct traj_probe probe; /* the last one */
};

static void gradient_into(const double *x, double *first, double *second)
{
    for (size_t i = 0; i < 5; i++) {
        *(i < 3 ? &first[i] : &second[i - 3]) = (double)(i + 1) * x[i];
    }
}

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    const struct trainer *t = context;
    void *const *arrays = ret_grad;
    gradient_into(t->x, arrays[t->at[0]], arrays[t->at[1]]);
    *ret_loss = 2;
    return 0;
}

/* with: 0, 2 and 4 are empty; 2 is so at an address. */
static void set_up(struct trainer *t, bool with)
{
    *t = (struct trainer){
        .x = { 1, -2, 3, 0.5, 5 },
        .n_segments = with ? 5 : 2,
        .at = { with ? 1 : 0, with ? 3 : 1 },
        .groups = { { .name = "a", .size = 3, .norm = TRAJ_NORM_RMS },
            { .name = "b", .size = 2, .norm = TRAJ_NORM_LINF } },
        .options = TRAJ_WATCH_INIT,
    };
    for (uint32_t i = 0; i < t->n_segments; i++) {
        t->segments[i] = (struct traj_watch_segment){ .dtype = TRAJ_F64,
            .group = i < t->n_segments / 2 ? 1 : 2 };
    }
    t->segments[2].param = t->x;
    t->segments[2].grad = t->x;
    for (size_t a = 0; a < 2; a++) {
        struct traj_watch_segment *s = &t->segments[t->at[a]];
        s->n = 3 - a;
        s->param = &t->x[3 * a];
        s->grad = &t->g[3 * a];
    }
    t->options.segments = t->segments;
    t->options.n_segments = t->n_segments;
    t->options.groups = t->groups;
    t->options.n_groups = 2;
    t->options.gradient = callback;
    t->options.context = t;
    t->options.probe_every = 1;
    t->options.sharpness_every = 1;
    t->options.group_every = 1;
}

static void train(struct trainer *t)
{
    traj_watch *watch = NULL;
    recorded_open(&t->recorded, t->groups, 2);
    assert_int_equal(
        traj_watch_open(t->recorded.run, &t->options, &watch), TRAJ_OK);
    for (uint64_t k = 0; k < STEPS; k++) {
        traj_step_init(&t->step);
        t->step.step = k;
        t->step.lr = LR;
        gradient_into(t->x, t->g, t->g + 3);
        assert_int_equal(traj_before_update(watch, &t->step), TRAJ_OK);
        for (size_t i = 0; i < 5; i++) {
            t->x[i] -= LR * t->g[i];
        }
        assert_int_equal(traj_after_update(watch, &t->step), TRAJ_OK);
    }
    const struct traj_probe *probe = traj_watch_probe(watch);
    traj_probe_init(&t->probe);
    t->probe = probe != NULL ? *probe : t->probe;
    t->probe.cost_ns = 0;
    traj_watch_close(watch);
    recorded_close_run(&t->recorded);
}

static void assert_same_records(
    const struct trainer *a, const struct trainer *b, unsigned kind, size_t n)
{
    const uint64_t clocks = kind == WIRE_PROBE
                                ? UINT64_C(1) << PROBE_cost_ns
                                : UINT64_C(1) << SHARPNESS_cost_ns;
    assert_int_equal(recorded_count(&a->recorded, kind), n);
    assert_int_equal(recorded_count(&b->recorded, kind), n);
    for (size_t i = 0; i < n; i++) {
        const struct recorded_one *x = recorded_at(&a->recorded, kind, i);
        const struct recorded_one *y = recorded_at(&b->recorded, kind, i);
        assert_true(x->present == y->present);
        for (unsigned f = 2; f < WIRE_FIELDS_MAX; f++) { /* step, wall_ns */
            const uint64_t different = x->values[f] != y->values[f];
            assert_true((different << f & ~clocks) == 0);
        }
    }
}

static void assert_same(struct trainer *a, struct trainer *b)
{
    train(a);
    train(b);
    assert_memory_equal(a->x, b->x, sizeof a->x);
    assert_memory_equal(&a->step, &b->step, sizeof a->step);
    assert_memory_equal(&a->probe, &b->probe, sizeof a->probe);
}

static void done(struct trainer *a, struct trainer *b)
{
    recorded_done(&a->recorded);
    recorded_done(&b->recorded);
}

static void test_empty_arrays_change_no_figure(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        struct trainer with, without;
        set_up(&with, true);
        set_up(&without, false);
        with.options.threads = without.options.threads = threads;
        assert_same(&with, &without);
        assert_same_records(&with, &without, WIRE_GROUP, 2 * STEPS);
        assert_same_records(&with, &without, WIRE_PROBE, 3 * STEPS);
        assert_same_records(&with, &without, WIRE_SHARPNESS, STEPS);
        done(&with, &without);
    }
}

static void test_empty_arrays_are_taken_without_a_gradient_too(void **state)
{
    (void)state;
    struct trainer with, without;
    struct trainer *const both[] = { &with, &without };
    for (size_t i = 0; i < 2; i++) {
        struct trainer *t = both[i];
        set_up(t, i == 0);
        t->options.gradient = NULL;
        t->options.sharpness_every = 0;
        t->options.delta_only = 1;
        t->options.optimizer = TRAJ_OPTIMIZER_HEAVY_BALL;
        for (size_t k = 0; k < t->n_segments; k++) {
            t->segments[k].grad = NULL;
        }
    }
    assert_same(&with, &without);
    assert_same_records(&with, &without, WIRE_GROUP, 0);
    done(&with, &without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_arrays_change_no_figure),
        cmocka_unit_test(test_empty_arrays_are_taken_without_a_gradient_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

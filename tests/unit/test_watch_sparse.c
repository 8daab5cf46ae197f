/* A watch that measures two updates of so many (measure_every), beside one that
 * measures all: what is measured is the same to the bit, what is not is told as
 * not measured, and what is due then comes later. The trainer is gradient
 * descent, or heavy ball, on 1/2 sum i x_i^2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "traj.h"

#define N 3
#define LR 0.125
#define MOMENTUM 0.5

struct trainer {
    double param[N], grad[N], velocity[N];
    double momentum;
    double worse; /* added to the loss */
    struct traj_watch_options options;
    traj_watch *watch;
};

static int gradient(void *context, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    double *g = ret_grad;
    *ret_loss = t->worse;
    for (size_t i = 0; i < N; i++) {
        g[i] = (double)(i + 1) * t->param[i];
        *ret_loss += g[i] * t->param[i] / 2;
    }
    return 0;
}

static void set_up(struct trainer *t, uint64_t measure_every)
{
    *t = (struct trainer){ .param = { 1, 2, 3 }, .options = TRAJ_WATCH_INIT };
    t->options.dtype = TRAJ_F64;
    t->options.n = N;
    t->options.param = t->param;
    t->options.grad = t->grad;
    t->options.measure_every = measure_every;
}

static void open_watch(struct trainer *t, traj_run *run)
{
    assert_int_equal(traj_watch_open(run, &t->options, &t->watch), TRAJ_OK);
}

static void update(struct trainer *t)
{
    for (size_t i = 0; i < N; i++) {
        t->velocity[i] = t->momentum * t->velocity[i] + t->grad[i];
        t->param[i] -= LR * t->velocity[i];
    }
}

/* As one that is at its k-th update and calls it number. */
static struct traj_step train(struct trainer *t, uint64_t number)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = number;
    step.lr = LR;
    step.momentum = t->momentum;
    (void)gradient(t, t->grad, &step.loss);
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    update(t);
    assert_int_equal(traj_after_update(t->watch, &step), TRAJ_OK);
    return step;
}

static void forget_back(struct traj_step *step)
{
    step->grad_prev = step->dgrad_sq = step->dgrad_delta = traj_unset();
}

/* What the trainer said, and nothing else. */
static struct traj_step said(const struct traj_step *full)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = full->step;
    step.loss = full->loss;
    step.lr = full->lr;
    step.momentum = full->momentum;
    step.flags = TRAJ_UNSET_COUNT;
    return step;
}

static void test_the_first_two_of_so_many_are_measured_as_all_would_be(
    void **state)
{
    (void)state;
    struct trainer all, some;
    set_up(&all, 0);
    set_up(&some, 5);
    open_watch(&all, NULL);
    open_watch(&some, NULL);
    for (uint64_t k = 0; k < 12; k++) {
        struct traj_step expected = train(&all, 100 + 3 * k);
        struct traj_step step = train(&some, 100 + 3 * k);
        if (k % 5 == 0) {
            forget_back(&expected);
        } else if (k % 5 > 1) {
            expected = said(&expected);
        }
        assert_memory_equal(&step, &expected, sizeof step);
        assert_memory_equal(all.param, some.param, sizeof all.param);
    }
    traj_watch_close(all.watch);
    traj_watch_close(some.watch);
}

static void test_two_and_less_measure_all(void **state)
{
    (void)state;
    for (uint64_t every = 0; every < 4; every++) {
        struct trainer t;
        set_up(&t, every);
        open_watch(&t, NULL);
        (void)train(&t, 0);
        (void)train(&t, 1);
        struct traj_step step = train(&t, 2);
        assert_int_equal(traj_is_unset(step.grad_sq), every == 3);
        traj_watch_close(t.watch);
    }
}

static void test_what_the_trainer_flags_is_kept_and_a_spike_is_told(
    void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t, 1000);
    open_watch(&t, NULL);
    for (uint64_t k = 0; k < 200; k++) {
        (void)train(&t, k);
    }
    t.worse = 1e6;
    assert_int_equal(train(&t, 200).flags, TRAJ_STEP_SPIKE);
    struct traj_step step;
    traj_step_init(&step);
    step.flags = TRAJ_STEP_FOUND_INF;
    assert_int_equal(traj_before_update(t.watch, &step), TRAJ_OK);
    assert_int_equal(traj_after_update(t.watch, &step), TRAJ_OK);
    assert_int_equal(step.flags & TRAJ_STEP_FOUND_INF, TRAJ_STEP_FOUND_INF);
    assert_int_equal(step.flags & TRAJ_STEP_SKIPPED, 0);
    traj_watch_close(t.watch);
}

/* Steps of the records of a kind must be these. */
static void assert_steps(const struct recorded *r, unsigned kind,
    unsigned field, const uint64_t *steps, size_t n)
{
    assert_int_equal(recorded_count(r, kind), n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(
            recorded_u64(recorded_at(r, kind, i), field), steps[i]);
    }
}

static void train_recorded(struct trainer *t, struct recorded *r,
    const struct traj_group *group, uint64_t steps)
{
    recorded_open(r, group, group != NULL);
    open_watch(t, r->run);
    for (uint64_t k = 0; k < steps; k++) {
        (void)train(t, k);
    }
    traj_watch_close(t->watch);
    recorded_close_run(r);
}

static void test_a_probe_that_is_due_waits_for_a_measured_update(void **state)
{
    (void)state;
    static const uint64_t steps[] = { 0, 4, 8, 9, 12 };
    struct trainer t;
    struct recorded r;
    set_up(&t, 4);
    t.options.gradient = gradient;
    t.options.context = &t;
    t.options.probe_every = 3; /* 0, 3, 6, 9, 12 */
    train_recorded(&t, &r, NULL, 13);
    assert_steps(&r, WIRE_PROBE, PROBE_step, steps, 5);
    assert_int_equal(recorded_count(&r, WIRE_STEP), 13);
    recorded_done(&r);
}

static void test_records_of_groups_wait_for_a_measured_update(void **state)
{
    (void)state;
    static const uint64_t steps[] = { 0, 4, 8, 9, 12 };
    static const struct traj_group group = { .name = "all", .size = N };
    struct trainer t;
    struct recorded r;
    set_up(&t, 4);
    struct traj_watch_segment segment = { TRAJ_F64, N, t.param, t.grad, 1 };
    t.options.n = 0;
    t.options.param = NULL;
    t.options.grad = NULL;
    t.options.segments = &segment;
    t.options.n_segments = 1;
    t.options.groups = &group;
    t.options.n_groups = 1;
    t.options.group_every = 3;
    t.options.different_every = UINT32_MAX;
    train_recorded(&t, &r, &group, 13);
    assert_steps(&r, WIRE_GROUP, GROUP_step, steps, 5);
    recorded_done(&r);
}

/* Of pairs (0,1), (4,5), ...: told with the step that they begin with. */
static void test_probes_of_consecutive_steps_are_of_measured_pairs(void **state)
{
    (void)state;
    static const uint64_t all[] = { 0, 4, 8 };
    static const uint64_t some[] = { 0, 8 };
    struct trainer t;
    struct recorded r;
    set_up(&t, 4);
    train_recorded(&t, &r, NULL, 12);
    assert_steps(&r, WIRE_PROBE, PROBE_step, all, 3);
    recorded_done(&r);
    set_up(&t, 4);
    t.options.different_every = 5;
    train_recorded(&t, &r, NULL, 12);
    assert_steps(&r, WIRE_PROBE, PROBE_step, some, 2);
    recorded_done(&r);
}

/* v before the first of two is not known, so g is known at the second. */
static void test_heavy_ball_gives_its_gradient_away_at_the_second(void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t, 4);
    t.momentum = MOMENTUM;
    t.options.grad = NULL;
    t.options.delta_only = 1;
    t.options.optimizer = TRAJ_OPTIMIZER_HEAVY_BALL;
    open_watch(&t, NULL);
    for (uint64_t k = 0; k < 12; k++) {
        struct traj_step step = train(&t, k);
        double grad_sq = 0;
        for (size_t i = 0; i < N; i++) {
            grad_sq += t.grad[i] * t.grad[i];
        }
        assert_int_equal(traj_is_unset(step.delta_sq), k % 4 > 1);
        assert_int_equal(traj_is_unset(step.grad_sq), k % 4 != 1);
        if (k % 4 == 1) {
            assert_true(step.grad_sq > grad_sq * (1 - 1e-12));
            assert_true(step.grad_sq < grad_sq * (1 + 1e-12));
        }
    }
    traj_watch_close(t.watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_the_first_two_of_so_many_are_measured_as_all_would_be),
        cmocka_unit_test(test_two_and_less_measure_all),
        cmocka_unit_test(
            test_what_the_trainer_flags_is_kept_and_a_spike_is_told),
        cmocka_unit_test(test_a_probe_that_is_due_waits_for_a_measured_update),
        cmocka_unit_test(test_records_of_groups_wait_for_a_measured_update),
        cmocka_unit_test(
            test_probes_of_consecutive_steps_are_of_measured_pairs),
        cmocka_unit_test(test_heavy_ball_gives_its_gradient_away_at_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

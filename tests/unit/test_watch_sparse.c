/* A watch that measures two updates of so many (measure_every), beside one that
 * measures all: what is measured is the same to the bit, what is not is told as
 * not measured, and what is due then comes later. The trainer is gradient
 * descent, or heavy ball, on 1/2 sum i x_i^2. */
#include <math.h>
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
    double steep; /* added to g */
    struct traj_watch_options options;
    traj_watch *watch;
};

static int gradient(void *context, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    double *g = ret_grad;
    *ret_loss = t->worse;
    for (size_t i = 0; i < N; i++) {
        g[i] = (double)(i + 1) * t->param[i] + t->steep;
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
    step.flags = TRAJ_STEP_NOT_MEASURED;
    return step;
}

enum told { UNMEASURED, ALONE, LOOKING_BACK };

/* What a watch of all says of the same update, as far as told. */
static struct traj_step expected_of(struct traj_step all, enum told told)
{
    if (told == UNMEASURED) {
        return said(&all);
    }
    if (told == ALONE) {
        forget_back(&all);
    }
    return all;
}

static void test_the_first_two_of_so_many_are_measured_as_all_would_be(
    void **state)
{
    (void)state;
    static const enum told told[] = { ALONE, LOOKING_BACK, UNMEASURED,
        UNMEASURED, UNMEASURED, ALONE, LOOKING_BACK, UNMEASURED, UNMEASURED,
        UNMEASURED, ALONE, LOOKING_BACK, UNMEASURED };
    struct trainer all, some;
    set_up(&all, 0);
    set_up(&some, 5);
    open_watch(&all, NULL);
    open_watch(&some, NULL);
    for (uint64_t k = 0; k < sizeof told / sizeof *told; k++) {
        const struct traj_step expected =
            expected_of(train(&all, 100 + 3 * k), told[k]);
        const struct traj_step step = train(&some, 100 + 3 * k);
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

/* An update that is not measured, with these flags. */
static uint64_t flags_after(struct trainer *t, uint64_t flags)
{
    struct traj_step step;
    traj_step_init(&step);
    step.flags = flags;
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    assert_int_equal(traj_after_update(t->watch, &step), TRAJ_OK);
    return step.flags;
}

static void test_what_the_trainer_flags_is_kept(void **state)
{
    (void)state;
    const uint64_t none = TRAJ_STEP_NOT_MEASURED;
    struct trainer t;
    set_up(&t, 1000);
    open_watch(&t, NULL);
    (void)train(&t, 0);
    (void)train(&t, 1);
    assert_int_equal(flags_after(&t, 0), none);
    assert_int_equal(flags_after(&t, TRAJ_UNSET_COUNT), none);
    assert_int_equal(
        flags_after(&t, TRAJ_STEP_FOUND_INF), none | TRAJ_STEP_FOUND_INF);
    traj_watch_close(t.watch);
}

static void train_many(struct trainer *t, uint64_t from, uint64_t to)
{
    for (uint64_t k = from; k < to; k++) {
        (void)train(t, k);
    }
}

/* Measured: 0, 1, 100, 101, ... The loss is of every step. */
static void test_a_spike_of_the_loss_is_told_of_any_update(void **state)
{
    (void)state;
    const uint64_t spike = TRAJ_STEP_NOT_MEASURED | TRAJ_STEP_SPIKE;
    struct trainer t;
    set_up(&t, 100);
    open_watch(&t, NULL);
    train_many(&t, 0, 250);
    t.worse = 1e6;
    assert_int_equal(train(&t, 250).flags, spike);
    t.worse = 0;
    assert_int_equal(train(&t, 251).flags, TRAJ_STEP_NOT_MEASURED);
    traj_watch_close(t.watch);
}

/* From the origin: the loss is 0, and each element of g this. */
static uint64_t flags_at_origin(struct trainer *t, uint64_t k, double g)
{
    memset(t->param, 0, sizeof t->param);
    t->steep = g;
    return train(t, k).flags;
}

static void test_a_spike_of_the_gradient_is_of_its_update_alone(void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t, 4);
    open_watch(&t, NULL);
    for (uint64_t k = 0; k < 401; k++) {
        (void)flags_at_origin(&t, k, 1);
    }
    assert_int_equal(flags_at_origin(&t, 401, 1e6), TRAJ_STEP_SPIKE);
    assert_int_equal(flags_at_origin(&t, 402, 1), TRAJ_STEP_NOT_MEASURED);
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
    train_many(t, 0, steps);
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

/* The updates that a spike of the loss has probed are measured for that. */
static void test_the_updates_of_a_burst_are_measured(void **state)
{
    (void)state;
    static const uint64_t steps[] = { 0, 150, 151, 152 };
    struct trainer t;
    struct recorded r;
    set_up(&t, 1000);
    t.options.gradient = gradient;
    t.options.context = &t;
    t.options.probe_every = 1000;
    t.options.burst_probes = 3;
    recorded_open(&r, NULL, 0);
    open_watch(&t, r.run);
    train_many(&t, 0, 149);
    t.worse = 1e6;
    train_many(&t, 149, 150);
    t.worse = 0;
    train_many(&t, 150, 200);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_steps(&r, WIRE_PROBE, PROBE_step, steps, 4);
    assert_true(recorded_has(recorded_at(&r, WIRE_STEP, 152), STEP_dgrad_sq));
    assert_false(recorded_has(recorded_at(&r, WIRE_STEP, 153), STEP_grad_sq));
    recorded_done(&r);
}

static double norm_sq(const double g[N])
{
    return g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
}

/* v before the first of a row is not known, so g is known from the second on,
 * and the third looks back. */
static void test_of_heavy_ball_three_in_a_row_are_measured(void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t, 5);
    t.momentum = MOMENTUM;
    t.options.grad = NULL;
    t.options.delta_only = 1;
    t.options.optimizer = TRAJ_OPTIMIZER_HEAVY_BALL;
    open_watch(&t, NULL);
    for (uint64_t k = 0; k < 15; k += 5) {
        struct traj_step step = train(&t, k);
        assert_false(traj_is_unset(step.delta_sq));
        assert_true(traj_is_unset(step.grad_sq));
        step = train(&t, k + 1);
        assert_true(fabs(step.grad_sq / norm_sq(t.grad) - 1) < 1e-12);
        assert_true(traj_is_unset(step.dgrad_sq));
        step = train(&t, k + 2);
        assert_true(fabs(step.grad_sq / norm_sq(t.grad) - 1) < 1e-12);
        assert_false(traj_is_unset(step.dgrad_sq));
        assert_int_equal(train(&t, k + 3).flags, TRAJ_STEP_NOT_MEASURED);
        assert_int_equal(train(&t, k + 4).flags, TRAJ_STEP_NOT_MEASURED);
    }
    traj_watch_close(t.watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_the_first_two_of_so_many_are_measured_as_all_would_be),
        cmocka_unit_test(test_two_and_less_measure_all),
        cmocka_unit_test(test_what_the_trainer_flags_is_kept),
        cmocka_unit_test(test_a_spike_of_the_loss_is_told_of_any_update),
        cmocka_unit_test(test_a_spike_of_the_gradient_is_of_its_update_alone),
        cmocka_unit_test(test_the_updates_of_a_burst_are_measured),
        cmocka_unit_test(test_a_probe_that_is_due_waits_for_a_measured_update),
        cmocka_unit_test(test_records_of_groups_wait_for_a_measured_update),
        cmocka_unit_test(
            test_probes_of_consecutive_steps_are_of_measured_pairs),
        cmocka_unit_test(test_of_heavy_ball_three_in_a_row_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

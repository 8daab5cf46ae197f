/*
 * Trainers that expose no gradient, and the free estimator of consecutive
 * steps. The function is f(x) = sum c_i x_i^2/2 + x_i^4/4, so that gradients
 * are no multiples of each other.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "traj.h"

#define N 4

struct trainer {
    double x[N], g[N], v[N];
    double lr, momentum;
    traj_watch *watch;
};

static void gradient(struct trainer *t)
{
    for (size_t i = 0; i < N; i++) {
        const double x = t->x[i];
        t->g[i] = (double)(i + 1) * x + x * x * x;
    }
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static struct trainer new_trainer(void)
{
    return (struct trainer){
        .x = { 1, -0.7, 0.6, 1.3 }, .lr = 0.01, .momentum = 0.9
    };
}

static struct traj_watch_options options_of(
    struct trainer *t, enum traj_optimizer optimizer)
{
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.dtype = TRAJ_F64;
    o.n = N;
    o.param = t->x;
    o.delta_only = 1;
    o.optimizer = optimizer;
    return o;
}

/* One update of heavy ball, of which plain descent is the case momentum 0. */
static struct traj_step train(struct trainer *t, uint64_t k)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = k;
    step.lr = t->lr;
    step.momentum = t->momentum;
    gradient(t);
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    for (size_t i = 0; i < N; i++) {
        t->v[i] = t->momentum * t->v[i] + t->g[i];
        t->x[i] -= t->lr * t->v[i];
    }
    assert_int_equal(traj_after_update(t->watch, &step), TRAJ_OK);
    return step;
}

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-10 * fabs(expected));
}

static void test_the_gradient_follows_from_the_update_of_plain_descent(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    const struct traj_watch_options o = options_of(&t, TRAJ_OPTIMIZER_SGD);
    t.momentum = 0;
    assert_int_equal(traj_watch_open(NULL, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 0);
    double before[N], dg[N], d[N];
    memcpy(before, t.g, sizeof before);
    const struct traj_step step = train(&t, 1);
    for (size_t i = 0; i < N; i++) {
        dg[i] = t.g[i] - before[i];
        d[i] = -t.lr * before[i];
    }
    assert_int_equal(step.flags, TRAJ_STEP_FROM_DELTA);
    assert_close(step.grad_sq, dot(t.g, t.g));
    assert_close(step.grad_prev, dot(t.g, before));
    assert_close(step.dgrad_sq, dot(dg, dg));
    assert_close(step.dgrad_delta, dot(dg, d));
    assert_close(step.grad_delta, -t.lr * dot(t.g, t.g));
    traj_watch_close(t.watch);
}

static void test_the_gradient_follows_from_the_updates_of_heavy_ball(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    const struct traj_watch_options o =
        options_of(&t, TRAJ_OPTIMIZER_HEAVY_BALL);
    assert_int_equal(traj_watch_open(NULL, &o, &t.watch), TRAJ_OK);
    /* What was in the trainer's buffer before is not known. */
    const struct traj_step first = train(&t, 0);
    assert_true(traj_is_unset(first.grad_sq) && first.delta_sq > 0);
    assert_true(fabs(first.param_sq - (1 + 0.49 + 0.36 + 1.69)) < 1e-14);
    for (uint64_t k = 1; k < 20; k++) {
        const struct traj_step step = train(&t, k);
        assert_close(step.grad_sq, dot(t.g, t.g));
    }
    /* Taken for plain descent it would be far off. */
    assert_true(dot(t.v, t.v) > 4 * dot(t.g, t.g));
    traj_watch_close(t.watch);
}

static void test_a_step_without_length_gives_no_gradient_away(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    const struct traj_watch_options o =
        options_of(&t, TRAJ_OPTIMIZER_HEAVY_BALL);
    assert_int_equal(traj_watch_open(NULL, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 0);
    t.lr = 0;
    struct traj_step step = train(&t, 1);
    assert_true(traj_is_unset(step.grad_sq) && step.delta_sq == 0);
    assert_int_equal(step.flags, TRAJ_STEP_SKIPPED);
    t.lr = 0.01;
    step = train(&t, 2); /* the velocity before is not known */
    assert_true(traj_is_unset(step.grad_sq) && step.delta_sq > 0);
    step = train(&t, 3);
    assert_close(step.grad_sq, dot(t.g, t.g));
    assert_true(traj_is_unset(step.grad_prev));
    step = train(&t, 4);
    assert_false(traj_is_unset(step.grad_prev));
    traj_watch_close(t.watch);
}

static void test_consecutive_steps_are_probes_of_their_own_class(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct recorded r;
    recorded_open(&r, NULL, 0);
    t.momentum = 0;
    const struct traj_watch_options o = options_of(&t, TRAJ_OPTIMIZER_SGD);
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    double g[2][N], dg[N];
    (void)train(&t, 5);
    memcpy(g[0], t.g, sizeof g[0]);
    (void)train(&t, 6);
    memcpy(g[1], t.g, sizeof g[1]);
    (void)train(&t, 7);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_int_equal(recorded_count(&r, WIRE_PROBE), 2);
    const struct recorded_one *p = recorded_at(&r, WIRE_PROBE, 0);
    for (size_t i = 0; i < N; i++) {
        dg[i] = g[1][i] - g[0][i];
    }
    const double r0 = t.lr * sqrt(dot(g[0], g[0]));
    assert_int_equal(
        recorded_u64(p, PROBE_estimator), TRAJ_ESTIMATOR_DIFFERENT);
    assert_int_equal(recorded_u64(p, PROBE_flags), TRAJ_PROBE_FROM_DELTA);
    assert_int_equal(recorded_u64(p, PROBE_step), 5);
    assert_int_equal(recorded_u64(p, PROBE_grad_evals), 0);
    assert_close(recorded_f64(p, PROBE_smoothness), sqrt(dot(dg, dg)) / r0);
    assert_close(recorded_f64(p, PROBE_grad_sq), dot(g[0], g[0]));
    assert_close(recorded_f64(p, PROBE_grad_end_sq), dot(g[1], g[1]));
    assert_close(recorded_f64(p, PROBE_ceiling),
        (sqrt(dot(g[0], g[0])) + sqrt(dot(g[1], g[1]))) / r0);
    /* The floor is far below and not zero. */
    assert_true(recorded_f64(p, PROBE_rounding_floor) > 0);
    assert_true(recorded_f64(p, PROBE_rounding_floor) <
                1e-9 * recorded_f64(p, PROBE_smoothness));
    recorded_done(&r);
}

static void test_microbatches_tell_the_noise_of_different_batches(void **state)
{
    (void)state;
    struct recorded r;
    double x[2] = { 1, 1 };
    double g[2] = { 3, 4 };
    recorded_open(&r, NULL, 0);
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.dtype = TRAJ_F64;
    o.n = 2;
    o.param = x;
    o.grad = g;
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(r.run, &o, &watch), TRAJ_OK);
    for (uint64_t k = 0; k < 2; k++) {
        struct traj_step step;
        traj_step_init(&step);
        step.step = k;
        step.micro_batches = 4;
        step.micro_grad_sq = 25 + 3 * 48;
        g[0] = k == 0 ? 3 : -3;
        assert_int_equal(traj_before_update(watch, &step), TRAJ_OK);
        x[0] -= 2;
        assert_int_equal(traj_after_update(watch, &step), TRAJ_OK);
    }
    traj_watch_close(watch);
    recorded_close_run(&r);
    const struct recorded_one *p = recorded_at(&r, WIRE_PROBE, 0);
    /* noise_sq = (mean - 25)/3 = 48; floor sqrt(2 48)/2 = 4.9; y = 6/2. */
    assert_true(recorded_f64(p, PROBE_smoothness) == 3);
    assert_true(recorded_f64(p, PROBE_noise_sq) == 48);
    assert_true(fabs(recorded_f64(p, PROBE_noise_floor) - sqrt(24)) < 1e-14);
    assert_int_equal(recorded_u64(p, PROBE_flags), TRAJ_PROBE_NOISE_LIMITED);
    recorded_done(&r);
}

static void test_an_update_that_was_not_told_makes_the_velocity_unknown(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    const struct traj_watch_options o =
        options_of(&t, TRAJ_OPTIMIZER_HEAVY_BALL);
    assert_int_equal(traj_watch_open(NULL, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 0);
    (void)train(&t, 1);
    struct traj_step lost;
    traj_step_init(&lost);
    assert_int_equal(traj_before_update(t.watch, &lost), TRAJ_OK);
    assert_true(traj_is_unset(train(&t, 2).grad_sq));
    const struct traj_step step = train(&t, 3);
    assert_close(step.grad_sq, dot(t.g, t.g));
    traj_watch_close(t.watch);
}

/* Two steps of a watch without a callback; the loss scale of each is given. */
static const struct recorded_one *probe_of_scales(
    struct recorded *r, double scale_0, double scale_1)
{
    double x[2] = { 1, 1 };
    double g[2] = { 0, 0 };
    const double scales[2] = { scale_0, scale_1 };
    recorded_open(r, NULL, 0);
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.dtype = TRAJ_F64;
    o.n = 2;
    o.param = x;
    o.grad = g;
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(r->run, &o, &watch), TRAJ_OK);
    for (uint64_t k = 0; k < 2; k++) {
        struct traj_step step;
        traj_step_init(&step);
        step.step = k;
        step.stage = TRAJ_STAGE_SCALED | TRAJ_STAGE_ACCUMULATED;
        step.loss_scale = scales[k];
        step.micro_batches = 4;
        step.micro_grad_sq = (5 * 5 + 3 * 0.5) * scales[k] * scales[k];
        g[0] = (k == 0 ? 3 : -3) * 4 * scales[k];
        g[1] = 4 * 4 * scales[k];
        assert_int_equal(traj_before_update(watch, &step), TRAJ_OK);
        x[0] -= 2;
        assert_int_equal(traj_after_update(watch, &step), TRAJ_OK);
    }
    traj_watch_close(watch);
    recorded_close_run(r);
    return recorded_count(r, WIRE_PROBE) > 0 ? recorded_at(r, WIRE_PROBE, 0)
                                             : NULL;
}

static void test_probes_are_in_the_units_of_the_loss(void **state)
{
    (void)state;
    struct recorded r;
    /* (3, 4) and (-3, 4), 2 apart, whatever they were multiplied by. */
    const struct recorded_one *p = probe_of_scales(&r, 1024, 1024);
    assert_true(recorded_f64(p, PROBE_smoothness) == 3);
    assert_true(recorded_f64(p, PROBE_grad_sq) == 25);
    assert_true(recorded_f64(p, PROBE_grad_end_sq) == 25);
    assert_true(recorded_f64(p, PROBE_grad_delta) == -6);
    assert_true(recorded_f64(p, PROBE_noise_sq) == 0.5);
    assert_true(recorded_f64(p, PROBE_ceiling) == 5);
    recorded_done(&r);
}

static void test_gradients_of_two_scales_make_no_probe(void **state)
{
    (void)state;
    struct recorded r;
    assert_null(probe_of_scales(&r, 1024, 2048));
    recorded_done(&r);
}

static void test_a_difference_that_rounding_leaves_is_flagged(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct recorded r;
    recorded_open(&r, NULL, 0);
    t.momentum = 0;
    t.lr = 1e-12; /* d is 1e-12 of x: 13 bits of it are left */
    const struct traj_watch_options o = options_of(&t, TRAJ_OPTIMIZER_SGD);
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 0);
    (void)train(&t, 1);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    const uint64_t flags =
        recorded_u64(recorded_at(&r, WIRE_PROBE, 0), PROBE_flags);
    assert_int_equal(flags & TRAJ_PROBE_ROUNDING, TRAJ_PROBE_ROUNDING);
    recorded_done(&r);
}

static void refused(const struct traj_watch_options *options, const char *text)
{
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(NULL, options, &watch), TRAJ_EINVAL);
    assert_null(watch);
    assert_non_null(strstr(traj_last_error(), text));
}

static int no_gradient(void *context, void *ret_grad, double *ret_loss)
{
    (void)context;
    (void)ret_grad;
    (void)ret_loss;
    return 1;
}

static void test_an_optimizer_that_keeps_its_gradient_is_refused(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct traj_watch_options o = options_of(&t, TRAJ_OPTIMIZER_UNKNOWN);
    refused(&o, "needs optimizer SGD or HEAVY_BALL");
    o = options_of(&t, TRAJ_OPTIMIZER_SGD);
    o.gradient = no_gradient;
    refused(&o, "there is a callback");
    o = options_of(&t, TRAJ_OPTIMIZER_SGD);
    o.grad = t.g;
    refused(&o, "there is a grad");
    o = options_of(&t, TRAJ_OPTIMIZER_SGD);
    o.dtype = TRAJ_BF16;
    refused(&o, "mostly rounding");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_the_gradient_follows_from_the_update_of_plain_descent),
        cmocka_unit_test(
            test_the_gradient_follows_from_the_updates_of_heavy_ball),
        cmocka_unit_test(test_a_step_without_length_gives_no_gradient_away),
        cmocka_unit_test(test_consecutive_steps_are_probes_of_their_own_class),
        cmocka_unit_test(test_microbatches_tell_the_noise_of_different_batches),
        cmocka_unit_test(
            test_an_update_that_was_not_told_makes_the_velocity_unknown),
        cmocka_unit_test(test_probes_are_in_the_units_of_the_loss),
        cmocka_unit_test(test_gradients_of_two_scales_make_no_probe),
        cmocka_unit_test(test_a_difference_that_rounding_leaves_is_flagged),
        cmocka_unit_test(test_an_optimizer_that_keeps_its_gradient_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

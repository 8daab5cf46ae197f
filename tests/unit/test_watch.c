/* The watch: what it fills in, when it probes, and that training is none the
 * wiser. The trainer is gradient descent on 1/2 sum i x_i^2. */
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "traj.h"

#define N 3

struct trainer {
    double param[N], grad[N];
    double clip; /* in place, to this norm; 0 = none */
    int calls;
    bool gives_up;
    traj_watch *watch;
};

static void gradient(const double *x, double *g)
{
    for (size_t i = 0; i < N; i++) {
        g[i] = (double)(i + 1) * x[i];
    }
}

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    t->calls++;
    gradient(t->param, ret_grad);
    *ret_loss = 2;
    return t->gives_up;
}

static struct trainer new_trainer(void)
{
    return (struct trainer){ .param = { 1, 2, 3 } };
}

static struct traj_watch_options options_of(struct trainer *t)
{
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = TRAJ_F64;
    options.n = N;
    options.param = t->param;
    options.grad = t->grad;
    options.gradient = callback;
    options.context = t;
    options.probe_every = 1;
    return options;
}

static void open_watch(struct trainer *t, traj_run *run)
{
    const struct traj_watch_options options = options_of(t);
    assert_int_equal(traj_watch_open(run, &options, &t->watch), TRAJ_OK);
}

static void clip(struct trainer *t)
{
    double size = sqrt(t->grad[0] * t->grad[0] + t->grad[1] * t->grad[1] +
                       t->grad[2] * t->grad[2]);
    for (size_t i = 0; i < N && t->clip > 0 && size > t->clip; i++) {
        t->grad[i] *= t->clip / size;
    }
}

static enum traj_status train(
    struct trainer *t, uint64_t k, double lr, struct traj_step *step)
{
    traj_step_init(step);
    step->step = k;
    step->lr = lr;
    step->loss = 5;
    gradient(t->param, t->grad);
    enum traj_status status = TRAJ_OK;
    if (t->watch != NULL) {
        status = traj_before_update(t->watch, step);
        assert_int_equal(status, TRAJ_OK);
    }
    clip(t);
    for (size_t i = 0; i < N; i++) {
        t->param[i] -= lr * t->grad[i];
    }
    return t->watch != NULL ? traj_after_update(t->watch, step) : status;
}

static struct traj_step trained(struct trainer *t, uint64_t k, double lr)
{
    struct traj_step step;
    assert_int_equal(train(t, k, lr, &step), TRAJ_OK);
    return step;
}

static void test_a_step_is_filled_in(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    /* g = (1, 4, 9), d = -g/2 */
    struct traj_step step = trained(&t, 7, 0.5);
    assert_true(step.param_sq == 14 && step.grad_sq == 98);
    assert_true(step.delta_sq == 24.5 && step.grad_delta == -49);
    assert_true(step.grad_max_abs == 9 && step.grad_nan == 0);
    assert_true(step.param_inf == 0 && step.clip_scale == 1);
    assert_true(step.grad_clipped_sq == 98 && step.flags == 0);
    assert_true(traj_is_unset(step.grad_prev));
    assert_true(traj_is_unset(step.dgrad_sq));
    assert_true(traj_is_unset(step.dgrad_delta));
    /* x = (.5, 0, -1.5), g = (.5, 0, -4.5), d_{k-1} = (-.5, -2, -4.5) */
    step = trained(&t, 8, 0.5);
    assert_true(step.grad_sq == 20.5 && step.grad_prev == -40);
    assert_true(step.dgrad_sq == 0.25 + 16 + 182.25);
    assert_true(step.dgrad_delta == 0.25 + 8 + 60.75);
    traj_watch_close(t.watch);
}

/* Longer than a block of the sums, with an end that fills no row. */
#define LONG 5003

static void test_long_arrays_are_measured_as_by_hand(void **state)
{
    (void)state;
    static float x[LONG], g[LONG], x0[LONG], g0[LONG];
    for (size_t i = 0; i < LONG; i++) {
        x[i] = x0[i] = 1 + (float)i / LONG;
        g[i] = g0[i] = x[i] * x[i];
    }
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = TRAJ_F32;
    options.n = LONG;
    options.param = x;
    options.grad = g;
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(NULL, &options, &watch), TRAJ_OK);
    struct traj_step step;
    for (uint64_t k = 0; k < 3; k++) {
        struct traj_moments back, after;
        traj_step_init(&step);
        step.step = k;
        assert_int_equal(
            traj_moments(TRAJ_F32, LONG, x, g, x0, g0, &back), TRAJ_OK);
        assert_int_equal(traj_before_update(watch, &step), TRAJ_OK);
        assert_true(k == 0 || step.dgrad_sq == back.dgrad_sq);
        assert_true(k == 0 || step.dgrad_delta == back.dgrad_delta);
        assert_true(k == 0 || step.grad_prev == back.grad_prev);
        memcpy(x0, x, sizeof x);
        memcpy(g0, g, sizeof g);
        for (size_t i = 0; i < LONG; i++) {
            x[i] -= g[i] / 64;
        }
        assert_int_equal(
            traj_moments(TRAJ_F32, LONG, x, g, x0, g0, &after), TRAJ_OK);
        assert_int_equal(traj_after_update(watch, &step), TRAJ_OK);
        assert_true(step.delta_sq == after.delta_sq);
        assert_true(step.grad_delta == after.grad_delta);
        for (size_t i = 0; i < LONG; i++) {
            g[i] = x[i] * x[i];
        }
    }
    traj_watch_close(watch);
}

static void test_the_probe_is_of_the_update_just_made(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    assert_null(traj_watch_probe(t.watch));
    (void)trained(&t, 7, 0.5);
    const struct traj_probe *probe = traj_watch_probe(t.watch);
    assert_non_null(probe);
    assert_true(probe->step == 7 && probe->lr == 0.5 && probe->loss == 5);
    assert_true(probe->loss_end == 2 && probe->delta_sq == 24.5);
    assert_int_equal(probe->estimator, TRAJ_ESTIMATOR_SAME_BATCH);
    assert_int_equal(probe->n_points, 2);
    assert_true(probe->points[0].gamma == 0.5);
    assert_true(probe->cost_ns != TRAJ_UNSET_COUNT);
    assert_true(probe->batch_samples == TRAJ_UNSET_COUNT);
    assert_true(
        fabs(probe->smoothness - sqrt((0.25 + 16 + 182.25) / 24.5)) < 1e-12);
    traj_watch_close(t.watch);
}

static void test_training_is_the_same_bit_for_bit(void **state)
{
    (void)state;
    struct trainer plain = new_trainer();
    struct trainer watched = new_trainer();
    plain.clip = watched.clip = 1.1;
    open_watch(&watched, NULL);
    for (uint64_t k = 0; k < 50; k++) {
        (void)trained(&plain, k, 0.13);
        (void)trained(&watched, k, 0.13);
        assert_memory_equal(plain.param, watched.param, sizeof plain.param);
        assert_memory_equal(plain.grad, watched.grad, sizeof plain.grad);
    }
    traj_watch_close(watched.watch);
}

static void test_clipping_in_place_is_measured(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    t.clip = 2;
    open_watch(&t, NULL);
    struct traj_step step = trained(&t, 0, 0.5);
    assert_true(step.grad_sq == 98);
    assert_true(fabs(step.clip_scale - 2 / sqrt(98)) < 1e-15);
    assert_true(fabs(step.grad_clipped_sq - 4) < 1e-14);
    assert_int_equal(step.flags, TRAJ_STEP_CLIPPED);
    traj_watch_close(t.watch);
}

/* before, some change of the gradient array, after. */
static struct traj_step changed(struct trainer *t, double threshold,
    double scale, const double gradient_after[N])
{
    struct traj_step step;
    traj_step_init(&step);
    step.clip_threshold = threshold;
    step.clip_scale = scale;
    gradient(t->param, t->grad);
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    if (gradient_after != NULL) {
        memcpy(t->grad, gradient_after, sizeof t->grad);
    }
    t->param[0] += 1;
    assert_int_equal(traj_after_update(t->watch, &step), TRAJ_OK);
    return step;
}

static void test_clipping_that_cannot_be_told_is_left_unset(void **state)
{
    (void)state;
    static const double cleared[N] = { 0, 0, 0 };
    static const double values_clipped[N] = { 1, 2, 2 };
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    const double none = traj_unset();
    struct traj_step step = changed(&t, none, none, cleared);
    assert_true(traj_is_unset(step.clip_scale) && step.flags == 0);
    step = changed(&t, none, none, values_clipped);
    assert_true(traj_is_unset(step.clip_scale) && step.flags == 0);
    assert_true(traj_is_unset(step.grad_clipped_sq));
    /* An untouched array above the threshold: clipped, but not here. */
    step = changed(&t, 0.5, none, NULL);
    assert_true(traj_is_unset(step.clip_scale) && step.flags == 0);
    /* What the trainer says of itself stands. */
    step = changed(&t, 0.5, 0.25, NULL);
    assert_true(step.clip_scale == 0.25 && step.flags == TRAJ_STEP_CLIPPED);
    assert_true(traj_is_unset(step.grad_clipped_sq));
    traj_watch_close(t.watch);
}

/* As changed, of a g that is scaled by 8 and then multiplied by a factor. */
static double told_of_scaled(
    struct trainer *t, uint32_t stage, double threshold, double factor)
{
    struct traj_step step;
    traj_step_init(&step);
    step.stage = stage;
    step.loss_scale = 8;
    step.clip_threshold = threshold;
    gradient(t->param, t->grad);
    for (size_t i = 0; i < N; i++) {
        t->grad[i] *= 8;
    }
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    for (size_t i = 0; i < N; i++) {
        t->grad[i] *= factor;
    }
    t->param[0] += 1;
    assert_int_equal(traj_after_update(t->watch, &step), TRAJ_OK);
    assert_int_equal(step.flags & TRAJ_STEP_CLIPPED,
        step.clip_scale < 1 ? TRAJ_STEP_CLIPPED : 0);
    return step.clip_scale;
}

static void test_a_gradient_unscaled_in_place_is_not_clipped(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct traj_watch_options options = options_of(&t);
    options.gradient = NULL;
    assert_int_equal(traj_watch_open(NULL, &options, &t.watch), TRAJ_OK);
    const double none = traj_unset();
    const uint32_t scaled = TRAJ_STAGE_SCALED;
    assert_true(traj_is_unset(told_of_scaled(&t, scaled, none, 1.0 / 8)));
    assert_true(traj_is_unset(told_of_scaled(&t, scaled, none, 0.5 / 8)));
    assert_true(fabs(told_of_scaled(&t, scaled, none, 0.5) - 0.5) < 1e-14);
    assert_true(fabs(told_of_scaled(&t, 0, none, 1.0 / 8) - 0.125) < 1e-14);
    /* By ranks that a watch does not know. */
    assert_true(
        traj_is_unset(told_of_scaled(&t, TRAJ_STAGE_REDUCED, none, 0.5)));
    traj_watch_close(t.watch);
}

static void test_a_threshold_is_in_the_units_of_the_loss(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct traj_watch_options options = options_of(&t);
    options.gradient = NULL;
    assert_int_equal(traj_watch_open(NULL, &options, &t.watch), TRAJ_OK);
    /* ||g|| = sqrt(98) at first, and sqrt(101) then */
    const uint32_t scaled = TRAJ_STAGE_SCALED;
    assert_true(told_of_scaled(&t, scaled, 10, 1) == 1);
    assert_true(traj_is_unset(told_of_scaled(&t, scaled, 10, 1)));
    assert_true(traj_is_unset(told_of_scaled(&t, TRAJ_STAGE_REDUCED, 1000, 1)));
    traj_watch_close(t.watch);
}

static void test_an_update_that_did_not_happen_is_flagged(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    struct traj_step step = trained(&t, 0, 0);
    assert_int_equal(step.flags, TRAJ_STEP_SKIPPED);
    assert_true(step.delta_sq == 0);
    assert_int_equal(traj_watch_probe(t.watch)->flags, TRAJ_PROBE_TINY_STEP);
    traj_watch_close(t.watch);
}

/* The flags of a step whose gradient overflows, with lr. */
static uint64_t flags_of_overflow(uint64_t flags, double lr)
{
    struct trainer t = new_trainer();
    struct traj_step step;
    open_watch(&t, NULL);
    traj_step_init(&step);
    step.flags = flags;
    gradient(t.param, t.grad);
    t.grad[1] = (double)INFINITY;
    assert_int_equal(traj_before_update(t.watch, &step), TRAJ_OK);
    t.param[0] -= lr * t.grad[0];
    assert_int_equal(traj_after_update(t.watch, &step), TRAJ_OK);
    traj_watch_close(t.watch);
    return step.flags;
}

static void test_an_overflow_that_the_loss_scaler_left_out_is_no_spike(
    void **state)
{
    (void)state;
    const uint64_t seen = TRAJ_STEP_FOUND_INF;
    assert_int_equal(flags_of_overflow(seen, 0), seen | TRAJ_STEP_SKIPPED);
    assert_int_equal(flags_of_overflow(seen, 0.1), seen | TRAJ_STEP_SPIKE);
    assert_int_equal(
        flags_of_overflow(0, 0), TRAJ_STEP_SKIPPED | TRAJ_STEP_SPIKE);
}

static void test_a_step_without_its_update_is_no_previous_step(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    (void)trained(&t, 0, 0.1);
    struct traj_step lost;
    traj_step_init(&lost);
    assert_int_equal(traj_before_update(t.watch, &lost), TRAJ_OK);
    assert_false(traj_is_unset(lost.grad_prev));
    struct traj_step step = trained(&t, 1, 0.1);
    assert_true(traj_is_unset(step.grad_prev));
    step = trained(&t, 2, 0.1);
    assert_false(traj_is_unset(step.grad_prev));
    traj_watch_close(t.watch);
}

static int calls_in_10_steps(uint32_t every, int check)
{
    struct trainer t = new_trainer();
    struct traj_watch_options options = options_of(&t);
    options.probe_every = every;
    options.check_idempotence = check;
    assert_int_equal(traj_watch_open(NULL, &options, &t.watch), TRAJ_OK);
    for (uint64_t k = 0; k < 10; k++) {
        (void)trained(&t, k, 0.01);
    }
    traj_watch_close(t.watch);
    return t.calls;
}

static void test_probes_come_at_the_first_step_and_every_so_often(void **state)
{
    (void)state;
    assert_int_equal(calls_in_10_steps(1, 0), 20);
    assert_int_equal(calls_in_10_steps(4, 0), 6);
    assert_int_equal(calls_in_10_steps(UINT32_MAX, 0), 0);
    assert_int_equal(calls_in_10_steps(5, 1), 5);
}

static void test_a_watch_without_a_callback_never_probes(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct traj_watch_options options = options_of(&t);
    options.gradient = NULL;
    assert_int_equal(traj_watch_open(NULL, &options, &t.watch), TRAJ_OK);
    (void)trained(&t, 0, 0.1);
    assert_null(traj_watch_probe(t.watch));
    traj_watch_close(t.watch);
}

static void test_a_probe_given_up_leaves_the_step_and_the_parameters(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    t.gives_up = true;
    open_watch(&t, NULL);
    struct traj_step step;
    assert_int_equal(train(&t, 0, 0.5, &step), TRAJ_ECALLBACK);
    assert_true(step.delta_sq == 24.5);
    assert_true(t.param[0] == 0.5 && t.param[2] == -1.5);
    assert_null(traj_watch_probe(t.watch));
    t.gives_up = false;
    (void)trained(&t, 1, 0.5);
    assert_non_null(traj_watch_probe(t.watch));
    traj_watch_close(t.watch);
}

static void test_nan_in_a_trapping_trainer_is_measured_without_a_trap(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct traj_watch_options options = options_of(&t);
    options.subset_fraction = traj_unset();
    assert_int_equal(traj_watch_open(NULL, &options, &t.watch), TRAJ_OK);
    struct traj_step step;
    traj_step_init(&step);
    t.grad[1] = (double)NAN;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    enum traj_status before = traj_before_update(t.watch, &step);
    enum traj_status after = traj_after_update(t.watch, &step);
    (void)fedisableexcept(FE_ALL_EXCEPT);
    assert_int_equal(before, TRAJ_OK);
    assert_int_equal(after, TRAJ_OK);
    assert_int_equal(step.grad_nan, 1);
    assert_int_equal(step.flags, TRAJ_STEP_SKIPPED | TRAJ_STEP_SPIKE);
    assert_true(traj_is_unset(step.clip_scale));
    traj_watch_close(t.watch);
}

static void test_steps_and_probes_are_recorded_in_the_run(void **state)
{
    (void)state;
    char dir[] = "/tmp/trajwatchXXXXXX";
    assert_non_null(mkdtemp(dir));
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = dir;
    options.mode = TRAJ_MODE_OFFLINE;
    traj_run *run = NULL;
    assert_int_equal(traj_open(&options, &run), TRAJ_OK);
    struct trainer t = new_trainer();
    open_watch(&t, run);
    for (uint64_t k = 0; k < 3; k++) {
        (void)trained(&t, k, 0.1);
    }
    struct traj_stats stats = { .size = sizeof stats };
    assert_int_equal(traj_get_stats(run, &stats), TRAJ_OK);
    assert_int_equal(stats.recorded, 6);
    traj_watch_close(t.watch);
    traj_close(run);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static int product(void *context, const void *v, void *ret_hv)
{
    (void)context;
    (void)v;
    (void)ret_hv;
    return 1;
}

static void refused(const struct traj_watch_options *options,
    enum traj_status status, const char *text)
{
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(NULL, options, &watch), status);
    assert_null(watch);
    assert_non_null(strstr(traj_last_error(), text));
}

static void test_wrong_options_are_refused(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    struct traj_watch_options o = options_of(&t);
    refused(NULL, TRAJ_EINVAL, "size");
    o.size = 0;
    refused(&o, TRAJ_EINVAL, "size");
    o = options_of(&t);
    o.param = NULL;
    refused(&o, TRAJ_ENOGRAD, "param of segment 0 is NULL");
    o = options_of(&t);
    o.grad = NULL;
    refused(&o, TRAJ_ENOGRAD, "grad of segment 0 is NULL");
    o = options_of(&t);
    o.grad = o.param;
    refused(&o, TRAJ_EINVAL, "param and grad of segment 0 are one array");
    o = options_of(&t);
    o.n = SIZE_MAX / 8;
    refused(&o, TRAJ_EINVAL, "n of segment 0 is too large");
    o = options_of(&t);
    o.n = 0;
    refused(&o, TRAJ_EINVAL, "n is 0, of every segment");
    o = options_of(&t);
    o.n_gammas = 33;
    refused(&o, TRAJ_EINVAL, "gammas is NULL");
    o = options_of(&t);
    o.dtype = (enum traj_dtype)5;
    refused(&o, TRAJ_EINVAL, "dtype 5");
}

static void test_probes_that_could_never_be_taken_are_refused_at_once(
    void **state)
{
    (void)state;
    static const double falling[] = { 1, 0.5 };
    struct trainer t = new_trainer();
    struct traj_watch_options o = options_of(&t);
    o.gammas = falling;
    o.n_gammas = 2;
    refused(&o, TRAJ_EINVAL, "not above the one before");
    o = options_of(&t);
    o.estimator = TRAJ_ESTIMATOR_DIFFERENT;
    refused(&o, TRAJ_EINVAL, "estimator 5 is none of a callback");
    o = options_of(&t);
    o.estimator = TRAJ_ESTIMATOR_MICROBATCH;
    refused(&o, TRAJ_EINVAL, "needs micro_gradient");
    o = options_of(&t);
    o.gradient = NULL;
    o.hvp = product;
    refused(&o, TRAJ_EINVAL, "there is no gradient callback");
    o = options_of(&t);
    o.probe_budget = 1.5;
    refused(&o, TRAJ_EINVAL, "probe_budget is not in 0..1");
    o = options_of(&t);
    o.subset_fraction = 2;
    refused(&o, TRAJ_EINVAL, "subset_fraction is not in 0..1");
    o = options_of(&t);
    o.gradient = NULL;
    o.sharpness_every = 1;
    refused(&o, TRAJ_EINVAL, "sharpness_every needs gradient");
}

/* Whoever says how it clipped may have let go of its gradients. */
static void test_a_gradient_is_not_read_again_where_the_scale_is_told(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    double *grad = mmap(
        NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(grad != MAP_FAILED);
    struct traj_watch_options options = options_of(&t);
    options.grad = grad;
    options.gradient = NULL;
    options.context = NULL;
    assert_int_equal(traj_watch_open(NULL, &options, &t.watch), TRAJ_OK);
    struct traj_step step;
    traj_step_init(&step);
    step.clip_scale = 0.5;
    gradient(t.param, grad); /* 1, 4, 9 */
    assert_int_equal(traj_before_update(t.watch, &step), TRAJ_OK);
    assert_int_equal(mprotect(grad, page, PROT_NONE), 0);
    t.param[1] -= 2;
    assert_int_equal(traj_after_update(t.watch, &step), TRAJ_OK);
    assert_true(step.delta_sq == 4 && step.grad_delta == -8);
    traj_watch_close(t.watch);
    assert_int_equal(munmap(grad, page), 0);
}

static void test_a_scale_that_is_not_told_makes_no_probe(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    struct traj_step step;
    traj_step_init(&step);
    step.stage = TRAJ_STAGE_SCALED;
    gradient(t.param, t.grad);
    assert_int_equal(traj_before_update(t.watch, &step), TRAJ_OK);
    t.param[0] += 1;
    assert_int_equal(traj_after_update(t.watch, &step), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "loss_scale is not set"));
    assert_null(traj_watch_probe(t.watch));
    assert_true(step.delta_sq == 1); /* the step is whole */
    traj_watch_close(t.watch);
}

static void test_wrong_calls_are_refused(void **state)
{
    (void)state;
    struct trainer t = new_trainer();
    open_watch(&t, NULL);
    struct traj_step step = { .size = 0 };
    assert_int_equal(traj_before_update(t.watch, &step), TRAJ_EINVAL);
    traj_step_init(&step);
    assert_int_equal(traj_before_update(NULL, &step), TRAJ_EINVAL);
    assert_int_equal(traj_before_update(t.watch, NULL), TRAJ_EINVAL);
    assert_int_equal(traj_after_update(t.watch, &step), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "without traj_before_update"));
    traj_watch_close(t.watch);
    traj_watch_close(NULL);
    assert_null(traj_watch_probe(NULL));
    const struct traj_watch_options options = options_of(&t);
    assert_int_equal(traj_watch_open(NULL, &options, NULL), TRAJ_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_is_filled_in),
        cmocka_unit_test(test_long_arrays_are_measured_as_by_hand),
        cmocka_unit_test(test_the_probe_is_of_the_update_just_made),
        cmocka_unit_test(test_training_is_the_same_bit_for_bit),
        cmocka_unit_test(test_clipping_in_place_is_measured),
        cmocka_unit_test(test_clipping_that_cannot_be_told_is_left_unset),
        cmocka_unit_test(test_a_gradient_unscaled_in_place_is_not_clipped),
        cmocka_unit_test(test_a_threshold_is_in_the_units_of_the_loss),
        cmocka_unit_test(test_an_update_that_did_not_happen_is_flagged),
        cmocka_unit_test(
            test_an_overflow_that_the_loss_scaler_left_out_is_no_spike),
        cmocka_unit_test(test_a_step_without_its_update_is_no_previous_step),
        cmocka_unit_test(test_probes_come_at_the_first_step_and_every_so_often),
        cmocka_unit_test(test_a_watch_without_a_callback_never_probes),
        cmocka_unit_test(
            test_a_probe_given_up_leaves_the_step_and_the_parameters),
        cmocka_unit_test(
            test_nan_in_a_trapping_trainer_is_measured_without_a_trap),
        cmocka_unit_test(test_steps_and_probes_are_recorded_in_the_run),
        cmocka_unit_test(test_wrong_options_are_refused),
        cmocka_unit_test(
            test_probes_that_could_never_be_taken_are_refused_at_once),
        cmocka_unit_test(
            test_a_gradient_is_not_read_again_where_the_scale_is_told),
        cmocka_unit_test(test_a_scale_that_is_not_told_makes_no_probe),
        cmocka_unit_test(test_wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

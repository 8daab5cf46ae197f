/*
 * The watch over several arrays in groups. The trainer is gradient descent on
 * 1/2 sum c_i x_i^2, c = 1 .. 6, in three arrays; groups 1 = the first, 2 = the
 * other two. What is recorded is read back from the spool.
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

#define ARRAYS 3
#define LR 0.5

static const size_t sizes[ARRAYS] = { 3, 1, 2 };

struct trainer {
    double x[ARRAYS][3], g[ARRAYS][3];
    struct traj_watch_segment segments[ARRAYS];
    struct traj_group groups[2];
    traj_watch *watch;
    int calls;
};

static void gradients(const struct trainer *t, double *const g[ARRAYS])
{
    double c = 1;
    for (size_t a = 0; a < ARRAYS; a++) {
        for (size_t i = 0; i < sizes[a]; i++) {
            g[a][i] = c++ * t->x[a][i];
        }
    }
}

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    void *const *arrays = ret_grad;
    double *const g[ARRAYS] = { arrays[0], arrays[1], arrays[2] };
    gradients(t, g);
    *ret_loss = 2;
    t->calls++;
    return 0;
}

static void set_up(struct trainer *t)
{
    *t = (struct trainer){
        .x = { { 1, 2, 3 }, { 4 }, { 5, 6 } },
        .groups = { { .name = "first", .size = 3, .norm = TRAJ_NORM_RMS },
            { .name = "rest",
                .size = 3,
                .norm = TRAJ_NORM_LINF,
                .combine = TRAJ_COMBINE_SHARD } },
    };
    for (uint32_t a = 0; a < ARRAYS; a++) {
        t->segments[a] = (struct traj_watch_segment){ .dtype = TRAJ_F64,
            .n = sizes[a],
            .param = t->x[a],
            .grad = t->g[a],
            .group = a == 0 ? 1 : 2 };
    }
}

static struct traj_watch_options options_of(struct trainer *t)
{
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.segments = t->segments;
    o.n_segments = ARRAYS;
    o.groups = t->groups;
    o.n_groups = 2;
    o.gradient = callback;
    o.context = t;
    o.probe_every = 1;
    return o;
}

/* Gradients that are scaled and stay so. */
static struct traj_step train_scaled(
    struct trainer *t, uint64_t k, double scale)
{
    double *const g[ARRAYS] = { t->g[0], t->g[1], t->g[2] };
    struct traj_step step;
    traj_step_init(&step);
    step.step = k;
    step.lr = LR;
    step.stage = scale == 1 ? TRAJ_STAGE_UNSPECIFIED : TRAJ_STAGE_SCALED;
    step.loss_scale = scale;
    gradients(t, g);
    for (size_t a = 0; a < ARRAYS; a++) {
        for (size_t i = 0; i < sizes[a]; i++) {
            g[a][i] *= scale;
        }
    }
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    for (size_t a = 0; a < ARRAYS; a++) {
        for (size_t i = 0; i < sizes[a]; i++) {
            t->x[a][i] -= LR * t->g[a][i] / scale;
        }
    }
    assert_int_equal(traj_after_update(t->watch, &step), TRAJ_OK);
    return step;
}

static struct traj_step train(struct trainer *t, uint64_t k)
{
    return train_scaled(t, k, 1);
}

/* x = 1..6, g_i = i x_i = i^2, d = -g/2. */
static void test_totals_are_those_of_all_arrays(void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t);
    const struct traj_watch_options o = options_of(&t);
    assert_int_equal(traj_watch_open(NULL, &o, &t.watch), TRAJ_OK);
    const struct traj_step step = train(&t, 0);
    /* sum i^2, sum i^4, largest 36 */
    assert_true(step.param_sq == 91 && step.grad_sq == 2275);
    assert_true(step.delta_sq == 2275.0 / 4 && step.grad_delta == -2275.0 / 2);
    assert_true(step.grad_max_abs == 36 && step.clip_scale == 1);
    const struct traj_probe *probe = traj_watch_probe(t.watch);
    /* y = ||C d||/||d||, C d = -i^3/2: sum i^6 = 67171. */
    assert_true(fabs(probe->smoothness - sqrt(67171.0 / 2275)) < 1e-12);
    traj_watch_close(t.watch);
}

static void test_each_group_is_recorded_with_its_norms(void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    recorded_open(&r, t.groups, 2);
    struct traj_watch_options o = options_of(&t);
    o.probe_every = UINT32_MAX;
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 7);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_int_equal(recorded_count(&r, WIRE_GROUP), 2);
    const struct recorded_one *g = recorded_at(&r, WIRE_GROUP, 0);
    assert_int_equal(recorded_u64(g, GROUP_step), 7);
    assert_int_equal(recorded_u64(g, GROUP_group), 1);
    assert_int_equal(recorded_u64(g, GROUP_norm), TRAJ_NORM_RMS);
    assert_false(recorded_has(g, GROUP_combine));
    assert_true(recorded_f64(g, GROUP_grad_sq) == 1 + 16 + 81);
    assert_true(recorded_f64(g, GROUP_param_sq) == 14);
    assert_true(recorded_f64(g, GROUP_delta_sq) == 98.0 / 4);
    assert_true(recorded_f64(g, GROUP_grad_delta) == -49);
    assert_true(recorded_f64(g, GROUP_grad_max_abs) == 9);
    assert_false(recorded_has(g, GROUP_grad_prev));
    /* sqrt(3) ||g||, ||d||/sqrt(3) */
    assert_true(fabs(recorded_f64(g, GROUP_grad_dual) - sqrt(3 * 98)) < 1e-13);
    assert_true(
        fabs(recorded_f64(g, GROUP_delta_norm) - sqrt(24.5 / 3)) < 1e-14);
    g = recorded_at(&r, WIRE_GROUP, 1);
    assert_int_equal(recorded_u64(g, GROUP_combine), TRAJ_COMBINE_SHARD);
    assert_true(recorded_f64(g, GROUP_grad_sq) == 256 + 625 + 1296);
    /* sum |g_i| = 16 + 25 + 36, max |d_i| = 18: over two arrays. */
    assert_true(recorded_f64(g, GROUP_grad_dual) == 77);
    assert_true(recorded_f64(g, GROUP_delta_norm) == 18);
    recorded_done(&r);
}

static void test_a_nan_in_one_array_of_a_group_is_in_its_norms(void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    recorded_open(&r, t.groups, 2);
    struct traj_watch_options o = options_of(&t);
    o.probe_every = UINT32_MAX;
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    t.x[2][0] = (double)NAN; /* the second array of group 2 */
    (void)train(&t, 0);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    const struct recorded_one *g = recorded_at(&r, WIRE_GROUP, 1);
    assert_true(isnan(recorded_f64(g, GROUP_delta_norm)));
    assert_true(isnan(recorded_f64(g, GROUP_grad_dual)));
    assert_int_equal(recorded_u64(g, GROUP_grad_nan), 1);
    recorded_done(&r);
}

static void test_the_second_record_of_a_group_looks_back(void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    recorded_open(&r, t.groups, 2);
    struct traj_watch_options o = options_of(&t);
    o.group_every = 1;
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 0);
    (void)train(&t, 1);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_int_equal(recorded_count(&r, WIRE_GROUP), 4);
    const struct recorded_one *g = recorded_at(&r, WIRE_GROUP, 2);
    /* g_0 = (1, 4, 9), x_1 = x - g_0/2 = (.5, 0, -1.5), g_1 = (.5, 0, -4.5) */
    assert_true(recorded_f64(g, GROUP_grad_prev) == 0.5 - 40.5);
    assert_true(recorded_f64(g, GROUP_dgrad_sq) == 0.25 + 16 + 182.25);
    assert_true(recorded_f64(g, GROUP_dgrad_delta) == 0.25 + 8 + 60.75);
    recorded_done(&r);
}

static bool looks_back(const struct recorded_one *g)
{
    const uint64_t fields = UINT64_C(1) << GROUP_grad_prev |
                            UINT64_C(1) << GROUP_dgrad_sq |
                            UINT64_C(1) << GROUP_dgrad_delta;
    assert_true((g->present & fields) == 0 || (g->present & fields) == fields);
    return (g->present & fields) != 0;
}

static void test_gradients_of_two_scales_are_not_subtracted(void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    recorded_open(&r, t.groups, 2);
    struct traj_watch_options o = options_of(&t);
    o.group_every = 1;
    o.probe_every = UINT32_MAX;
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    (void)train_scaled(&t, 0, 8);
    struct traj_step step = train_scaled(&t, 1, 16);
    assert_true(traj_is_unset(step.grad_prev));
    assert_true(traj_is_unset(step.dgrad_sq));
    assert_true(traj_is_unset(step.dgrad_delta));
    step = train_scaled(&t, 2, 16);
    /* x_2 = x_1 - g_1/2: g_1 = (.5, 0, -4.5, -16, -37.5, -72), g_2 = (.25, 0,
     * 2.25, 16, 56.25, 144), times 16 */
    assert_true(
        step.dgrad_sq == 256 * (0.0625 + 45.5625 + 1024 + 8789.0625 + 46656));
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_false(looks_back(recorded_at(&r, WIRE_GROUP, 2)));
    assert_false(looks_back(recorded_at(&r, WIRE_GROUP, 3)));
    assert_true(looks_back(recorded_at(&r, WIRE_GROUP, 4)));
    assert_true(looks_back(recorded_at(&r, WIRE_GROUP, 5)));
    recorded_done(&r);
}

static void test_groups_are_recorded_at_their_interval(void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    recorded_open(&r, t.groups, 2);
    struct traj_watch_options o = options_of(&t);
    o.probe_every = UINT32_MAX;
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    for (uint64_t k = 0; k < 33; k++) {
        (void)train(&t, k);
    }
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_int_equal(recorded_count(&r, WIRE_STEP), 33);
    assert_int_equal(recorded_count(&r, WIRE_GROUP), 2 * 3); /* 0, 16, 32 */
    recorded_done(&r);
}

static void test_each_group_has_a_probe_of_its_own(void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    t.groups[0].norm = TRAJ_NORM_L2;
    recorded_open(&r, t.groups, 2);
    const struct traj_watch_options o = options_of(&t);
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    (void)train(&t, 3);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_int_equal(recorded_count(&r, WIRE_PROBE), 3);
    const struct recorded_one *p = recorded_at(&r, WIRE_PROBE, 0);
    assert_false(recorded_has(p, PROBE_group));
    p = recorded_at(&r, WIRE_PROBE, 1);
    assert_int_equal(recorded_u64(p, PROBE_group), 1);
    assert_int_equal(recorded_u64(p, PROBE_step), 3);
    /* d = -(1, 4, 9)/2, C d = -(1, 8, 27)/2 */
    assert_true(fabs(recorded_f64(p, PROBE_smoothness) -
                     sqrt((1.0 + 64 + 729) / 98)) < 1e-12);
    p = recorded_at(&r, WIRE_PROBE, 2);
    /* In L1 over Linf: (64 + 125 + 216)/2 over 18, at gamma 1 and at 1/2. */
    assert_true(
        fabs(recorded_f64(p, PROBE_smoothness) - 405.0 / 2 / 18) < 1e-12);
    assert_int_equal(recorded_u64(p, PROBE_norm), TRAJ_NORM_LINF);
    recorded_done(&r);
}

static void test_the_operator_norm_is_measured_at_the_start_of_the_update(
    void **state)
{
    (void)state;
    struct trainer t;
    struct recorded r;
    set_up(&t);
    recorded_open(&r, t.groups, 2);
    struct traj_watch_options o = options_of(&t);
    o.sharpness_every = 2;
    o.sharpness_hvps = 64;
    assert_int_equal(traj_watch_open(r.run, &o, &t.watch), TRAJ_OK);
    const double x = t.x[2][1];
    (void)train(&t, 0);
    assert_true(t.x[2][1] == x - LR * 6 * x);
    (void)train(&t, 1);
    (void)train(&t, 2);
    traj_watch_close(t.watch);
    recorded_close_run(&r);
    assert_int_equal(recorded_count(&r, WIRE_SHARPNESS), 2);
    const struct recorded_one *s = recorded_at(&r, WIRE_SHARPNESS, 0);
    /* Converged: 6 is an eigenvalue within residual <= value/10 of it. */
    assert_int_equal(recorded_u64(s, SHARPNESS_converged), 1);
    assert_true(fabs(recorded_f64(s, SHARPNESS_value) - 6) < 0.6);
    assert_true(recorded_f64(s, SHARPNESS_grad_sq) == 2275);
    assert_int_equal(recorded_u64(s, SHARPNESS_step), 0);
    s = recorded_at(&r, WIRE_SHARPNESS, 1);
    assert_int_equal(recorded_u64(s, SHARPNESS_step), 2);
    recorded_done(&r);
}

static void refused(const struct traj_watch_options *options, const char *text)
{
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(NULL, options, &watch), TRAJ_EINVAL);
    assert_null(watch);
    assert_non_null(strstr(traj_last_error(), text));
}

static void test_groups_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t);
    const struct traj_watch_options o = options_of(&t);
    struct traj_watch_options bad = o;
    bad.n_groups = 1;
    refused(&bad, "segment 1 is of group 2, there are 1");
    bad = o;
    bad.groups = NULL;
    refused(&bad, "groups is NULL or more than 4096");
    t.groups[1].size = 4;
    refused(&o, "group 2 has 4 elements, its segments 3");
    t.groups[1].size = 3;
    t.groups[1].norm = TRAJ_NORM_SPECTRAL;
    t.groups[1].rows = 1;
    t.groups[1].cols = 3;
    refused(&o, "is no matrix of one segment");
    bad = o; /* refused before anything of its size is touched */
    bad.n_segments = 1;
    bad.n_groups = 1;
    t.groups[0] = (struct traj_group){ .size = UINT64_C(2049) * 2049,
        .rows = 2049,
        .cols = 2049,
        .norm = TRAJ_NORM_SPECTRAL };
    t.segments[0].n = (size_t)2049 * 2049;
    refused(&bad, "too large for the spectral norm");
    set_up(&t);
    t.groups[1].norm = (enum traj_norm)4;
    refused(&o, "group 2 has no such norm");
    bad = o;
    bad.n = 1;
    refused(&bad, "there are segments too");
}

static void test_4096_groups_are_taken_and_one_more_is_not(void **state)
{
    (void)state;
    static double x[TRAJ_GROUPS_MAX + 1], g[TRAJ_GROUPS_MAX + 1];
    static struct traj_watch_segment segments[TRAJ_GROUPS_MAX + 1];
    static struct traj_group groups[TRAJ_GROUPS_MAX + 1];
    for (uint32_t i = 0; i <= TRAJ_GROUPS_MAX; i++) {
        segments[i] = (struct traj_watch_segment){ .dtype = TRAJ_F64,
            .n = 1,
            .param = &x[i],
            .grad = &g[i],
            .group = i + 1 };
        groups[i].size = 1;
    }
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.segments = segments;
    o.groups = groups;
    o.n_segments = o.n_groups = TRAJ_GROUPS_MAX;
    traj_watch *watch = NULL;
    assert_int_equal(traj_watch_open(NULL, &o, &watch), TRAJ_OK);
    traj_watch_close(watch);
    o.n_segments = o.n_groups = TRAJ_GROUPS_MAX + 1;
    refused(&o, "more than 4096");
}

static void test_an_array_that_is_not_there_yet_is_named(void **state)
{
    (void)state;
    struct trainer t;
    set_up(&t);
    t.segments[1].grad = NULL;
    const struct traj_watch_options o = options_of(&t);
    assert_int_equal(traj_watch_open(NULL, &o, &t.watch), TRAJ_ENOGRAD);
    assert_non_null(strstr(traj_last_error(), "grad of segment 1 is NULL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_are_those_of_all_arrays),
        cmocka_unit_test(test_each_group_is_recorded_with_its_norms),
        cmocka_unit_test(test_a_nan_in_one_array_of_a_group_is_in_its_norms),
        cmocka_unit_test(test_the_second_record_of_a_group_looks_back),
        cmocka_unit_test(test_gradients_of_two_scales_are_not_subtracted),
        cmocka_unit_test(test_groups_are_recorded_at_their_interval),
        cmocka_unit_test(test_each_group_has_a_probe_of_its_own),
        cmocka_unit_test(
            test_the_operator_norm_is_measured_at_the_start_of_the_update),
        cmocka_unit_test(test_groups_that_do_not_fit_are_refused),
        cmocka_unit_test(test_4096_groups_are_taken_and_one_more_is_not),
        cmocka_unit_test(test_an_array_that_is_not_there_yet_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

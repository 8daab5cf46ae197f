/* The probe of parameters in several arrays: of every dtype, by group and in
 * the group's norm, and what callers of other versions of traj.h may pass. */
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/functions.h"
#include "math/element.h"
#include "traj.h"

#define N_MAX 64
#define SEGMENTS_MAX 8
#define GROUPS_MAX 4

static const double HALF_AND_ONE[] = { 0.5, 1 };

/* A trainer with the variables of f in consecutive segments. Arrays are as
 * wide as the widest dtype; end: where the update went, in doubles. */
struct rig {
    struct function f;
    double start[N_MAX], end[N_MAX];
    size_t n_segments;
    struct traj_probe_segment segments[SEGMENTS_MAX];
    double memory[3][SEGMENTS_MAX][N_MAX]; /* param, x, g(x) */
    int calls;
    int fail_at;
    double hidden; /* what calls add to element 0, by turns h and -h/2 */
    struct traj_group groups[GROUPS_MAX];
    struct traj_probe group_probes[GROUPS_MAX];
    struct traj_probe_input input;
    struct traj_probe probe;
};

static void scatter(
    const struct rig *r, const double *values, void *const *arrays)
{
    size_t first = 0;
    for (size_t i = 0; i < r->n_segments; i++) {
        element_narrow(r->segments[i].dtype, values + first, r->segments[i].n,
            arrays[i], 0);
        first += r->segments[i].n;
    }
}

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    struct rig *r = context;
    double x[N_MAX];
    double g[N_MAX];
    size_t first = 0;
    for (size_t i = 0; i < r->n_segments; i++) {
        element_widen(r->segments[i].dtype, r->segments[i].param, 0,
            r->segments[i].n, x + first);
        first += r->segments[i].n;
    }
    r->calls++;
    r->f.gradient(&r->f, x, g);
    g[0] += r->calls % 2 == 1 ? r->hidden : -r->hidden / 2;
    scatter(r, g, (void *const *)ret_grad);
    *ret_loss = 10 * r->calls;
    return r->calls == r->fail_at;
}

/* The start, its gradient and the end, each rounded to its dtype. */
static void place(struct rig *r)
{
    void *arrays[3][SEGMENTS_MAX];
    double g[N_MAX];
    for (size_t i = 0; i < r->n_segments; i++) {
        for (size_t k = 0; k < 3; k++) {
            arrays[k][i] = r->memory[k][i];
        }
        r->segments[i].param = arrays[0][i];
        r->segments[i].param_start = arrays[1][i];
        r->segments[i].grad_start = arrays[2][i];
    }
    r->f.gradient(&r->f, r->start, g);
    scatter(r, r->start, arrays[1]);
    scatter(r, g, arrays[2]);
    scatter(r, r->end, arrays[0]);
}

static void rig_init(struct rig *r, struct function f)
{
    memset(r, 0, sizeof *r);
    r->f = f;
    r->input = (struct traj_probe_input){
        .size = sizeof r->input,
        .loss_start = traj_unset(),
        .gammas = HALF_AND_ONE,
        .n_gammas = 2,
        .gradient = callback,
        .context = r,
    };
    traj_probe_init(&r->probe);
}

static void add_segment(
    struct rig *r, enum traj_dtype dtype, size_t n, uint32_t group)
{
    r->segments[r->n_segments++] =
        (struct traj_probe_segment){ .dtype = dtype, .n = n, .group = group };
    r->input.segments = r->segments;
    r->input.n_segments = r->n_segments;
}

static void add_group(struct rig *r, struct traj_group group)
{
    traj_probe_init(&r->group_probes[r->input.n_groups]);
    r->groups[r->input.n_groups++] = group;
    r->input.groups = r->groups;
    r->input.ret_groups = r->group_probes;
}

static enum traj_status try_probe(struct rig *r)
{
    const size_t bytes = traj_probe_workspace(&r->input);
    r->input.workspace = aligned_alloc(64, bytes + 64);
    assert_non_null(r->input.workspace);
    /* What was in it before must not matter, nor may more be written. */
    memset(r->input.workspace, 0xa5, bytes + 64);
    enum traj_status status = traj_smoothness_probe(&r->input, &r->probe);
    const unsigned char *beyond = r->input.workspace;
    for (size_t i = bytes; i < bytes + 64; i++) {
        assert_int_equal(beyond[i], 0xa5);
    }
    free(r->input.workspace);
    r->input.workspace = NULL;
    return status;
}

static void probe(struct rig *r)
{
    place(r);
    assert_int_equal(try_probe(r), TRAJ_OK);
}

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

/* ---- splitting ---------------------------------------------------------- */

static void prepare_radial(struct rig *r, const size_t *sizes, size_t n)
{
    rig_init(
        r, (struct function){ .gradient = radial, .n = 50, .L0 = 2, .L1 = .7 });
    for (size_t i = 0; i < 50; i++) {
        r->start[i] = (2 + sin((double)i)) / 7;
        r->end[i] = r->start[i] * 0.99 + 0.001 * cos((double)i);
    }
    for (size_t i = 0; i < n; i++) {
        add_segment(r, TRAJ_F64, sizes[i], 0);
    }
}

static void assert_same_numbers(
    const struct traj_probe *a, const struct traj_probe *b, double tolerance)
{
    assert_close(a->smoothness, b->smoothness, tolerance);
    assert_close(a->grad_sq, b->grad_sq, tolerance);
    assert_close(a->grad_mid_sq, b->grad_mid_sq, tolerance);
    assert_close(a->grad_end_sq, b->grad_end_sq, tolerance);
    assert_close(a->delta_sq, b->delta_sq, tolerance);
    assert_close(a->dgrad_sq, b->dgrad_sq, tolerance);
    assert_close(a->grad_delta, b->grad_delta, tolerance);
    assert_close(a->dgrad_delta, b->dgrad_delta, tolerance);
    assert_close(a->grad_grad_end, b->grad_grad_end, tolerance);
    assert_close(a->param_sq, b->param_sq, tolerance);
    assert_close(a->rounding_floor, b->rounding_floor, tolerance);
    assert_close(a->ceiling, b->ceiling, tolerance);
    assert_int_equal(a->n_points, b->n_points);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->grad_evals, b->grad_evals);
}

static void test_one_segment_or_seven_give_the_same_numbers(void **state)
{
    (void)state;
    static const size_t one[] = { 50 };
    static const size_t seven[] = { 1, 16, 0, 17, 3, 5, 8 };
    struct rig whole;
    struct rig split;
    prepare_radial(&whole, one, 1);
    prepare_radial(&split, seven, 7);
    probe(&whole);
    probe(&split);
    assert_same_numbers(&split.probe, &whole.probe, 1e-15);
    const double law = 2 + 0.7 * sqrt(whole.probe.grad_sq);
    assert_true(whole.probe.smoothness < law); /* it descends */
}

/* The flat form, its callback filling one array. */
static int flat_callback(void *context, void *ret_grad, double *ret_loss)
{
    return callback(context, &ret_grad, ret_loss);
}

static void test_the_flat_form_is_one_segment(void **state)
{
    (void)state;
    static const size_t one[] = { 50 };
    struct rig r;
    prepare_radial(&r, one, 1);
    probe(&r);
    const struct traj_probe as_segment = r.probe;
    r.calls = 0;
    r.input.dtype = TRAJ_F64;
    r.input.n = 50;
    r.input.param = r.segments[0].param;
    r.input.param_start = r.segments[0].param_start;
    r.input.grad_start = r.segments[0].grad_start;
    r.input.segments = NULL;
    r.input.n_segments = 0;
    r.input.gradient = flat_callback;
    assert_int_equal(try_probe(&r), TRAJ_OK);
    assert_memory_equal(&r.probe, &as_segment, sizeof as_segment);
}

/* ---- dtypes ------------------------------------------------------------- */

/* 1/2 sum i x_i^2 at small integers: every dtype has all numbers exactly. */
static void prepare_integers(struct rig *r)
{
    rig_init(r, (struct function){ .gradient = quadratic, .n = 8 });
    for (size_t i = 0; i < 8; i++) {
        r->start[i] = 4;
        r->end[i] = i % 2 == 0 ? 6 : 0;
    }
}

static void test_all_dtypes_of_exact_numbers_give_exact_sums(void **state)
{
    (void)state;
    struct rig r;
    prepare_integers(&r);
    add_segment(&r, TRAJ_F32, 2, 0);
    add_segment(&r, TRAJ_BF16, 2, 0);
    add_segment(&r, TRAJ_F64, 2, 0);
    add_segment(&r, TRAJ_F16, 2, 0);
    probe(&r);
    /* g = 4 i; d = 2, -4, ...; dg = i d; sums of i^2: odd 84, even 120. */
    assert_true(r.probe.grad_sq == 16 * 204);
    assert_true(r.probe.delta_sq == 4 * 4 + 4 * 16);
    assert_true(r.probe.dgrad_sq == 4 * 84 + 16 * 120);
    assert_true(r.probe.grad_delta == 4 * (2 * 16 - 4 * 20));
    assert_true(r.probe.dgrad_delta == 4 * 16 + 16 * 20);
    assert_close(r.probe.smoothness, sqrt(2256. / 80), 1e-15);
    assert_int_equal(r.probe.dtype, TRAJ_BF16); /* the coarsest */
    /* Each segment rounds by its own u: of g, then of the larger gradient at
     * x_gamma = 5, 2, ..., where the maximum is attained first. */
    const double u_sq[] = { 0x1p-48, 0x1p-16, 0x1p-106, 0x1p-22 };
    double sum = 0;
    for (size_t s = 0; s < 4; s++) {
        const double odd = (double)((2 * s + 1) * (2 * s + 1));
        const double even = (double)((2 * s + 2) * (2 * s + 2));
        sum += u_sq[s] * (odd * (16 + 25) + even * (16 + 4));
    }
    assert_close(r.probe.rounding_floor, sqrt(sum / (8 * log(2)) / 20), 1e-14);
}

static void test_points_are_rounded_to_even_in_16_bits(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_BF16, TRAJ_F16 };
    static const double gap[] = { 0x1p-7, 0x1p-10 };
    for (size_t i = 0; i < 2; i++) {
        struct rig r;
        rig_init(&r, (struct function){ .gradient = quadratic, .n = 1 });
        add_segment(&r, dtypes[i], 1, 0);
        r.start[0] = 1;
        r.end[0] = 1 + 3 * gap[i];
        probe(&r);
        assert_true(r.probe.points[0].delta_sq == 4 * gap[i] * gap[i]);
        assert_true(r.probe.points[1].delta_sq == 9 * gap[i] * gap[i]);
    }
}

static void test_unit_roundoffs_are_half_a_gap_at_1(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
        TRAJ_F16 };
    for (size_t i = 0; i < 4; i++) {
        const double u = element_roundoff(dtypes[i]);
        double bits[1];
        double value = 1 + 2 * u;
        element_narrow(dtypes[i], &value, 1, bits, 0);
        element_widen(dtypes[i], bits, 0, 1, &value);
        assert_true(value == 1 + 2 * u);
        value = 1 + u;
        element_narrow(dtypes[i], &value, 1, bits, 0);
        element_widen(dtypes[i], bits, 0, 1, &value);
        assert_true(value == 1);
    }
}

/*
 * Rounding two gradients to float32 moves ||dg|| by at most u (||g|| + ||g'||)
 * = u r ceiling, and by (8 ln 2)^(1/2) 2^(1/2) = 3.34 rounding floors at most,
 * as (a + b)^2 <= 2 (a^2 + b^2); in the mean square by less than one.
 */
static void test_float32_cancellation_stays_below_the_rounding_floor(
    void **state)
{
    (void)state;
    double errors = 0;
    for (int draw = 0; draw < 50; draw++) {
        struct rig r;
        rig_init(&r, (struct function){
                         .gradient = radial, .n = 50, .L0 = 2, .L1 = 0.7 });
        add_segment(&r, TRAJ_F32, 50, 0);
        for (size_t i = 0; i < 50; i++) {
            const double k = (double)i + 50 * draw;
            r.start[i] = (double)(float)((2 + sin(k)) / 5);
            r.end[i] = (double)(float)(r.start[i] + 0.004 * sin(3 * k));
        }
        probe(&r);
        assert_in_range((int)(1000 * sqrt(r.probe.delta_sq)), 18, 22);
        double g[N_MAX];
        double end[N_MAX];
        r.f.gradient(&r.f, r.start, g);
        r.f.gradient(&r.f, r.end, end);
        for (size_t i = 0; i < 50; i++) {
            g[i] -= end[i];
        }
        const double truth = norm_of(g, 50) / sqrt(r.probe.delta_sq);
        const double found = sqrt(r.probe.dgrad_sq / r.probe.delta_sq);
        const double floor_1 =
            0x1p-24 * sqrt((r.probe.grad_sq + r.probe.grad_end_sq) /
                           (8 * log(2)) / r.probe.delta_sq);
        assert_true(fabs(found - truth) <= 3.34 * floor_1);
        assert_true(fabs(found - truth) > 0);
        errors += pow((found - truth) / floor_1, 2) / 50;
    }
    assert_true(errors < 1);
}

/* ---- groups ------------------------------------------------------------- */

static void prepare_groups(
    struct rig *r, enum traj_norm first, enum traj_norm second)
{
    prepare_integers(r);
    add_segment(r, TRAJ_F64, 2, 2);
    add_segment(r, TRAJ_F32, 3, 1);
    add_segment(r, TRAJ_F64, 2, 2);
    add_segment(r, TRAJ_F64, 1, 0);
    add_group(r, (struct traj_group){ .name = "one", .norm = first });
    add_group(
        r, (struct traj_group){
               .name = "two", .norm = second, .combine = TRAJ_COMBINE_SHARD });
}

static void test_a_group_has_the_formulas_of_its_elements(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    r.group_probes[0].step = 3;
    probe(&r);
    const struct traj_probe *one = &r.group_probes[0];
    const struct traj_probe *two = &r.group_probes[1];
    /* Group 1 has i = 3, 4, 5: g = 4 i, d = 2, -4, 2. */
    assert_true(one->grad_sq == 16 * 50 && one->param_sq == 48);
    assert_true(one->delta_sq == 24 && one->grad_delta == 4 * 0);
    assert_true(one->dgrad_sq == 4 * 9 + 16 * 16 + 4 * 25);
    assert_true(one->dgrad_delta == 4 * 3 + 16 * 4 + 4 * 5);
    assert_close(one->smoothness, sqrt(392. / 24), 1e-15);
    assert_close(one->ceiling,
        (sqrt(800) + sqrt(25 * 9 + 4 * 16 + 25 * 25)) / sqrt(6), 1e-15);
    assert_int_equal(one->n_points, 2);
    assert_int_equal(one->dtype, TRAJ_F32);
    assert_int_equal(one->group, 1);
    assert_int_equal(one->step, 3);
    assert_true(traj_is_unset(one->grad_dual));
    assert_true(one->loss_end == 20);
    /* Group 2 has i = 1, 2, 6, 7. */
    assert_true(two->grad_sq == 16 * 90 && two->delta_sq == 40);
    assert_int_equal(two->group, 2);
    assert_int_equal(two->dtype, TRAJ_F64);
    assert_int_equal(two->combine, TRAJ_COMBINE_SHARD);
    /* All is more than its groups: i = 8 is of none. */
    assert_true(r.probe.grad_sq == one->grad_sq + two->grad_sq + 16 * 64);
    assert_int_equal(r.probe.group, 0);
    assert_int_equal(one->grad_evals, 2);
}

static void test_groups_do_not_change_the_probe_of_all(void **state)
{
    (void)state;
    struct rig with;
    struct rig without;
    prepare_groups(&with, TRAJ_NORM_L2, TRAJ_NORM_RMS);
    prepare_groups(&without, TRAJ_NORM_L2, TRAJ_NORM_RMS);
    without.input.n_groups = 0;
    for (size_t i = 0; i < 4; i++) {
        without.segments[i].group = 0;
    }
    probe(&with);
    probe(&without);
    assert_memory_equal(&with.probe, &without.probe, sizeof with.probe);
}

static void test_rms_and_linf_come_with_their_duals(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_RMS, TRAJ_NORM_LINF);
    probe(&r);
    const struct traj_probe *rms = &r.group_probes[0];
    assert_int_equal(rms->norm, TRAJ_NORM_RMS);
    assert_close(rms->grad_dual, sqrt(3 * 800.), 1e-15);
    assert_close(rms->delta_norm, sqrt(6. / 3), 1e-15); /* gamma = 1/2 */
    assert_close(rms->dgrad_dual, sqrt(3 * 98.), 1e-15);
    assert_close(rms->smoothness, 3 * sqrt(392. / 24), 1e-15);
    assert_close(rms->ceiling, 3 * (sqrt(800) + sqrt(914)) / sqrt(6), 1e-15);
    assert_close(rms->rounding_floor,
        3 * 0x1p-24 * sqrt((800 + 914) / (8 * log(2)) / 6), 1e-14);
    /* Group 2, i = 1, 2, 6, 7, d = 2, -4, -4, 2: at gamma = 1 dg is 2, -8,
     * -24, 14; every gamma gives the same ratio, so the first stays. */
    const struct traj_probe *linf = &r.group_probes[1];
    assert_true(linf->grad_dual == 4 * 16);
    assert_true(linf->delta_norm == 2 && linf->dgrad_dual == 24);
    assert_true(linf->smoothness == 12);
    assert_true(linf->ceiling == (64 + (5 + 4 + 12 + 35)) / 2.);
}

/* rows x cols = 2 x 3, d = (1, 2) (2, 1, -2): singular value sqrt(5) 3. All
 * a_i are 2, so dg = 2 d, whose nuclear norm is twice that. */
static void test_a_spectral_group_is_one_matrix(void **state)
{
    (void)state;
    static const double twos[6] = { 2, 2, 2, 2, 2, 2 };
    static const double d[6] = { 2, 1, -2, 4, 2, -4 };
    struct rig r;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 6, .a = twos });
    add_segment(&r, TRAJ_F64, 6, 1);
    add_group(&r, (struct traj_group){
                      .norm = TRAJ_NORM_SPECTRAL, .rows = 2, .cols = 3 });
    for (size_t i = 0; i < 6; i++) {
        r.start[i] = d[i];
        r.end[i] = 2 * d[i];
    }
    probe(&r);
    const struct traj_probe *spectral = &r.group_probes[0];
    const double sigma = sqrt(5) * 3;
    assert_close(spectral->grad_dual, sqrt(2. / 3) * 2 * sigma, 1e-6);
    assert_close(spectral->smoothness, 2 * 2. / 3, 1e-6);
    assert_close(spectral->smoothness,
        spectral->dgrad_dual / spectral->delta_norm, 1e-15);
}

static void test_a_frozen_group_is_tiny_and_the_rest_is_measured(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    r.end[2] = r.end[3] = r.end[4] = 4;
    probe(&r);
    assert_int_equal(r.group_probes[0].flags, TRAJ_PROBE_TINY_STEP);
    assert_int_equal(r.group_probes[0].n_points, 0);
    assert_true(traj_is_unset(r.group_probes[0].smoothness));
    assert_true(r.group_probes[0].grad_sq == 800);
    assert_int_equal(r.group_probes[1].flags, 0);
    assert_int_equal(r.group_probes[1].n_points, 2);
    assert_int_equal(r.probe.flags, 0);
}

static void nan_far_out(const struct function *f, const double *x, double *g)
{
    quadratic(f, x, g);
    g[0] = x[0] > 5.5 ? (double)NAN : g[0];
}

static void test_a_nan_is_flagged_in_its_group_alone(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    r.f.gradient = nan_far_out;
    probe(&r);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NONFINITE);
    assert_int_equal(r.group_probes[0].flags, 0);
    assert_int_equal(r.group_probes[1].flags, TRAJ_PROBE_NONFINITE);
    assert_true(r.probe.smoothness_gamma == 0.5);
    assert_true(isnan(r.probe.points[1].grad_sq));
}

/* ---- noise of the callback ---------------------------------------------- */

static void test_what_a_repetition_differs_by_is_the_noise_floor(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_RMS, TRAJ_NORM_L2);
    r.hidden = 0.25;
    r.input.check_idempotence = 1;
    probe(&r);
    /* The first call adds 1/4 to element 0, of group 2. */
    assert_close(r.probe.idempotence, 0.25 / sqrt(16 * 204.), 1e-15);
    assert_true(r.probe.smoothness_gamma == 1);
    assert_close(r.probe.noise_floor, 0.25 / sqrt(80), 1e-15);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NOT_IDEMPOTENT);
    assert_true(r.probe.loss == 10);
    assert_true(r.group_probes[0].noise_floor == 0);
    assert_int_equal(r.group_probes[0].flags, 0);
    assert_close(r.group_probes[1].noise_floor, 0.25 / sqrt(40), 1e-15);
    assert_int_equal(r.group_probes[1].flags, TRAJ_PROBE_NOT_IDEMPOTENT);
}

static void test_a_sample_below_twice_its_noise_is_noise_limited(void **state)
{
    (void)state;
    /* ||dg|| at gamma = 1/2 is 23.7 without noise, which is h in a repetition
     * and h/2 here: at h = 5 it is above 2 h, at h = 40 below. */
    static const double hidden[] = { 5, 40 };
    static const uint64_t limited[] = { 0, TRAJ_PROBE_NOISE_LIMITED };
    for (size_t i = 0; i < 2; i++) {
        struct rig r;
        prepare_integers(&r);
        add_segment(&r, TRAJ_F64, 8, 0);
        r.hidden = hidden[i];
        r.input.check_idempotence = 1;
        r.input.n_gammas = 1;
        probe(&r);
        assert_int_equal(r.probe.flags & TRAJ_PROBE_NOISE_LIMITED, limited[i]);
        assert_true((r.probe.smoothness < 2 * r.probe.noise_floor) ==
                    (limited[i] != 0));
    }
}

static void test_a_noise_floor_of_the_caller_stays_and_is_judged(void **state)
{
    (void)state;
    struct rig r;
    prepare_integers(&r);
    add_segment(&r, TRAJ_F64, 8, 0);
    r.probe.noise_floor = 3;
    probe(&r);
    assert_true(r.probe.noise_floor == 3); /* smoothness is 5.3 */
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NOISE_LIMITED);
}

/* ---- what the trainer owns ---------------------------------------------- */

static void prepare_all_dtypes(struct rig *r)
{
    prepare_integers(r);
    add_segment(r, TRAJ_F16, 2, 0);
    add_segment(r, TRAJ_BF16, 3, 1);
    add_segment(r, TRAJ_F64, 2, 0);
    add_segment(r, TRAJ_F32, 1, 1);
    add_group(r, (struct traj_group){ .norm = TRAJ_NORM_L2 });
    for (size_t i = 0; i < 8; i++) {
        r->start[i] = 1 / (3 + (double)i);
        r->end[i] = i % 2 == 0 ? -0.0 : 1.1 * r->start[i];
    }
    r->input.check_idempotence = 1;
}

static void test_segments_come_back_bit_for_bit_on_every_path(void **state)
{
    (void)state;
    for (int fail_at = 0; fail_at <= 3; fail_at++) {
        struct rig r;
        prepare_all_dtypes(&r);
        place(&r);
        r.fail_at = fail_at;
        const struct rig before = r;
        enum traj_status status = try_probe(&r);
        assert_int_equal(status, fail_at == 0 ? TRAJ_OK : TRAJ_ECALLBACK);
        assert_int_equal(r.calls, fail_at == 0 ? 3 : fail_at);
        assert_memory_equal(r.memory, before.memory, sizeof r.memory);
        const bool kept = memcmp(&r.probe, &before.probe, sizeof r.probe) == 0;
        const bool group_kept = memcmp(r.group_probes, before.group_probes,
                                    sizeof r.group_probes) == 0;
        assert_true(kept == (fail_at > 0) && group_kept == (fail_at > 0));
    }
}

static int traps(void *context, void *ret_grad, double *ret_loss)
{
    int *seen = context;
    void *const *arrays = ret_grad;
    *(uint16_t *)arrays[0] = 0x7e00; /* NaN */
    *(float *)arrays[1] = (float)NAN;
    *ret_loss = (double)NAN;
    *seen += fegetround() == FE_UPWARD && (fegetexcept() & FE_INVALID) &&
             fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT;
    return 0;
}

static void test_traps_and_rounding_of_the_trainer_do_not_matter(void **state)
{
    (void)state;
    struct rig r;
    int seen = 0;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 2 });
    add_segment(&r, TRAJ_F16, 1, 1);
    add_segment(&r, TRAJ_F32, 1, 1);
    add_group(&r, (struct traj_group){ .norm = TRAJ_NORM_RMS });
    r.start[0] = r.start[1] = 1;
    r.end[0] = r.end[1] = 1 + 3 * 0x1p-10;
    place(&r);
    r.input.gradient = traps;
    r.input.context = &seen;
    r.input.check_idempotence = 1;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feraiseexcept(FE_INEXACT);
    (void)fesetround(FE_UPWARD);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    enum traj_status status = try_probe(&r);
    const int trapped = fegetexcept();
    const int flags = fetestexcept(FE_ALL_EXCEPT);
    (void)fesetenv(FE_DFL_ENV);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(seen, 3);
    assert_int_equal(trapped, FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    assert_int_equal(flags, FE_INEXACT);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NONFINITE);
    /* To nearest even, whatever way the trainer rounds: 2 gaps, not 1.5. */
    assert_true(
        r.group_probes[0].points[0].delta_sq == 4 * 0x1p-20 + 9 * 0x1p-22);
}

/* ---- callers of other versions ------------------------------------------ */

static void test_an_older_callers_structs_are_taken_as_they_are(void **state)
{
    (void)state;
    static const size_t one[] = { 50 };
    struct rig r;
    prepare_radial(&r, one, 1);
    probe(&r);
    const struct traj_probe full = r.probe;
    r.input.dtype = TRAJ_F64;
    r.input.n = 50;
    r.input.param = r.segments[0].param;
    r.input.param_start = r.segments[0].param_start;
    r.input.grad_start = r.segments[0].grad_start;
    r.input.gradient = flat_callback;
    /* What lies beyond its struct is something else. */
    const size_t input_size = offsetof(struct traj_probe_input, segments);
    memset((char *)&r.input + input_size, 0xa5, sizeof r.input - input_size);
    r.input.size = input_size;
    const size_t size = offsetof(struct traj_probe, group);
    memset(&r.probe, 0xa5, sizeof r.probe);
    traj_probe_init_sized(&r.probe, size);
    assert_int_equal(try_probe(&r), TRAJ_OK);
    assert_true(r.probe.smoothness == full.smoothness);
    assert_true(r.probe.points[1].dgrad_sq == full.points[1].dgrad_sq);
    const unsigned char *bytes = (const unsigned char *)&r.probe;
    for (size_t i = size; i < sizeof r.probe; i++) {
        assert_int_equal(bytes[i], 0xa5);
    }
}

static void refused(struct rig *r, enum traj_status expected, const char *text)
{
    _Alignas(64) static unsigned char workspace[65536];
    r->input.workspace = workspace;
    const struct traj_probe before = r->probe;
    enum traj_status status = traj_smoothness_probe(&r->input, &r->probe);
    assert_int_equal(status, expected);
    assert_non_null(strstr(traj_last_error(), text));
    assert_memory_equal(&r->probe, &before, sizeof before);
    assert_int_equal(r->calls, 0);
}

static void test_structs_shorter_than_the_first_version_are_refused(
    void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    place(&r);
    r.input.size = offsetof(struct traj_probe_input, segments) - 1;
    refused(&r, TRAJ_EINVAL, "input->size");
    assert_int_equal(traj_probe_workspace(&r.input), 0);
    r.input.size = sizeof r.input;
    r.probe.size = offsetof(struct traj_probe, group) - 1;
    refused(&r, TRAJ_EINVAL, "traj_probe_init");
}

/* A later version appends fields: its elements lie further apart. */
struct later_probe {
    struct traj_probe probe;
    double more[7];
};

static void test_group_results_of_a_newer_caller_lie_further_apart(void **state)
{
    (void)state;
    struct rig r;
    struct later_probe later[2];
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_RMS);
    probe(&r);
    for (size_t i = 0; i < 2; i++) {
        traj_probe_init_sized(&later[i].probe, sizeof later[i]);
        later[i].more[6] = 17;
    }
    r.input.ret_groups = &later[0].probe;
    probe(&r);
    for (size_t i = 0; i < 2; i++) {
        assert_true(later[i].probe.smoothness == r.group_probes[i].smoothness);
        assert_int_equal(later[i].probe.group, i + 1);
        assert_true(later[i].more[6] == 17);
    }
}

/* ---- refusals ----------------------------------------------------------- */

static void test_null_segments_say_which_array(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    place(&r);
    r.segments[1].param = NULL;
    refused(&r, TRAJ_ENOGRAD, "param is NULL");
    place(&r);
    r.segments[2].param_start = NULL;
    refused(&r, TRAJ_ENOGRAD, "param_start is NULL");
    place(&r);
    r.segments[3].grad_start = NULL;
    refused(&r, TRAJ_ENOGRAD, "grad_start is NULL");
    place(&r);
    r.segments[0].param_start = r.segments[0].param;
    refused(&r, TRAJ_EINVAL, "param itself");
}

static void test_the_two_forms_exclude_each_other(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    place(&r);
    r.input.n = 8;
    refused(&r, TRAJ_EINVAL, "leave them 0");
    r.input.n = 0;
    r.input.n_segments = 0;
    refused(&r, TRAJ_EINVAL, "n_segments is 0");
    r.input.n_segments = 4;
    r.input.segments = NULL;
    refused(&r, TRAJ_EINVAL, "segments is NULL");
    assert_int_equal(traj_probe_workspace(&r.input), 0);
}

static void test_wrong_groups_are_refused(void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    place(&r);
    r.segments[1].group = 3;
    refused(&r, TRAJ_EINVAL, "segments[1].group is 3 of 2");
    r.segments[1].group = 1;
    r.groups[1].norm = (enum traj_norm)4;
    refused(&r, TRAJ_EINVAL, "groups[1].norm is 4");
    r.groups[1].norm = TRAJ_NORM_L2;
    r.group_probes[1].size = sizeof r.group_probes[1] + 8;
    refused(&r, TRAJ_EINVAL, "ret_groups[1]");
    r.input.ret_groups = NULL;
    refused(&r, TRAJ_EINVAL, "ret_groups is NULL");
    r.input.n_groups = TRAJ_GROUPS_MAX + 1;
    refused(&r, TRAJ_EINVAL, "4097 groups, above 4096");
}

static void test_a_spectral_group_of_two_segments_or_another_shape_is_refused(
    void **state)
{
    (void)state;
    struct rig r;
    prepare_groups(&r, TRAJ_NORM_SPECTRAL, TRAJ_NORM_L2);
    place(&r);
    r.groups[0].rows = 2;
    r.groups[0].cols = 2; /* the segment has 3 */
    refused(&r, TRAJ_EINVAL, "groups[0] is spectral");
    r.groups[0].norm = TRAJ_NORM_L2;
    r.groups[1].norm = TRAJ_NORM_SPECTRAL;
    r.groups[1].rows = 1;
    r.groups[1].cols = 2; /* of each of its two segments */
    refused(&r, TRAJ_EINVAL, "groups[1] is spectral");
}

static void test_sizes_beyond_all_memory_are_too_large(void **state)
{
    (void)state;
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8,
        SIZE_MAX / 16 };
    for (size_t i = 0; i < 4; i++) {
        struct rig r;
        prepare_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
        place(&r);
        r.segments[0].n = r.segments[2].n = sizes[i];
        assert_int_equal(traj_probe_workspace(&r.input), 0);
        refused(&r, TRAJ_EINVAL, "too large");
        r.input.n_segments = sizes[i];
        assert_int_equal(traj_probe_workspace(&r.input), 0);
    }
    assert_int_equal(traj_probe_workspace(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_segment_or_seven_give_the_same_numbers),
        cmocka_unit_test(test_the_flat_form_is_one_segment),
        cmocka_unit_test(test_all_dtypes_of_exact_numbers_give_exact_sums),
        cmocka_unit_test(test_points_are_rounded_to_even_in_16_bits),
        cmocka_unit_test(test_unit_roundoffs_are_half_a_gap_at_1),
        cmocka_unit_test(
            test_float32_cancellation_stays_below_the_rounding_floor),
        cmocka_unit_test(test_a_group_has_the_formulas_of_its_elements),
        cmocka_unit_test(test_groups_do_not_change_the_probe_of_all),
        cmocka_unit_test(test_rms_and_linf_come_with_their_duals),
        cmocka_unit_test(test_a_spectral_group_is_one_matrix),
        cmocka_unit_test(test_a_frozen_group_is_tiny_and_the_rest_is_measured),
        cmocka_unit_test(test_a_nan_is_flagged_in_its_group_alone),
        cmocka_unit_test(test_what_a_repetition_differs_by_is_the_noise_floor),
        cmocka_unit_test(test_a_sample_below_twice_its_noise_is_noise_limited),
        cmocka_unit_test(test_a_noise_floor_of_the_caller_stays_and_is_judged),
        cmocka_unit_test(test_segments_come_back_bit_for_bit_on_every_path),
        cmocka_unit_test(test_traps_and_rounding_of_the_trainer_do_not_matter),
        cmocka_unit_test(test_an_older_callers_structs_are_taken_as_they_are),
        cmocka_unit_test(
            test_structs_shorter_than_the_first_version_are_refused),
        cmocka_unit_test(
            test_group_results_of_a_newer_caller_lie_further_apart),
        cmocka_unit_test(test_null_segments_say_which_array),
        cmocka_unit_test(test_the_two_forms_exclude_each_other),
        cmocka_unit_test(test_wrong_groups_are_refused),
        cmocka_unit_test(
            test_a_spectral_group_of_two_segments_or_another_shape_is_refused),
        cmocka_unit_test(test_sizes_beyond_all_memory_are_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

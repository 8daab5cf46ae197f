/* The sharpness meter: Hessians in closed form, by power iteration and by the
 * Lanczos method, and what both promise about the trainer. */
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

struct rig {
    struct function f;
    enum traj_dtype dtype;
    double param[N_MAX]; /* elements of dtype */
    int calls;
    int fail_at;
    int nan_at;
    struct traj_probe_segment segments[4];
    struct traj_sharpness_options options;
    traj_sharpness_meter *meter;
    struct traj_sharpness found;
};

static int answer(struct rig *r, double *values)
{
    r->calls++;
    values[0] = r->calls == r->nan_at ? (double)NAN : values[0];
    return r->calls == r->fail_at ? 9 : 0;
}

static int gradient(void *context, void *ret_grad, double *ret_loss)
{
    struct rig *r = context;
    double x[N_MAX];
    double g[N_MAX];
    (void)ret_loss;
    element_widen(r->dtype, r->param, 0, r->f.n, x);
    r->f.gradient(&r->f, x, g);
    int code = answer(r, g);
    element_narrow(r->dtype, g, r->f.n, ret_grad, 0);
    return code;
}

/* Of a quadratic the gradient at v is H v. */
static int product_of(void *context, const void *v, void *ret_hv)
{
    struct rig *r = context;
    double x[N_MAX];
    double hv[N_MAX];
    element_widen(r->dtype, v, 0, r->f.n, x);
    r->f.gradient(&r->f, x, hv);
    int code = answer(r, hv);
    element_narrow(r->dtype, hv, r->f.n, ret_hv, 0);
    return code;
}

static void rig_init(
    struct rig *r, struct function f, enum traj_dtype dtype, const double *x)
{
    memset(r, 0, sizeof *r);
    r->f = f;
    r->dtype = dtype;
    element_narrow(dtype, x, f.n, r->param, 0);
    r->options = (struct traj_sharpness_options){
        .size = sizeof r->options,
        .dtype = dtype,
        .n = f.n,
        .param = r->param,
        .gradient = gradient,
        .context = r,
    };
    traj_sharpness_init(&r->found);
}

static void open_meter(struct rig *r)
{
    assert_int_equal(traj_sharpness_open(&r->options, &r->meter), TRAJ_OK);
}

static void measure(struct rig *r)
{
    assert_int_equal(traj_sharpness_measure(r->meter, &r->found), TRAJ_OK);
}

/* Open, measure, close. */
static void meter_once(struct rig *r)
{
    open_meter(r);
    measure(r);
    traj_sharpness_close(r->meter);
}

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

/* The meter's value at x by as many products as there may be. */
static void assert_top(
    struct function f, const double *x, double expected, double tolerance)
{
    struct rig r;
    rig_init(&r, f, TRAJ_F64, x);
    r.options.max_hvps = 64;
    r.options.tolerance = 1e-9;
    meter_once(&r);
    assert_int_equal(r.found.converged, 1);
    assert_int_equal(r.found.flags, 0);
    assert_close(r.found.value, expected, tolerance);
}

/* ---- closed forms ------------------------------------------------------- */

/* e = 6e-6 (1 + |x|): the central difference errs by e^2/6 f''''/f'', 1e-10
 * here, and rounds by u G/(e f''), below 1e-10 too. */
static void test_functions_of_one_variable_have_their_second_derivative(
    void **state)
{
    (void)state;
    const double L0 = 2;
    const double L1 = 0.7;
    const double x = 3;
    struct function f = { .n = 1, .L0 = L0, .L1 = L1 };
    f.gradient = exponential;
    assert_top(f, &x, L1 * L1 * exp(L1 * 3), 1e-9);
    f.gradient = hyperbolic;
    const double G = L0 / L1 * sinh(L1 * 3);
    assert_top(f, &x, sqrt(L0 * L0 + L1 * L1 * G * G), 1e-9);
    f.gradient = quartic;
    assert_top(f, &x, 27, 1e-9);
    f.gradient = knee;
    assert_top(f, &x, L0 * exp(L1 * 3 - 1), 1e-9);
    const double inside = 1;
    assert_top(f, &inside, L0, 1e-9);
}

static void test_radial_law_has_the_norm_it_is_made_for(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 3, 50 };
    for (size_t k = 0; k < 3; k++) {
        double x[N_MAX];
        double g[N_MAX];
        const struct function f = {
            .gradient = radial, .n = sizes[k], .L0 = 2, .L1 = 0.7
        };
        for (size_t i = 0; i < f.n; i++) {
            x[i] = 2 * (2 + sin((double)i)) / sqrt((double)f.n);
        }
        f.gradient(&f, x, g);
        assert_top(f, x, 2 + 0.7 * norm_of(g, f.n), 1e-8);
    }
}

static void test_logistic_loss_has_its_norm(void **state)
{
    (void)state;
    static const double a[3] = { 1, -2, 2 };
    const double x[3] = { 0.25, 0.5, 0.125 };
    double g[3];
    const struct function f = { .gradient = logistic, .n = 3, .a = a };
    f.gradient(&f, x, g);
    const double G = norm_of(g, 3);
    assert_top(f, x, 3 * G - G * G, 1e-8);
}

static void test_the_smallest_linear_net_has_its_eigenvalue(void **state)
{
    (void)state;
    static const double points[][2] = { { 1.5, -0.5 }, { 2, 2 }, { 0.3, 1 } };
    for (size_t i = 0; i < 3; i++) {
        const double a = points[i][0];
        const double b = points[i][1];
        /* H = [b b, c; c, a a], c = 2 a b - 1. */
        const double middle = (a * a + b * b) / 2;
        const double radius = hypot((a * a - b * b) / 2, 2 * a * b - 1);
        assert_top((struct function){ .gradient = product, .n = 2 }, points[i],
            middle + radius, 1e-8);
    }
}

/* A1: gradient descent on 1/2 sum x_i^2/i: the top stays 1 while G falls. */
static void test_the_top_of_a_quadratic_is_flat_along_a_descent(void **state)
{
    (void)state;
    double a[50];
    double x[50];
    struct rig r;
    for (size_t i = 0; i < 50; i++) {
        a[i] = 1 / (double)(i + 1);
        x[i] = 1;
    }
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 50, .a = a },
        TRAJ_F64, x);
    open_meter(&r);
    for (int k = 0; k < 30; k++) {
        measure(&r);
    }
    for (int k = 0; k < 20; k++) {
        measure(&r);
        assert_close(r.found.value, 1, 1e-9);
        assert_int_equal(r.found.hvps, 1); /* warm: it has converged */
        for (size_t i = 0; i < 50; i++) {
            r.param[i] -= 0.9 * a[i] * r.param[i];
        }
    }
    traj_sharpness_close(r.meter);
}

/* ---- signs and doubts --------------------------------------------------- */

static void test_negative_top_curvature_keeps_its_sign(void **state)
{
    (void)state;
    static const double a[4] = { 1, -3, 0.5, 2 };
    static const double x[4] = { 1, 1, 1, 1 };
    assert_top((struct function){ .gradient = quadratic, .n = 4, .a = a }, x,
        -3, 1e-8);
}

/* v is a mixture c e_1 + s e_2 of the eigenvectors of 2 and -2, in the limit:
 * value = 2 (c^2 - s^2), residual = 4 c s. */
static void test_two_opposite_ends_do_not_pass_for_converged(void **state)
{
    (void)state;
    static const double a[4] = { 2, -2, 0.5, 1 };
    static const double x[4] = { 1, 1, 1, 1 };
    struct rig r;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 4, .a = a },
        TRAJ_F64, x);
    r.options.max_hvps = 64;
    meter_once(&r);
    assert_int_equal(r.found.converged, 0);
    assert_int_equal(r.found.hvps, 64);
    assert_close(pow(r.found.value, 2) + pow(r.found.residual, 2), 4, 1e-8);
    assert_true(r.found.residual > 0.1 * fabs(r.found.value));

    r.options.method = TRAJ_SHARPNESS_LANCZOS;
    r.options.max_hvps = 4;
    r.options.tolerance = 1e-6;
    meter_once(&r);
    assert_close(r.found.lambda_min, -2, 1e-8);
    assert_close(r.found.lambda_max, 2, 1e-8);
}

/* ||H w|| = 2 ||w|| for every w, in whatever length w was rounded to: value^2 +
 * residual^2 = 4. */
static void test_value_and_residual_are_those_of_the_unit_vector(void **state)
{
    (void)state;
    static const double a[2] = { 2, -2 };
    static const double x[2] = { 1.5, 1 };
    struct rig r;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 2, .a = a },
        TRAJ_BF16, x);
    r.options.max_hvps = 5;
    meter_once(&r);
    assert_int_equal(r.found.hvps, 5);
    assert_close(pow(r.found.value, 2) + pow(r.found.residual, 2), 4, 1e-14);
}

static void test_tolerance_ends_the_iteration_and_says_so(void **state)
{
    (void)state;
    static const double a[3] = { 8, 1, 2 };
    static const double x[3] = { 1, 1, 1 };
    struct rig r;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 3, .a = a },
        TRAJ_F64, x);
    r.options.max_hvps = 64;
    meter_once(&r);
    assert_int_equal(r.found.converged, 1);
    assert_in_range(r.found.hvps, 2, 10);
    assert_int_equal(r.found.grad_evals, 2 * r.found.hvps);
    assert_int_equal(r.calls, 2 * r.found.hvps);
    assert_true(r.found.residual <= 0.1 * r.found.value);
    /* Some eigenvalue is within the residual. */
    assert_true(fabs(r.found.value - 8) <= r.found.residual);
}

static void linear(const struct function *f, const double *x, double *g)
{
    (void)x;
    for (size_t i = 0; i < f->n; i++) {
        g[i] = f->L1;
    }
}

/* A linear function: g is the same everywhere, so the product is 0, exactly.
 * What rounding may hide beside a gradient is flagged. */
static void test_no_curvature_is_a_measured_zero(void **state)
{
    (void)state;
    static const enum traj_sharpness_method methods[] = { TRAJ_SHARPNESS_POWER,
        TRAJ_SHARPNESS_LANCZOS };
    static const double x[3] = { 1, 2, 3 };
    for (size_t i = 0; i < 4; i++) {
        struct rig r;
        rig_init(&r,
            (struct function){
                .gradient = linear, .n = 3, .L1 = (double)(i / 2) },
            TRAJ_F64, x);
        r.options.method = methods[i % 2];
        meter_once(&r);
        assert_true(r.found.value == 0 && r.found.residual == 0);
        assert_int_equal(r.found.converged, 1);
        assert_in_range(r.found.hvps, 2, 3);
        assert_int_equal(r.found.flags, i < 2 ? 0 : TRAJ_PROBE_ROUNDING);
    }
}

/* H maps the first vector to 0, the next ones not. */
static int zero_first(void *context, const void *v, void *ret_hv)
{
    struct rig *r = context;
    r->calls++;
    for (size_t i = 0; i < r->f.n; i++) {
        ((double *)ret_hv)[i] = r->calls == 1 ? 0 : 5 * ((const double *)v)[i];
    }
    return 0;
}

static void test_a_vector_that_vanishes_is_drawn_anew(void **state)
{
    (void)state;
    static const double x[3] = { 1, 2, 3 };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 3 }, TRAJ_F64, x);
    r.options.gradient = NULL;
    r.options.hvp = zero_first;
    meter_once(&r);
    assert_close(r.found.value, 5, 1e-14);
    assert_int_equal(r.found.hvps, 2);
}

static void test_a_nan_is_unset_and_not_kept(void **state)
{
    (void)state;
    static const double x[3] = { 1, 2, 3 };
    static const enum traj_sharpness_method methods[] = { TRAJ_SHARPNESS_POWER,
        TRAJ_SHARPNESS_LANCZOS };
    for (int i = 0; i < 8; i++) {
        struct rig r;
        rig_init(&r, (struct function){ .gradient = quadratic, .n = 3 },
            TRAJ_F64, x);
        r.options.method = methods[i % 2];
        r.options.tolerance = 1e-9;
        r.nan_at = 1 + i / 2;
        open_meter(&r);
        measure(&r);
        assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
        assert_true(traj_is_unset(r.found.value));
        assert_true(traj_is_unset(r.found.residual));
        assert_true(traj_is_unset(r.found.lambda_max));
        assert_int_equal(r.found.converged, 0);
        assert_memory_equal(r.param, x, sizeof x);
        measure(&r);
        assert_int_equal(r.found.flags, 0);
        assert_true(r.found.value > 1 && r.found.value <= 3 + 1e-8);
        traj_sharpness_close(r.meter);
    }
}

/* What H does to the first vector it never does to another. */
static int nan_for_the_first(void *context, const void *v, void *ret_hv)
{
    struct rig *r = context;
    const bool same = memcmp(v, r->segments, 3 * sizeof(double)) == 0;
    if (r->calls++ == 0) {
        memcpy(r->segments, v, 3 * sizeof(double));
        ((double *)ret_hv)[0] = (double)NAN;
        return 0;
    }
    quadratic(&r->f, v, ret_hv);
    return same;
}

static void test_a_vector_that_led_to_nan_is_not_tried_again(void **state)
{
    (void)state;
    static const double x[3] = { 1, 2, 3 };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 3 }, TRAJ_F64, x);
    r.options.gradient = NULL;
    r.options.hvp = nan_for_the_first;
    open_meter(&r);
    measure(&r);
    assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
    measure(&r);
    assert_int_equal(r.found.flags, 0);
    traj_sharpness_close(r.meter);
}

static void test_parameters_that_are_not_finite_are_not_touched(void **state)
{
    (void)state;
    static const double x[2] = { 1, (double)INFINITY };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 2 }, TRAJ_F64, x);
    meter_once(&r);
    assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
    assert_int_equal(r.calls, 0);
    assert_true(traj_is_unset(r.found.value));
}

static void test_a_displacement_rounded_away_measures_nothing(void **state)
{
    (void)state;
    static const double x[2] = { 1, 2 };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 2 }, TRAJ_F32, x);
    r.options.epsilon = 1e-12;
    meter_once(&r);
    assert_int_equal(r.found.flags, TRAJ_PROBE_TINY_STEP);
    assert_true(traj_is_unset(r.found.value));
    assert_true(r.found.epsilon == 1e-12);
    assert_int_equal(r.found.converged, 0);
}

/* Squares beyond double are no measurement, but no zero either. */
static void test_curvature_beyond_double_is_no_silent_zero(void **state)
{
    (void)state;
    static const double sizes[] = { 1e-200, 1e200 };
    static const double x[2] = { 1, 2 };
    for (size_t i = 0; i < 2; i++) {
        const double a[2] = { sizes[i], sizes[i] };
        struct rig r;
        rig_init(&r, (struct function){ .gradient = quadratic, .n = 2, .a = a },
            TRAJ_F64, x);
        meter_once(&r);
        assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
        assert_true(traj_is_unset(r.found.value));
    }
}

/* ---- dtypes and segments ------------------------------------------------ */

/* g = 4 x has every value exactly. x +- e v is rounded, by up to half of e in
 * bfloat16; the quotient of what was really moved is 4 all the same. */
static void test_rounded_displacements_do_not_bias_the_quotient(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
        TRAJ_F16 };
    static const double u[] = { 0x1p-24, 0x1p-53, 0x1p-8, 0x1p-11 };
    static const double a[3] = { 4, 4, 4 };
    static const double x[3] = { 1.5, -2, 3 };
    for (size_t i = 0; i < 4; i++) {
        struct rig r;
        rig_init(&r, (struct function){ .gradient = quadratic, .n = 3, .a = a },
            dtypes[i], x);
        meter_once(&r);
        assert_close(r.found.value, 4, 1e-15);
        assert_true(r.found.residual <= 1e-14);
        assert_int_equal(r.found.dtype, dtypes[i]);
        assert_close(r.found.epsilon, cbrt(u[i]) * (1 + sqrt(15.25)), 1e-14);
    }
}

/* Powers of two: g is exact, so every value is a Rayleigh quotient of H. */
static void test_the_norm_is_never_exceeded_in_coarse_dtypes(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_BF16, TRAJ_F16 };
    static const double a[4] = { 0.5, 8, 2, 1 };
    static const double x[4] = { 0.3, 1.7, -5, 0.01 };
    for (size_t i = 0; i < 3; i++) {
        struct rig r;
        rig_init(&r, (struct function){ .gradient = quadratic, .n = 4, .a = a },
            dtypes[i], x);
        open_meter(&r);
        for (int k = 0; k < 5; k++) {
            measure(&r);
            assert_true(r.found.value <= 8 * (1 + 1e-14));
        }
        assert_true(r.found.value > 8 * 0.98);
        assert_int_equal(r.found.flags, 0);
        traj_sharpness_close(r.meter);
    }
}

static int split_gradient(void *context, void *ret_grad, double *ret_loss)
{
    struct rig *r = context;
    void *const *arrays = ret_grad;
    double x[N_MAX];
    double g[N_MAX];
    size_t first = 0;
    (void)ret_loss;
    for (size_t i = 0; i < r->options.n_segments; i++) {
        const struct traj_probe_segment *s = &r->segments[i];
        element_widen(s->dtype, s->param, 0, s->n, x + first);
        first += s->n;
    }
    r->f.gradient(&r->f, x, g);
    int code = answer(r, g);
    first = 0;
    for (size_t i = 0; i < r->options.n_segments; i++) {
        const struct traj_probe_segment *s = &r->segments[i];
        element_narrow(s->dtype, g + first, s->n, arrays[i], 0);
        first += s->n;
    }
    return code;
}

static void test_segments_give_what_one_array_gives(void **state)
{
    (void)state;
    double x[50];
    for (size_t i = 0; i < 50; i++) {
        x[i] = 2 * (2 + sin((double)i)) / sqrt(50);
    }
    struct rig flat;
    struct rig split;
    const struct function f = {
        .gradient = radial, .n = 50, .L0 = 2, .L1 = 0.7
    };
    rig_init(&flat, f, TRAJ_F64, x);
    rig_init(&split, f, TRAJ_F64, x);
    static const size_t sizes[] = { 7, 0, 33, 10 };
    size_t first = 0;
    for (size_t i = 0; i < 4; i++) {
        split.segments[i] = (struct traj_probe_segment){
            .dtype = TRAJ_F64, .n = sizes[i], .param = split.param + first
        };
        first += sizes[i];
    }
    split.options.dtype = (enum traj_dtype)0;
    split.options.n = 0;
    split.options.param = NULL;
    split.options.segments = split.segments;
    split.options.n_segments = 4;
    split.options.gradient = split_gradient;
    meter_once(&flat);
    meter_once(&split);
    assert_close(split.found.value, flat.found.value, 1e-12);
    assert_close(split.found.epsilon, flat.found.epsilon, 1e-15);
    assert_int_equal(split.found.hvps, flat.found.hvps);
}

static void test_mixed_segments_are_of_the_coarsest_dtype(void **state)
{
    (void)state;
    static const double x[3] = { 1.5, -2, 3 };
    static const double a[3] = { 4, 4, 4 };
    struct rig r;
    uint16_t bf16[1];
    float f32[2];
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 3, .a = a },
        TRAJ_F64, x);
    element_narrow(TRAJ_BF16, x, 1, bf16, 0);
    element_narrow(TRAJ_F32, x + 1, 2, f32, 0);
    r.segments[0] = (struct traj_probe_segment){
        .dtype = TRAJ_BF16, .n = 1, .param = bf16
    };
    r.segments[1] =
        (struct traj_probe_segment){ .dtype = TRAJ_F32, .n = 2, .param = f32 };
    r.options.dtype = (enum traj_dtype)0;
    r.options.n = 0;
    r.options.param = NULL;
    r.options.segments = r.segments;
    r.options.n_segments = 2;
    r.options.gradient = split_gradient;
    meter_once(&r);
    assert_close(r.found.value, 4, 1e-15);
    assert_int_equal(r.found.dtype, TRAJ_BF16);
    assert_close(r.found.epsilon, cbrt(0x1p-8) * (1 + sqrt(15.25)), 1e-14);
    assert_true(f32[0] == -2 && f32[1] == 3 && bf16[0] == 0x3fc0);
}

/* ---- exact products and Lanczos ----------------------------------------- */

/* The second difference: 2 on the diagonal, -1 beside it. */
static void chain(const struct function *f, const double *x, double *g)
{
    for (size_t i = 0; i < f->n; i++) {
        g[i] =
            2 * x[i] - (i > 0 ? x[i - 1] : 0) - (i + 1 < f->n ? x[i + 1] : 0);
    }
}

static double chain_value(size_t n, size_t k)
{
    return 2 - 2 * cos((double)k * acos(-1) / (double)(n + 1));
}

static void prepare_chain(struct rig *r, uint32_t max_hvps, int exact)
{
    double x[N_MAX] = { 1, 2, 3 };
    rig_init(r, (struct function){ .gradient = chain, .n = 20 }, TRAJ_F64, x);
    r->options.method = TRAJ_SHARPNESS_LANCZOS;
    r->options.max_hvps = max_hvps;
    r->options.tolerance = 1e-14;
    if (exact) {
        r->options.gradient = NULL;
        r->options.hvp = product_of;
    }
}

static void test_lanczos_finds_both_ends_of_the_whole_space(void **state)
{
    (void)state;
    static const double tolerance[] = { 1e-9, 1e-13 };
    for (int exact = 0; exact < 2; exact++) {
        struct rig r;
        prepare_chain(&r, 20, exact);
        meter_once(&r);
        const double low = chain_value(20, 1);
        const double high = chain_value(20, 20);
        assert_true(fabs(r.found.lambda_min - low) < tolerance[exact]);
        assert_true(fabs(r.found.lambda_max - high) < tolerance[exact]);
        assert_true(r.found.value == r.found.lambda_max);
        assert_in_range(r.found.hvps, 15, 20);
        assert_int_equal(r.found.grad_evals, exact ? 0 : 2 * r.found.hvps);
        assert_true(traj_is_unset(r.found.epsilon) == exact);
    }
}

static void test_a_lanczos_residual_bounds_the_distance_to_the_spectrum(
    void **state)
{
    (void)state;
    for (uint32_t m = 1; m <= 12; m++) {
        struct rig r;
        prepare_chain(&r, m, 1);
        meter_once(&r);
        double low = 4;
        double high = 4;
        for (size_t k = 1; k <= 20; k++) {
            low = fmin(low, fabs(chain_value(20, k) - r.found.lambda_min));
            high = fmin(high, fabs(chain_value(20, k) - r.found.lambda_max));
        }
        assert_int_equal(r.found.hvps, m);
        assert_true(low <= r.found.residual_min * (1 + 1e-12));
        assert_true(high <= r.found.residual_max * (1 + 1e-12));
        assert_true(r.found.residual == r.found.residual_max);
        assert_int_equal(r.found.converged, 0);
    }
}

static void test_lanczos_keeps_both_ends_warm(void **state)
{
    (void)state;
    struct rig r;
    prepare_chain(&r, 8, 1);
    open_meter(&r);
    for (int k = 0; k < 30; k++) {
        measure(&r);
        /* Ritz values are never outside, however short beta gets. */
        assert_true(r.found.lambda_min > chain_value(20, 1) - 1e-14);
        assert_true(r.found.lambda_max < chain_value(20, 20) + 1e-14);
    }
    assert_true(fabs(r.found.lambda_min - chain_value(20, 1)) < 1e-9);
    assert_true(fabs(r.found.lambda_max - chain_value(20, 20)) < 1e-9);
    traj_sharpness_close(r.meter);
}

/* One product tells nothing more of a multiple of the identity, so the basis
 * goes on with a new vector. */
static void test_lanczos_goes_on_where_its_space_ends(void **state)
{
    (void)state;
    static const double a[4] = { 3, 3, 3, 3 };
    static const double x[4] = { 1, 1, 1, 1 };
    struct rig r;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 4, .a = a },
        TRAJ_F64, x);
    r.options.method = TRAJ_SHARPNESS_LANCZOS;
    r.options.gradient = NULL;
    r.options.hvp = product_of;
    meter_once(&r);
    assert_close(r.found.lambda_min, 3, 1e-14);
    assert_close(r.found.lambda_max, 3, 1e-14);
    assert_true(r.found.residual_max < 1e-14);
    assert_int_equal(r.found.hvps, 2);
    assert_int_equal(r.found.converged, 1);
}

/* The top stands apart and is found soon; the bottom is one of a crowd. */
static void test_lanczos_goes_on_till_both_ends_have_converged(void **state)
{
    (void)state;
    double a[40];
    double x[40];
    for (size_t i = 0; i < 40; i++) {
        a[i] = i == 0 ? 20 : 0.25 * (double)i - 5;
        x[i] = 1;
    }
    struct rig r;
    rig_init(&r, (struct function){ .gradient = quadratic, .n = 40, .a = a },
        TRAJ_F64, x);
    r.options.method = TRAJ_SHARPNESS_LANCZOS;
    r.options.max_hvps = 40;
    r.options.tolerance = 0.01;
    meter_once(&r);
    assert_int_equal(r.found.converged, 1);
    assert_true(r.found.residual_max < 1e-3);
    assert_true(r.found.residual_min <= 0.2);
    assert_in_range(r.found.hvps, 8, 30);
}

static void test_lanczos_sees_more_than_power_iteration_in_as_many_products(
    void **state)
{
    (void)state;
    struct rig lanczos;
    struct rig power;
    prepare_chain(&lanczos, 8, 1);
    prepare_chain(&power, 8, 1);
    power.options.method = TRAJ_SHARPNESS_POWER;
    meter_once(&lanczos);
    meter_once(&power);
    assert_true(lanczos.found.value > power.found.value);
    assert_true(traj_is_unset(power.found.lambda_min));
}

/* ---- what the trainer owns ---------------------------------------------- */

static void test_a_failed_measurement_leaves_all_as_it_was(void **state)
{
    (void)state;
    static const double x[3] = { 0.1, -0.0, 0.7 };
    static const enum traj_sharpness_method methods[] = { TRAJ_SHARPNESS_POWER,
        TRAJ_SHARPNESS_LANCZOS };
    for (int i = 0; i < 12; i++) {
        struct rig r;
        struct rig undisturbed;
        rig_init(&r, (struct function){ .gradient = quadratic, .n = 3 },
            TRAJ_F64, x);
        r.options.method = methods[i % 2];
        r.options.tolerance = 1e-9;
        undisturbed = r;
        undisturbed.options.param = undisturbed.param;
        undisturbed.options.context = &undisturbed;
        r.fail_at = 1 + i / 2;
        open_meter(&r);
        const struct traj_sharpness before = r.found;
        assert_int_equal(
            traj_sharpness_measure(r.meter, &r.found), TRAJ_ECALLBACK);
        assert_non_null(strstr(traj_last_error(), "returned 9"));
        assert_memory_equal(&r.found, &before, sizeof before);
        assert_memory_equal(r.param, x, sizeof x);
        measure(&r);
        meter_once(&undisturbed);
        assert_memory_equal(
            &r.found, &undisturbed.found, sizeof undisturbed.found);
        assert_memory_equal(r.param, x, sizeof x);
        traj_sharpness_close(r.meter);
    }
}

static void test_fields_of_the_caller_stay(void **state)
{
    (void)state;
    static const double x[1] = { 2 };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    r.found.step = 5;
    r.found.group = 2;
    r.found.estimator = TRAJ_ESTIMATOR_SUBSET;
    r.found.loss = 3;
    r.found.flags = TRAJ_PROBE_NONFINITE;
    meter_once(&r);
    assert_int_equal(r.found.step, 5);
    assert_int_equal(r.found.group, 2);
    assert_int_equal(r.found.estimator, TRAJ_ESTIMATOR_SUBSET);
    assert_true(r.found.loss == 3);
    assert_true(traj_is_unset(r.found.lr));
    assert_int_equal(r.found.flags, 0);
    assert_int_equal(r.found.method, TRAJ_SHARPNESS_POWER);
}

static int sees_environment(void *context, void *ret_grad, double *ret_loss)
{
    int *seen = context;
    (void)ret_loss;
    *(double *)ret_grad = *seen % 2 == 0 ? (double)NAN : 1;
    *seen += fegetround() == FE_UPWARD && (fegetexcept() & FE_INVALID) &&
             fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT;
    return 0;
}

static void test_callbacks_run_in_the_callers_environment_and_it_stays(
    void **state)
{
    (void)state;
    static const double x[1] = { 2 };
    struct rig r;
    int seen = 0;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    r.options.gradient = sees_environment;
    r.options.context = &seen;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feraiseexcept(FE_INEXACT);
    (void)fesetround(FE_UPWARD);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    enum traj_status opened = traj_sharpness_open(&r.options, &r.meter);
    enum traj_status status = traj_sharpness_measure(r.meter, &r.found);
    const int traps = fegetexcept();
    const int flags = fetestexcept(FE_ALL_EXCEPT);
    const int rounding = fegetround();
    (void)fesetenv(FE_DFL_ENV);
    traj_sharpness_close(r.meter);
    assert_int_equal(opened, TRAJ_OK);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(seen, 2);
    assert_int_equal(traps, FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    assert_int_equal(flags, FE_INEXACT);
    assert_int_equal(rounding, FE_UPWARD);
    assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
    assert_memory_equal(r.param, x, sizeof x);
}

static void test_two_meters_find_the_same_bits(void **state)
{
    (void)state;
    struct rig one;
    struct rig two;
    prepare_chain(&one, 5, 0);
    prepare_chain(&two, 5, 0);
    meter_once(&one);
    meter_once(&two);
    assert_memory_equal(&one.found, &two.found, sizeof one.found);
}

/* ---- refusals ----------------------------------------------------------- */

static void refused(struct rig *r, enum traj_status expected, const char *text)
{
    traj_sharpness_meter *meter = NULL;
    assert_int_equal(traj_sharpness_open(&r->options, &meter), expected);
    assert_null(meter);
    assert_non_null(strstr(traj_last_error(), text));
}

static void test_wrong_options_are_refused(void **state)
{
    (void)state;
    static const double x[1] = { 2 };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    const struct traj_sharpness_options good = r.options;
    r.options.size = 8;
    refused(&r, TRAJ_EINVAL, "size is not set");
    r.options = good;
    r.options.hvp = product_of;
    refused(&r, TRAJ_EINVAL, "one of gradient and hvp");
    r.options = good;
    r.options.gradient = NULL;
    refused(&r, TRAJ_EINVAL, "one of gradient and hvp");
    r.options = good;
    r.options.method = (enum traj_sharpness_method)3;
    refused(&r, TRAJ_EINVAL, "method 3");
    r.options = good;
    r.options.max_hvps = 65;
    refused(&r, TRAJ_EINVAL, "max_hvps is 65, above 64");
    r.options = good;
    r.options.tolerance = (double)NAN;
    refused(&r, TRAJ_EINVAL, "tolerance");
    r.options = good;
    r.options.epsilon = -1;
    refused(&r, TRAJ_EINVAL, "epsilon");
    r.options = good;
    r.options.dtype = (enum traj_dtype)9;
    refused(&r, TRAJ_EINVAL, "dtype 9");
    r.options = good;
    r.options.n = 0;
    refused(&r, TRAJ_EINVAL, "n is 0");
    r.options.n = SIZE_MAX / 16;
    refused(&r, TRAJ_EINVAL, "too large");
    r.options = good;
    r.options.param = NULL;
    refused(&r, TRAJ_ENOGRAD, "param is NULL");
    r.options = good;
    r.options.segments = r.segments;
    refused(&r, TRAJ_EINVAL, "either segments");
    r.options.n_segments = 1;
    refused(&r, TRAJ_EINVAL, "either segments");
    assert_int_equal(traj_sharpness_open(NULL, NULL), TRAJ_EINVAL);
}

static void test_measuring_needs_a_meter_and_a_result(void **state)
{
    (void)state;
    static const double x[1] = { 2 };
    struct rig r;
    rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    assert_int_equal(traj_sharpness_measure(NULL, &r.found), TRAJ_EINVAL);
    open_meter(&r);
    r.found.size = 0;
    assert_int_equal(traj_sharpness_measure(r.meter, &r.found), TRAJ_EINVAL);
    assert_int_equal(traj_sharpness_measure(r.meter, NULL), TRAJ_EINVAL);
    assert_int_equal(r.calls, 0);
    traj_sharpness_close(r.meter);
    traj_sharpness_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_functions_of_one_variable_have_their_second_derivative),
        cmocka_unit_test(test_radial_law_has_the_norm_it_is_made_for),
        cmocka_unit_test(test_logistic_loss_has_its_norm),
        cmocka_unit_test(test_the_smallest_linear_net_has_its_eigenvalue),
        cmocka_unit_test(test_the_top_of_a_quadratic_is_flat_along_a_descent),
        cmocka_unit_test(test_negative_top_curvature_keeps_its_sign),
        cmocka_unit_test(test_two_opposite_ends_do_not_pass_for_converged),
        cmocka_unit_test(test_value_and_residual_are_those_of_the_unit_vector),
        cmocka_unit_test(test_tolerance_ends_the_iteration_and_says_so),
        cmocka_unit_test(test_no_curvature_is_a_measured_zero),
        cmocka_unit_test(test_a_vector_that_vanishes_is_drawn_anew),
        cmocka_unit_test(test_a_nan_is_unset_and_not_kept),
        cmocka_unit_test(test_a_vector_that_led_to_nan_is_not_tried_again),
        cmocka_unit_test(test_parameters_that_are_not_finite_are_not_touched),
        cmocka_unit_test(test_a_displacement_rounded_away_measures_nothing),
        cmocka_unit_test(test_curvature_beyond_double_is_no_silent_zero),
        cmocka_unit_test(test_rounded_displacements_do_not_bias_the_quotient),
        cmocka_unit_test(test_the_norm_is_never_exceeded_in_coarse_dtypes),
        cmocka_unit_test(test_segments_give_what_one_array_gives),
        cmocka_unit_test(test_mixed_segments_are_of_the_coarsest_dtype),
        cmocka_unit_test(test_lanczos_finds_both_ends_of_the_whole_space),
        cmocka_unit_test(
            test_a_lanczos_residual_bounds_the_distance_to_the_spectrum),
        cmocka_unit_test(test_lanczos_keeps_both_ends_warm),
        cmocka_unit_test(test_lanczos_goes_on_where_its_space_ends),
        cmocka_unit_test(test_lanczos_goes_on_till_both_ends_have_converged),
        cmocka_unit_test(
            test_lanczos_sees_more_than_power_iteration_in_as_many_products),
        cmocka_unit_test(test_a_failed_measurement_leaves_all_as_it_was),
        cmocka_unit_test(test_fields_of_the_caller_stay),
        cmocka_unit_test(
            test_callbacks_run_in_the_callers_environment_and_it_stays),
        cmocka_unit_test(test_two_meters_find_the_same_bits),
        cmocka_unit_test(test_wrong_options_are_refused),
        cmocka_unit_test(test_measuring_needs_a_meter_and_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

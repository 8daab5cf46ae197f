/* The sharpness meter: Hessians in closed form by power iteration, and what it
 * says where there is doubt. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "../lib/meter_rig.h"
#include "traj.h"

/* The meter's value at x by as many products as there may be. */
static void assert_top(
    struct function f, const double *x, double expected, double tolerance)
{
    struct meter_rig r;
    meter_rig_init(&r, f, TRAJ_F64, x);
    r.options.max_hvps = 64;
    r.options.tolerance = 1e-9;
    meter_rig_once(&r);
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
        double x[METER_RIG_MAX];
        double g[METER_RIG_MAX];
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
    struct meter_rig r;
    for (size_t i = 0; i < 50; i++) {
        a[i] = 1 / (double)(i + 1);
        x[i] = 1;
    }
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 50, .a = a }, TRAJ_F64,
        x);
    meter_rig_open(&r);
    for (int k = 0; k < 30; k++) {
        meter_rig_measure(&r);
    }
    for (int k = 0; k < 20; k++) {
        meter_rig_measure(&r);
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
    struct meter_rig r;
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 4, .a = a }, TRAJ_F64,
        x);
    r.options.max_hvps = 64;
    meter_rig_once(&r);
    assert_int_equal(r.found.converged, 0);
    assert_int_equal(r.found.hvps, 64);
    assert_close(pow(r.found.value, 2) + pow(r.found.residual, 2), 4, 1e-8);
    assert_true(r.found.residual > 0.1 * fabs(r.found.value));

    r.options.method = TRAJ_SHARPNESS_LANCZOS;
    r.options.max_hvps = 4;
    r.options.tolerance = 1e-6;
    meter_rig_once(&r);
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
    struct meter_rig r;
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 2, .a = a }, TRAJ_BF16,
        x);
    r.options.max_hvps = 5;
    meter_rig_once(&r);
    assert_int_equal(r.found.hvps, 5);
    assert_close(pow(r.found.value, 2) + pow(r.found.residual, 2), 4, 1e-14);
}

static void test_tolerance_ends_the_iteration_and_says_so(void **state)
{
    (void)state;
    static const double a[3] = { 8, 1, 2 };
    static const double x[3] = { 1, 1, 1 };
    struct meter_rig r;
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 3, .a = a }, TRAJ_F64,
        x);
    r.options.max_hvps = 64;
    meter_rig_once(&r);
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
        struct meter_rig r;
        meter_rig_init(&r,
            (struct function){
                .gradient = linear, .n = 3, .L1 = (double)(i / 2) },
            TRAJ_F64, x);
        r.options.method = methods[i % 2];
        meter_rig_once(&r);
        assert_true(r.found.value == 0 && r.found.residual == 0);
        assert_int_equal(r.found.converged, 1);
        assert_in_range(r.found.hvps, 2, 3);
        assert_int_equal(r.found.flags, i < 2 ? 0 : TRAJ_PROBE_ROUNDING);
    }
}

/* H maps the first vector to 0, the next ones not. */
static int zero_first(void *context, const void *v, void *ret_hv)
{
    struct meter_rig *r = context;
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
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 3 }, TRAJ_F64, x);
    r.options.gradient = NULL;
    r.options.hvp = zero_first;
    meter_rig_once(&r);
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
        struct meter_rig r;
        meter_rig_init(&r, (struct function){ .gradient = quadratic, .n = 3 },
            TRAJ_F64, x);
        r.options.method = methods[i % 2];
        r.options.tolerance = 1e-9;
        r.nan_at = 1 + i / 2;
        meter_rig_open(&r);
        meter_rig_measure(&r);
        assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
        assert_true(traj_is_unset(r.found.value));
        assert_true(traj_is_unset(r.found.residual));
        assert_true(traj_is_unset(r.found.lambda_max));
        assert_int_equal(r.found.converged, 0);
        assert_memory_equal(r.param, x, sizeof x);
        meter_rig_measure(&r);
        assert_int_equal(r.found.flags, 0);
        assert_true(r.found.value > 1 && r.found.value <= 3 + 1e-8);
        traj_sharpness_close(r.meter);
    }
}

/* What H does to the first vector it never does to another. */
static int nan_for_the_first(void *context, const void *v, void *ret_hv)
{
    struct meter_rig *r = context;
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
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 3 }, TRAJ_F64, x);
    r.options.gradient = NULL;
    r.options.hvp = nan_for_the_first;
    meter_rig_open(&r);
    meter_rig_measure(&r);
    assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
    meter_rig_measure(&r);
    assert_int_equal(r.found.flags, 0);
    traj_sharpness_close(r.meter);
}

static void test_parameters_that_are_not_finite_are_not_touched(void **state)
{
    (void)state;
    static const double x[2] = { 1, (double)INFINITY };
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 2 }, TRAJ_F64, x);
    meter_rig_once(&r);
    assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
    assert_int_equal(r.calls, 0);
    assert_true(traj_is_unset(r.found.value));
}

static void test_a_displacement_rounded_away_measures_nothing(void **state)
{
    (void)state;
    static const double x[2] = { 1, 2 };
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 2 }, TRAJ_F32, x);
    r.options.epsilon = 1e-12;
    meter_rig_once(&r);
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
        struct meter_rig r;
        meter_rig_init(&r,
            (struct function){ .gradient = quadratic, .n = 2, .a = a },
            TRAJ_F64, x);
        meter_rig_once(&r);
        assert_int_equal(r.found.flags, TRAJ_PROBE_NONFINITE);
        assert_true(traj_is_unset(r.found.value));
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

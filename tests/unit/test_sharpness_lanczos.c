/* The sharpness by the Lanczos method, whose products may be exact: both ends
 * of spectra in closed form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "../lib/meter_rig.h"
#include "traj.h"

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

static void prepare_chain(struct meter_rig *r, uint32_t max_hvps, int exact)
{
    double x[METER_RIG_MAX] = { 1, 2, 3 };
    meter_rig_init(
        r, (struct function){ .gradient = chain, .n = 20 }, TRAJ_F64, x);
    r->options.method = TRAJ_SHARPNESS_LANCZOS;
    r->options.max_hvps = max_hvps;
    r->options.tolerance = 1e-14;
    if (exact) {
        r->options.gradient = NULL;
        r->options.hvp = meter_rig_product;
    }
}

static void test_lanczos_finds_both_ends_of_the_whole_space(void **state)
{
    (void)state;
    static const double tolerance[] = { 1e-9, 1e-13 };
    for (int exact = 0; exact < 2; exact++) {
        struct meter_rig r;
        prepare_chain(&r, 20, exact);
        meter_rig_once(&r);
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
        struct meter_rig r;
        prepare_chain(&r, m, 1);
        meter_rig_once(&r);
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
    struct meter_rig r;
    prepare_chain(&r, 8, 1);
    meter_rig_open(&r);
    for (int k = 0; k < 30; k++) {
        meter_rig_measure(&r);
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
    struct meter_rig r;
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 4, .a = a }, TRAJ_F64,
        x);
    r.options.method = TRAJ_SHARPNESS_LANCZOS;
    r.options.gradient = NULL;
    r.options.hvp = meter_rig_product;
    meter_rig_once(&r);
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
    struct meter_rig r;
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 40, .a = a }, TRAJ_F64,
        x);
    r.options.method = TRAJ_SHARPNESS_LANCZOS;
    r.options.max_hvps = 40;
    r.options.tolerance = 0.01;
    meter_rig_once(&r);
    assert_int_equal(r.found.converged, 1);
    assert_true(r.found.residual_max < 1e-3);
    assert_true(r.found.residual_min <= 0.2);
    assert_in_range(r.found.hvps, 8, 30);
}

static void test_lanczos_sees_more_than_power_iteration_in_as_many_products(
    void **state)
{
    (void)state;
    struct meter_rig lanczos;
    struct meter_rig power;
    prepare_chain(&lanczos, 8, 1);
    prepare_chain(&power, 8, 1);
    power.options.method = TRAJ_SHARPNESS_POWER;
    meter_rig_once(&lanczos);
    meter_rig_once(&power);
    assert_true(lanczos.found.value > power.found.value);
    assert_true(traj_is_unset(power.found.lambda_min));
}

static void test_two_meters_find_the_same_bits(void **state)
{
    (void)state;
    struct meter_rig one;
    struct meter_rig two;
    prepare_chain(&one, 5, 0);
    prepare_chain(&two, 5, 0);
    meter_rig_once(&one);
    meter_rig_once(&two);
    assert_memory_equal(&one.found, &two.found, sizeof one.found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanczos_finds_both_ends_of_the_whole_space),
        cmocka_unit_test(
            test_a_lanczos_residual_bounds_the_distance_to_the_spectrum),
        cmocka_unit_test(test_lanczos_keeps_both_ends_warm),
        cmocka_unit_test(test_lanczos_goes_on_where_its_space_ends),
        cmocka_unit_test(test_lanczos_goes_on_till_both_ends_have_converged),
        cmocka_unit_test(
            test_lanczos_sees_more_than_power_iteration_in_as_many_products),
        cmocka_unit_test(test_two_meters_find_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the sharpness meter promises about the trainer, and what it refuses. */
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/meter_rig.h"
#include "traj.h"

/* ---- what the trainer owns ---------------------------------------------- */

static void test_a_failed_measurement_leaves_all_as_it_was(void **state)
{
    (void)state;
    static const double x[3] = { 0.1, -0.0, 0.7 };
    static const enum traj_sharpness_method methods[] = { TRAJ_SHARPNESS_POWER,
        TRAJ_SHARPNESS_LANCZOS };
    for (int i = 0; i < 12; i++) {
        struct meter_rig r;
        struct meter_rig undisturbed;
        meter_rig_init(&r, (struct function){ .gradient = quadratic, .n = 3 },
            TRAJ_F64, x);
        r.options.method = methods[i % 2];
        r.options.tolerance = 1e-9;
        undisturbed = r;
        undisturbed.options.param = undisturbed.param;
        undisturbed.options.context = &undisturbed;
        r.fail_at = 1 + i / 2;
        meter_rig_open(&r);
        const struct traj_sharpness before = r.found;
        assert_int_equal(
            traj_sharpness_measure(r.meter, &r.found), TRAJ_ECALLBACK);
        assert_non_null(strstr(traj_last_error(), "returned 9"));
        assert_memory_equal(&r.found, &before, sizeof before);
        assert_memory_equal(r.param, x, sizeof x);
        meter_rig_measure(&r);
        meter_rig_once(&undisturbed);
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
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    r.found.step = 5;
    r.found.group = 2;
    r.found.estimator = TRAJ_ESTIMATOR_SUBSET;
    r.found.loss = 3;
    r.found.flags = TRAJ_PROBE_NONFINITE;
    meter_rig_once(&r);
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
    struct meter_rig r;
    int seen = 0;
    meter_rig_init(
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

/* ---- refusals ----------------------------------------------------------- */

static void refused(
    struct meter_rig *r, enum traj_status expected, const char *text)
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
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    const struct traj_sharpness_options good = r.options;
    assert_int_equal(traj_sharpness_open(&good, NULL), TRAJ_EINVAL);
    r.options.size = 8;
    refused(&r, TRAJ_EINVAL, "size is not set");
    r.options = good;
    r.options.hvp = meter_rig_product;
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
    struct meter_rig r;
    meter_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 1 }, TRAJ_F64, x);
    assert_int_equal(traj_sharpness_measure(NULL, &r.found), TRAJ_EINVAL);
    meter_rig_open(&r);
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
        cmocka_unit_test(test_a_failed_measurement_leaves_all_as_it_was),
        cmocka_unit_test(test_fields_of_the_caller_stay),
        cmocka_unit_test(
            test_callbacks_run_in_the_callers_environment_and_it_stays),
        cmocka_unit_test(test_wrong_options_are_refused),
        cmocka_unit_test(test_measuring_needs_a_meter_and_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

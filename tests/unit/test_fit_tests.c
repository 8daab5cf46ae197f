/* Tests of L1 = 0: by hand where samples are few, by draws where the claim is
 * about how often. Beside numpy and scipy: tests/oracle/test_uncertainty.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "math/fit_tests.h"
#include "math/random.h"
#include "math/student.h"

#define N 800
#define M 40u

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

static void blocks_of(
    const double *x, const double *y, struct fit_sums rows[static M])
{
    assert_int_equal(fit_rows(x, y, NULL, N, N / M, rows), M);
}

static void test_the_slope_test_is_one_side_of_the_interval(void **state)
{
    (void)state;
    double x[N], y[N];
    struct fit_sums rows[M];
    for (size_t i = 0; i < N; i++) {
        x[i] = unit(1, i);
        y[i] = 1 + 0.03 * x[i] + unit(2, i);
    }
    blocks_of(x, y, rows);
    struct fit_ci ci;
    struct fit_test up, down;
    assert_int_equal(fit_ci(rows, M, N, 1, 0.95, &ci), FIT_PRESENT);
    assert_int_equal(fit_slope_test(rows, M, N, 1, &up), FIT_PRESENT);
    assert_close(up.statistic, ci.L1.estimate / ci.L1.se, 1e-15);
    assert_close(up.p, student_tail(up.statistic, M - 2), 1e-15);
    for (size_t i = 0; i < N; i++) {
        y[i] = 3 - y[i];
    }
    blocks_of(x, y, rows);
    assert_int_equal(fit_slope_test(rows, M, N, 1, &down), FIT_PRESENT);
    assert_close(down.p, 1 - up.p, 1e-12);
    assert_int_equal(
        fit_slope_test(rows, 19, N, 1, &up), FIT_ABSENT_FEW_BLOCKS);
}

/* Under L1 = 0 half of the p are 1, and a share a/1 of all is below a < 1/2. */
static void test_the_boundary_test_has_half_its_mass_at_zero(void **state)
{
    (void)state;
    enum { sets = 4000, n = 100 };
    int at_one = 0;
    int below = 0;
    for (uint64_t set = 0; set < sets; set++) {
        struct fit_sums total = { 0 };
        for (uint64_t i = 0; i < n; i++) {
            fit_sums_add(&total, unit(1, set * n + i),
                5 + unit(3, set * n + i) + unit(4, set * n + i));
        }
        struct fit_test test;
        assert_int_equal(fit_boundary_test(&total, 1, &test), FIT_PRESENT);
        at_one += test.p >= 1 ? 1 : 0;
        below += test.p < 0.1 ? 1 : 0;
    }
    /* Within four standard errors of 1/2 and 1/10. */
    assert_true(fabs(at_one - 0.5 * sets) < 4 * sqrt(0.25 * sets));
    assert_true(fabs(below - 0.1 * sets) < 4 * sqrt(0.09 * sets));
}

/* x = 0, 1, 2, 3; y = 0, 1, 1, 2 about the line 0.1 + 0.6 x: SSE 0.2, and 2
 * about the mean: 4 ln 10; with tau = 2 half of it. */
static void test_the_boundary_test_by_hand(void **state)
{
    (void)state;
    struct fit_sums total = { 0 };
    fit_sums_add(&total, 0, 0);
    fit_sums_add(&total, 1, 1);
    fit_sums_add(&total, 2, 1);
    fit_sums_add(&total, 3, 2);
    struct fit_test test;
    assert_int_equal(fit_boundary_test(&total, 2, &test), FIT_PRESENT);
    assert_close(test.statistic, 2 * log(10), 1e-13);
    assert_close(test.p, erfc(sqrt(log(10))) / 2, 1e-13);
    assert_int_equal(
        fit_boundary_test(&total, (double)NAN, &test), FIT_ABSENT_LONG_MEMORY);
    memset(&total, 0, sizeof total);
    assert_int_equal(
        fit_boundary_test(&total, 1, &test), FIT_ABSENT_UNDETERMINED);
    for (int i = 0; i < 9; i++) {
        fit_sums_add(&total, i, 2);
    }
    assert_int_equal(fit_boundary_test(&total, 1, &test), FIT_ABSENT_CONSTANT);
}

/* ---- ranks ----------------------------------------------------------------
 */

static double workspace[10 * N];

/* r_xy.z = (r_xy - r_xz r_yz)/((1 - r_xz^2)(1 - r_yz^2))^(1/2). */
static void test_partial_ranks_by_the_formula(void **state)
{
    (void)state;
    double x[N], y[N], z[N];
    double xy = 0, xz = 0, yz = 0;
    for (size_t i = 0; i < N; i++) {
        z[i] = unit(1, i);
        x[i] = exp(z[i] + unit(2, i));
        y[i] = z[i] + floor(4 * unit(3, i)) / 4 + x[i] / 5;
    }
    assert_true(fit_spearman(x, y, N, workspace, &xy));
    assert_true(fit_spearman(x, z, N, workspace, &xz));
    assert_true(fit_spearman(y, z, N, workspace, &yz));
    const double expected =
        (xy - xz * yz) / sqrt(1 - xz * xz) / sqrt(1 - yz * yz);
    const double *covariates[] = { z, z };
    struct fit_partial partial;
    assert_int_equal(fit_partial_spearman(
                         x, y, N, covariates, 1, 99, 1, workspace, &partial),
        FIT_PRESENT);
    assert_close(partial.rho, expected, 1e-12);
    assert_int_equal(partial.n_covariates, 1);
    /* The same once more tells nothing; nor does one that is constant. */
    assert_int_equal(fit_partial_spearman(
                         x, y, N, covariates, 2, 99, 1, workspace, &partial),
        FIT_PRESENT);
    assert_close(partial.rho, expected, 1e-12);
    assert_int_equal(partial.n_covariates, 1);
    double constant[N] = { 0 };
    covariates[1] = constant;
    assert_int_equal(fit_partial_spearman(
                         x, y, N, covariates, 2, 99, 1, workspace, &partial),
        FIT_PRESENT);
    assert_int_equal(partial.n_covariates, 1);
    assert_int_equal(
        fit_partial_spearman(x, y, N, NULL, 0, 99, 1, workspace, &partial),
        FIT_PRESENT);
    assert_close(partial.rho, xy, 1e-12);
}

/* Three phases: the third begins where the others are not. Its ranks are a sum
 * of theirs but for rounding. */
static void test_a_covariate_that_others_tell_is_left_out(void **state)
{
    (void)state;
    double x[N], y[N];
    double phase[3][N] = { { 0 } };
    for (size_t i = 0; i < N; i++) {
        x[i] = unit(1, i);
        y[i] = unit(3, i);
        phase[i < 97 ? 0 : i < 310 ? 1 : 2][i] = 1;
    }
    const double *covariates[] = { phase[0], phase[1], phase[2] };
    struct fit_partial two, three;
    assert_int_equal(
        fit_partial_spearman(x, y, N, covariates, 2, 99, 1, workspace, &two),
        FIT_PRESENT);
    assert_int_equal(
        fit_partial_spearman(x, y, N, covariates, 3, 99, 1, workspace, &three),
        FIT_PRESENT);
    assert_int_equal(two.n_covariates, 2);
    assert_int_equal(three.n_covariates, 2);
    assert_true(fabs(two.rho - three.rho) < 1e-12);
}

/* A6: both follow the clock, and nothing else joins them. */
static void test_a_shared_trend_is_no_association(void **state)
{
    (void)state;
    double x[N], y[N], step[N];
    double raw = 0;
    struct fit_partial differences;
    for (size_t i = 0; i < N; i++) {
        step[i] = (double)i;
        x[i] = 1 + step[i] / N + unit(1, i);
        y[i] = 1 + step[i] / N + unit(3, i);
    }
    const double *covariates[] = { step };
    struct fit_partial partial;
    assert_true(fit_spearman(x, y, N, workspace, &raw));
    assert_true(raw > 0.4);
    assert_int_equal(fit_partial_spearman(
                         x, y, N, covariates, 1, 999, 1, workspace, &partial),
        FIT_PRESENT);
    assert_true(fabs(partial.rho) < 0.1 && partial.p > 0.05);
    assert_int_equal(
        fit_difference_spearman(x, y, N, 999, 1, workspace, &differences),
        FIT_PRESENT);
    assert_true(fabs(differences.rho) < 0.1 && differences.p > 0.05);
}

static void test_what_time_explains_is_not_separable(void **state)
{
    (void)state;
    double x[N], y[N], step[N], monotone[N];
    for (size_t i = 0; i < N; i++) {
        step[i] = (double)i;
        monotone[i] = exp(-step[i] / 100);
        x[i] = unit(1, i);
        y[i] = unit(2, i);
    }
    const double *covariates[] = { step };
    struct fit_partial partial;
    assert_int_equal(fit_partial_spearman(monotone, y, N, covariates, 1, 99, 1,
                         workspace, &partial),
        FIT_ABSENT_NOT_SEPARABLE);
    assert_int_equal(fit_partial_spearman(x, monotone, N, covariates, 1, 99, 1,
                         workspace, &partial),
        FIT_ABSENT_NOT_SEPARABLE);
    /* .98 is where the line is (theory.md, A1b). */
    static const double noise[] = { 0.17, 0.23 };
    for (int above = 0; above < 2; above++) {
        double rho = 0;
        for (size_t i = 0; i < N; i++) {
            monotone[i] = step[i] / N + noise[1 - above] * (x[i] - 0.5);
        }
        assert_true(fit_spearman(monotone, step, N, workspace, &rho));
        assert_true(above ? rho > 0.98 : rho < 0.98 && rho > 0.95);
        assert_int_equal(fit_partial_spearman(monotone, y, N, covariates, 1, 99,
                             1, workspace, &partial),
            above ? FIT_ABSENT_NOT_SEPARABLE : FIT_PRESENT);
    }
    for (size_t i = 0; i < N; i++) {
        monotone[i] = 1;
    }
    assert_int_equal(fit_partial_spearman(
                         monotone, y, N, NULL, 0, 99, 1, workspace, &partial),
        FIT_ABSENT_CONSTANT);
    assert_int_equal(
        fit_partial_spearman(x, y, 29, NULL, 0, 99, 1, workspace, &partial),
        FIT_ABSENT_FEW_SAMPLES);
    assert_int_equal(
        fit_partial_spearman(x, y, N, NULL, 0, 0, 1, workspace, &partial),
        FIT_ABSENT_ARGUMENT);
    assert_int_equal(
        fit_difference_spearman(x, step, N, 99, 1, workspace, &partial),
        FIT_ABSENT_CONSTANT);
}

/* Independent AR(1) of phi .9: rho is often large, and p is as often below .1
 * as it says; so p keeps the autocorrelation. */
static void test_shifts_keep_the_level_with_autocorrelation(void **state)
{
    (void)state;
    enum { sets = 400 };
    double x[N], y[N];
    int below = 0;
    int large = 0;
    for (uint64_t set = 0; set < sets; set++) {
        for (size_t i = 0; i < N; i++) {
            const double u = unit(1, set * N + i) - 0.5;
            const double v = unit(3, set * N + i) - 0.5;
            x[i] = i > 0 ? 0.9 * x[i - 1] + u : 2 * u;
            y[i] = i > 0 ? 0.9 * y[i - 1] + v : 2 * v;
        }
        struct fit_partial partial;
        assert_int_equal(fit_partial_spearman(
                             x, y, N, NULL, 0, 99, set, workspace, &partial),
            FIT_PRESENT);
        below += partial.p <= 0.1 ? 1 : 0;
        /* What would be 1.645 standard errors of independent samples. */
        large += fabs(partial.rho) * sqrt(N) > 1.645 ? 1 : 0;
    }
    assert_true(abs(below - 40) < 4 * 6 + 1); /* 6 = (400 .1 .9)^(1/2) */
    assert_true(large > 160);
}

static void test_p_counts_shifts_and_itself(void **state)
{
    (void)state;
    double x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = unit(1, i);
        y[i] = x[i];
    }
    struct fit_partial up, again, down;
    assert_int_equal(
        fit_partial_spearman(x, y, N, NULL, 0, 99, 7, workspace, &up),
        FIT_PRESENT);
    assert_int_equal(
        fit_partial_spearman(x, y, N, NULL, 0, 99, 7, workspace, &again),
        FIT_PRESENT);
    assert_close(up.rho, 1, 1e-12);
    assert_true(up.p == 0.01 && up.p_greater == 0.01);
    assert_memory_equal(&up, &again, sizeof up);
    for (size_t i = 0; i < N; i++) {
        y[i] = -x[i];
    }
    assert_int_equal(
        fit_partial_spearman(x, y, N, NULL, 0, 99, 7, workspace, &down),
        FIT_PRESENT);
    assert_true(down.p == 0.01 && down.p_greater == 1);
}

/* ---- leverage -------------------------------------------------------------
 */

static void test_one_far_sample_is_seen(void **state)
{
    (void)state;
    double x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = 1 + unit(1, i);
        y[i] = 3 + 0.5 * x[i];
    }
    x[77] = 100;
    y[77] = 3;
    static const enum fit_kind kinds[] = { FIT_KIND_OLS, FIT_KIND_NNLS,
        FIT_KIND_RELATIVE };
    for (size_t k = 0; k < 3; k++) {
        struct fit_leverage l;
        assert_int_equal(
            fit_leverage(x, y, N, kinds[k], workspace, &l), FIT_PRESENT);
        assert_int_equal(l.n_dropped, 8);
        assert_close(l.rest.L0, 3, 1e-9);
        assert_close(l.rest.L1, 0.5, 1e-9);
        assert_true(l.all.L1 < 0.1);
    }
}

static void test_equal_x_are_dropped_together(void **state)
{
    (void)state;
    double x[N], y[N];
    struct fit_leverage l;
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)(i % 4);
        y[i] = 1 + x[i];
    }
    assert_int_equal(
        fit_leverage(x, y, N, FIT_KIND_OLS, workspace, &l), FIT_PRESENT);
    assert_int_equal(l.n_dropped, 0);
    assert_true(l.x_above == 3);
    assert_int_equal(fit_leverage(x, y, 29, FIT_KIND_OLS, workspace, &l),
        FIT_ABSENT_FEW_SAMPLES);
    for (size_t i = 0; i < N; i++) {
        x[i] = i == 5 ? 2 : 1;
    }
    assert_int_equal(fit_leverage(x, y, N, FIT_KIND_OLS, workspace, &l),
        FIT_ABSENT_UNDETERMINED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_slope_test_is_one_side_of_the_interval),
        cmocka_unit_test(test_the_boundary_test_has_half_its_mass_at_zero),
        cmocka_unit_test(test_the_boundary_test_by_hand),
        cmocka_unit_test(test_partial_ranks_by_the_formula),
        cmocka_unit_test(test_a_covariate_that_others_tell_is_left_out),
        cmocka_unit_test(test_a_shared_trend_is_no_association),
        cmocka_unit_test(test_what_time_explains_is_not_separable),
        cmocka_unit_test(test_shifts_keep_the_level_with_autocorrelation),
        cmocka_unit_test(test_p_counts_shifts_and_itself),
        cmocka_unit_test(test_one_far_sample_is_seen),
        cmocka_unit_test(test_equal_x_are_dropped_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

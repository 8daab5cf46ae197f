/* Intervals from block sums: closed forms, absences with their reason, draws
 * that repeat. Coverage is in tests/oracle/test_coverage.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "math/fit_ci.h"
#include "math/fit_weights.h"
#include "math/random.h"
#include "math/student.h"

#define M 24u

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

/* ---- Student's t ----------------------------------------------------------
 */

/* One degree of freedom: tan(pi (p - 1/2)); two: 2 (p - 1/2)/(2 p (1 - p))^½.
 */
static void test_quantiles_with_one_and_two_degrees_are_closed_forms(
    void **state)
{
    (void)state;
    const double pi = 3.14159265358979323846;
    static const double ps[] = { 1e-15, 1e-9, 0.01, 0.3, 0.49, 0.5 + 1e-12,
        0.5000001, 0.6, 0.7499, 0.7501, 0.9, 0.975, 0.999, 1 - 0x1p-30 };
    for (size_t i = 0; i < sizeof ps / sizeof ps[0]; i++) {
        const double p = ps[i];
        const double one = p < 0.25   ? -1 / tan(pi * p)
                           : p > 0.75 ? 1 / tan(pi * (1 - p))
                                      : tan(pi * (p - 0.5));
        const double two = 2 * (p - 0.5) / sqrt(2 * p * (1 - p));
        assert_close(student_quantile(p, 1), one, 1e-13);
        assert_close(student_quantile(p, 2), two, 1e-13);
        assert_close(student_tail(two, 2), 1 - p, 1e-9);
    }
    assert_true(student_quantile(0.5, 3) == 0);
}

/* Abramowitz and Stegun, table 26.10. */
static void test_quantiles_are_those_of_the_table(void **state)
{
    (void)state;
    assert_close(student_quantile(0.975, 30), 2.042, 3e-4);
    assert_close(student_quantile(0.995, 10), 3.169, 2e-4);
    assert_close(student_quantile(0.95, 120), 1.658, 4e-4);
    assert_close(student_quantile(0.975, 1e6), 1.959963985, 2e-6);
}

static void test_tail_and_quantile_are_inverse_and_symmetric(void **state)
{
    (void)state;
    static const double dofs[] = { 1, 1.5, 7, 30, 1000, 1e6 };
    for (size_t i = 0; i < 6; i++) {
        for (double tail = 0.49; tail > 1e-250; tail *= tail) {
            const double t = student_quantile(tail, dofs[i]);
            assert_close(student_tail(-t, dofs[i]), tail, 1e-9);
            assert_close(student_tail(t, dofs[i]), 1 - tail, 1e-12);
        }
    }
}

static void test_what_has_no_quantile_is_nan(void **state)
{
    (void)state;
    assert_true(isnan(student_quantile(0, 5)));
    assert_true(isnan(student_quantile(1, 5)));
    assert_true(isnan(student_quantile((double)NAN, 5)));
    assert_true(isnan(student_quantile(0.9, 0.5)));
    assert_true(isnan(student_tail(1, (double)NAN)));
    assert_true(isnan(student_tail((double)NAN, 5)));
    assert_true(student_tail(0, 5) == 0.5);
}

/* ---- cluster-t ------------------------------------------------------------
 */

/* Each block holds x = -1 and x = 1 (about x0), with errors c + s x: residuals
 * are known, and blocks of +-(c, s) keep the line where it is. */
static void known_rows(double x0, struct fit_sums rows[static M])
{
    for (size_t j = 0; j < M; j++) {
        const double sign = j % 2 == 0 ? 1 : -1;
        const double c = sign * (j % 4 < 2 ? 3 : 1);
        const double s = sign * 0.5;
        rows[j] = (struct fit_sums){ 0 };
        for (int side = -1; side <= 1; side += 2) {
            const double u = side;
            fit_sums_add(&rows[j], x0 + u, 5 + 2 * u + c + s * u);
        }
    }
}

/*
 * Scores of a block: (2 c, 2 s); with n = 2 M and sum u^2 = 2 M,
 * Var(centroid) = M/(M-2) sum (2c)^2/(2M)^2 = 5/(M-2), as c^2 is 9 or 1,
 * Var(L1) = .25/(M-2), Cov = mean(c s)/(M-2) = 1/(M-2).
 */
static void test_known_errors_give_known_intervals(void **state)
{
    (void)state;
    struct fit_sums rows[M];
    const double x0 = 10;
    known_rows(x0, rows);
    struct fit_ci ci;
    assert_int_equal(fit_ci(rows, M, 2 * M, 0.5, 0.9, &ci), FIT_PRESENT);
    const double left = M - 2;
    const double t = student_quantile(0.95, left);
    const double var_a = (5 - 2 * x0 + 0.25 * x0 * x0) / left;
    assert_true(ci.dof == left && ci.level == 0.9 && ci.x_mean == x0);
    assert_close(ci.centroid.estimate, 5, 1e-14);
    assert_close(ci.centroid.se, sqrt(5 / left), 1e-13);
    assert_close(ci.L1.estimate, 2, 1e-14);
    assert_close(ci.L1.se, sqrt(0.25 / left), 1e-13);
    assert_close(ci.L1.low, 2 - t * sqrt(0.25 / left), 1e-13);
    assert_close(ci.L1.high, 2 + t * sqrt(0.25 / left), 1e-13);
    assert_close(ci.L0.estimate, -15, 1e-13);
    assert_close(ci.L0.se, sqrt(var_a), 1e-13);
    assert_close(
        ci.corr, (1 - 0.25 * x0) / left / sqrt(var_a * 0.25 / left), 1e-12);
    assert_close(ci.corr_design, -10 / sqrt(101), 1e-14);
}

static void test_units_scale_the_interval(void **state)
{
    (void)state;
    struct fit_sums rows[M], scaled[M];
    for (size_t j = 0; j < M; j++) {
        rows[j] = scaled[j] = (struct fit_sums){ 0 };
        for (uint64_t i = 40 * j; i < 40 * j + 40; i++) {
            const double x = 1 + unit(1, i);
            const double y = x + unit(2, i);
            fit_sums_add(&rows[j], x, y);
            fit_sums_add(&scaled[j], 4 * x, 8 * y);
        }
    }
    struct fit_ci a, b;
    assert_int_equal(fit_ci(rows, M, 960, 1, 0.95, &a), FIT_PRESENT);
    assert_int_equal(fit_ci(scaled, M, 960, 1, 0.95, &b), FIT_PRESENT);
    assert_close(b.L0.low, 8 * a.L0.low, 1e-12);
    assert_close(b.L1.high, 2 * a.L1.high, 1e-12);
    assert_close(b.corr, a.corr, 1e-12);
}

static void test_without_enough_there_is_a_reason(void **state)
{
    (void)state;
    struct fit_sums rows[M];
    struct fit_ci ci = { .dof = 7 };
    struct fit_bootstrap boot;
    double workspace[3 * 10];
    known_rows(1, rows);
    const double none = (double)NAN;
    assert_int_equal(
        fit_ci(rows, 19, 38, 0.5, 0.95, &ci), FIT_ABSENT_FEW_BLOCKS);
    assert_int_equal(fit_ci(rows, 20, 40, 1, 0.95, &ci), /* 2 = 2 tau */
        FIT_ABSENT_SHORT_BLOCKS);
    assert_int_equal(
        fit_ci(rows, M, 2 * M, none, 0.95, &ci), FIT_ABSENT_LONG_MEMORY);
    assert_int_equal(fit_ci(rows, M, 2 * M, 0.5, 1, &ci), FIT_ABSENT_ARGUMENT);
    assert_int_equal(
        fit_ci(rows, M, 2 * M, 0.5, none, &ci), FIT_ABSENT_ARGUMENT);
    assert_int_equal(
        fit_ci(rows, 0, 0, 0.5, 0.95, &ci), FIT_ABSENT_UNDETERMINED);
    assert_int_equal(fit_bootstrap(rows, 19, 38, 0.5, FIT_KIND_OLS, 0.95, 10, 1,
                         workspace, &boot),
        FIT_ABSENT_FEW_BLOCKS);
    assert_int_equal(fit_bootstrap(rows, M, 2 * M, 0.5, FIT_KIND_OLS, 0.95, 1,
                         1, workspace, &boot),
        FIT_ABSENT_ARGUMENT);
    assert_true(ci.dof == 7); /* as it was */
    memset(rows, 0, sizeof rows);
    for (size_t j = 0; j < M; j++) {
        fit_sums_add(&rows[j], 3, (double)j);
    }
    assert_int_equal(
        fit_ci(rows, M, M, 0.1, 0.95, &ci), FIT_ABSENT_UNDETERMINED);
    memset(rows, 0, sizeof rows);
    for (size_t j = 0; j < M; j++) {
        fit_sums_add(&rows[j], (double)j, 4);
    }
    assert_int_equal(fit_ci(rows, M, M, 0.1, 0.95, &ci), FIT_ABSENT_CONSTANT);
}

/* ---- the bootstrap --------------------------------------------------------
 */

static void noisy_rows(size_t m, struct fit_sums *rows)
{
    for (size_t j = 0; j < m; j++) {
        rows[j] = (struct fit_sums){ 0 };
        for (uint64_t i = 64 * j; i < 64 * j + 64; i++) {
            const double x = 1 + 3 * unit(1, i);
            fit_sums_add(&rows[j], x, 1 + x + unit(2, i) + unit(3, j));
        }
    }
}

static void test_the_bootstrap_agrees_with_the_cluster_errors(void **state)
{
    (void)state;
    enum { blocks = 200, draws = 4000 };
    static struct fit_sums rows[blocks];
    static double workspace[3 * draws];
    noisy_rows(blocks, rows);
    struct fit_ci ci;
    struct fit_bootstrap boot;
    assert_int_equal(
        fit_ci(rows, blocks, 64 * blocks, 1, 0.95, &ci), FIT_PRESENT);
    assert_int_equal(fit_bootstrap(rows, blocks, 64 * blocks, 1, FIT_KIND_OLS,
                         0.95, draws, 5, workspace, &boot),
        FIT_PRESENT);
    assert_int_equal(boot.draws, draws);
    /* (1/(2 draws))^½ = 1.1 % of error in a standard deviation; 1/blocks by
     * which the bootstrap's is narrower. */
    assert_close(boot.L1.se, ci.L1.se, 0.05);
    assert_close(boot.L0.se, ci.L0.se, 0.05);
    assert_close(boot.centroid.se, ci.centroid.se, 0.05);
    assert_close(boot.corr, ci.corr, 0.1);
    assert_close(boot.L1.high - boot.L1.low, ci.L1.high - ci.L1.low, 0.06);
    assert_close(boot.L1.estimate, ci.L1.estimate, 1e-15);
    assert_close(boot.centroid.estimate, ci.centroid.estimate, 1e-14);
}

static void test_the_seed_alone_decides_the_draws(void **state)
{
    (void)state;
    static struct fit_sums rows[M];
    double workspace[3 * 400];
    struct fit_bootstrap a, b, c;
    noisy_rows(M, rows);
    assert_int_equal(fit_bootstrap(rows, M, 64 * M, 1, FIT_KIND_NNLS, 0.95, 400,
                         5, workspace, &a),
        FIT_PRESENT);
    assert_int_equal(fit_bootstrap(rows, M, 64 * M, 1, FIT_KIND_NNLS, 0.95, 400,
                         5, workspace, &b),
        FIT_PRESENT);
    assert_int_equal(fit_bootstrap(rows, M, 64 * M, 1, FIT_KIND_NNLS, 0.95, 400,
                         6, workspace, &c),
        FIT_PRESENT);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.L1.low != c.L1.low);
}

static void test_nnls_draws_stay_in_the_quadrant(void **state)
{
    (void)state;
    struct fit_sums rows[M];
    double workspace[3 * 400];
    struct fit_bootstrap boot;
    for (size_t j = 0; j < M; j++) {
        rows[j] = (struct fit_sums){ 0 };
        for (uint64_t i = 64 * j; i < 64 * j + 64; i++) {
            fit_sums_add(&rows[j], unit(1, i), 1 + unit(3, i));
        }
    }
    assert_int_equal(fit_bootstrap(rows, M, 64 * M, 1, FIT_KIND_NNLS, 0.95, 400,
                         1, workspace, &boot),
        FIT_PRESENT);
    assert_true(boot.L1.low == 0 && boot.L1.high > 0 && boot.L1.high < 0.2);
    assert_int_equal(fit_bootstrap(rows, M, 64 * M, 1, FIT_KIND_OLS, 0.95, 400,
                         1, workspace, &boot),
        FIT_PRESENT);
    assert_true(boot.L1.low < 0);
}

static void test_relative_weights_redo_the_last_round(void **state)
{
    (void)state;
    double x[300], y[300], w[300], workspace[600];
    for (size_t i = 0; i < 300; i++) {
        x[i] = exp(2 * unit(1, i));
        y[i] = (2 + 0.7 * x[i]) * exp(unit(2, i));
    }
    struct fit_line two = { .L0 = 3, .L1 = 0.9 };
    struct fit_line next, line;
    for (int round = 0; round < 30; round++) { /* to the fixed point */
        assert_true(fit_relative_weights(two, x, 300, workspace, w));
        assert_true(fit_nnls(x, y, w, 300, &next));
        two = next;
    }
    struct fit_sums rows[12], total = { 0 };
    assert_int_equal(fit_rows(x, y, w, 300, 25, rows), 12);
    for (size_t j = 0; j < 12; j++) {
        fit_sums_merge(&total, &rows[j], 1);
    }
    assert_true(fit_sums_nnls(&total, &line));
    assert_close(line.L0, two.L0, 1e-12);
    assert_close(line.L1, two.L1, 1e-12);
    const struct fit_line zero = { .L0 = 0 };
    assert_false(fit_relative_weights(zero, x, 300, workspace, w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_quantiles_with_one_and_two_degrees_are_closed_forms),
        cmocka_unit_test(test_quantiles_are_those_of_the_table),
        cmocka_unit_test(test_tail_and_quantile_are_inverse_and_symmetric),
        cmocka_unit_test(test_what_has_no_quantile_is_nan),
        cmocka_unit_test(test_known_errors_give_known_intervals),
        cmocka_unit_test(test_units_scale_the_interval),
        cmocka_unit_test(test_without_enough_there_is_a_reason),
        cmocka_unit_test(test_the_bootstrap_agrees_with_the_cluster_errors),
        cmocka_unit_test(test_the_seed_alone_decides_the_draws),
        cmocka_unit_test(test_nnls_draws_stay_in_the_quadrant),
        cmocka_unit_test(test_relative_weights_redo_the_last_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

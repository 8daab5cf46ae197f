/* The fits: closed forms of theory.md section 6, and what is absent. What
 * scipy and statsmodels can tell is in tests/oracle. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/fit.h"
#include "math/order.h"

#define N 400

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

/* S3: (L0/L1^2) cosh(L1 x) has f'' = sqrt(L0^2 + L1^2 G^2), a convex curve:
 * its envelope on [0, U] is the chord. */
static void test_envelope_of_a_convex_law_is_its_chord(void **state)
{
    (void)state;
    const double L0 = 2;
    const double L1 = 0.7;
    const double U = L0 / L1 * sinh(L1 * 4);
    double x[N];
    double y[N];
    double workspace[2 * N + 2];
    for (size_t i = 0; i < N; i++) {
        x[i] = L0 / L1 * sinh(L1 * 4 * (double)i / (N - 1));
        y[i] = sqrt(L0 * L0 + L1 * L1 * x[i] * x[i]);
    }
    struct fit_line line;
    assert_true(fit_envelope(x, y, N, workspace, &line));
    assert_close(line.L0, L0, 1e-14);
    assert_close(line.L1, (sqrt(L0 * L0 + L1 * L1 * U * U) - L0) / U, 1e-14);
}

/* S5, p = 4: y = 3 G^(2/3) is concave; the envelope is the tangent at the mean
 * of G, (u^(2/3), 2 u^(-1/3)). */
static void test_envelope_of_a_concave_law_is_the_tangent_at_the_mean(
    void **state)
{
    (void)state;
    double x[N];
    double y[N];
    double workspace[2 * N + 2];
    double u = 0;
    for (size_t i = 0; i < N; i++) {
        x[i] = 1 + (double)i / (N - 1);
        y[i] = 3 * pow(x[i], 2.0 / 3);
        u += x[i] / N;
    }
    struct fit_line line;
    assert_true(fit_envelope(x, y, N, workspace, &line));
    assert_close(line.L0, pow(u, 2.0 / 3), 1e-2);
    assert_close(line.L1, 2 * pow(u, -1.0 / 3), 1e-2);
    assert_close(line.L0 + line.L1 * u, 3 * pow(u, 2.0 / 3), 1e-5);
}

/* S7: log(1 + exp(-a x)) has ||H|| = a G - G^2: the sign of the slope depends
 * on the range that was visited. */
static void test_sign_of_the_slope_follows_the_range_visited(void **state)
{
    (void)state;
    for (int above = 0; above < 2; above++) {
        double x[N];
        double y[N];
        for (size_t i = 0; i < N; i++) {
            x[i] = (above ? 0.55 : 0.05) + 0.4 * (double)i / (N - 1);
            y[i] = x[i] - x[i] * x[i];
        }
        double workspace[6 * N];
        double rho = 0;
        struct fit_line line;
        assert_true(fit_spearman(x, y, N, workspace, &rho));
        assert_close(rho, above ? -1 : 1, 1e-12);
        assert_true(fit_ols(x, y, N, &line));
        assert_true(above ? line.L1 < 0 : line.L1 > 0);
        assert_true(fit_nnls(x, y, NULL, N, &line));
        assert_true(above ? line.L1 <= 0 : line.L1 > 0);
    }
}

static void test_envelope_holds_in_double_arithmetic(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 2000; round++) {
        double x[8];
        double y[8];
        for (size_t i = 0; i < 8; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            x[i] = ldexp((double)(random >> 11), (int)(random % 13) - 60);
            random = random * 6364136223846793005u + 1442695040888963407u;
            y[i] = ldexp((double)(random >> 11), (int)(random % 17) - 60);
        }
        struct fit_line line;
        double workspace[18];
        assert_true(fit_envelope(x, y, 8, workspace, &line));
        assert_true(line.L0 >= 0 && line.L1 >= 0);
        for (size_t i = 0; i < 8; i++) {
            assert_true(line.L0 + line.L1 * x[i] >= y[i]);
        }
    }
}

static void test_weights_count_like_repetitions(void **state)
{
    (void)state;
    const double x[] = { 1, 2, 4, 4, 4 };
    const double y[] = { 2, 3, 7, 7, 7 };
    const double w[] = { 1, 1, 3 };
    struct fit_line repeated;
    struct fit_line weighted;
    assert_true(fit_nnls(x, y, NULL, 5, &repeated));
    assert_true(fit_nnls(x, y, w, 3, &weighted));
    assert_close(weighted.L0, repeated.L0, 1e-14);
    assert_close(weighted.L1, repeated.L1, 1e-14);
}

static void test_extreme_scales_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    static const double scales[] = { 1e-200, 1e200 };
    for (size_t k = 0; k < 2; k++) {
        double x[40];
        double y[40];
        for (size_t i = 0; i < 40; i++) {
            x[i] = scales[k] * (double)(i + 1);
            y[i] = scales[k] * (3 + 2 * (double)(i + 1));
        }
        struct fit_report report;
        assert_true(fit_report(x, y, 40, FIT_N_MIN, &report));
        for (size_t i = 0; i < FIT_METHODS; i++) {
            assert_true(report.fits[i].valid);
            assert_close(report.fits[i].line.L0 / scales[k], 3, 1e-9);
            assert_close(report.fits[i].line.L1, 2, 1e-9);
        }
    }
}

static void test_without_a_second_x_every_fit_is_absent(void **state)
{
    (void)state;
    double x[N];
    double y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = 0.1;
        y[i] = (double)i;
    }
    for (size_t n = 0; n <= N; n += 100) {
        struct fit_report report;
        assert_true(fit_report(x, y, n, 1, &report));
        assert_int_equal(report.n, n);
        for (size_t i = 0; i < FIT_METHODS; i++) {
            assert_false(report.fits[i].valid);
        }
        assert_false(report.has_loglog);
        assert_false(report.has_spearman);
        assert_true(isnan(report.x_min) == (n == 0));
    }
}

static void test_below_n_min_nothing_is_estimated(void **state)
{
    (void)state;
    double x[FIT_N_MIN];
    double y[FIT_N_MIN];
    for (size_t i = 0; i < FIT_N_MIN; i++) {
        x[i] = (double)i;
        y[i] = 1 + 2 * (double)i;
    }
    struct fit_report report;
    y[3] = (double)NAN;
    assert_true(fit_report(x, y, FIT_N_MIN, FIT_N_MIN, &report));
    assert_int_equal(report.n, FIT_N_MIN - 1);
    assert_int_equal(report.n_excluded, 1);
    assert_false(report.fits[0].valid || report.has_spearman);
    assert_true(report.x_max == FIT_N_MIN - 1 && report.y_min == 1);
    y[3] = 7;
    assert_true(fit_report(x, y, FIT_N_MIN, FIT_N_MIN, &report));
    assert_true(report.fits[0].valid && report.has_spearman);
    assert_int_equal(report.loglog.n, FIT_N_MIN - 1); /* x = 0 has no log */
}

static void test_clean_keeps_order_in_place(void **state)
{
    (void)state;
    double x[] = { 1, (double)NAN, 3, -4, (double)INFINITY, 0 };
    double y[] = { 1, 2, (double)-INFINITY, 4, 5, 6 };
    assert_int_equal(fit_clean(x, y, 6, x, y), 3);
    assert_true(x[0] == 1 && x[1] == -4 && x[2] == 0);
    assert_true(y[0] == 1 && y[1] == 4 && y[2] == 6);
}

static void test_regressors_are_means_of_norms(void **state)
{
    (void)state;
    const double none = (double)NAN;
    assert_true(fit_regressor(FIT_REGRESSOR_START, 9, none, none) == 3);
    assert_true(fit_regressor(FIT_REGRESSOR_TRAPEZOID, 9, none, 25) == 4);
    assert_true(fit_regressor(FIT_REGRESSOR_SIMPSON, 9, 16, 25) == 4);
    assert_true(isnan(fit_regressor(FIT_REGRESSOR_SIMPSON, 9, none, 25)));
    assert_true(isnan(fit_regressor(FIT_REGRESSOR_TRAPEZOID, 9, 16, none)));
}

/* The median of y/x is 1.5, and of y - 3 at x = 0.1 .. 40 every third one is
 * 2 x, the highest. */
static void test_quantiles_of_samples_on_a_few_lines_are_one_of_them(
    void **state)
{
    (void)state;
    double x[N];
    double y[N];
    double workspace[4 * N];
    struct fit_line line;
    for (size_t i = 0; i < N; i++) {
        x[i] = 0.1 * (double)(i + 1);
        y[i] = x[i] * (1 + 0.1 * (double)(i * 7 % 11));
    }
    assert_true(fit_quantile(x, y, N, 0.5, workspace, &line));
    assert_true(line.L0 >= 0 && line.L0 <= 0);
    assert_close(line.L1, 1.5, 1e-15);
    for (size_t i = 0; i < N; i++) {
        y[i] = 3 + x[i] * (double)(i % 3);
    }
    assert_true(fit_quantile(x, y, N, 0.9, workspace, &line));
    assert_close(line.L0, 3, 1e-15);
    assert_close(line.L1, 2, 1e-15);
}

static void test_tau_outside_0_and_1_is_absent(void **state)
{
    (void)state;
    const double x[] = { 1, 2, 3 };
    const double y[] = { 1, 2, 4 };
    double workspace[12];
    struct fit_line line;
    assert_false(fit_quantile(x, y, 3, 0, workspace, &line));
    assert_false(fit_quantile(x, y, 3, 1, workspace, &line));
    assert_false(fit_quantile(x, y, 3, (double)NAN, workspace, &line));
}

static void test_a_constant_y_has_a_slope_but_no_correlation(void **state)
{
    (void)state;
    const double x[] = { 1, 2, 3 };
    const double y[] = { 5, 5, 5 };
    double workspace[60];
    struct fit_loglog loglog;
    double rho = 0;
    assert_true(fit_loglog(x, y, 3, workspace, &loglog));
    assert_true(fabs(loglog.slope) < 1e-15 && isnan(loglog.pearson_r));
    assert_false(fit_spearman(x, y, 3, workspace, &rho));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_selecting_and_sorting_agree_with_qsort(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (size_t n = 1; n < 200; n++) {
        double values[200];
        double copy[200];
        struct xy items[200];
        for (size_t i = 0; i < n; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            /* Ties, of either sign. */
            values[i] = (double)((random >> 40) % (n % 7 + 2)) - 2;
            items[i] = (struct xy){ values[i], (double)i };
        }
        memcpy(copy, values, n * sizeof *values);
        qsort(values, n, sizeof *values, ascending);
        struct xy stable[200];
        struct xy room[200];
        memcpy(stable, items, n * sizeof *items);
        order_sort(items, n);
        order_sort_by_x(stable, n, room);
        const size_t k = (size_t)(random >> 33) % n;
        assert_true(order_select(copy, n, k) == values[k]);
        for (size_t i = 0; i < n; i++) {
            assert_true(items[i].x == values[i]);
            assert_true(stable[i].x == values[i]);
            assert_true(stable[i].y == items[i].y); /* index: both stable */
        }
    }
}

/* numpy.quantile([4, 1, 3, 2], [0, 0.05, 0.5, 0.95, 1]) */
static void test_a_quantile_lies_between_two_values(void **state)
{
    (void)state;
    static const double q[] = { 0, 0.05, 0.5, 0.95, 1 };
    static const double expected[] = { 1, 1.15, 2.5, 3.85, 4 };
    for (size_t i = 0; i < 5; i++) {
        double values[] = { 4, 1, 3, 2 };
        assert_close(order_quantile(values, 4, q[i]), expected[i], 1e-14);
    }
    double one = 7;
    assert_true(order_quantile(&one, 1, 0.3) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_of_a_convex_law_is_its_chord),
        cmocka_unit_test(
            test_envelope_of_a_concave_law_is_the_tangent_at_the_mean),
        cmocka_unit_test(test_sign_of_the_slope_follows_the_range_visited),
        cmocka_unit_test(test_envelope_holds_in_double_arithmetic),
        cmocka_unit_test(test_weights_count_like_repetitions),
        cmocka_unit_test(test_extreme_scales_neither_overflow_nor_vanish),
        cmocka_unit_test(test_without_a_second_x_every_fit_is_absent),
        cmocka_unit_test(test_below_n_min_nothing_is_estimated),
        cmocka_unit_test(test_a_quantile_lies_between_two_values),
        cmocka_unit_test(test_clean_keeps_order_in_place),
        cmocka_unit_test(test_regressors_are_means_of_norms),
        cmocka_unit_test(
            test_quantiles_of_samples_on_a_few_lines_are_one_of_them),
        cmocka_unit_test(test_tau_outside_0_and_1_is_absent),
        cmocka_unit_test(test_a_constant_y_has_a_slope_but_no_correlation),
        cmocka_unit_test(test_selecting_and_sorting_agree_with_qsort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The fits of traj.h as a program calls them: what is refused, what is left
 * out, what an older program sees. Numbers are the business of tests/oracle. */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traj.h"

#define N 60

struct samples {
    double x[N], y[N], r[N], loss[N];
};

/* On y = 2 + 3 x, in steps of no length. */
static struct samples on_a_line(void)
{
    struct samples s;
    for (size_t i = 0; i < N; i++) {
        s.x[i] = 1 + (double)i;
        s.y[i] = 2 + 3 * s.x[i];
        s.r[i] = 0;
        s.loss[i] = (double)(i * i);
    }
    return s;
}

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-9 * fabs(expected));
}

static void test_every_method_finds_an_exact_law(void **state)
{
    (void)state;
    const struct samples s = on_a_line();
    struct traj_fit_options options = TRAJ_FIT_OPTIONS_INIT;
    for (int corrected = 0; corrected < 2; corrected++) {
        options.step_length = corrected ? s.r : NULL;
        for (int m = TRAJ_FIT_RELATIVE; m <= TRAJ_FIT_ENVELOPE_ROBUST; m++) {
            struct traj_fit fit = { .size = sizeof fit };
            assert_int_equal(
                traj_fit((enum traj_fit_method)m, N, s.x, s.y, &options, &fit),
                TRAJ_OK);
            assert_close(fit.L0, 2);
            assert_close(fit.L1, 3);
            assert_true(fit.n == N && fit.n_excluded == 0);
        }
    }
}

static void test_samples_that_do_not_count_are_left_out_and_counted(
    void **state)
{
    (void)state;
    struct samples s = on_a_line();
    struct traj_fit_options options = TRAJ_FIT_OPTIONS_INIT;
    struct traj_fit fit = { .size = sizeof fit };
    struct traj_fit_slope slope = { .size = sizeof slope };
    struct traj_fit_power power = { .size = sizeof power };
    s.x[3] = (double)NAN;
    s.y[4] = (double)INFINITY;
    s.x[5] = -s.x[5];
    s.y[5] = 2 + 3 * s.x[5];
    s.y[6] = 0;
    s.r[7] = -1;
    s.r[8] = (double)NAN;
    assert_int_equal(traj_fit(TRAJ_FIT_OLS, N, s.x, s.y, NULL, &fit), TRAJ_OK);
    assert_true(fit.n == N - 2 && fit.n_excluded == 2);
    options.step_length = s.r;
    assert_int_equal(
        traj_fit(TRAJ_FIT_NNLS, N, s.x, s.y, &options, &fit), TRAJ_OK);
    assert_true(fit.n == N - 4 && fit.n_excluded == 4);
    assert_int_equal(traj_fit_slope(N, s.x, s.y, &slope), TRAJ_OK);
    assert_true(slope.n == N - 2 && slope.n_positive == N - 4);
    assert_int_equal(traj_fit_power(N, s.x, s.y, &power), TRAJ_OK);
    assert_true(power.n == N - 4 && power.n_excluded == 4);
    assert_true(power.rho == 1);
    double L0[N + 1];
    double L1[N + 1];
    size_t n = 0;
    assert_int_equal(
        traj_fit_frontier(N, s.x, s.y, N + 1, L0, L1, &n), TRAJ_OK);
    assert_int_equal(n, 3); /* at slope 0, the line's, and the origin's */
}

static void test_what_is_not_determined_is_unset(void **state)
{
    (void)state;
    const double x[] = { 2, 2, 2, 2, 2, 2 };
    const double y[] = { 1, 2, 3, 4, 5, 6 };
    for (size_t n = 0; n <= 6; n += 6) {
        struct traj_fit fit = { .size = sizeof fit };
        struct traj_fit_power power = { .size = sizeof power };
        struct traj_fit_rivals rivals = { .size = sizeof rivals };
        struct traj_fit_slope slope = { .size = sizeof slope };
        size_t vertices = 7;
        assert_int_equal(
            traj_fit(TRAJ_FIT_RELATIVE, n, x, y, NULL, &fit), TRAJ_OK);
        assert_true(traj_is_unset(fit.L0) && traj_is_unset(fit.L1));
        assert_int_equal(traj_fit_power(n, x, y, &power), TRAJ_OK);
        assert_true(traj_is_unset(power.rho) && traj_is_unset(power.scores[0]));
        assert_int_equal(
            traj_fit_rivals(n, x, y, y, traj_unset(), &rivals), TRAJ_OK);
        assert_true(traj_is_unset(rivals.of[TRAJ_FIT_RIVAL_GRADIENT].L1));
        assert_true(
            traj_is_unset(rivals.of[TRAJ_FIT_RIVAL_GAP].H1) == (n == 0));
        assert_int_equal(traj_fit_slope(n, x, y, &slope), TRAJ_OK);
        assert_true(traj_is_unset(slope.spearman));
        assert_true(traj_is_unset(slope.theil_sen));
        assert_int_equal(
            traj_fit_frontier(n, x, y, 0, NULL, NULL, &vertices), TRAJ_OK);
        assert_int_equal(vertices, n == 0 ? 0 : 2);
    }
    struct traj_fit fit = { .size = sizeof fit };
    assert_int_equal(
        traj_fit(TRAJ_FIT_OLS, 0, NULL, NULL, NULL, &fit), TRAJ_OK);
    assert_true(fit.n == 0 && traj_is_unset(fit.L0));
}

static void assert_refused(enum traj_status status, const char *said)
{
    assert_int_equal(status, TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), said);
}

static void test_wrong_arguments_are_refused_and_nothing_is_written(
    void **state)
{
    (void)state;
    const struct samples s = on_a_line();
    struct traj_fit fit = { .size = sizeof fit, .n = 77 };
    struct traj_fit none = { .size = 0 };
    struct traj_fit_rivals rivals = { .size = sizeof rivals };
    struct traj_fit_options o = TRAJ_FIT_OPTIONS_INIT;
    size_t n = 0;
    assert_refused(traj_fit((enum traj_fit_method)8, N, s.x, s.y, NULL, &fit),
        "fit: unknown method 8");
    assert_refused(traj_fit(TRAJ_FIT_OLS, N, s.x, NULL, NULL, &fit),
        "fit: an array is NULL");
    assert_refused(traj_fit(TRAJ_FIT_OLS, N, s.x, s.y, NULL, NULL),
        "fit: ret_fit is NULL or has no size");
    assert_refused(traj_fit(TRAJ_FIT_OLS, N, s.x, s.y, NULL, &none),
        "fit: ret_fit is NULL or has no size");
    assert_refused(traj_fit(TRAJ_FIT_OLS, SIZE_MAX / 8, s.x, s.y, NULL, &fit),
        "fit: 2305843009213693951 samples are too many");
    o.tau = 1;
    assert_refused(traj_fit(TRAJ_FIT_QUANTILE, N, s.x, s.y, &o, &fit),
        "fit: tau is 1, not in (0,1)");
    o.tau = 0;
    o.lambda = -1;
    assert_refused(traj_fit(TRAJ_FIT_EXPECTILE, N, s.x, s.y, &o, &fit),
        "fit: lambda is -1, not in (0,1e+09]");
    o.lambda = 0;
    o.at = (double)INFINITY;
    assert_refused(traj_fit(TRAJ_FIT_ENVELOPE, N, s.x, s.y, &o, &fit),
        "fit: at is inf, not a finite number >= 0");
    assert_refused(traj_fit_frontier(N, s.x, s.y, 3, NULL, NULL, &n),
        "fit: ret_L0, ret_L1 or ret_n is NULL");
    assert_refused(
        traj_fit_rivals(N, s.x, s.y, s.loss, (double)INFINITY, &rivals),
        "fit: least_loss is infinite");
    assert_true(fit.n == 77);
}

static void test_an_older_program_gets_the_fields_that_it_knows(void **state)
{
    (void)state;
    const struct samples s = on_a_line();
    struct traj_fit fit = { .rounds = 99 };
    struct traj_fit_options options = { .lambda = -1 };
    fit.size = offsetof(struct traj_fit, rounds);
    options.size = offsetof(struct traj_fit_options, lambda);
    options.tau = 0.5;
    options.step_length = (const double *)(uintptr_t)8; /* not looked at */
    assert_int_equal(
        traj_fit(TRAJ_FIT_QUANTILE, N, s.x, s.y, &options, &fit), TRAJ_OK);
    assert_close(fit.L1, 3);
    assert_true(fit.rounds == 99);
    assert_true(fit.size == offsetof(struct traj_fit, rounds));
}

static void test_the_callers_rounding_changes_nothing(void **state)
{
    (void)state;
    struct samples s = on_a_line();
    for (size_t i = 0; i < N; i++) {
        s.y[i] *= 1 + 0.3 * sin((double)(7 * i));
    }
    struct traj_fit plain = { .size = sizeof plain };
    struct traj_fit upward = { .size = sizeof upward };
    assert_int_equal(
        traj_fit(TRAJ_FIT_RELATIVE, N, s.x, s.y, NULL, &plain), TRAJ_OK);
    (void)fesetround(FE_UPWARD);
    enum traj_status status =
        traj_fit(TRAJ_FIT_RELATIVE, N, s.x, s.y, NULL, &upward);
    const int mode = fegetround();
    (void)fesetround(FE_TONEAREST);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(mode, FE_UPWARD);
    assert_memory_equal(&plain, &upward, sizeof plain);
}

/* ||x - a||^2-like losses: the gap makes y, and wins. */
static void test_the_gap_wins_where_it_made_the_samples(void **state)
{
    (void)state;
    struct samples s = on_a_line();
    struct traj_fit_rivals rivals = { .size = sizeof rivals };
    for (size_t i = 0; i < N; i++) {
        s.loss[i] = 5 + (double)((i * 37) % N);
        s.y[i] = 1 + 2 * (s.loss[i] - 5);
    }
    assert_int_equal(
        traj_fit_rivals(N, s.x, s.y, s.loss, traj_unset(), &rivals), TRAJ_OK);
    assert_true(rivals.least_is_seen == 1 && rivals.least_loss == 5);
    assert_int_equal(rivals.best, TRAJ_FIT_RIVAL_GAP);
    assert_close(rivals.of[TRAJ_FIT_RIVAL_GAP].L0, 1);
    assert_close(rivals.of[TRAJ_FIT_RIVAL_GAP].H1, 2);
    assert_true(rivals.of[TRAJ_FIT_RIVAL_GAP].score < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_finds_an_exact_law),
        cmocka_unit_test(
            test_samples_that_do_not_count_are_left_out_and_counted),
        cmocka_unit_test(test_what_is_not_determined_is_unset),
        cmocka_unit_test(
            test_wrong_arguments_are_refused_and_nothing_is_written),
        cmocka_unit_test(test_an_older_program_gets_the_fields_that_it_knows),
        cmocka_unit_test(test_the_callers_rounding_changes_nothing),
        cmocka_unit_test(test_the_gap_wins_where_it_made_the_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The public functions of uncertainty as C callers have them: arguments, sizes,
 * and the caller's floating-point environment. What they compute is in
 * tests/oracle/test_uncertainty.py. */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "math/random.h"
#include "traj.h"

#define N 2000

static double x[N], y[N], step[N];

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

static void fill(void)
{
    for (size_t i = 0; i < N; i++) {
        step[i] = (double)i;
        x[i] = 1 + 5 * unit(1, i);
        y[i] = (2 + 0.7 * x[i]) * (0.5 + unit(3, i));
    }
}

static void test_a_null_or_no_size_is_refused(void **state)
{
    (void)state;
    struct traj_fit_uncertainty u = { .size = sizeof u };
    struct traj_fit_tests t = { .size = 0 };
    struct traj_fit_leverage l = { .size = sizeof l };
    struct traj_fit_dependence d = { .size = sizeof d };
    struct traj_fit_summary s = { .size = sizeof s };
    traj_fit_state *made = NULL;
    double L0 = 7, L1 = 7;
    size_t bytes = 7;
    assert_int_equal(
        traj_fit_uncertainty(TRAJ_FIT_OLS, N, NULL, y, NULL, &u), TRAJ_EINVAL);
    assert_int_equal(
        traj_fit_uncertainty(TRAJ_FIT_OLS, N, x, y, NULL, NULL), TRAJ_EINVAL);
    assert_int_equal(
        traj_fit_tests(N, x, y, NULL, NULL, NULL, &t), TRAJ_EINVAL);
    assert_int_equal(
        traj_fit_leverage(TRAJ_FIT_OLS, N, x, NULL, &l), TRAJ_EINVAL);
    assert_int_equal(traj_fit_dependence(N, NULL, &d), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_new(NULL), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_add(NULL, 0, 1, 1), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_new(&made), TRAJ_OK);
    assert_int_equal(traj_fit_state_merge(made, NULL), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_encode(made, NULL, 5, &bytes), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_decode(NULL, 5, &made), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_summary(made, NULL), TRAJ_EINVAL);
    assert_int_equal(traj_fit_state_summary(NULL, &s), TRAJ_EINVAL);
    assert_int_equal(
        traj_fit_state_line(TRAJ_FIT_QUANTILE, made, (double)NAN, &L0, &L1),
        TRAJ_EINVAL);
    assert_true(u.n == 0 && bytes == 7 && L0 == 7 && L1 == 7);
    traj_fit_state_free(made);
    traj_fit_state_free(NULL);
}

static void test_a_shorter_struct_is_written_as_far_as_it_goes(void **state)
{
    (void)state;
    struct traj_fit_uncertainty u;
    memset(&u, 0x5a, sizeof u);
    u.size = offsetof(struct traj_fit_uncertainty, boot_absent);
    assert_int_equal(
        traj_fit_uncertainty(TRAJ_FIT_OLS, N, x, y, NULL, &u), TRAJ_OK);
    assert_true(u.n == N && u.absent == TRAJ_PRESENT && u.corr < 0);
    const unsigned char *rest =
        (const unsigned char *)&u +
        offsetof(struct traj_fit_uncertainty, boot_absent);
    for (size_t i = 0; i < sizeof u - u.size; i++) {
        assert_int_equal(rest[i], 0x5a);
    }
}

static void test_encoding_asks_for_room_first(void **state)
{
    (void)state;
    traj_fit_state *made = NULL;
    unsigned char bytes[4096];
    size_t n = 0;
    assert_int_equal(traj_fit_state_new(&made), TRAJ_OK);
    assert_int_equal(traj_fit_state_add(made, 1, 2, 3), TRAJ_OK);
    assert_int_equal(traj_fit_state_encode(made, NULL, 0, &n), TRAJ_OK);
    assert_in_range(n, 100, sizeof bytes);
    memset(bytes, 0x5a, sizeof bytes);
    size_t again = 0;
    assert_int_equal(
        traj_fit_state_encode(made, bytes, n - 1, &again), TRAJ_OK);
    assert_true(again == n && bytes[0] == 0x5a); /* nothing was written */
    assert_int_equal(traj_fit_state_encode(made, bytes, n, &again), TRAJ_OK);
    assert_true(bytes[0] == 'T' && bytes[n] == 0x5a);
    traj_fit_state_free(made);
}

#define ANSWERS 21

/* Of all bits of a state. */
static double sum_of_bytes(const traj_fit_state *state)
{
    static unsigned char bytes[65536];
    size_t n = 0;
    double sum = 0;
    assert_int_equal(
        traj_fit_state_encode(state, bytes, sizeof bytes, &n), TRAJ_OK);
    assert_true(n <= sizeof bytes);
    for (size_t i = 0; i < n; i++) {
        sum += bytes[i] * (double)(i + 1); /* below 2^53: exact */
    }
    return sum;
}

static void ask(double ret[static ANSWERS])
{
    struct traj_fit_uncertainty u = { .size = sizeof u };
    struct traj_fit_tests t = { .size = sizeof t };
    struct traj_fit_leverage l = { .size = sizeof l };
    struct traj_fit_dependence d = { .size = sizeof d };
    traj_fit_state *made = NULL;
    double L0 = 0, L1 = 0;
    assert_int_equal(
        traj_fit_uncertainty(TRAJ_FIT_RELATIVE, N, x, y, NULL, &u), TRAJ_OK);
    assert_int_equal(traj_fit_tests(N, x, y, step, NULL, NULL, &t), TRAJ_OK);
    assert_int_equal(traj_fit_leverage(TRAJ_FIT_NNLS, N, x, y, &l), TRAJ_OK);
    assert_int_equal(traj_fit_dependence(N, y, &d), TRAJ_OK);
    assert_int_equal(traj_fit_state_new(&made), TRAJ_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(traj_fit_state_add(made, i, x[i], y[i]), TRAJ_OK);
    }
    assert_int_equal(traj_fit_state_add(made, N, (double)NAN, 1), TRAJ_OK);
    assert_int_equal(
        traj_fit_state_line(TRAJ_FIT_RELATIVE, made, 0.5, &L0, &L1), TRAJ_OK);
    const double bytes = sum_of_bytes(made);
    traj_fit_state_free(made);
    assert_true(u.absent == TRAJ_PRESENT && t.partial.absent == TRAJ_PRESENT);
    const double all[ANSWERS] = { u.L0.low, u.L1.high, u.centroid.se, u.corr,
        u.tau_int, u.boot_L0.high, u.boot_L1.low, u.boot_corr, t.slope_p,
        t.boundary_p, t.spearman.rho, t.partial.rho, t.partial.p,
        t.differences.rho, l.rest_L1, d.tau_int, bytes, L0, L1,
        traj_student_quantile(0.975, 30), traj_student_tail(2, 30) };
    memcpy(ret, all, sizeof all);
}

/* Sums of 106 bits are exact only when rounding to nearest. */
static void test_results_do_not_depend_on_the_callers_rounding(void **state)
{
    (void)state;
    double nearest[ANSWERS], upward[ANSWERS];
    ask(nearest);
    assert_int_equal(fesetround(FE_UPWARD), 0);
    assert_int_equal(feclearexcept(FE_ALL_EXCEPT), 0);
    ask(upward);
    assert_int_equal(fegetround(), FE_UPWARD);
    assert_int_equal(fetestexcept(FE_INVALID), 0);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    assert_memory_equal(upward, nearest, sizeof nearest);
}

static void test_every_reason_has_a_text(void **state)
{
    (void)state;
    for (int i = 0; i <= TRAJ_ABSENT_NOT_ASKED; i++) {
        const char *text = traj_absent_text((enum traj_absent)i);
        assert_non_null(text);
        assert_int_equal(strcmp(text, "unknown reason") == 0, i == 1);
    }
}

static int setup(void **state)
{
    (void)state;
    fill();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_null_or_no_size_is_refused),
        cmocka_unit_test(test_a_shorter_struct_is_written_as_far_as_it_goes),
        cmocka_unit_test(test_encoding_asks_for_room_first),
        cmocka_unit_test(test_results_do_not_depend_on_the_callers_rounding),
        cmocka_unit_test(test_every_reason_has_a_text),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

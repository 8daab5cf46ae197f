/* The integrated autocorrelation time: AR(1) has (1 + phi)/(1 - phi). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "math/fit_dependence.h"
#include "math/random.h"

#define N 400000

static double e[N], workspace[N];

/* Innovations need not be normal for the autocorrelation to be phi^k. */
static void ar1(double phi, uint64_t seed, double shift, double scale)
{
    double state = 0;
    for (size_t i = 0; i < N; i++) {
        const double u = (double)(random_bits(seed, i) >> 11) * 0x1p-53 - 0.5;
        state = phi * state + u;
        e[i] = shift + scale * state;
    }
}

static void test_tau_of_ar1_is_its_closed_form(void **state)
{
    (void)state;
    static const double phis[] = { 0, 0.5, 0.8, 0.95, 0.98 };
    for (size_t k = 0; k < 5; k++) {
        const double tau = (1 + phis[k]) / (1 - phis[k]);
        struct fit_dependence d;
        ar1(phis[k], 1 + k, 3, 2);
        assert_int_equal(fit_dependence(e, N, workspace, &d), FIT_PRESENT);
        /* Four standard errors (Madras and Sokal 1988). */
        const double error = sqrt(2 * (2 * (double)d.window + 1) / N);
        assert_close(d.tau_int, tau, 4 * error);
        assert_close(d.n_eff, N / d.tau_int, 1e-15);
        assert_true(5 * d.tau_int <= (double)d.window);
        assert_true(5 * d.tau_int > (double)d.window - 11);
    }
}

static void test_blocks_are_powers_of_two_beyond_two_and_a_half_tau(
    void **state)
{
    (void)state;
    static const double phis[] = { 0, 0.9, 0.95, 0.98 };
    static const size_t blocks[] = { 32, 64, 128, 256 }; /* of 1, 19, 39, 99 */
    for (size_t k = 0; k < 4; k++) {
        struct fit_dependence d;
        ar1(phis[k], 11 + k, 0, 1);
        assert_int_equal(fit_dependence(e, N, workspace, &d), FIT_PRESENT);
        assert_int_equal(d.block, blocks[k]);
    }
}

static void test_negative_correlation_is_not_credited(void **state)
{
    (void)state;
    struct fit_dependence d;
    ar1(-0.7, 3, 0, 1);
    assert_int_equal(fit_dependence(e, N, workspace, &d), FIT_PRESENT);
    assert_true(d.tau_int == 1 && d.n_eff == N);
}

static void test_units_do_not_matter(void **state)
{
    (void)state;
    struct fit_dependence a, b;
    ar1(0.8, 3, 0, 1);
    assert_int_equal(fit_dependence(e, N, workspace, &a), FIT_PRESENT);
    ar1(0.8, 3, 0, 0x1p-600);
    assert_int_equal(fit_dependence(e, N, workspace, &b), FIT_PRESENT);
    assert_close(b.tau_int, a.tau_int, 1e-12);
    ar1(0.8, 3, 1e3, 1e-3);
    assert_int_equal(fit_dependence(e, N, workspace, &b), FIT_PRESENT);
    assert_close(b.tau_int, a.tau_int, 1e-6);
}

static void test_without_an_end_there_is_a_reason(void **state)
{
    (void)state;
    struct fit_dependence d = { .window = 7 };
    for (size_t i = 0; i < N; i++) {
        e[i] = (double)i; /* a trend: no lag is forgotten */
    }
    assert_int_equal(
        fit_dependence(e, 1000, workspace, &d), FIT_ABSENT_LONG_MEMORY);
    assert_int_equal(
        fit_dependence(e, 50000, workspace, &d), FIT_ABSENT_LONG_MEMORY);
    assert_int_equal(
        fit_dependence(e, 29, workspace, &d), FIT_ABSENT_FEW_SAMPLES);
    for (size_t i = 0; i < 100; i++) {
        e[i] = 0.1;
    }
    assert_int_equal(
        fit_dependence(e, 100, workspace, &d), FIT_ABSENT_CONSTANT);
    assert_int_equal(d.window, 7); /* as it was */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tau_of_ar1_is_its_closed_form),
        cmocka_unit_test(
            test_blocks_are_powers_of_two_beyond_two_and_a_half_tau),
        cmocka_unit_test(test_negative_correlation_is_not_credited),
        cmocka_unit_test(test_units_do_not_matter),
        cmocka_unit_test(test_without_an_end_there_is_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Gradient noise from norms: against vectors whose means and variances are
 * summed here, over all outcomes, without drawing any. */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "traj.h"

/* Microbatch gradients take two values each, mu - s and mu + s per coordinate,
 * equally often: over all 2^K outcomes, means are sums. */
#define K 6u
static const double mu[3] = { 0.5, -2, 0.25 };
static const double s[3] = { 1, 0.5, 3 };
#define SIGNAL_SQ (0.25 + 4 + 0.0625)
#define TRACE (1 + 0.25 + 9.0)

/* Of outcome number `outcome`: mean ||v_k||^2 and ||mean v_k||^2, of which
 * coordinate c of microbatch k takes bit k of a number that depends on c. */
static void norms_of(uint64_t outcome, double *mean_sq, double *sq_of_mean)
{
    *mean_sq = 0;
    *sq_of_mean = 0;
    for (unsigned c = 0; c < 3; c++) {
        double sum = 0;
        for (unsigned k = 0; k < K; k++) {
            const double v = mu[c] + (outcome >> k & 1 ? s[c] : -s[c]);
            sum += v;
            *mean_sq += v * v / K;
        }
        *sq_of_mean += sum / K * (sum / K);
    }
}

static void test_the_mean_over_all_outcomes_is_the_truth(void **state)
{
    (void)state;
    double sum = 0;
    for (uint64_t outcome = 0; outcome < 1u << K; outcome++) {
        double mean_sq, sq_of_mean;
        norms_of(outcome, &mean_sq, &sq_of_mean);
        sum += traj_unbiased_sq(K, mean_sq, sq_of_mean);
    }
    assert_true(fabs(sum / (1u << K) - SIGNAL_SQ) < 1e-13);
}

/* E||g_B||^2 = ||mu||^2 + tr Sigma / B: with these in place of one outcome's,
 * both estimates are the truth itself. */
static void test_expected_norms_give_signal_and_noise_back(void **state)
{
    (void)state;
    static const double smalls[] = { 1, 3, 32, 0.5 };
    static const double bigs[] = { 2, 48, 33, 4096 };
    for (size_t i = 0; i < 4; i++) {
        double signal_sq, noise;
        traj_gradient_noise(smalls[i], SIGNAL_SQ + TRACE / smalls[i], bigs[i],
            SIGNAL_SQ + TRACE / bigs[i], &signal_sq, &noise);
        /* The difference of the two norms cancels: the error is the rounding
         * of a norm times what the difference is multiplied by. */
        const double amplified = bigs[i] / (bigs[i] - smalls[i]);
        const double largest = SIGNAL_SQ + TRACE / smalls[i];
        assert_true(
            fabs(signal_sq - SIGNAL_SQ) < 8 * 0x1p-53 * largest * amplified);
        assert_true(fabs(noise - TRACE) <
                    8 * 0x1p-53 * largest * smalls[i] * amplified);
    }
}

/* K microbatches are the small batch of 1/K of the big one: the same number
 * from either function. */
static void test_both_functions_agree_on_microbatches(void **state)
{
    (void)state;
    for (uint64_t outcome = 0; outcome < 1u << K; outcome++) {
        double mean_sq, sq_of_mean, signal_sq, noise;
        norms_of(outcome, &mean_sq, &sq_of_mean);
        traj_gradient_noise(4, mean_sq, 4 * K, sq_of_mean, &signal_sq, &noise);
        const double unbiased = traj_unbiased_sq(K, mean_sq, sq_of_mean);
        assert_true(fabs(signal_sq - unbiased) < 1e-13);
        assert_true(fabs(noise - 4 * K * (sq_of_mean - unbiased)) < 1e-11);
    }
}

static void test_estimates_may_be_negative(void **state)
{
    (void)state;
    double signal_sq, noise;
    traj_gradient_noise(1, 5, 2, 1, &signal_sq, &noise);
    assert_true(signal_sq == -3 && noise == 8);
    assert_true(traj_unbiased_sq(2, 5, 1) == -3);
    traj_gradient_noise(1, 1, 2, 5, &signal_sq, &noise);
    assert_true(noise == -8);
}

static void test_too_few_batches_give_nan(void **state)
{
    (void)state;
    assert_true(isnan(traj_unbiased_sq(0, 1, 1)));
    assert_true(isnan(traj_unbiased_sq(1, 1, 1)));
    assert_false(traj_is_unset(traj_unbiased_sq(1, 1, 1)));
    static const double wrong[][2] = { { 2, 2 }, { 3, 2 }, { 0, 2 }, { -1, 2 },
        { (double)NAN, 2 }, { 1, (double)NAN } };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        double signal_sq = 0;
        double noise = 0;
        traj_gradient_noise(wrong[i][0], 1, wrong[i][1], 1, &signal_sq, &noise);
        assert_true(isnan(signal_sq) && isnan(noise));
    }
}

static void test_nothing_is_raised(void **state)
{
    (void)state;
    double signal_sq, noise;
    (void)feclearexcept(FE_ALL_EXCEPT);
    traj_gradient_noise((double)NAN, 1, 2, 1, &signal_sq, &noise);
    traj_gradient_noise(
        1, (double)INFINITY, 2, (double)INFINITY, &signal_sq, &noise);
    (void)traj_unbiased_sq(2, (double)INFINITY, (double)INFINITY);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    assert_true(isnan(noise));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_mean_over_all_outcomes_is_the_truth),
        cmocka_unit_test(test_expected_norms_give_signal_and_noise_back),
        cmocka_unit_test(test_both_functions_agree_on_microbatches),
        cmocka_unit_test(test_estimates_may_be_negative),
        cmocka_unit_test(test_too_few_batches_give_nan),
        cmocka_unit_test(test_nothing_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

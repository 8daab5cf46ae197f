/* Iteration bounds: the figures of theory.md 9 worked out by hand, and the
 * forms that they take at simple arguments. */
#include "math/bounds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(double a, double b, double relative)
{
    assert_true(fabs(a - b) <= relative * fabs(b));
}

/* L0 = L1 = 1, M = 100, gap 10, eps 0.1. */
static void test_the_example(void **state)
{
    (void)state;
    const struct fit_line law = { 1, 1 };
    assert_near(bounds_clipped(law, 10, 0.1), 20200, 1e-12);
    assert_near(bounds_clipped_l0l1(law, 10, 0.1), 4600, 1e-12);
    assert_near(bounds_fixed(law, 100, 10, 0.1), 404000, 1e-12);
    assert_near(bounds_fixed_least(law, 100, 10, 0.1), 2216, 1e-4);
    assert_near(bounds_ratio(law, 100, 0.1), 404000.0 / 4600, 1e-12);
}

/* Each term alone, and the larger of 1 and L1^2. */
static void test_the_terms(void **state)
{
    (void)state;
    assert_near(
        bounds_clipped((struct fit_line){ 2, 0.5 }, 3, 1), 120 + 30, 1e-15);
    assert_near(
        bounds_clipped((struct fit_line){ 2, 4 }, 3, 1), 120 + 480, 1e-15);
    assert_near(
        bounds_clipped_l0l1((struct fit_line){ 0, 4 }, 3, 0.5), 144, 1e-15);
    assert_near(bounds_fixed((struct fit_line){ 2, 0 }, 9, 3, 0.5), 96, 1e-15);
    assert_near(bounds_ratio((struct fit_line){ 2, 0 }, 9, 0.5), 1, 1e-15);
}

static void test_what_no_theorem_grants(void **state)
{
    (void)state;
    const struct fit_line law = { 1, 1 };
    const struct fit_line negative = { -1, 1 };
    assert_true(isnan(bounds_clipped(negative, 1, 1)));
    assert_true(isnan(bounds_clipped_l0l1(law, -1, 1)));
    assert_true(isnan(bounds_fixed(law, 1, 1, 0)));
    assert_true(isnan(bounds_fixed(law, (double)NAN, 1, 1)));
    assert_true(isnan(bounds_ratio(law, -1, 1)));
    /* The lower bound is of L0, L1 >= 1, M > 1 and a gap worth a step. */
    assert_true(
        isnan(bounds_fixed_least((struct fit_line){ 0.9, 1 }, 100, 10, 0.1)));
    assert_true(
        isnan(bounds_fixed_least((struct fit_line){ 1, 0.9 }, 100, 10, 0.1)));
    assert_true(isnan(bounds_fixed_least(law, 1, 10, 0.1)));
    assert_true(isnan(bounds_fixed_least(law, 100, 0.06, 0.1)));
    assert_true(isinf(bounds_clipped((struct fit_line){ 0, 1 }, 1, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example),
        cmocka_unit_test(test_the_terms),
        cmocka_unit_test(test_what_no_theorem_grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

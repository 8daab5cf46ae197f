/* The tail of chi squared: closed forms of few degrees, and scipy.stats.chi2.sf
 * (1.10) at others. */
#include "math/chi_squared.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) <= 1e-13 * b);
}

static void test_few_degrees(void **state)
{
    (void)state;
    for (double x = 0.01; x < 200; x *= 3) {
        assert_near(chi_squared_tail(x, 1), erfc(sqrt(x / 2)));
        assert_near(chi_squared_tail(x, 2), exp(-x / 2));
        assert_near(chi_squared_tail(x, 3),
            erfc(sqrt(x / 2)) + sqrt(2 * x / acos(-1)) * exp(-x / 2));
        assert_near(chi_squared_tail(x, 4), (1 + x / 2) * exp(-x / 2));
    }
}

static void test_quantiles_of_tables(void **state)
{
    (void)state;
    static const struct {
        double x;
        unsigned dof;
        double p;
    } rows[] = { { 3.841458820694124, 1, 0.05 }, { 5.991464547107979, 2, 0.05 },
        { 11.070497693516351, 5, 0.05 }, { 24.995790139728616, 15, 0.05 },
        { 37.69729821835383, 15, 0.001 }, { 26.29622760486423, 16, 0.05 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(fabs(chi_squared_tail(rows[i].x, rows[i].dof) - rows[i].p) <
                    1e-10 * rows[i].p);
    }
}

static void test_the_ends(void **state)
{
    (void)state;
    assert_true(chi_squared_tail(0, 3) == 1);
    assert_true(chi_squared_tail(-1, 4) == 1);
    assert_true(chi_squared_tail((double)INFINITY, 1) == 0);
    assert_true(chi_squared_tail((double)INFINITY, 6) == 0);
    assert_true(isnan(chi_squared_tail((double)NAN, 4)));
    assert_true(isnan(chi_squared_tail(1, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_degrees),
        cmocka_unit_test(test_quantiles_of_tables),
        cmocka_unit_test(test_the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

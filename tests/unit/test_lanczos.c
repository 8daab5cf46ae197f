/* The small eigenvalue problem, against spectra in closed form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "math/lanczos.h"

/* QL is backward stable: an error of a few u m ||T||. */
#define ERROR(m, norm) (4 * 0x1p-53 * (double)(m) * (norm))

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double at(const struct lanczos *s, size_t i, size_t k)
{
    return i == k       ? s->diagonal[i]
           : i + 1 == k ? s->off[i]
           : k + 1 == i ? s->off[k]
                        : 0;
}

/* T v = value v and <v, w> = [v = w], for all of them. */
static void assert_decomposition(const struct lanczos *s, double norm)
{
    for (size_t i = 0; i < s->m; i++) {
        for (size_t row = 0; row < s->m; row++) {
            double sum = 0;
            double product = 0;
            for (size_t k = 0; k < s->m; k++) {
                sum += at(s, row, k) * s->vectors[i][k];
                product += s->vectors[row][k] * s->vectors[i][k];
            }
            sum -= s->values[i] * s->vectors[i][row];
            assert_true(fabs(sum) <= ERROR(s->m, norm));
            assert_true(fabs(product - (i == row)) <= ERROR(s->m, 4));
        }
    }
}

static void solve(struct lanczos *s, double norm)
{
    assert_true(lanczos_solve(s));
    assert_decomposition(s, norm);
    double sorted[LANCZOS_MAX];
    for (size_t i = 0; i < s->m; i++) {
        sorted[i] = s->values[i];
    }
    qsort(sorted, s->m, sizeof *sorted, ascending);
    assert_true(s->values[s->smallest] == sorted[0]);
    assert_true(s->values[s->largest] == sorted[s->m - 1]);
    for (size_t i = 0; i < s->m; i++) {
        s->values[i] = sorted[i];
    }
}

/* 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (m + 1)). */
static void test_second_difference_has_its_cosines(void **state)
{
    (void)state;
    for (size_t m = 1; m <= LANCZOS_MAX; m++) {
        struct lanczos s = { .m = m };
        for (size_t i = 0; i < m; i++) {
            s.diagonal[i] = 2;
            s.off[i] = -1;
        }
        solve(&s, 4);
        for (size_t k = 1; k <= m; k++) {
            const double expected =
                2 - 2 * cos((double)k * acos(-1) / (double)(m + 1));
            assert_true(fabs(s.values[k - 1] - expected) <= ERROR(m, 4));
        }
    }
}

/* Clement: zeros on the diagonal, sqrt(k (m - k)) beside: -(m-1), .., m-1. */
static void test_clement_matrix_has_the_odd_or_even_numbers(void **state)
{
    (void)state;
    for (size_t m = 1; m <= LANCZOS_MAX; m++) {
        struct lanczos s = { .m = m };
        for (size_t k = 1; k < m; k++) {
            s.off[k - 1] = sqrt((double)(k * (m - k)));
        }
        solve(&s, (double)m);
        for (size_t k = 0; k < m; k++) {
            const double expected = 2 * (double)k - (double)(m - 1);
            assert_true(fabs(s.values[k] - expected) <= ERROR(m, (double)m));
        }
    }
}

/* Where products vanish the matrix falls apart, into zeros too. */
static void test_blocks_and_zeros_are_solved(void **state)
{
    (void)state;
    struct lanczos s = {
        .m = 5, .diagonal = { 3, 3, 0, 0, -7 }, .off = { 0, 0, 4, 0 }
    };
    solve(&s, 8);
    static const double expected[] = { -7, -4, 3, 3, 4 };
    for (size_t i = 0; i < 5; i++) {
        assert_true(fabs(s.values[i] - expected[i]) <= ERROR(5, 8));
    }
    struct lanczos zero = { .m = 3 };
    solve(&zero, 0);
    assert_true(zero.values[0] == 0 && zero.values[2] == 0);
}

static void test_nan_and_inf_have_no_spectrum(void **state)
{
    (void)state;
    struct lanczos s = { .m = 2, .diagonal = { 1, (double)NAN } };
    assert_false(lanczos_solve(&s));
    s.diagonal[1] = 2;
    s.off[0] = (double)INFINITY;
    assert_false(lanczos_solve(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_difference_has_its_cosines),
        cmocka_unit_test(test_clement_matrix_has_the_odd_or_even_numbers),
        cmocka_unit_test(test_blocks_and_zeros_are_solved),
        cmocka_unit_test(test_nan_and_inf_have_no_spectrum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Norms and dual norms: closed forms, and the inequality that makes one the
 * dual of the other. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/half.h"
#include "traj.h"

#define SMALL 6.0e-14 /* traj.h promises 3.4e-14, the test rounds too */

static double norm_of(enum traj_norm norm, size_t rows, size_t cols,
    const double *x, const double *x0)
{
    double value = -1;
    assert_int_equal(
        traj_norm(norm, TRAJ_F64, rows, cols, x, x0, &value), TRAJ_OK);
    return value;
}

static double dual_of(enum traj_norm norm, size_t rows, size_t cols,
    const double *x, const double *x0)
{
    double value = -1;
    assert_int_equal(
        traj_dual_norm(norm, TRAJ_F64, rows, cols, x, x0, &value), TRAJ_OK);
    return value;
}

static void assert_near(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * expected);
}

/* The bound of traj.h for SPECTRAL. */
static double spectral_bound(size_t rows, size_t cols)
{
    return 1e-7 * sqrt((double)(rows < cols ? rows : cols));
}

/* ---- vectors ------------------------------------------------------------- */

static void test_norms_of_a_vector_have_their_closed_forms(void **state)
{
    (void)state;
    const double x[] = { 3, -4, 12, 0 };
    assert_near(norm_of(TRAJ_NORM_L2, 1, 4, x, NULL), 13, SMALL);
    assert_near(dual_of(TRAJ_NORM_L2, 1, 4, x, NULL), 13, SMALL);
    assert_near(norm_of(TRAJ_NORM_RMS, 1, 4, x, NULL), 6.5, SMALL);
    assert_near(dual_of(TRAJ_NORM_RMS, 1, 4, x, NULL), 26, SMALL);
    assert_true(norm_of(TRAJ_NORM_LINF, 1, 4, x, NULL) == 12);
    assert_true(dual_of(TRAJ_NORM_LINF, 1, 4, x, NULL) == 19);
}

static void test_what_was_before_is_subtracted(void **state)
{
    (void)state;
    const double x[] = { 5, -4, 12, 1 };
    const double x0[] = { 2, 0, 0, 1 };
    for (int norm = 0; norm <= TRAJ_NORM_LINF; norm++) {
        const double d[] = { 3, -4, 12, 0 };
        assert_true(norm_of((enum traj_norm)norm, 2, 2, x, x0) ==
                    norm_of((enum traj_norm)norm, 2, 2, d, NULL));
        assert_true(dual_of((enum traj_norm)norm, 2, 2, x, x0) ==
                    dual_of((enum traj_norm)norm, 2, 2, d, NULL));
    }
    const double a[] = { 1, 7, 3, 4 };
    const double b[] = { 0, 7, 3, 6 };
    assert_near(norm_of(TRAJ_NORM_SPECTRAL, 2, 2, a, b), 2, SMALL);
    assert_near(dual_of(TRAJ_NORM_SPECTRAL, 2, 2, a, b), 3, 1e-7);
}

static void test_squares_that_overflow_or_vanish_do_no_harm(void **state)
{
    (void)state;
    static const double scales[] = { 1e300, 1e-300, 0x1p-1074 };
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        const double x[] = { 3 * scales[i], -4 * scales[i] };
        assert_near(norm_of(TRAJ_NORM_L2, 2, 1, x, NULL), 5 * scales[i], SMALL);
        assert_near(norm_of(TRAJ_NORM_SPECTRAL, 1, 2, x, NULL) / sqrt(2),
            5 * scales[i], i < 2 ? SMALL : 0.2);
        assert_near(
            dual_of(TRAJ_NORM_LINF, 1, 2, x, NULL), 7 * scales[i], SMALL);
    }
}

static void test_many_equal_elements_are_summed_without_drift(void **state)
{
    (void)state;
    enum { N = 1000003 };
    double *x = malloc(N * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < N; i++) {
        x[i] = i % 2 ? 0.1 : -0.1;
    }
    assert_near(dual_of(TRAJ_NORM_LINF, 1, N, x, NULL), 0.1 * N, SMALL);
    assert_near(norm_of(TRAJ_NORM_L2, 1, N, x, NULL), 0.1 * sqrt(N), SMALL);
    assert_near(norm_of(TRAJ_NORM_RMS, N, 1, x, NULL), 0.1, SMALL);
    free(x);
}

/* ---- matrices ------------------------------------------------------------ */

static void test_a_diagonal_has_its_elements_as_singular_values(void **state)
{
    (void)state;
    enum { ROWS = 30, COLS = 50 };
    static double a[ROWS * COLS];
    double sum = 0;
    for (size_t i = 0; i < ROWS; i++) {
        a[i * COLS + i] = (i % 2 ? -1.0 : 1.0) * (double)(i + 1);
        sum += (double)(i + 1);
    }
    const double bound = spectral_bound(ROWS, COLS);
    assert_near(norm_of(TRAJ_NORM_SPECTRAL, ROWS, COLS, a, NULL),
        sqrt(50 / 30.0) * 30, SMALL);
    assert_near(dual_of(TRAJ_NORM_SPECTRAL, ROWS, COLS, a, NULL),
        sqrt(30 / 50.0) * sum, bound);
}

/* u v' has the one singular value ||u|| ||v||. */
static void check_rank_one(size_t rows, size_t cols)
{
    double *a = malloc(rows * cols * sizeof *a);
    assert_non_null(a);
    double u_sq = 0;
    double v_sq = 0;
    for (size_t j = 0; j < cols; j++) {
        v_sq += (double)((j % 7 + 1) * (j % 7 + 1));
    }
    for (size_t i = 0; i < rows; i++) {
        const double u = (double)(i % 5) - 2.5;
        u_sq += u * u;
        for (size_t j = 0; j < cols; j++) {
            a[i * cols + j] = u * (double)(j % 7 + 1);
        }
    }
    const double sigma = sqrt(u_sq * v_sq);
    const double ratio = sqrt((double)cols / (double)rows);
    assert_near(
        norm_of(TRAJ_NORM_SPECTRAL, rows, cols, a, NULL), ratio * sigma, 1e-12);
    assert_near(dual_of(TRAJ_NORM_SPECTRAL, rows, cols, a, NULL), sigma / ratio,
        spectral_bound(rows, cols));
    free(a);
}

static void test_a_matrix_of_rank_one_has_one_singular_value(void **state)
{
    (void)state;
    static const size_t sides[] = { 1, 2, 3, 15, 16, 17, 31, 32, 33, 100 };
    enum { N = sizeof sides / sizeof sides[0] };
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            check_rank_one(sides[i], sides[k]);
        }
    }
    check_rank_one(300, 301);
}

static void test_a_reflection_has_singular_values_of_one(void **state)
{
    (void)state;
    enum { N = 65 };
    static double a[N * N];
    double u[N];
    double u_sq = 0;
    for (size_t i = 0; i < N; i++) {
        u[i] = sin((double)i + 1);
        u_sq += u[i] * u[i];
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            a[i * N + j] = (i == j ? 1 : 0) - 2 * u[i] * u[j] / u_sq;
        }
    }
    assert_near(norm_of(TRAJ_NORM_SPECTRAL, N, N, a, NULL), 1, 1e-12);
    assert_near(dual_of(TRAJ_NORM_SPECTRAL, N, N, a, NULL), N, 1e-12);
}

/* Positive definite, so the sum of singular values is the trace; condition
 * number 1.6e13: most of them are far below the accuracy of their squares. */
static void test_the_hilbert_matrix_has_the_sum_of_its_diagonal(void **state)
{
    (void)state;
    enum { N = 10 };
    double a[N * N];
    double trace = 0;
    for (size_t i = 0; i < N; i++) {
        trace += 1 / (double)(2 * i + 1);
        for (size_t j = 0; j < N; j++) {
            a[i * N + j] = 1 / (double)(i + j + 1);
        }
    }
    assert_near(norm_of(TRAJ_NORM_SPECTRAL, N, N, a, NULL), 1.7519196702651775,
        1e-12); /* Choi 1983, and any table */
    assert_near(dual_of(TRAJ_NORM_SPECTRAL, N, N, a, NULL), trace,
        spectral_bound(N, N));
}

static void test_turning_a_matrix_over_swaps_the_factor_only(void **state)
{
    (void)state;
    enum { ROWS = 20, COLS = 45 };
    static double a[ROWS * COLS], turned[ROWS * COLS];
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLS; j++) {
            a[i * COLS + j] = cos((double)(i * i + 3 * j) + 0.1 * (double)j);
            turned[j * ROWS + i] = a[i * COLS + j];
        }
    }
    const double factor = (double)COLS / ROWS;
    assert_near(norm_of(TRAJ_NORM_SPECTRAL, ROWS, COLS, a, NULL),
        factor * norm_of(TRAJ_NORM_SPECTRAL, COLS, ROWS, turned, NULL), 1e-12);
    assert_near(dual_of(TRAJ_NORM_SPECTRAL, COLS, ROWS, turned, NULL),
        factor * dual_of(TRAJ_NORM_SPECTRAL, ROWS, COLS, a, NULL), 1e-12);
}

static void test_two_equal_singular_values_are_no_trouble(void **state)
{
    (void)state;
    const double a[] = { 3, 0, 0, 0, 3, 0, 0, 0, 1e-9 };
    assert_near(norm_of(TRAJ_NORM_SPECTRAL, 3, 3, a, NULL), 3, 1e-14);
    assert_near(
        dual_of(TRAJ_NORM_SPECTRAL, 3, 3, a, NULL), 6, spectral_bound(3, 3));
}

/* ---- the dual ------------------------------------------------------------ */

static uint64_t random_state = 5;
static double random_value(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53 - 0.5;
}

static void test_no_product_exceeds_norm_times_dual_norm(void **state)
{
    (void)state;
    enum { ROWS = 7, COLS = 9, N = ROWS * COLS };
    for (int round = 0; round < 400; round++) {
        const enum traj_norm norm = (enum traj_norm)(round % 4);
        double g[N], d[N];
        double product = 0;
        for (size_t i = 0; i < N; i++) {
            g[i] = random_value();
            d[i] = random_value() + (round % 3) * g[i];
            product += g[i] * d[i];
        }
        assert_true(fabs(product) <= (1 + 1e-6) *
                                         dual_of(norm, ROWS, COLS, g, NULL) *
                                         norm_of(norm, ROWS, COLS, d, NULL));
    }
}

/* The update that each norm is for meets the bound: g, signs of g, and the
 * orthogonal factor, here of a scaled rotation. */
static void test_the_steepest_update_of_each_norm_meets_the_bound(void **state)
{
    (void)state;
    const double g[] = { 3, -4, 4, 3 };
    const double sign[] = { 1, -1, 1, 1 };
    static const enum traj_norm norms[] = { TRAJ_NORM_L2, TRAJ_NORM_RMS,
        TRAJ_NORM_SPECTRAL };
    for (size_t i = 0; i < 3; i++) {
        assert_near(
            dual_of(norms[i], 2, 2, g, NULL) * norm_of(norms[i], 2, 2, g, NULL),
            50, 2e-7);
    }
    assert_true(dual_of(TRAJ_NORM_LINF, 2, 2, g, NULL) *
                    norm_of(TRAJ_NORM_LINF, 2, 2, sign, NULL) ==
                14);
}

/* ---- every dtype --------------------------------------------------------- */

static void test_every_dtype_has_the_norms_of_its_values(void **state)
{
    (void)state;
    enum { ROWS = 5, COLS = 6, N = ROWS * COLS };
    double f64[N];
    float f32[N];
    uint16_t bf16[N], f16[N];
    for (size_t i = 0; i < N; i++) {
        f32[i] = (float)(i * i % 11 + 1) / 4;
        f64[i] = (double)f32[i];
        bf16[i] = half_to_bf16(f32[i]);
        f16[i] = (uint16_t)((half_bits_of(f32[i]) >> 13) - (112u << 10));
    }
    const void *const arrays[] = {
        [TRAJ_F32] = f32, [TRAJ_F64] = f64, [TRAJ_BF16] = bf16, [TRAJ_F16] = f16
    };
    for (int norm = 0; norm <= TRAJ_NORM_SPECTRAL; norm++) {
        for (int dtype = TRAJ_F32; dtype <= TRAJ_F16; dtype++) {
            double value, dual;
            assert_int_equal(
                traj_norm((enum traj_norm)norm, (enum traj_dtype)dtype, ROWS,
                    COLS, arrays[dtype], NULL, &value),
                TRAJ_OK);
            assert_int_equal(
                traj_dual_norm((enum traj_norm)norm, (enum traj_dtype)dtype,
                    ROWS, COLS, arrays[dtype], NULL, &dual),
                TRAJ_OK);
            assert_true(
                value == norm_of((enum traj_norm)norm, ROWS, COLS, f64, NULL));
            assert_true(
                dual == dual_of((enum traj_norm)norm, ROWS, COLS, f64, NULL));
        }
    }
}

/* ---- ends ---------------------------------------------------------------- */

static void test_what_is_not_finite_has_no_norm(void **state)
{
    (void)state;
    static const double bad[] = { (double)NAN, (double)INFINITY,
        -(double)INFINITY };
    for (int norm = 0; norm <= TRAJ_NORM_SPECTRAL; norm++) {
        for (size_t i = 0; i < 3; i++) {
            double x[300] = { 0 };
            x[i * 140] = bad[i];
            x[299] = 1e300;
            assert_true(isnan(norm_of((enum traj_norm)norm, 20, 15, x, NULL)));
            assert_true(isnan(dual_of((enum traj_norm)norm, 20, 15, x, NULL)));
        }
        const double big[] = { DBL_MAX };
        const double minus[] = { -DBL_MAX };
        assert_true(isnan(norm_of((enum traj_norm)norm, 1, 1, big, minus)));
    }
}

static void test_nothing_and_zeros_have_norm_0(void **state)
{
    (void)state;
    const double zeros[6] = { 0 };
    for (int norm = 0; norm <= TRAJ_NORM_SPECTRAL; norm++) {
        assert_true(norm_of((enum traj_norm)norm, 2, 3, zeros, NULL) == 0);
        assert_true(dual_of((enum traj_norm)norm, 2, 3, zeros, zeros) == 0);
        assert_true(norm_of((enum traj_norm)norm, 0, 3, NULL, NULL) == 0);
        assert_true(dual_of((enum traj_norm)norm, 3, 0, NULL, NULL) == 0);
    }
}

static void test_the_smaller_side_may_be_2048_for_the_spectral_norm(
    void **state)
{
    (void)state;
    float *x = calloc((size_t)2049 * 2049, sizeof *x);
    assert_non_null(x);
    x[(size_t)2047 * 2048 + 5] = -3;
    double value = -1;
    assert_int_equal(
        traj_norm(TRAJ_NORM_SPECTRAL, TRAJ_F32, 2048, 2048, x, NULL, &value),
        TRAJ_OK);
    assert_near(value, 3, 1e-12);
    assert_int_equal(
        traj_norm(TRAJ_NORM_SPECTRAL, TRAJ_F32, 2049, 2049, x, NULL, &value),
        TRAJ_EINVAL);
    assert_string_equal(traj_last_error(),
        "norm: 2049 rows of 2049: the smaller may be 2048 for the spectral "
        "norm");
    assert_int_equal(traj_dual_norm(TRAJ_NORM_SPECTRAL, TRAJ_F32, 2049, 2049, x,
                         NULL, &value),
        TRAJ_EINVAL);
    assert_int_equal(
        traj_norm(TRAJ_NORM_RMS, TRAJ_F32, 2049, 2049, x, NULL, &value),
        TRAJ_OK);
    free(x);
}

static void test_wrong_arguments_are_refused_with_a_text(void **state)
{
    (void)state;
    const double x = 1;
    double value = 77;
    assert_int_equal(
        traj_norm((enum traj_norm)4, TRAJ_F64, 1, 1, &x, NULL, &value),
        TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "norm: unknown norm 4");
    assert_int_equal(traj_dual_norm(TRAJ_NORM_L2, (enum traj_dtype)0, 1, 1, &x,
                         NULL, &value),
        TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "norm: unknown dtype 0");
    assert_int_equal(
        traj_norm(TRAJ_NORM_L2, TRAJ_F64, 1, 1, &x, NULL, NULL), TRAJ_EINVAL);
    assert_int_equal(
        traj_norm(TRAJ_NORM_L2, TRAJ_F64, 1, 1, NULL, NULL, &value),
        TRAJ_ENOGRAD);
    assert_string_equal(
        traj_last_error(), "norm: the array is NULL (is it allocated yet?)");
    assert_int_equal(
        traj_norm(TRAJ_NORM_L2, TRAJ_F64, UINT64_MAX / 2, 4, &x, NULL, &value),
        TRAJ_EINVAL);
    assert_true(value == 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms_of_a_vector_have_their_closed_forms),
        cmocka_unit_test(test_what_was_before_is_subtracted),
        cmocka_unit_test(test_squares_that_overflow_or_vanish_do_no_harm),
        cmocka_unit_test(test_many_equal_elements_are_summed_without_drift),
        cmocka_unit_test(test_a_diagonal_has_its_elements_as_singular_values),
        cmocka_unit_test(test_a_matrix_of_rank_one_has_one_singular_value),
        cmocka_unit_test(test_a_reflection_has_singular_values_of_one),
        cmocka_unit_test(test_the_hilbert_matrix_has_the_sum_of_its_diagonal),
        cmocka_unit_test(test_turning_a_matrix_over_swaps_the_factor_only),
        cmocka_unit_test(test_two_equal_singular_values_are_no_trouble),
        cmocka_unit_test(test_no_product_exceeds_norm_times_dual_norm),
        cmocka_unit_test(test_the_steepest_update_of_each_norm_meets_the_bound),
        cmocka_unit_test(test_every_dtype_has_the_norms_of_its_values),
        cmocka_unit_test(test_what_is_not_finite_has_no_norm),
        cmocka_unit_test(test_nothing_and_zeros_have_norm_0),
        cmocka_unit_test(
            test_the_smaller_side_may_be_2048_for_the_spectral_norm),
        cmocka_unit_test(test_wrong_arguments_are_refused_with_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Moments: against sums in long double, at every length that a block or a row
 * of lanes ends at, and in floating-point environments that trainers set. */
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#include "math/kernel.h"
#include "traj.h"

#define N_MAX 12345
#define BOUND (300 * 0x1p-53L) /* as traj.h promises */

static double wide[4][N_MAX];
static float narrow[4][N_MAX];

static uint64_t random_state = 42;
static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53;
}

/* Log-normal scale times a sign: the tails of real gradients. */
static double heavy_tailed(void)
{
    double normal =
        sqrt(-2 * log(1 - uniform())) * cos(6.283185307 * uniform());
    return exp(2 * normal) * (uniform() < 0.5 ? -1 : 1);
}

static int fill(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < N_MAX; i++) {
            narrow[k][i] = (float)heavy_tailed();
            wide[k][i] = heavy_tailed();
        }
    }
    return 0;
}

static long double at(enum traj_dtype dtype, size_t k, size_t i)
{
    return dtype == TRAJ_F64 ? (long double)wide[k][i]
                             : (long double)narrow[k][i];
}

static const void *array(enum traj_dtype dtype, unsigned set, unsigned k)
{
    if (!(set & (1u << k))) {
        return NULL;
    }
    return dtype == TRAJ_F64 ? (const void *)wide[k] : (const void *)narrow[k];
}

static struct traj_moments measure(
    enum traj_dtype dtype, unsigned set, size_t n)
{
    struct traj_moments m;
    assert_int_equal(
        traj_moments(dtype, n, array(dtype, set, 0), array(dtype, set, 1),
            array(dtype, set, 2), array(dtype, set, 3), &m),
        TRAJ_OK);
    return m;
}

/* value against sum over i of a_i b_i, relative to the sum of |a_i b_i|. */
static void assert_sum(double value, long double sum, long double magnitude)
{
    assert_true(fabsl((long double)value - sum) <= BOUND * magnitude);
}

static void assert_inner(enum traj_dtype dtype, size_t n, double value,
    const unsigned left[2], const unsigned right[2])
{
    long double sum = 0;
    long double magnitude = 0;
    for (size_t i = 0; i < n; i++) {
        long double a = at(dtype, left[0], i);
        long double b = at(dtype, right[0], i);
        a -= left[1] < 4 ? at(dtype, left[1], i) : 0;
        b -= right[1] < 4 ? at(dtype, right[1], i) : 0;
        sum += a * b;
        magnitude += fabsl(a * b);
    }
    assert_sum(value, sum, magnitude);
}

static const unsigned X[2] = { 0, 9 }, G[2] = { 1, 9 }, G0[2] = { 3, 9 },
                      D[2] = { 0, 2 }, E[2] = { 1, 3 };

static void assert_inner_or_unset(bool there, enum traj_dtype dtype, size_t n,
    double value, const unsigned left[2], const unsigned right[2])
{
    if (there) {
        assert_inner(dtype, n, value, left, right);
    } else {
        assert_true(traj_is_unset(value));
    }
}

/* What the set of arrays allows to compute is right, the rest is unset. */
static void check_set(enum traj_dtype dtype, unsigned set, size_t n)
{
    const bool x = set & KERNEL_X;
    const bool g = set & KERNEL_G;
    const bool g0 = set & KERNEL_G0;
    const bool d = x && set & KERNEL_X0;
    const bool e = g && g0;
    const struct traj_moments m = measure(dtype, set, n);
    assert_inner_or_unset(g, dtype, n, m.grad_sq, G, G);
    assert_inner_or_unset(x, dtype, n, m.param_sq, X, X);
    assert_inner_or_unset(d, dtype, n, m.delta_sq, D, D);
    assert_inner_or_unset(e, dtype, n, m.dgrad_sq, E, E);
    assert_inner_or_unset(e, dtype, n, m.grad_prev, G, G0);
    assert_inner_or_unset(d && e, dtype, n, m.dgrad_delta, E, D);
    assert_inner_or_unset(
        d && (g || g0), dtype, n, m.grad_delta, g0 ? G0 : G, D);
    assert_true(m.grad_nan == (g ? 0 : TRAJ_UNSET_COUNT));
    assert_true(m.param_inf == (x ? 0 : TRAJ_UNSET_COUNT));
}

static void test_sums_are_right_for_every_set_of_arrays_and_length(void **state)
{
    (void)state;
    static const size_t lengths[] = { 0, 1, 2, 15, 16, 17, 31, 4095, 4096, 4097,
        4111, 8192, N_MAX };
    for (unsigned set = 0; set < 16; set++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            check_set(TRAJ_F32, set, lengths[i]);
            check_set(TRAJ_F64, set, lengths[i]);
        }
    }
}

static void test_small_integers_are_exact(void **state)
{
    (void)state;
    const float x[3] = { 1, 2, 3 }, g[3] = { 4, -5, 6 }, x0[3] = { 1, 1, 1 },
                g0[3] = { 1, 0, -1 };
    struct traj_moments m;
    assert_int_equal(traj_moments(TRAJ_F32, 3, x, g, x0, g0, &m), TRAJ_OK);
    assert_true(m.grad_sq == 77 && m.param_sq == 14 && m.delta_sq == 5);
    assert_true(m.dgrad_sq == 83 && m.grad_delta == -2 && m.dgrad_delta == 9);
    assert_true(m.grad_prev == -2 && m.grad_max_abs == 6);
}

static void test_error_does_not_grow_with_the_length(void **state)
{
    (void)state;
    const size_t n = 3000000;
    float *g = malloc(n * sizeof *g);
    assert_non_null(g);
    long double sum = 0;
    for (size_t i = 0; i < n; i++) {
        g[i] = (float)heavy_tailed();
        sum += (long double)g[i] * (long double)g[i];
    }
    struct traj_moments m;
    assert_int_equal(
        traj_moments(TRAJ_F32, n, NULL, g, NULL, NULL, &m), TRAJ_OK);
    assert_sum(m.grad_sq, sum, sum);
    free(g);
}

static void test_what_adding_blocks_rounds_away_is_kept(void **state)
{
    (void)state;
    /* 256 blocks of 2^-44, each below half a unit in the last place of the
     * 4096 that the first block gives. */
    const size_t n = 257 * (size_t)KERNEL_BLOCK;
    float *g = malloc(n * sizeof *g);
    assert_non_null(g);
    for (size_t i = 0; i < n; i++) {
        g[i] = i < KERNEL_BLOCK ? 1 : 0x1p-28f;
    }
    struct traj_moments m;
    assert_int_equal(
        traj_moments(TRAJ_F32, n, NULL, g, NULL, NULL, &m), TRAJ_OK);
    assert_true(m.grad_sq == 4096 + 0x1p-36);
    free(g);
}

static void test_a_power_of_two_scales_the_sums_exactly(void **state)
{
    (void)state;
    const struct traj_moments before = measure(TRAJ_F32, 15, N_MAX);
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < N_MAX; i++) {
            narrow[k][i] *= k % 2 ? 8.0f : 0.5f;
        }
    }
    const struct traj_moments after = measure(TRAJ_F32, 15, N_MAX);
    assert_true(after.grad_sq == 64 * before.grad_sq);
    assert_true(after.delta_sq == before.delta_sq / 4);
    assert_true(after.grad_delta == 4 * before.grad_delta);
    assert_true(after.grad_max_abs == 8 * before.grad_max_abs);
}

static void test_nan_and_inf_are_counted_wherever_they_stand(void **state)
{
    (void)state;
    static const size_t places[] = { 0, 15, 16, 4096, N_MAX - 1 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        narrow[1][places[i]] = i % 2 ? NAN : -INFINITY;
        wide[0][places[i]] = i % 2 ? -(double)NAN : (double)INFINITY;
    }
    const struct traj_moments f32 = measure(TRAJ_F32, 15, N_MAX);
    assert_int_equal(f32.grad_nan, 2);
    assert_int_equal(f32.grad_inf, 3);
    assert_int_equal(f32.param_nan, 0);
    const struct traj_moments f64 = measure(TRAJ_F64, 15, N_MAX);
    assert_int_equal(f64.param_nan, 2);
    assert_int_equal(f64.param_inf, 3);
    assert_int_equal(f64.grad_nan, 0);
    assert_true(isnan(f64.param_sq) && isnan(f64.delta_sq));
    assert_false(traj_is_unset(f64.param_sq));
    assert_true(isfinite(f64.grad_sq));
}

static void test_inf_alone_gives_inf_and_not_nan(void **state)
{
    (void)state;
    narrow[1][5000] = INFINITY;
    const struct traj_moments m = measure(TRAJ_F32, KERNEL_G, N_MAX);
    assert_true(isinf(m.grad_sq) && m.grad_sq > 0);
    assert_true(isinf(m.grad_max_abs));
}

static void test_the_peak_passes_over_nan(void **state)
{
    (void)state;
    const double g[4] = { 3, (double)NAN, -7, 2 };
    struct traj_moments m;
    assert_int_equal(
        traj_moments(TRAJ_F64, 4, NULL, g, NULL, NULL, &m), TRAJ_OK);
    assert_true(m.grad_max_abs == 7);
    assert_int_equal(
        traj_moments(TRAJ_F64, 1, NULL, g + 1, NULL, NULL, &m), TRAJ_OK);
    assert_true(m.grad_max_abs == 0);
}

static void test_trapped_exceptions_do_not_trap_in_us(void **state)
{
    (void)state;
    narrow[1][3] = NAN;
    narrow[0][4] = INFINITY;
    narrow[2][4] = INFINITY;
    wide[1][7] = 1e200;
    const int traps = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(traps);
    const struct traj_moments f32 = measure(TRAJ_F32, 15, N_MAX);
    const struct traj_moments f64 = measure(TRAJ_F64, 15, N_MAX);
    const int still = fegetexcept();
    (void)fedisableexcept(FE_ALL_EXCEPT);
    assert_int_equal(still & traps, traps);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    assert_int_equal(f32.grad_nan, 1);
    assert_true(isnan(f32.delta_sq));
    assert_true(isinf(f64.grad_sq));
    assert_int_equal(f64.grad_inf, 0);
}

static void test_rounding_and_flags_of_the_caller_stay(void **state)
{
    (void)state;
    const struct traj_moments nearest = measure(TRAJ_F64, 15, N_MAX);
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feraiseexcept(FE_DIVBYZERO);
    (void)fesetround(FE_UPWARD);
    const struct traj_moments upward = measure(TRAJ_F64, 15, N_MAX);
    const int rounding = fegetround();
    (void)fesetround(FE_TONEAREST);
    assert_int_equal(rounding, FE_UPWARD);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
    assert_memory_equal(&nearest, &upward, sizeof nearest);
}

#if defined(__x86_64__)
static void test_subnormals_count_although_the_caller_flushes_them(void **state)
{
    (void)state;
    const float g[2] = { 0x1p-140f, 0x1p-149f };
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ and DAZ, as -Ofast sets them */
    struct traj_moments m;
    enum traj_status status =
        traj_moments(TRAJ_F32, 2, NULL, g, NULL, NULL, &m);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(after, before | 0x8040);
    assert_true(m.grad_sq == 0x1p-280 + 0x1p-298);
}
#else
static void test_subnormals_count_although_the_caller_flushes_them(void **state)
{
    (void)state;
    skip();
}
#endif

static void test_nothing_is_walked_without_arrays(void **state)
{
    (void)state;
    struct traj_moments m;
    assert_int_equal(traj_moments(TRAJ_F16, (size_t)PTRDIFF_MAX / 2, NULL, NULL,
                         NULL, NULL, &m),
        TRAJ_OK);
    assert_true(traj_is_unset(m.grad_sq) && traj_is_unset(m.param_sq));
}

static void test_wrong_arguments_are_refused_with_a_text(void **state)
{
    (void)state;
    struct traj_moments m;
    assert_int_equal(
        traj_moments((enum traj_dtype)7, 1, NULL, NULL, NULL, NULL, &m),
        TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "moments: unknown dtype 7");
    assert_int_equal(
        traj_moments(TRAJ_F32, 1, NULL, NULL, NULL, NULL, NULL), TRAJ_EINVAL);
    assert_int_equal(
        traj_moments(TRAJ_F16, SIZE_MAX, NULL, NULL, NULL, NULL, &m),
        TRAJ_EINVAL);
}

static void test_unset_is_no_value_that_arithmetic_makes(void **state)
{
    (void)state;
    volatile double zero = 0;
    const double made[] = { zero / zero, -(zero / zero), (double)NAN,
        (double)INFINITY - (double)INFINITY, sqrt(-1 - zero), 0 };
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        assert_false(traj_is_unset(made[i]));
    }
    assert_true(traj_is_unset(traj_unset()));
    assert_true(isnan(traj_unset()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fill)
        TEST(test_sums_are_right_for_every_set_of_arrays_and_length),
        TEST(test_small_integers_are_exact),
        TEST(test_error_does_not_grow_with_the_length),
        TEST(test_what_adding_blocks_rounds_away_is_kept),
        TEST(test_a_power_of_two_scales_the_sums_exactly),
        TEST(test_nan_and_inf_are_counted_wherever_they_stand),
        TEST(test_inf_alone_gives_inf_and_not_nan),
        TEST(test_the_peak_passes_over_nan),
        TEST(test_trapped_exceptions_do_not_trap_in_us),
        TEST(test_rounding_and_flags_of_the_caller_stay),
        TEST(test_subnormals_count_although_the_caller_flushes_them),
        TEST(test_wrong_arguments_are_refused_with_a_text),
        TEST(test_nothing_is_walked_without_arrays),
        TEST(test_unset_is_no_value_that_arithmetic_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

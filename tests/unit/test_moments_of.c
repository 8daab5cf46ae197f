/* Moments of arrays of every dtype: against sums in long double of values
 * decoded here, and bit for bit between dtypes, levels of processors and
 * addresses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/moment_arrays.h"
#include "math/kernel.h"
#include "traj.h"

#define BOUND (300 * 0x1p-53L) /* as traj.h promises */
#define N_MAX 9000

static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
    TRAJ_F16 };
#define DTYPES 4u
static const size_t lengths[] = { 0, 1, 2, 15, 16, 17, 31, 511, 512, 513, 4095,
    4096, 4097, 8192, N_MAX };
#define LENGTHS (sizeof lengths / sizeof lengths[0])

/* sign, exponent and mantissa of the bits of an element, taken apart here. */
static long double decoded(enum traj_dtype dtype, const void *array, size_t i)
{
    static const int mantissas[] = {
        [TRAJ_F32] = 23, [TRAJ_F64] = 52, [TRAJ_BF16] = 7, [TRAJ_F16] = 10
    };
    uint64_t bits = 0;
    memcpy(&bits, (const char *)array + i * dtype_width(dtype),
        dtype_width(dtype));
    const int m = mantissas[dtype];
    const int e_bits = (int)dtype_width(dtype) * 8 - 1 - m;
    const int e = (int)(bits >> m & ((1u << e_bits) - 1));
    const uint64_t fraction = bits & (((uint64_t)1 << m) - 1);
    const int bias = (1 << (e_bits - 1)) - 1;
    const long double size =
        ldexpl((long double)(e > 0 ? fraction | (uint64_t)1 << m : fraction),
            (e > 0 ? e : 1) - bias - m);
    return bits >> (dtype_width(dtype) * 8 - 1) ? -size : size;
}

/* ---- right --------------------------------------------------------------- */

static long double value[4][N_MAX];

static void assert_inner(bool there, double sum, size_t n,
    const long double *const left[2], const long double *const right[2])
{
    static const long double zeros[N_MAX];
    const long double *const a0 = left[1] != NULL ? left[1] : zeros;
    const long double *const b0 = right[1] != NULL ? right[1] : zeros;
    long double expected = 0;
    long double magnitude = 0;
    for (size_t i = 0; i < n; i++) {
        const long double product =
            (left[0][i] - a0[i]) * (right[0][i] - b0[i]);
        expected += product;
        magnitude += fabsl(product);
    }
    assert_true(there ? fabsl((long double)sum - expected) <= BOUND * magnitude
                      : traj_is_unset(sum));
}

static void check_set(const struct traj_segment *s, unsigned set)
{
    const struct traj_moments m = moments_measured(s, 1, 1);
    const bool x = set & KERNEL_X;
    const bool g = set & KERNEL_G;
    const bool g0 = set & KERNEL_G0;
    const bool d = x && set & KERNEL_X0;
    const long double *const X[] = { value[0], NULL };
    const long double *const G[] = { value[1], NULL };
    const long double *const G0[] = { value[3], NULL };
    const long double *const D[] = { value[0], value[2] };
    const long double *const E[] = { value[1], value[3] };
    assert_inner(g, m.grad_sq, s->n, G, G);
    assert_inner(x, m.param_sq, s->n, X, X);
    assert_inner(d, m.delta_sq, s->n, D, D);
    assert_inner(g && g0, m.dgrad_sq, s->n, E, E);
    assert_inner(g && g0, m.grad_prev, s->n, G, G0);
    assert_inner(d && g && g0, m.dgrad_delta, s->n, E, D);
    assert_inner(d && (g || g0), m.grad_delta, s->n, g0 ? G0 : G, D);
}

static void check_pair(enum traj_dtype dtype, enum traj_dtype grad_dtype)
{
    char *memory[4];
    for (size_t k = 0; k < 4; k++) {
        const enum traj_dtype type = k % 2 == 0 ? dtype : grad_dtype;
        memory[k] = random_elements(type, N_MAX);
        for (size_t i = 0; i < N_MAX; i++) {
            value[k][i] = decoded(type, memory[k], i);
        }
    }
    for (unsigned set = 0; set < 16; set++) {
        for (size_t i = 0; i < LENGTHS; i++) {
            const struct traj_segment s =
                moment_segment(dtype, grad_dtype, set, lengths[i], memory, 0);
            check_set(&s, set);
        }
    }
    for (size_t k = 0; k < 4; k++) {
        free(memory[k]);
    }
}

static void test_sums_are_right_for_every_pair_of_dtypes(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTYPES; i++) {
        for (size_t k = 0; k < DTYPES; k++) {
            check_pair(dtypes[i], dtypes[k]);
        }
    }
}

static void test_every_dtype_gives_the_same_bits_for_the_same_values(
    void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t n = lengths[i];
        struct moment_arrays a =
            moment_arrays_eighths(TRAJ_F64, TRAJ_F64, n, 0);
        for (size_t pair = 0; pair < DTYPES * DTYPES; pair++) {
            const enum traj_dtype x = dtypes[pair / DTYPES];
            const enum traj_dtype g = dtypes[pair % DTYPES];
            struct moment_arrays b = moment_arrays_eighths(x, g, n, 0);
            for (unsigned set = 1; set < 16; set++) {
                const struct traj_segment wide =
                    moment_segment(TRAJ_F64, 0, set, n, a.memory, 0);
                const struct traj_segment own =
                    moment_segment(x, g, set, n, b.memory, 0);
                const struct traj_moments m = moments_measured(&wide, 1, 1);
                const struct traj_moments same = moments_measured(&own, 1, 1);
                assert_memory_equal(&m, &same, sizeof m);
            }
            moment_arrays_free(&b);
        }
        moment_arrays_free(&a);
    }
}

/* ---- the same bits ------------------------------------------------------- */

static void check_levels(const struct traj_segment *s)
{
    assert_true(kernel_use_level(0));
    const struct traj_moments plain = moments_measured(s, 1, 1);
    for (unsigned level = 1; level < KERNEL_LEVELS; level++) {
        (void)kernel_use_level(level); /* or again the one before */
        const struct traj_moments m = moments_measured(s, 1, 1);
        assert_memory_equal(&plain, &m, sizeof m);
    }
}

static void test_every_level_of_processors_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t pair = 0; pair < DTYPES * DTYPES; pair++) {
        const enum traj_dtype x = dtypes[pair / DTYPES];
        const enum traj_dtype g = dtypes[pair % DTYPES];
        char *memory[4] = { random_elements(x, N_MAX),
            random_elements(g, N_MAX), random_elements(x, N_MAX),
            random_elements(g, N_MAX) };
        for (unsigned set = 1; set < 16; set++) {
            for (size_t i = 0; i < LENGTHS; i++) {
                const struct traj_segment s =
                    moment_segment(x, g, set, lengths[i], memory, 0);
                check_levels(&s);
            }
        }
        for (size_t k = 0; k < 4; k++) {
            free(memory[k]);
        }
    }
}

static void test_an_unknown_level_is_refused(void **state)
{
    (void)state;
    assert_false(kernel_use_level(KERNEL_LEVELS));
}

static void test_arrays_need_no_alignment(void **state)
{
    (void)state;
    for (size_t pair = 0; pair < DTYPES * DTYPES; pair++) {
        const enum traj_dtype x = dtypes[pair / DTYPES];
        const enum traj_dtype g = dtypes[pair % DTYPES];
        struct moment_arrays a = moment_arrays_eighths(x, g, 5000, 0);
        const struct traj_segment s =
            moment_segment(x, g, 15, 5000, a.memory, 0);
        const struct traj_moments m = moments_measured(&s, 1, 1);
        for (size_t offset = 1; offset < 9; offset += 2) {
            struct moment_arrays b = moment_arrays_eighths(x, g, 5000, offset);
            const struct traj_segment odd =
                moment_segment(x, g, 15, 5000, b.memory, offset);
            const struct traj_moments same = moments_measured(&odd, 1, 1);
            assert_memory_equal(&m, &same, sizeof m);
            moment_arrays_free(&b);
        }
        moment_arrays_free(&a);
    }
}

/* ---- values that are no numbers ------------------------------------------ */

struct special {
    enum traj_dtype dtype;
    uint64_t infinity, nan, odd_nan, smallest, largest;
    double smallest_value, largest_value;
};
static const struct special specials[DTYPES] = {
    { TRAJ_F32, 0x7f800000, 0x7fc00000, 0xff800001, 1, 0x7f7fffff, 0x1p-149,
        0x1.fffffep127 },
    { TRAJ_F64, 0x7ff0000000000000, 0x7ff8000000000000, 0xfff0000000000001, 1,
        0x5fefffffffffffff, 0x1p-1074, 0x1.fffffffffffffp511 },
    { TRAJ_BF16, 0x7f80, 0x7fc0, 0xff81, 1, 0x7f7f, 0x1p-133, 0x1.fep127 },
    { TRAJ_F16, 0x7c00, 0x7e00, 0xfc01, 1, 0x7bff, 0x1p-24, 65504 },
};

static struct traj_moments measure_bits(
    const struct special *s, uint64_t bits, size_t n, size_t place)
{
    char *array = calloc(n, dtype_width(s->dtype));
    assert_non_null(array);
    memcpy(array + place * dtype_width(s->dtype), &bits, dtype_width(s->dtype));
    struct traj_moments m;
    assert_int_equal(
        traj_moments(s->dtype, n, array, array, NULL, NULL, &m), TRAJ_OK);
    free(array);
    return m;
}

static void test_each_kind_of_nan_and_inf_is_counted(void **state)
{
    (void)state;
    static const size_t places[] = { 0, 15, 16, 4095, 4096, 4111, 4112 };
    for (size_t i = 0; i < DTYPES; i++) {
        const struct special *s = &specials[i];
        const uint64_t sign = (uint64_t)1 << (dtype_width(s->dtype) * 8 - 1);
        const uint64_t nans[] = { s->nan, s->odd_nan, s->nan | sign,
            s->odd_nan | 2 };
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            for (size_t k = 0; k < 4; k++) {
                const struct traj_moments m =
                    measure_bits(s, nans[k], 4113, places[p]);
                assert_int_equal(m.grad_nan, 1);
                assert_int_equal(m.param_nan, 1);
                assert_int_equal(m.grad_inf + m.param_inf, 0);
                assert_true(isnan(m.grad_sq) && !traj_is_unset(m.grad_sq));
                assert_true(m.grad_max_abs == 0);
            }
            const struct traj_moments m =
                measure_bits(s, s->infinity | sign, 4113, places[p]);
            assert_int_equal(m.grad_inf, 1);
            assert_int_equal(m.param_inf, 1);
            assert_int_equal(m.grad_nan + m.param_nan, 0);
            assert_true(isinf(m.grad_sq) && isinf(m.grad_max_abs));
        }
    }
}

static void test_the_ends_of_every_range_are_measured(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTYPES; i++) {
        const struct special *s = &specials[i];
        const struct traj_moments small =
            measure_bits(s, s->smallest, 5000, 4321);
        assert_true(small.grad_max_abs == s->smallest_value);
        assert_true(small.grad_sq == s->smallest_value * s->smallest_value);
        const struct traj_moments large =
            measure_bits(s, s->largest, 5000, 4321);
        assert_true(large.grad_max_abs == s->largest_value);
        assert_true(large.grad_sq == s->largest_value * s->largest_value);
        assert_int_equal(large.grad_inf, 0);
    }
}

static void test_the_peak_passes_over_nan_in_every_dtype(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTYPES; i++) {
        const struct special *s = &specials[i];
        for (size_t place = 0; place < 40; place++) {
            char array[40 * 8];
            for (size_t k = 0; k < 40; k++) {
                store_eighth(s->dtype, -(int)k, k, array);
            }
            memcpy(array + place * dtype_width(s->dtype), &s->odd_nan,
                dtype_width(s->dtype));
            struct traj_moments m;
            assert_int_equal(
                traj_moments(s->dtype, 40, NULL, array, NULL, NULL, &m),
                TRAJ_OK);
            assert_true(m.grad_max_abs == (place == 39 ? 38 : 39) / 8.0);
        }
    }
}

static void test_the_marker_among_the_data_is_a_nan_and_no_marker(void **state)
{
    (void)state;
    double x[20] = { 0 };
    x[3] = traj_unset();
    struct traj_moments m;
    assert_int_equal(traj_moments(TRAJ_F64, 20, x, x, x, x, &m), TRAJ_OK);
    const double sums[] = { m.grad_sq, m.param_sq, m.delta_sq, m.dgrad_sq,
        m.grad_delta, m.dgrad_delta, m.grad_prev };
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        assert_true(isnan(sums[i]) && !traj_is_unset(sums[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_right_for_every_pair_of_dtypes),
        cmocka_unit_test(
            test_every_dtype_gives_the_same_bits_for_the_same_values),
        cmocka_unit_test(test_every_level_of_processors_gives_the_same_bits),
        cmocka_unit_test(test_an_unknown_level_is_refused),
        cmocka_unit_test(test_arrays_need_no_alignment),
        cmocka_unit_test(test_each_kind_of_nan_and_inf_is_counted),
        cmocka_unit_test(test_the_ends_of_every_range_are_measured),
        cmocka_unit_test(test_the_peak_passes_over_nan_in_every_dtype),
        cmocka_unit_test(test_the_marker_among_the_data_is_a_nan_and_no_marker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

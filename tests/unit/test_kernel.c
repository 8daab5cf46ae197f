/* The kernel, level by level: what a narrow type gives is what its values give
 * as doubles, bit for bit, where the sums round. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "math/half.h"
#include "math/kernel.h"

static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
    TRAJ_F16 };
#define DTYPES 4u
static const size_t lengths[] = { 1, 15, 16, 17, 32, 48, 1000, 2047, 2064,
    KERNEL_BLOCK };
#define LENGTHS (sizeof lengths / sizeof lengths[0])

static uint64_t random_state;
static uint64_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

/* A sign, 2^-14 to 2^13 and a mantissa, in 16 bits: their products spread over
 * more bits than a double has. */
static uint16_t random_half(enum traj_dtype dtype)
{
    const unsigned sign = (unsigned)(random_bits() % 2) << 15;
    const unsigned exponent = (unsigned)(random_bits() % 28);
    const unsigned mantissa = (unsigned)random_bits();
    return (uint16_t)(dtype == TRAJ_F16
                          ? sign | (exponent + 1u) << 10 | (mantissa & 0x3ffu)
                          : sign | (exponent + 113u) << 7 | (mantissa & 0x7fu));
}

static double narrow[KERNEL_ARRAYS][KERNEL_BLOCK]; /* of some dtype */
static double wide[KERNEL_ARRAYS][KERNEL_BLOCK];

static void put(enum traj_dtype dtype, size_t k, size_t i)
{
    char *at = (char *)narrow[k] + i * kernel_element_bytes(dtype);
    if (dtype == TRAJ_BF16 || dtype == TRAJ_F16) {
        const uint16_t half = random_half(dtype);
        memcpy(at, &half, sizeof half);
        wide[k][i] = (double)(dtype == TRAJ_F16 ? half_from_f16(half)
                                                : half_from_bf16(half));
        return;
    }
    const float single = half_from_bf16(random_half(TRAJ_BF16)) *
                         (1 + (float)random_bits() * 0x1p-31f);
    wide[k][i] = (double)single;
    if (dtype == TRAJ_F64) {
        wide[k][i] *= 1 + (double)random_bits() * 0x1p-52;
    }
    memcpy(at, dtype == TRAJ_F32 ? (const void *)&single : &wide[k][i],
        kernel_element_bytes(dtype));
}

static void fill(enum traj_dtype dtype)
{
    random_state = 42;
    for (size_t k = 0; k < KERNEL_ARRAYS; k++) {
        for (size_t i = 0; i < KERNEL_BLOCK; i++) {
            put(dtype, k, i);
        }
    }
}

static struct kernel_sums sums_of(enum traj_dtype dtype, unsigned shape,
    double arrays[KERNEL_ARRAYS][KERNEL_BLOCK], size_t n)
{
    const void *const array[KERNEL_ARRAYS] = { arrays[0], arrays[1], arrays[2],
        arrays[3] };
    struct kernel_sums s;
    kernel_sum(dtype, dtype, shape, array, n, NULL, &s);
    return s;
}

/* Element i to lane i mod 16; the lanes pairwise. Plain, and written here. */
static double inner(const double *a, const double *b, size_t n)
{
    double lane[16] = { 0 };
    for (size_t i = 0; i < n; i++) {
        const double product = a[i] * b[i];
        lane[i % 16] += product;
    }
    double half[8];
    for (size_t k = 0; k < 8; k++) {
        half[k] = lane[k] + lane[k + 8];
    }
    return ((half[0] + half[4]) + (half[2] + half[6])) +
           ((half[1] + half[5]) + (half[3] + half[7]));
}

static double peak(const double *g, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(g[i]));
    }
    return largest;
}

static struct kernel_sums expected(unsigned shape, size_t n)
{
    static double d[KERNEL_BLOCK], e[KERNEL_BLOCK];
    for (size_t i = 0; i < n; i++) {
        d[i] = wide[0][i] - wide[2][i];
        e[i] = wide[1][i] - wide[3][i];
    }
    const bool has_d = kernel_has(shape, KERNEL_BOTH_X);
    const bool has_e = kernel_has(shape, KERNEL_BOTH_G);
    const double *const g = shape & KERNEL_G0 ? wide[3] : wide[1];
    return (struct kernel_sums){
        .gg = shape & KERNEL_G ? inner(wide[1], wide[1], n) : 0,
        .xx = shape & KERNEL_X ? inner(wide[0], wide[0], n) : 0,
        .dd = has_d ? inner(d, d, n) : 0,
        .ee = has_e ? inner(e, e, n) : 0,
        .gd = kernel_has_gd(shape) ? inner(g, d, n) : 0,
        .ed = has_d && has_e ? inner(e, d, n) : 0,
        .gg0 = has_e ? inner(wide[1], wide[3], n) : 0,
        .peak = shape & KERNEL_G ? peak(wide[1], n) : 0,
    };
}

static void test_every_type_is_summed_as_its_doubles_would_be(void **state)
{
    (void)state;
    for (size_t t = 0; t < DTYPES; t++) {
        fill(dtypes[t]);
        for (unsigned set = 1; set < KERNEL_SHAPES * LENGTHS; set++) {
            const unsigned shape = kernel_shape(set % KERNEL_SHAPES);
            const size_t n = lengths[set / KERNEL_SHAPES];
            const struct kernel_sums e = expected(shape, n);
            for (unsigned level = 0; level < KERNEL_LEVELS && shape; level++) {
                (void)kernel_use_level(level); /* or again the one before */
                const struct kernel_sums s =
                    sums_of(dtypes[t], shape, narrow, n);
                assert_memory_equal(&s, &e, sizeof s);
            }
        }
    }
}

/* ---- copies made on the way ---------------------------------------------- */

#define GUARD 64u /* bytes around a copy that must stay as they are */
static char kept[2][KERNEL_BLOCK * 8 + 2 * GUARD];

/* Where a copy may go: an array of its own, or the older one it replaces. */
enum place { APART, IN_PLACE };

static void check_kept(enum traj_dtype dtype,
    const double original[KERNEL_BLOCK], const char *copy, size_t n)
{
    const size_t bytes = n * kernel_element_bytes(dtype);
    assert_memory_equal(copy, original, bytes);
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(copy[bytes + i], 0x55);
        assert_int_equal(copy[-1 - (ptrdiff_t)i], 0x55);
    }
}

/* Sums shape over the first n elements of `data` with copies of x and g. */
static struct kernel_sums sums_and_copies(enum traj_dtype dtype, unsigned shape,
    double data[KERNEL_ARRAYS][KERNEL_BLOCK], size_t n, enum place place)
{
    const size_t bytes = n * kernel_element_bytes(dtype);
    memset(kept, 0x55, sizeof kept);
    char *const x = kept[0] + GUARD;
    char *const g = kept[1] + GUARD;
    const void *array[KERNEL_ARRAYS] = { data[0], data[1], data[2], data[3] };
    if (place == IN_PLACE) {
        memcpy(x, data[2], bytes);
        memcpy(g, data[3], bytes);
        array[2] = x;
        array[3] = g;
    }
    const struct kernel_keep keep = { .x = x, .g = g };
    struct kernel_sums s;
    kernel_sum(dtype, dtype, shape, array, n, &keep, &s);
    return s;
}

/* Those that keep for a watch; the last is none of theirs. */
static const unsigned keeping[] = { KERNEL_X | KERNEL_G,
    KERNEL_BOTH_X | KERNEL_BOTH_G, KERNEL_BOTH_X | KERNEL_G };
#define KEEPING 3u

static void test_keeping_copies_changes_no_sum(void **state)
{
    (void)state;
    for (size_t t = 0; t < DTYPES; t++) {
        fill(dtypes[t]);
        for (size_t k = 0; k < KEEPING * LENGTHS * 2 * KERNEL_LEVELS; k++) {
            const enum place place = k % 2 == 0 ? APART : IN_PLACE;
            const unsigned shape = keeping[k / 2 % KEEPING];
            const size_t n = lengths[k / 2 / KEEPING % LENGTHS];
            (void)kernel_use_level((unsigned)(k / 2 / KEEPING / LENGTHS));
            const struct kernel_sums plain =
                sums_of(dtypes[t], shape, narrow, n);
            const struct kernel_sums s =
                sums_and_copies(dtypes[t], shape, narrow, n, place);
            assert_memory_equal(&s, &plain, sizeof s);
            check_kept(dtypes[t], narrow[0], kept[0] + GUARD, n);
            check_kept(dtypes[t], narrow[1], kept[1] + GUARD, n);
        }
    }
}

/* Any bits: NaNs of every kind, subnormals, infinities. */
static void test_copies_are_made_bit_for_bit(void **state)
{
    (void)state;
    for (size_t k = 0; k < KERNEL_ARRAYS; k++) {
        for (size_t i = 0; i < sizeof narrow[k] / 2; i++) {
            const uint16_t bits = (uint16_t)random_bits();
            const uint16_t nan = (uint16_t)(bits | 0x7f80u);
            memcpy((char *)narrow[k] + 2 * i,
                random_bits() % 2 == 0 ? &nan : &bits, sizeof bits);
        }
    }
    for (size_t k = 0; k < DTYPES * KEEPING * KERNEL_LEVELS; k++) {
        const enum traj_dtype dtype = dtypes[k % DTYPES];
        (void)kernel_use_level((unsigned)(k / DTYPES / KEEPING));
        (void)sums_and_copies(
            dtype, keeping[k / DTYPES % KEEPING], narrow, 4095, IN_PLACE);
        check_kept(dtype, narrow[0], kept[0] + GUARD, 4095);
        check_kept(dtype, narrow[1], kept[1] + GUARD, 4095);
    }
}

static void test_what_a_shape_has_not_is_not_kept(void **state)
{
    (void)state;
    fill(TRAJ_F32);
    (void)sums_and_copies(TRAJ_F32, KERNEL_G, narrow, 100, APART);
    check_kept(TRAJ_F32, narrow[0], kept[0] + GUARD, 0);
    check_kept(TRAJ_F32, narrow[1], kept[1] + GUARD, 100);
}

static void test_arrays_of_two_types_are_kept_in_their_own(void **state)
{
    (void)state;
    fill(TRAJ_BF16);
    memset(kept, 0x55, sizeof kept);
    const struct kernel_keep keep = { .x = kept[0] + GUARD,
        .g = kept[1] + GUARD };
    const void *const array[KERNEL_ARRAYS] = { wide[0], narrow[1] };
    struct kernel_sums s;
    kernel_sum(
        TRAJ_F64, TRAJ_BF16, KERNEL_X | KERNEL_G, array, 1000, &keep, &s);
    check_kept(TRAJ_F64, wide[0], kept[0] + GUARD, 1000);
    check_kept(TRAJ_BF16, narrow[1], kept[1] + GUARD, 1000);
}

/* ---- all there are of 16 bits -------------------------------------------- */

static void test_every_half_is_widened_to_what_it_is(void **state)
{
    (void)state;
    static uint16_t halves[65536];
    static double doubles[65536];
    for (size_t i = 0; i < 65536; i++) {
        halves[i] = (uint16_t)i;
    }
    for (unsigned level = 0; level < KERNEL_LEVELS; level++) {
        (void)kernel_use_level(level);
        for (size_t t = 2; t < DTYPES; t++) {
            kernel_widen(dtypes[t], halves, 65536, doubles);
            for (size_t i = 0; i < 65536; i++) {
                const double value =
                    (double)(dtypes[t] == TRAJ_F16 ? half_from_f16(halves[i])
                                                   : half_from_bf16(halves[i]));
                assert_true(
                    isnan(value) ? isnan(doubles[i]) : doubles[i] == value);
            }
        }
    }
}

/* One after the other as g, beside a 1, at every place of two rows. */
static void check_peaks(enum traj_dtype dtype)
{
    for (size_t bits = 0; bits < 65536; bits++) {
        uint16_t g[32] = { 0 };
        const size_t place = bits % 32;
        g[place] = (uint16_t)bits;
        g[(place + 16) % 32] = dtype == TRAJ_F16 ? 0x3c00 : 0x3f80;
        const void *const array[KERNEL_ARRAYS] = { NULL, g };
        struct kernel_sums s;
        kernel_sum(dtype, dtype, KERNEL_G, array, 32, NULL, &s);
        const double size =
            fabs((double)(dtype == TRAJ_F16 ? half_from_f16(g[place])
                                            : half_from_bf16(g[place])));
        assert_true(s.peak == fmax(1, size));
        assert_true(isnan(size) ? isnan(s.gg) : s.gg == size * size + 1);
    }
}

static void test_every_half_is_the_peak_that_it_is(void **state)
{
    (void)state;
    for (unsigned level = 0; level < KERNEL_LEVELS; level++) {
        (void)kernel_use_level(level);
        check_peaks(TRAJ_BF16);
        check_peaks(TRAJ_F16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_is_summed_as_its_doubles_would_be),
        cmocka_unit_test(test_keeping_copies_changes_no_sum),
        cmocka_unit_test(test_copies_are_made_bit_for_bit),
        cmocka_unit_test(test_what_a_shape_has_not_is_not_kept),
        cmocka_unit_test(test_arrays_of_two_types_are_kept_in_their_own),
        cmocka_unit_test(test_every_half_is_widened_to_what_it_is),
        cmocka_unit_test(test_every_half_is_the_peak_that_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

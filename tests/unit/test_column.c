/* Columns come back bit for bit, and small where they can. */
#include "../lib/store_rig.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zstd.h>

#include "pure/column.h"

#define N 2048

static struct column_coder coder;
static uint64_t values[N];
static uint64_t back[N];
static uint8_t bytes[N * 9 + 1024];

static int set_up(void **state)
{
    (void)state;
    coder.scratch_n = N;
    coder.scratch = calloc(2 * N, 8);
    return coder.scratch == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    free(coder.scratch);
    column_coder_done(&coder);
    return 0;
}

/* Encodes the first n values and decodes them; returns the bytes it took. */
static size_t there_and_back(
    enum column_type type, size_t n, uint8_t *ret_codec)
{
    assert_true(column_bound(n) <= sizeof bytes);
    size_t used = column_encode(&coder, type, values, n, bytes, ret_codec);
    assert_true(used <= column_bound(n));
    memset(back, 0xee, sizeof back);
    assert_true(column_decode(&coder, *ret_codec, bytes, used, back, n));
    assert_memory_equal(values, back, n * 8);
    return used;
}

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void test_steps_and_constants_take_16_bytes(void **state)
{
    (void)state;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = 1000 + 7 * i;
    }
    assert_int_equal(there_and_back(COLUMN_INTEGER, N, &codec), 16);
    for (size_t i = 0; i < N; i++) {
        values[i] = bits_of(0.1);
    }
    assert_int_equal(there_and_back(COLUMN_FLOAT, N, &codec), 16);
    for (size_t i = 0; i < N; i++) {
        values[i] = UINT64_MAX - 3 * i * (UINT64_MAX / 5); /* wraps */
    }
    assert_int_equal(there_and_back(COLUMN_INTEGER, N, &codec), 16);
}

static void test_floats_take_at_most_four_bytes(void **state)
{
    (void)state;
    uint64_t seed = 3;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        float value = (float)((double)rig_random(&seed) * 0x1p-64);
        values[i] = bits_of((double)value);
    }
    values[5] = bits_of(-0.0);
    values[6] = bits_of((double)INFINITY);
    values[7] = UINT64_C(0x7ff8000000000000);
    assert_true(there_and_back(COLUMN_FLOAT, N, &codec) <= N * 4);
    assert_true((codec & COLUMN_F32) != 0);
}

static void test_one_value_that_is_no_float_keeps_all_doubles(void **state)
{
    (void)state;
    static const uint64_t not_floats[] = {
        UINT64_C(0x3ff0000000000001), /* 1 + 2^-52 */
        UINT64_C(0x7ff0000000000001), /* signalling NaN */
        UINT64_C(0x7ff8000000000001), /* NaN with a low payload */
        UINT64_C(0x7fe0000000000000), /* beyond the largest float */
        UINT64_C(0x0000000000000001), /* below the smallest */
    };
    for (size_t k = 0; k < sizeof not_floats / 8; k++) {
        uint8_t codec = 0;
        for (size_t i = 0; i < N; i++) {
            values[i] = bits_of((double)i);
        }
        values[N / 2] = not_floats[k];
        (void)there_and_back(COLUMN_FLOAT, N, &codec);
        assert_true((codec & COLUMN_F32) == 0);
    }
}

static void test_any_bits_of_any_length_come_back(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (size_t n = 0; n < 300; n++) {
        uint8_t codec = 0;
        for (size_t i = 0; i < n; i++) {
            uint64_t random = rig_random(&seed);
            values[i] = random >> rig_random(&seed) % 64;
        }
        assert_true(there_and_back(COLUMN_FLOAT, n, &codec) <= n * 8 + 16);
        assert_true(there_and_back(COLUMN_INTEGER, n, &codec) <= n * 8 + 16);
    }
}

static void test_random_bits_are_not_made_larger(void **state)
{
    (void)state;
    uint64_t seed = 5;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = rig_random(&seed);
    }
    assert_int_equal(there_and_back(COLUMN_FLOAT, N, &codec), N * 8);
    assert_int_equal(codec, 0);
}

static void test_a_clock_with_jitter_shrinks(void **state)
{
    (void)state;
    uint64_t seed = 6;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] =
            (uint64_t)RIG_NOW_NS + i * 1000000 + rig_random(&seed) % 4096;
    }
    assert_true(there_and_back(COLUMN_INTEGER, N, &codec) < N * 3);
}

/* Doubles in [1, 2): 52 random bits of 64. */
static void make_mantissas(uint64_t seed)
{
    for (size_t i = 0; i < N; i++) {
        values[i] = UINT64_C(0x3ff) << 52 | rig_random(&seed) >> 12;
    }
}

static void test_mantissas_take_hardly_more_than_they_have(void **state)
{
    (void)state;
    uint8_t codec = 0;
    make_mantissas(8);
    size_t used = there_and_back(COLUMN_FLOAT, N, &codec);
    assert_true((codec & COLUMN_SPLIT) != 0);
    assert_int_equal(bytes[0], 0x3f); /* the six lowest bytes are noise */
    assert_true((double)used < N * 6.5 * 1.01);
}

static void test_a_nan_among_mantissas_keeps_its_payload(void **state)
{
    (void)state;
    uint8_t codec = 0;
    make_mantissas(9);
    values[0] = UINT64_C(0x7ff0000000000001); /* signalling */
    values[N / 2] = UINT64_C(0xfff8123456789abc);
    values[N - 1] = UINT64_C(0x7fffffffffffffff);
    (void)there_and_back(COLUMN_FLOAT, N, &codec);
    assert_true((codec & COLUMN_SPLIT) != 0);
}

static void test_random_floats_take_their_24_bits(void **state)
{
    (void)state;
    uint64_t seed = 10;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = bits_of(
            (double)(float)(1 + (double)(rig_random(&seed) >> 41) * 0x1p-23));
    }
    values[3] = UINT64_C(0x7ff8000020000000); /* a float holds this payload */
    size_t used = there_and_back(COLUMN_FLOAT, N, &codec);
    assert_int_equal(
        codec & ~COLUMN_XOR, COLUMN_ZSTD | COLUMN_F32 | COLUMN_SPLIT);
    assert_true((double)used < N * 23 / 8.0 * 1.02);
}

/* Of independent values the exponents of two vary more than those of one: of
 * (0, 1) they have 2 bits, those of two xor 3. */
static void test_independent_values_are_not_taken_together(void **state)
{
    (void)state;
    uint64_t seed = 11;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = bits_of((double)(rig_random(&seed) >> 11) * 0x1p-53);
    }
    (void)there_and_back(COLUMN_FLOAT, N, &codec);
    assert_int_equal(codec, COLUMN_ZSTD | COLUMN_SPLIT);
    for (size_t i = 0; i < N; i++) {
        uint64_t noise = rig_random(&seed) >> 24;
        values[i] = bits_of(1000 + (double)i) | noise;
    }
    (void)there_and_back(COLUMN_FLOAT, N, &codec);
    assert_int_equal(codec, COLUMN_ZSTD | COLUMN_XOR | COLUMN_SPLIT);
}

/* As a learning rate that goes round: each value is noise, the column not. */
static void test_what_repeats_itself_is_no_noise(void **state)
{
    (void)state;
    uint8_t codec = 0;
    make_mantissas(12);
    for (size_t i = 256; i < N; i++) {
        values[i] = values[i - 256];
    }
    assert_true(there_and_back(COLUMN_FLOAT, N, &codec) < N * 8 / 6);
    assert_true((codec & COLUMN_SPLIT) == 0);
}

/* Before planes were split: all of them in one frame, each value xor the one
 * before. */
static void test_columns_of_older_versions_come_back(void **state)
{
    (void)state;
    static uint8_t planes[N * 8];
    make_mantissas(13);
    for (size_t i = 0; i < N; i++) {
        uint64_t xored = values[i] ^ (i == 0 ? 0 : values[i - 1]);
        for (size_t k = 0; k < 8; k++) {
            planes[k * N + i] = (uint8_t)(xored >> 8 * k);
        }
    }
    size_t used = ZSTD_compress(bytes, sizeof bytes, planes, sizeof planes, 1);
    assert_false(ZSTD_isError(used));
    assert_true(
        column_decode(&coder, COLUMN_ZSTD | COLUMN_XOR, bytes, used, back, N));
    assert_memory_equal(values, back, sizeof values);
}

static void refuse_damage(uint8_t codec, size_t used)
{
    assert_false(column_decode(&coder, codec, bytes, used, back, N - 1));
    assert_false(column_decode(&coder, codec, bytes, used - 1, back, N));
    assert_false(column_decode(&coder, codec, bytes, 0, back, N));
    assert_false(column_decode(&coder, codec, bytes, 1, back, N));
    assert_false(column_decode(&coder, 0, bytes, used, back, N));
    for (unsigned other = 0; other < 256; other++) {
        (void)column_decode(
            &coder, (uint8_t)other, bytes, used, back, N); /* no crash */
    }
    assert_false(column_decode(&coder, 255, bytes, used, back, N));
}

static void test_damaged_splits_are_refused(void **state)
{
    (void)state;
    uint8_t codec = 0;
    make_mantissas(14);
    size_t used = column_encode(&coder, COLUMN_FLOAT, values, N, bytes, &codec);
    assert_true((codec & COLUMN_SPLIT) != 0);
    refuse_damage(codec, used);
    const uint8_t noise = bytes[0];
    bytes[0] ^= 1; /* another plane said to be noise, or not */
    assert_false(column_decode(&coder, codec, bytes, used, back, N));
    bytes[0] = noise;
    bytes[1] |= noise; /* noise and zero */
    assert_false(column_decode(&coder, codec, bytes, used, back, N));
    bytes[1] = 0xf0; /* more than a float has */
    bytes[0] = 0;
    assert_false(
        column_decode(&coder, codec | COLUMN_F32, bytes, used, back, N));
}

/* Planes that there are not, or twice, must not count. */
static void test_a_split_has_each_plane_once(void **state)
{
    (void)state;
    static const char zeros[3 * N * 8];
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 0xf0;
    assert_false(column_decode(&coder, COLUMN_ZSTD | COLUMN_F32 | COLUMN_SPLIT,
        bytes, 10 + 4 * N, back, N));
    bytes[0] = 0x01;
    bytes[1] = 0xff;
    size_t n = ZSTD_compress(bytes + 10, N, zeros, sizeof zeros, 1);
    assert_false(ZSTD_isError(n));
    assert_false(column_decode(
        &coder, COLUMN_ZSTD | COLUMN_SPLIT, bytes, 10 + n + N, back, N));
}

/* Counts that rise by little: six or seven planes of zeros are not stored. */
static void test_planes_of_zeros_take_no_room(void **state)
{
    (void)state;
    uint64_t seed = 15;
    uint8_t codec = 0;
    values[0] = 7;
    for (size_t i = 1; i < N; i++) {
        values[i] = values[i - 1] + rig_random(&seed) % 256;
    }
    size_t used = there_and_back(COLUMN_INTEGER, N, &codec);
    assert_int_equal(codec, COLUMN_ZSTD | COLUMN_DELTA | COLUMN_SPLIT);
    assert_int_equal(bytes[0], 0x01);
    assert_int_equal(bytes[1], 0xfe);
    assert_true(used <= N + 10);
    for (size_t i = 1; i < N; i++) {
        values[i] = values[i - 1] + 1 + (i % 10 == 0);
    }
    used = there_and_back(COLUMN_INTEGER, N, &codec);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[1], 0xfe);
    assert_true(used < 128);
}

static void test_damaged_columns_are_refused(void **state)
{
    (void)state;
    uint64_t seed = 7;
    uint8_t codec = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = rig_random(&seed) % 10;
    }
    size_t used =
        column_encode(&coder, COLUMN_INTEGER, values, N, bytes, &codec);
    assert_int_equal(codec, COLUMN_ZSTD | COLUMN_DELTA);
    refuse_damage(codec, used);
    assert_false(column_decode(&coder, COLUMN_LINEAR, bytes, 15, back, N));
}

static void test_texts_come_back(void **state)
{
    (void)state;
    char heap[4000];
    char again[4000];
    for (size_t i = 0; i < sizeof heap; i++) {
        heap[i] = "train/loss"[i % 10];
    }
    for (size_t n = 0; n <= sizeof heap; n += 500) {
        uint8_t codec = 0;
        size_t used = column_encode_heap(&coder, heap, n, bytes, &codec);
        assert_true(n == 0 || used < n);
        assert_true(column_decode_heap(&coder, codec, bytes, used, again, n));
        assert_memory_equal(heap, again, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_and_constants_take_16_bytes),
        cmocka_unit_test(test_floats_take_at_most_four_bytes),
        cmocka_unit_test(test_one_value_that_is_no_float_keeps_all_doubles),
        cmocka_unit_test(test_any_bits_of_any_length_come_back),
        cmocka_unit_test(test_random_bits_are_not_made_larger),
        cmocka_unit_test(test_a_clock_with_jitter_shrinks),
        cmocka_unit_test(test_mantissas_take_hardly_more_than_they_have),
        cmocka_unit_test(test_a_nan_among_mantissas_keeps_its_payload),
        cmocka_unit_test(test_random_floats_take_their_24_bits),
        cmocka_unit_test(test_independent_values_are_not_taken_together),
        cmocka_unit_test(test_what_repeats_itself_is_no_noise),
        cmocka_unit_test(test_columns_of_older_versions_come_back),
        cmocka_unit_test(test_a_split_has_each_plane_once),
        cmocka_unit_test(test_planes_of_zeros_take_no_room),
        cmocka_unit_test(test_damaged_splits_are_refused),
        cmocka_unit_test(test_damaged_columns_are_refused),
        cmocka_unit_test(test_texts_come_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* decimal: every text reads back to the same bits, and none is longer than
 * it must be. The reference is the C library's printf and strtod. */
#include "base/decimal.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"

static double from_bits(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const char *text_of(double value)
{
    static char text[DECIMAL_MAX + 1];
    size_t n = decimal_write(value, text);
    assert_true(n <= DECIMAL_MAX);
    text[n] = '\0';
    return text;
}

static size_t significant(const char *text)
{
    size_t n = 0;
    size_t zeros = 0;
    for (const char *p = text; *p != '\0' && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (n == 0 && *p == '0')) {
            continue;
        }
        n++;
        zeros = *p == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

/* The fewest digits with which printf's nearest decimal reads back. */
static int fewest(double value)
{
    char text[40];
    for (int digits = 1; digits < 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (bits_of(strtod(text, NULL)) == bits_of(value)) {
            return digits;
        }
    }
    return 17;
}

static void check(double value)
{
    const char *text = text_of(value);
    if (bits_of(strtod(text, NULL)) != bits_of(value)) {
        fail_msg("%016" PRIx64 " is written as %s", bits_of(value), text);
    }
    if (significant(text) > (size_t)fewest(value)) {
        fail_msg("%s has more digits than %d", text, fewest(value));
    }
}

static uint64_t next(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *seed;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void test_known_values_have_their_known_texts(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } known[] = {
        { 0.0, "0" },
        { -0.0, "-0" },
        { 1.0, "1" },
        { 0.1, "0.1" },
        { -1.5, "-1.5" },
        { 0.3 - 0.2, "0.09999999999999998" },
        { 1e-4, "0.0001" },
        { 1e-5, "1e-05" },
        { 123456789.0, "123456789" },
        { 1e16, "10000000000000000" },
        { 1e17, "1e+17" },
        { 1e22, "1e+22" },
        { 1e23, "1e+23" },
        { 9007199254740993.0, "9007199254740992" },
        { 5e-324, "5e-324" },
        { DBL_MIN, "2.2250738585072014e-308" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { 9.5367431640625e-07, "9.5367431640625e-07" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_string_equal(text_of(known[i].value), known[i].text);
    }
}

static void test_powers_of_two_and_their_neighbours_read_back(void **state)
{
    (void)state;
    for (uint64_t exponent = 0; exponent < 0x7ff; exponent++) {
        uint64_t bits = exponent << 52;
        check(from_bits(bits + 1));
        check(from_bits(bits | ((UINT64_C(1) << 52) - 1)));
        check(from_bits(bits == 0 ? 1 : bits));
    }
}

static void test_powers_of_ten_and_their_neighbours_read_back(void **state)
{
    (void)state;
    for (int k = -323; k <= 308; k++) {
        char text[16];
        (void)snprintf(text, sizeof text, "1e%d", k);
        uint64_t bits = bits_of(strtod(text, NULL));
        for (uint64_t d = 0; d < 5; d++) {
            check(from_bits(bits + d));
            check(from_bits(bits > d ? bits - d : bits));
        }
    }
}

static void test_whole_numbers_around_2_to_the_53_read_back(void **state)
{
    (void)state;
    for (uint64_t d = 0; d < 2000; d++) {
        check((double)((UINT64_C(1) << 53) - d));
        check((double)((UINT64_C(1) << 53) + d));
        check((double)d);
    }
}

static void test_random_bits_read_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        double value = from_bits(next(&seed));
        if (isfinite(value)) {
            check(value);
        }
    }
}

static void test_buf_writes_words_for_what_is_not_finite(void **state)
{
    (void)state;
    struct buf b = { 0 };
    buf_double(&b, (double)NAN);
    buf_char(&b, ' ');
    buf_json_double(&b, -(double)INFINITY);
    buf_char(&b, ' ');
    buf_json_double(&b, 0.1);
    assert_string_equal(b.p, "NaN \"-Infinity\" 0.1");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values_have_their_known_texts),
        cmocka_unit_test(test_powers_of_two_and_their_neighbours_read_back),
        cmocka_unit_test(test_powers_of_ten_and_their_neighbours_read_back),
        cmocka_unit_test(test_whole_numbers_around_2_to_the_53_read_back),
        cmocka_unit_test(test_random_bits_read_back),
        cmocka_unit_test(test_buf_writes_words_for_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

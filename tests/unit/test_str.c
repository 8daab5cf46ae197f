/* str: whole-text numbers, UTF-8, and text that reads back exactly. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_utf8_is_what_rfc_3629_says(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "\xc2\x80", "\xdf\xbf",
        "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z" };
    static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf",
        "\xc2", "\xc2z", "\xe0\x9f\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "ok\xf0\x9f\x98" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(str_is_utf8(str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(str_is_utf8(str_of(bad[i])));
    }
    assert_false(str_is_utf8((struct str){ "a\0b", 3 }));
}

static void test_a_number_is_the_whole_text_and_in_range(void **state)
{
    (void)state;
    uint64_t n = 77;
    assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    assert_true(str_to_u64(STR("007"), 7, &n));
    assert_int_equal(n, 7);
    static const char *const wrong[] = { "", " 1", "1 ", "+1", "-1", "0x1",
        "1e3", "18446744073709551616", "99999999999999999999", "1.0",
        "000000000000000000001" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(str_to_u64(str_of(wrong[i]), UINT64_MAX, &n));
        assert_int_equal(n, 7);
    }
    assert_false(str_to_u64(STR("8"), 7, &n));
}

static void test_a_double_is_the_whole_text(void **state)
{
    (void)state;
    double d = 77;
    assert_true(str_to_double(STR("-1.5e-300"), &d));
    assert_true(d == -1.5e-300);
    assert_true(str_to_double(STR("Infinity"), &d));
    assert_true(isinf(d) && d > 0);
    assert_true(str_to_double(STR("NaN"), &d));
    assert_true(isnan(d));
    d = 77;
    static const char *const wrong[] = { "", " 1", "1 ", "0x10", "1,5", "1e",
        "--1", "1 2" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(str_to_double(str_of(wrong[i]), &d));
    }
    assert_true(d == 77);
}

static void check_reads_back(double value)
{
    struct buf b = { 0 };
    buf_double(&b, value);
    assert_false(b.failed);
    double back = strtod(b.p, NULL);
    assert_memory_equal(&back, &value, sizeof value);
    buf_done(&b);
}

static void test_a_double_reads_back_to_the_same_bits(void **state)
{
    (void)state;
    const double values[] = { 0, -0.0, 1, 0.1, 1.0 / 3, DBL_MAX, -DBL_MAX,
        DBL_MIN, DBL_TRUE_MIN, 9007199254740993.0, 1e22, 1e23, 5e-324,
        2.2250738585072011e-308, 123456789012345678.0 };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        check_reads_back(values[i]);
    }
    uint64_t bits = 1;
    for (size_t i = 0; i < 20000; i++) {
        double value = 0;
        bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407u;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            check_reads_back(value);
        }
    }
}

static void check_json(struct str in, const char *out)
{
    struct buf b = { 0 };
    buf_json_text(&b, in);
    assert_string_equal(b.p, out);
    buf_done(&b);
}

static void test_json_text_is_escaped_and_always_utf8(void **state)
{
    (void)state;
    check_json(STR(""), "\"\"");
    check_json(STR("a\"b\\c"), "\"a\\\"b\\\\c\"");
    check_json(STR("\n\x01\x7f"), "\"\\u000a\\u0001\\u007f\"");
    check_json(STR("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    check_json(STR("x\xff\xc3"), "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
    check_json((struct str){ "a\0b", 3 }, "\"a\\u0000b\"");
}

static void test_json_doubles_that_are_no_numbers_are_texts(void **state)
{
    (void)state;
    struct buf b = { 0 };
    buf_json_double(&b, (double)NAN);
    buf_json_double(&b, (double)INFINITY);
    buf_json_double(&b, -(double)INFINITY);
    buf_json_double(&b, -0.0);
    assert_string_equal(b.p, "\"NaN\"\"Infinity\"\"-Infinity\"-0");
    buf_done(&b);
}

static void test_integers_are_printed_at_both_ends(void **state)
{
    (void)state;
    struct buf b = { 0 };
    buf_u64(&b, 0);
    buf_char(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_char(&b, ' ');
    buf_i64(&b, INT64_MIN);
    buf_char(&b, ' ');
    buf_i64(&b, INT64_MAX);
    assert_string_equal(b.p, "0 18446744073709551615 -9223372036854775808 "
                             "9223372036854775807");
    buf_done(&b);
}

static void test_a_buffer_at_its_limit_keeps_what_it_has(void **state)
{
    (void)state;
    struct buf b = { .limit = 10 };
    buf_text(&b, "0123456789");
    assert_false(b.failed);
    buf_char(&b, 'x');
    assert_true(b.failed);
    buf_clear(&b);
    buf_text(&b, "01234567890");
    assert_true(b.failed);
    assert_int_equal(b.n, 0);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_is_what_rfc_3629_says),
        cmocka_unit_test(test_a_number_is_the_whole_text_and_in_range),
        cmocka_unit_test(test_a_double_is_the_whole_text),
        cmocka_unit_test(test_a_double_reads_back_to_the_same_bits),
        cmocka_unit_test(test_json_text_is_escaped_and_always_utf8),
        cmocka_unit_test(test_json_doubles_that_are_no_numbers_are_texts),
        cmocka_unit_test(test_integers_are_printed_at_both_ends),
        cmocka_unit_test(test_a_buffer_at_its_limit_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

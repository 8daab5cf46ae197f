/* cursor, etag and accept: the small pure parsers of HTTP. */
#include "base/hash.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "http/accept.h"
#include "http/cursor.h"
#include "http/etag.h"

static const struct cursor some = { { 1, UINT64_MAX, 1795354903178477730 } };

static void test_a_cursor_comes_back_with_its_filters_only(void **state)
{
    (void)state;
    char text[CURSOR_TEXT_MAX];
    struct cursor back = { { 0 } };
    cursor_encode(&some, 42, text);
    assert_true(cursor_decode(str_of(text), 42, &back));
    assert_memory_equal(&back, &some, sizeof some);
    assert_false(cursor_decode(str_of(text), 43, &back));
}

static void test_no_cursor_with_one_character_changed_is_taken(void **state)
{
    (void)state;
    char text[CURSOR_TEXT_MAX];
    struct cursor back = { { 0 } };
    cursor_encode(&some, 42, text);
    for (size_t i = 0; text[i] != '\0'; i++) {
        for (int c = 1; c < 256; c++) {
            char was = text[i];
            text[i] = (char)c;
            bool taken =
                (char)c != was && cursor_decode(str_of(text), 42, &back);
            text[i] = was;
            assert_false(taken);
        }
    }
    assert_false(
        cursor_decode((struct str){ text, strlen(text) - 1 }, 42, &back));
    assert_false(cursor_decode(STR(""), 42, &back));
}

static void test_hashes_tell_filters_apart(void **state)
{
    (void)state;
    const uint64_t start = HASH_START;
    assert_true(hash_text(start, NULL) != hash_text(start, ""));
    assert_true(hash_text(hash_text(start, "a"), "bc") !=
                hash_text(hash_text(start, "ab"), "c"));
    assert_true(
        hash_u64(hash_u64(start, 1), 2) != hash_u64(hash_u64(start, 2), 1));
}

static void test_if_none_match_is_a_list_of_tags(void **state)
{
    (void)state;
    assert_true(etag_matches(STR("\"a\""), "\"a\""));
    assert_true(etag_matches(STR("\"x\", W/\"a\" ,\"b\""), "\"a\""));
    assert_true(etag_matches(STR(" *"), "\"a\""));
    assert_true(etag_matches(STR("\"a,b\""), "\"a,b\""));
    assert_false(etag_matches(STR("\"aa\""), "\"a\""));
    assert_false(etag_matches(STR("a"), "\"a\""));
    assert_false(etag_matches(STR("\"a"), "\"a\""));
    assert_false(etag_matches(STR("x \"a\""), "\"a\""));
    assert_false(etag_matches(STR("W/"), "\"a\""));
    assert_false(etag_matches(STR(""), "\"a\""));
}

static void test_tags_differ_when_any_part_does(void **state)
{
    (void)state;
    char a[ETAG_MAX];
    char b[ETAG_MAX];
    etag_make((const uint64_t[]){ 1, 2, 3 }, 3, a);
    etag_make((const uint64_t[]){ 1, 2, 3 }, 3, b);
    assert_string_equal(a, b);
    etag_make((const uint64_t[]){ 1, 3, 2 }, 3, b);
    assert_string_not_equal(a, b);
    etag_make((const uint64_t[]){ 1, 2 }, 2, b);
    assert_string_not_equal(a, b);
}

static int best(const char *header)
{
    static const char *const types[] = { "application/json",
        "application/x-ndjson", "text/csv" };
    return accept_best(str_of(header), types, 3);
}

static void test_accept_chooses_by_quality_then_by_our_order(void **state)
{
    (void)state;
    assert_int_equal(best(NULL), 0);
    assert_int_equal(best("*/*"), 0);
    assert_int_equal(best("text/csv"), 2);
    assert_int_equal(best("TEXT/CSV; charset=utf-8"), 2);
    assert_int_equal(best("text/html, text/*;q=0.5"), 2);
    assert_int_equal(best("application/json;q=0.5, text/csv;q=0.6"), 2);
    assert_int_equal(best("*/*, application/json;q=0"), 1);
    assert_int_equal(best("application/*;q=0.1,application/x-ndjson"), 1);
    assert_int_equal(best("image/png"), -1);
    assert_int_equal(best("*/*;q=0"), -1);
    assert_int_equal(best("text/csv;q=nan"), -1);
    assert_int_equal(best(",;,;;q=,"), -1);
}

static void test_gzip_only_where_it_is_welcome(void **state)
{
    (void)state;
    assert_true(accept_gzip(STR("deflate, GZIP;q=0.1")));
    assert_true(accept_gzip(STR("*")));
    assert_false(accept_gzip(STR("*, gzip;q=0")));
    assert_false(accept_gzip(STR("br")));
    assert_false(accept_gzip(STR("identity;q=1, *;q=0")));
    assert_false(accept_gzip(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cursor_comes_back_with_its_filters_only),
        cmocka_unit_test(test_no_cursor_with_one_character_changed_is_taken),
        cmocka_unit_test(test_hashes_tell_filters_apart),
        cmocka_unit_test(test_if_none_match_is_a_list_of_tags),
        cmocka_unit_test(test_tags_differ_when_any_part_does),
        cmocka_unit_test(test_accept_chooses_by_quality_then_by_our_order),
        cmocka_unit_test(test_gzip_only_where_it_is_welcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

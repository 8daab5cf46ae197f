/* UTF-8 and JSON as far as a HELLO needs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pure/json_scan.h"
#include "transport/text.h"

static void test_json_objects_are_told_from_everything_else(void **state)
{
    (void)state;
    static const char *const good[] = { "{}", " {\t}\r\n",
        "{\"a\":1,\"b\":[true,false,null,-0.5e+10,\"\\u00e9\\n\"]}",
        "{\"a\":{\"b\":{}}}", "{\"\":0}", "{\"\xc3\xa9\":1E5}",
        "{\"a\":1,\"a\":2}" };
    static const char *const bad[] = { "", "[]", "1", "null", "{", "}", "{}{}",
        "{} x", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
        "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":5.}", "{\"a\":1e}",
        "{\"a\":-}", "{\"a\":nul}", "{\"a\":NaN}", "{\"a\":Infinity}",
        "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\n\"}", "{\"a\":\"",
        "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":\"\xff\"}", "{\"a\":1}/**/",
        "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\ud800\"}", "{\"a\":\"\\udc00\"}" };
    size_t at = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_is_json_object(good[i], strlen(good[i]), &at));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_is_json_object(bad[i], strlen(bad[i]), &at));
        assert_true(at <= strlen(bad[i]));
    }
}

static void test_json_nests_as_deep_as_a_hello_takes(void **state)
{
    (void)state;
    char json[400] = "{\"a\":";
    size_t at = 0;
    size_t brackets = TEXT_JSON_DEPTH - 1; /* the object is one level */
    for (size_t i = 0; i < 2; i++, brackets++) {
        memset(json + 5, '[', brackets);
        json[5 + brackets] = '1';
        memset(json + 6 + brackets, ']', brackets);
        json[6 + 2 * brackets] = '}';
        assert_int_equal(
            text_is_json_object(json, 7 + 2 * brackets, &at), i == 0);
    }
    char hostile[100000];
    memset(hostile, '[', sizeof hostile);
    memcpy(hostile, "{\"a\":", 5);
    assert_false(text_is_json_object(hostile, sizeof hostile, &at));
}

/* ---- what we take, the daemon takes -------------------------------------- */

static uint32_t random_state = 20261122;

static size_t draw(size_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (size_t)(random_state >> 8) % n;
}

/* Mostly sound JSON; piece by piece, so that every rule is often the only one
 * that is broken. */
static void put_random_value(struct text *t, unsigned depth)
{
    static const char *const scalars[] = { "1", "-0.5e+10", "true", "null",
        "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ude00\\ud83d\"",
        "\"\\ud83d\\n\"", "\"\\u0000\"", "\"\\u0001\\uFfff\"", "01", "\"\xc3\"",
        "\"\x1f\"", "1e400",
        "123456789012345678901234567890123456789012345678901234567890",
        "1234567890123456789012345678901234567890123456789012345678901" };
    size_t what = draw(depth > 40 ? 1 : 12);
    if (what < 2) {
        text_put(
            t, scalars[draw(
                   draw(6) == 0 ? sizeof scalars / sizeof scalars[0] : 5)]);
    } else if (what < 7) {
        text_put(t, what == 2 ? "[ ]" : "[");
        if (what != 2) {
            put_random_value(t, depth + 1);
            text_put(t, draw(20) == 0 ? ",]" : "]");
        }
    } else {
        text_put(t, draw(20) == 0 ? "{\"a\"" : "{\"a\" :");
        put_random_value(t, depth + 1);
        text_put(t, what == 7 ? ", \"b\":1}" : "}");
    }
}

static void test_the_daemon_takes_what_we_take_and_no_more(void **state)
{
    (void)state;
    size_t taken = 0;
    size_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        struct text config = { 0 };
        struct text hello = { 0 };
        size_t at = 0;
        text_put(&config, "{\"x\":");
        put_random_value(&config, 2);
        text_put(&config, "}");
        text_put(&hello, "{\"config\":");
        text_append(&hello, config.p, config.n);
        text_put(&hello, "}");
        bool ours = text_is_json_object(config.p, config.n, &at);
        bool theirs = json_is_valid((struct str){ hello.p, hello.n }, 32);
        if (ours != theirs) {
            print_error("%.*s\n", (int)hello.n, hello.p);
        }
        assert_int_equal(ours, theirs);
        taken += ours;
        refused += !ours;
        text_done(&config);
        text_done(&hello);
    }
    assert_true(taken > 1000 && refused > 1000);
}

static void test_utf8_is_well_formed_or_it_is_not(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "\x7f", "\xc2\x80", "\xdf\xbf",
        "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xc2",
        "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xe1\x80", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    }
    assert_false(text_is_utf8("a\0b", 3));
}

static void test_texts_are_escaped_into_valid_json(void **state)
{
    (void)state;
    struct text t = { 0 };
    size_t at = 0;
    text_put(&t, "{\"a\":");
    text_put_json(&t, "\"\\\n\x01\xff\xc3\xa9", 7);
    text_put(&t, "}");
    assert_true(text_is_json_object(t.p, t.n, &at));
    const char *expected = "{\"a\":\"\\u0022\\u005c\\u000a\\u0001?\xc3\xa9\"}";
    assert_int_equal(t.n, strlen(expected));
    assert_memory_equal(t.p, expected, t.n);
    text_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_objects_are_told_from_everything_else),
        cmocka_unit_test(test_json_nests_as_deep_as_a_hello_takes),
        cmocka_unit_test(test_the_daemon_takes_what_we_take_and_no_more),
        cmocka_unit_test(test_utf8_is_well_formed_or_it_is_not),
        cmocka_unit_test(test_texts_are_escaped_into_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

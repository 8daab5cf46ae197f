/* url: what a request line may hold, and whose names this machine has. */
#include "http/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char target[URL_TARGET_MAX + 16];
static struct url url;
static struct err e;

static enum err_code parse(const char *text)
{
    e = (struct err){ 0 };
    (void)snprintf(target, sizeof target, "%s", text);
    return url_parse(target, &url, &e);
}

static void test_path_and_parameters_are_split_and_decoded(void **state)
{
    (void)state;
    assert_int_equal(
        parse("/api/v1/runs/r%2D1?q=a+b%2Bc&x=&flag&&z=%C3%BC"), ERR_NONE);
    assert_int_equal(url.n_segments, 4);
    assert_string_equal(url.segments[3], "r-1");
    assert_int_equal(url.n_params, 4);
    assert_string_equal(url.params[0].value, "a b+c");
    assert_string_equal(url.params[1].value, "");
    assert_string_equal(url.params[2].name, "flag");
    assert_string_equal(url.params[2].value, "");
    assert_string_equal(url.params[3].value, "\xc3\xbc");
}

static void test_the_root_has_no_segments(void **state)
{
    (void)state;
    assert_int_equal(parse("/"), ERR_NONE);
    assert_int_equal(url.n_segments, 0);
    assert_false(url.trailing_slash);
    assert_int_equal(parse("/runs/"), ERR_NONE);
    assert_true(url.trailing_slash);
}

static void test_a_plus_in_a_path_is_a_plus(void **state)
{
    (void)state;
    assert_int_equal(parse("/a+b"), ERR_NONE);
    assert_string_equal(url.segments[0], "a+b");
}

static void test_hostile_targets_are_refused(void **state)
{
    (void)state;
    static const char *const targets[] = { "", "runs", "*", "http://localhost/",
        "//", "/a//b", "/.", "/..", "/a/../b", "/%2e%2e/etc", "/.%2E", "/a%00b",
        "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%0ab", "/%", "/%2", "/%zz",
        "/%ff", "/%c0%af", "/a\x01", "/?a=%", "/?a=%00", "/?a=%f0%9f", "/?=1",
        "/?a=1&a=2", "/?a&a", "/?a=1&%61=2", "/a#b" };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (parse(targets[i]) != ERR_INVALID) {
            fail_msg("%s is let through", targets[i]);
        }
        assert_true(e.text[0] != '\0');
    }
}

static void test_a_parameter_given_twice_is_named(void **state)
{
    (void)state;
    assert_int_equal(parse("/?limit=1&limit=2"), ERR_INVALID);
    assert_non_null(strstr(e.text, "limit"));
}

static void test_each_maximum_is_kept_and_the_next_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("/1/2/3/4/5/6/7/8"), ERR_NONE);
    assert_int_equal(parse("/1/2/3/4/5/6/7/8/9"), ERR_FULL);

    char text[URL_TARGET_MAX + 2] = "/?";
    for (unsigned i = 0; i < URL_PARAMS_MAX; i++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "p%u&", i);
    }
    assert_int_equal(parse(text), ERR_NONE);
    assert_int_equal(url.n_params, URL_PARAMS_MAX);
    strcat(text, "more");
    assert_int_equal(parse(text), ERR_FULL);

    memset(text, 'a', sizeof text);
    text[0] = '/';
    text[URL_TARGET_MAX] = '\0';
    assert_int_equal(parse(text), ERR_NONE);
    text[URL_TARGET_MAX] = 'a';
    text[URL_TARGET_MAX + 1] = '\0';
    assert_int_equal(parse(text), ERR_FULL);
}

static void test_hosts_of_this_machine_are_known_by_their_whole_name(
    void **state)
{
    (void)state;
    static const char *const ours[] = { "localhost", "LOCALHOST:7010",
        "localhost.", "localhost.:1", "a.localhost", "A-1.b.localhost:80",
        "127.0.0.1", "127.0.0.1:7010", "[::1]", "[::1]:7010" };
    static const char *const foreign[] = { "", ":80", "evil.example",
        "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost",
        "xlocalhost", ".localhost", "localhost:", "localhost:x",
        "localhost:99999", "localhost:-1", "localhost:1:2", "127.0.0.2",
        "127.1", "2130706433", "0.0.0.0", "[::2]", "[::1", "::1", "[::1]x",
        "localhost evil", "a@localhost", "evil.example/.localhost",
        "localhost..", "[::1].localhost" };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (!url_host_is_local(str_of(ours[i]))) {
            fail_msg("%s is refused", ours[i]);
        }
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (url_host_is_local(str_of(foreign[i]))) {
            fail_msg("%s is let through", foreign[i]);
        }
    }
}

static void test_an_origin_is_the_host_or_foreign(void **state)
{
    (void)state;
    struct str host = STR("localhost:7010");
    assert_true(url_origin_is_host(STR("http://localhost:7010"), host));
    assert_true(url_origin_is_host(STR("https://LOCALHOST:7010"), host));
    assert_false(url_origin_is_host(STR("http://localhost:7011"), host));
    assert_false(url_origin_is_host(STR("http://localhost"), host));
    assert_false(url_origin_is_host(STR("http://localhost:7010.x"), host));
    assert_false(url_origin_is_host(STR("file://localhost:7010"), host));
    assert_false(url_origin_is_host(STR("null"), host));
    assert_false(url_origin_is_host(STR(""), host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_and_parameters_are_split_and_decoded),
        cmocka_unit_test(test_the_root_has_no_segments),
        cmocka_unit_test(test_a_plus_in_a_path_is_a_plus),
        cmocka_unit_test(test_hostile_targets_are_refused),
        cmocka_unit_test(test_a_parameter_given_twice_is_named),
        cmocka_unit_test(test_each_maximum_is_kept_and_the_next_refused),
        cmocka_unit_test(
            test_hosts_of_this_machine_are_known_by_their_whole_name),
        cmocka_unit_test(test_an_origin_is_the_host_or_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

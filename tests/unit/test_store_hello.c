/* What a HELLO may say, and what is kept of it. */
#include "../lib/store_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pure/json_scan.h"

static int open_rig(void **state)
{
    static struct rig rig;
    rig_open(&rig, 0);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

/* The HELLO is refused, and the error names `about`. */
static void assert_refused(struct rig *rig, const char *json, const char *about)
{
    struct stream_state s = { 0 };
    struct err e = { 0 };
    assert_int_equal(rig_try_hello(rig, 1, json, &s, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, about));
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM run"), 0);
}

static void test_what_is_out_of_bounds_is_refused_by_name(void **state)
{
    struct rig *rig = *state;
    static const char *const cases[][2] = {
        { "{}", "run_id" },
        { "[]", "object" },
        { "{\"run_id\":\"r\"}", "attempt" },
        { "{\"run_id\":\"r\",\"attempt\":0}", "attempt" },
        { "{\"run_id\":\"r\",\"attempt\":2147483648}", "attempt" },
        { "{\"run_id\":\"r\",\"attempt\":1.5}", "attempt" },
        { "{\"run_id\":\"r\",\"attempt\":\"1\"}", "attempt" },
        { "{\"run_id\":\"..\",\"attempt\":1}", "run_id" },
        { "{\"run_id\":\"a/b\",\"attempt\":1}", "run_id" },
        { "{\"run_id\":\"\",\"attempt\":1}", "run_id" },
        { "{\"run_id\":7,\"attempt\":1}", "run_id" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"rank\":1}", "rank" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"rank\":-1}", "rank" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"world\":65537}", "world" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"project\":\"\"}", "project" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"name\":null}", "name" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"config\":[]}", "config" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"tags\":\"t\"}", "tags" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"tags\":[1]}", "tags" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"tags\":[\"\"]}", "tags" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"started_wall_ns\":\"x\"}",
            "started_wall_ns" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"fork_of\":\"p\"}", "fork_step" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"fork_step\":\"5\"}", "fork_of" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"fork_of\":\"r\","
          "\"fork_step\":\"5\"}",
            "fork_of" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"fork_of\":\"a/b\","
          "\"fork_step\":\"5\"}",
            "fork_of" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"fork_of\":\"p\","
          "\"fork_step\":\"9223372036854775808\"}",
            "fork_step" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"fork_of\":\"p\","
          "\"fork_step\":5}",
            "fork_step" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"run_id\":\"s\"}", "twice" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"run\\u005fid\":\"s\"}", "twice" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"name\":\"a\\u0000b\"}", "JSON" },
        { "{\"run_id\":\"r\",\"attempt\":1} x", "JSON" },
        { "{\"run_id\":\"r\",\"attempt\":01}", "JSON" },
        { "{\"run_id\":\"r\",\"attempt\":1,\"config\":{\"a\":NaN}}", "JSON" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(rig, cases[i][0], cases[i][1]);
    }
}

static void test_the_first_hello_says_of_which_run_it_is_a_fork(void **state)
{
    struct rig *rig = *state;
    (void)rig_hello(rig, 1,
        "{\"run_id\":\"r\",\"attempt\":1,\"fork_of\":\"p\","
        "\"fork_step\":\"9223372036854775807\"}");
    (void)rig_hello(rig, 2,
        "{\"run_id\":\"r\",\"attempt\":2,\"fork_of\":\"q\","
        "\"fork_step\":\"1\"}");
    (void)rig_hello(rig, 3, "{\"run_id\":\"s\",\"attempt\":1}");
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM runs WHERE uid = 'r' "
                        "AND fork_of = 'p' AND "
                        "fork_step = 9223372036854775807"),
        1);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM runs WHERE uid = 's' "
                        "AND fork_of IS NULL AND fork_step IS NULL"),
        1);
}

/* Each says one thing wrong of one group. */
static void test_groups_out_of_bounds_are_refused(void **state)
{
    struct rig *rig = *state;
    static const char *const cases[] = {
        "{}",
        "[]",
        "7",
        "{\"size\":1}",
        "{\"name\":\"g\"}",
        "{\"name\":7,\"size\":1}",
        "{\"name\":\"\",\"size\":1}",
        "{\"name\":\"a\\nb\",\"size\":1}",
        "{\"name\":\"a\\u007fb\",\"size\":1}",
        "{\"name\":\"a\\u0080b\",\"size\":1}",
        "{\"name\":\"a\\u009fb\",\"size\":1}",
        "{\"name\":\"a\\\"b\",\"size\":1}",
        "{\"name\":\"a\\\\b\",\"size\":1}",
        "{\"name\":\"g\",\"size\":0}",
        "{\"name\":\"g\",\"size\":-1}",
        "{\"name\":\"g\",\"size\":1.5}",
        "{\"name\":\"g\",\"size\":\"1\"}",
        "{\"name\":\"g\",\"size\":9007199254740994}",
        "{\"name\":\"g\",\"size\":1,\"norm\":4}",
        "{\"name\":\"g\",\"size\":1,\"norm\":-1}",
        "{\"name\":\"g\",\"size\":1,\"combine\":3}",
        "{\"name\":\"g\",\"size\":1,\"rows\":4294967296}",
        "{\"name\":\"g\",\"size\":1,\"cols\":0.5}",
        "{\"name\":\"g\",\"size\":1,\"cols\":null}",
        "{\"name\":\"g\",\"size\":13,\"rows\":3,\"cols\":4,\"norm\":3}",
        "{\"name\":\"g\",\"size\":12,\"norm\":3}",
        ("{\"name\":\"g\",\"size\":1},{\"name\":\"h\",\"size\":1},"
         "{\"name\":\"g\",\"size\":2}"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[300];
        (void)snprintf(json, sizeof json,
            "{\"run_id\":\"r\",\"attempt\":1,\"groups\":[%s]}", cases[i]);
        assert_refused(rig, json, "groups");
    }
    assert_refused(
        rig, "{\"run_id\":\"r\",\"attempt\":1,\"groups\":{}}", "groups");
}

static void test_groups_at_their_bounds_are_taken(void **state)
{
    struct rig *rig = *state;
    char name[65];
    char json[800];
    memset(name, 'n', sizeof name);
    static const char format[] =
        "{\"run_id\":\"r\",\"attempt\":1,\"groups\":["
        "{\"name\":\"%.*s\",\"size\":9007199254740992,\"later\":[{}]},"
        "{\"name\":\"\\u00a0/.'\",\"size\":1,\"rows\":4294967295,"
        "\"cols\":4294967295,\"norm\":2,\"combine\":2},"
        "{\"name\":\"m\",\"size\":12,\"rows\":3,\"cols\":4,\"norm\":3}]}";
    (void)snprintf(json, sizeof json, format, 65, name);
    assert_refused(rig, json, "groups");
    (void)snprintf(json, sizeof json, format, 64, name);
    assert_int_equal(rig_hello(rig, 1, json).attempt, 1);
}

static void test_long_texts_are_refused_and_the_longest_kept(void **state)
{
    struct rig *rig = *state;
    char name[300];
    char json[400];
    memset(name, 'n', sizeof name);
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":1,\"name\":\"%.201s\"}", name);
    assert_refused(rig, json, "name");
    (void)snprintf(
        json, sizeof json, "{\"run_id\":\"%.65s\",\"attempt\":1}", name);
    assert_refused(rig, json, "run_id");
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":1,\"project\":\"%.101s\"}", name);
    assert_refused(rig, json, "project");
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":1,\"tags\":[\"%.101s\"]}", name);
    assert_refused(rig, json, "tags");
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":1,\"optimizer\":\"%.201s\"}", name);
    assert_refused(rig, json, "optimizer");
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"%.64s\",\"attempt\":2147483647,\"name\":\"%.200s\"}",
        name, name);
    struct stream_state s = rig_hello(rig, 1, json);
    assert_int_equal(s.attempt, 2147483647);
}

static void test_the_world_of_a_stream_is_its_hellos(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(
        rig_hello(rig, 1, "{\"run_id\":\"r\",\"attempt\":1,\"world\":8}").world,
        8);
    assert_int_equal(
        rig_hello(rig, 2, "{\"run_id\":\"s\",\"attempt\":1}").world, 1);
    rig_reopen(rig, 0);
    struct err e = { 0 };
    struct stream_state known = { 0 };
    assert_int_equal(
        store_stream(rig->store, rig_uid(1), &known, &e), ERR_NONE);
    assert_int_equal(known.world, 8);
}

/* n times `item`, separated by commas. A %zu in it is its number. */
static char *listed(const char *before, const char *item, size_t n)
{
    size_t size = 256 + n * (strlen(item) + 24);
    char *json = malloc(size);
    assert_non_null(json);
    size_t at = (size_t)snprintf(
        json, size, "{\"run_id\":\"r\",\"attempt\":1%s", before);
    for (size_t i = 0; i < n; i++) {
        const char *mark = strstr(item, "%zu");
        int head = mark == NULL ? (int)strlen(item) : (int)(mark - item);
        at += (size_t)snprintf(json + at, size - at, "%s%.*s",
            i > 0 || before[0] == '\0' ? "," : "", head, item);
        if (mark != NULL) {
            at += (size_t)snprintf(json + at, size - at, "%zu%s", i, mark + 3);
        }
    }
    (void)snprintf(json + at, size - at, "%s}", before[0] == '\0' ? "" : "]");
    return json;
}

static void test_lists_as_long_as_wire_md_says_and_no_longer(void **state)
{
    struct rig *rig = *state;
    char tag[110];
    memset(tag, 't', sizeof tag);
    memcpy(tag, "\"%zu", 4);
    memcpy(tag + 100, "\"", 2); /* 98 bytes and the two of the number */
    static const char group[] = "{\"name\":\"layer %zu\",\"size\":10}";
    const struct {
        const char *before, *item, *about;
        size_t most;
    } cases[] = {
        { "", "\"x%zu\":0", "members", 62 }, /* and run_id and attempt */
        { ",\"groups\":[", group, "groups", 4096 },
        { ",\"tags\":[", tag, "tags", 64 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = listed(cases[i].before, cases[i].item, cases[i].most + 1);
        assert_refused(rig, json, cases[i].about);
        free(json);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = listed(cases[i].before, cases[i].item, cases[i].most);
        assert_int_equal(rig_hello(rig, 1, json).attempt, 1);
        free(json);
    }
}

static void test_nesting_beyond_32_is_refused(void **state)
{
    struct rig *rig = *state;
    char open[100];
    char shut[100];
    char json[400];
    memset(open, '[', sizeof open);
    memset(shut, ']', sizeof shut);
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":1,\"x\":%.32s%.32s}", open, shut);
    assert_refused(rig, json, "nested");
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":1,\"x\":%.31s%.31s}", open, shut);
    assert_int_equal(rig_hello(rig, 1, json).attempt, 1);
}

static void test_config_tags_and_hello_are_kept_byte_for_byte(void **state)
{
    struct rig *rig = *state;
    static const char config[] =
        "{ \"lr\":0.10000000000000000555,\"seed\":9007199254740993,"
        "\"big\":1e400,\"\\u00e9\":[ ] }";
    static const char tags[] = "[\"a\",  \"\\u00fc\"]";
    char json[400];
    (void)snprintf(json, sizeof json,
        " {\"config\" : %s, \"tags\":%s,\"run_id\":\"r\",\"attempt\":1}\n",
        config, tags);
    (void)rig_hello(rig, 1, json);
    struct run_row row = rig_run(rig, "r");
    assert_string_equal(row.config_json, config);
    assert_string_equal(row.tags_json, tags);
    assert_string_equal(row.hello_json, json);
    assert_string_equal(row.project, "default");
    assert_string_equal(row.name, "r");
    run_row_done(&row);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM run_tag "
                                     "WHERE tag = 'ü'"),
        1);
}

static void test_the_newest_attempts_lowest_rank_describes_the_run(void **state)
{
    struct rig *rig = *state;
    (void)rig_hello(rig, 1,
        "{\"run_id\":\"r\",\"attempt\":2,\"rank\":1,\"world\":2,"
        "\"name\":\"two\",\"tags\":[\"old\"]}");
    (void)rig_hello(rig, 2,
        "{\"run_id\":\"r\",\"attempt\":1,"
        "\"name\":\"one\"}");
    struct run_row row = rig_run(rig, "r");
    assert_string_equal(row.name, "two");
    run_row_done(&row);
    (void)rig_hello(rig, 3,
        "{\"run_id\":\"r\",\"attempt\":2,\"name\":\"rank 0\","
        "\"tags\":[\"new\"],\"project\":\"p\"}");
    row = rig_run(rig, "r");
    assert_string_equal(row.name, "rank 0");
    assert_string_equal(row.project, "p");
    assert_string_equal(row.tags_json, "[\"new\"]");
    run_row_done(&row);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM run_tag WHERE tag = 'old'"), 0);
}

static void test_a_run_is_created_when_it_says_unless_in_the_future(
    void **state)
{
    struct rig *rig = *state;
    (void)rig_hello(rig, 1,
        "{\"run_id\":\"a\",\"attempt\":1,"
        "\"started_wall_ns\":\"1600000000000000000\"}");
    (void)rig_hello(rig, 2,
        "{\"run_id\":\"b\",\"attempt\":1,"
        "\"started_wall_ns\":\"9000000000000000000\"}");
    struct run_row row = rig_run(rig, "a");
    assert_int_equal(row.created_wall_ns, INT64_C(1600000000000000000));
    run_row_done(&row);
    row = rig_run(rig, "b");
    assert_int_equal(row.created_wall_ns, RIG_NOW_NS);
    run_row_done(&row);
}

static void test_json_is_what_rfc_8259_says(void **state)
{
    (void)state;
    static const char *const good[] = { "0", "-0", "-1.5e+300", "\"\"", "true",
        "null", "[]", "{}", " [1 , 2] ", "{\"a\":{\"b\":[]}}", "\"\\\"\\n\"",
        "\"\\ud83d\\ude00\"", "1E5", "\"\x7f\"" };
    static const char *const bad[] = { "", " ", "01", "1.", ".5", "+1", "-",
        "1e", "tru", "nulls", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{a:1}",
        "{\"a\":1,}", "[", "{", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
        "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\u0000\"", "\"\n\"",
        "\"\xff\"", "[1]]", "'a'", "Infinity", "/**/1" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(json_is_valid(str_of(good[i]), 8));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(json_is_valid(str_of(bad[i]), 8));
    }
}

static void test_members_come_in_order_as_they_stand(void **state)
{
    (void)state;
    struct str object = STR(" { \"a\" : 1.0 ,\"b\":[{\"c\":2}], \"\":{} } ");
    struct str key = { 0 };
    struct str value = { 0 };
    size_t pos = 0;
    assert_true(json_next_member(object, &pos, &key, &value));
    assert_true(str_equal(key, STR("\"a\"")));
    assert_true(str_equal(value, STR("1.0")));
    assert_true(json_next_member(object, &pos, &key, &value));
    assert_true(str_equal(value, STR("[{\"c\":2}]")));
    assert_true(json_next_member(object, &pos, &key, &value));
    assert_true(str_equal(key, STR("\"\"")));
    assert_false(json_next_member(object, &pos, &key, &value));
    pos = 0;
    assert_false(json_next_member(STR("{ }"), &pos, &key, &value));
    pos = 0;
    assert_false(json_next_member(STR("[1]"), &pos, &key, &value));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_out_of_bounds_is_refused_by_name),
        TEST(test_the_first_hello_says_of_which_run_it_is_a_fork),
        TEST(test_groups_out_of_bounds_are_refused),
        TEST(test_groups_at_their_bounds_are_taken),
        TEST(test_long_texts_are_refused_and_the_longest_kept),
        TEST(test_the_world_of_a_stream_is_its_hellos),
        TEST(test_lists_as_long_as_wire_md_says_and_no_longer),
        TEST(test_nesting_beyond_32_is_refused),
        TEST(test_config_tags_and_hello_are_kept_byte_for_byte),
        TEST(test_the_newest_attempts_lowest_rank_describes_the_run),
        TEST(test_a_run_is_created_when_it_says_unless_in_the_future),
        cmocka_unit_test(test_json_is_what_rfc_8259_says),
        cmocka_unit_test(test_members_come_in_order_as_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

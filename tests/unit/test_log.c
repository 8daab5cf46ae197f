/* log: what stands on stderr, held-back lines, foreign text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "base/log.h"

/* What work() writes to stderr. */
static const char *captured(void (*work)(void))
{
    static char text[65536];
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_non_null(file);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    work();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static void write_one(void)
{
    log_line(LOG_WARN, "area", "key=%d", 7);
}

static void test_a_line_has_time_level_area_and_pairs(void **state)
{
    (void)state;
    int year = 0;
    char rest[64] = "";
    const char *line = captured(write_one);
    assert_int_equal(
        sscanf(line, "%d-%*d-%*dT%*d:%*d:%*d.%*dZ %63[^\n]", &year, rest), 2);
    assert_true(year >= 2024);
    assert_string_equal(rest, "warn area key=7");
    assert_string_equal(line + strlen(line) - 1, "\n");
}

static void write_below_level(void)
{
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "area", "key=1");
    log_limited(LOG_WARN, "area", "key=1");
    log_set_level(LOG_INFO);
}

static void test_nothing_below_the_level_is_written(void **state)
{
    (void)state;
    assert_string_equal(captured(write_below_level), "");
}

static void write_long(void)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_line(LOG_INFO, "area", "key=%s", text);
}

static void test_a_long_line_is_cut_and_still_one_line(void **state)
{
    (void)state;
    const char *line = captured(write_long);
    assert_true(strlen(line) <= 1024);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void write_flood(void)
{
    for (int i = 0; i < 1000; i++) {
        log_limited(LOG_INFO, "area", "i=%d", i);
    }
}

static void test_a_flood_is_one_line(void **state)
{
    (void)state;
    const char *text = captured(write_flood);
    assert_non_null(strstr(text, "i=0"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void write_held(void)
{
    struct log_limit limit = { 0 };
    log_line_limited(&limit, LOG_INFO, "area", "first=1");
    log_line_limited(&limit, LOG_INFO, "area", "second=1");
    log_line_limited(&limit, LOG_INFO, "area", "third=1");
    limit.next_mono_ns = 0; /* a second has passed */
    log_line_limited(&limit, LOG_INFO, "area", "fourth=1");
}

static void test_the_next_line_says_how_many_were_held_back(void **state)
{
    (void)state;
    const char *text = captured(write_held);
    assert_non_null(strstr(text, "first=1\n"));
    assert_null(strstr(text, "second"));
    assert_non_null(strstr(text, "fourth=1 held_back=2\n"));
}

static void test_foreign_text_is_quoted_and_cannot_break_the_line(void **state)
{
    (void)state;
    char out[64];
    char small[12];
    assert_string_equal(log_quoted(out, sizeof out, "a\"b\\c\nd\x7f"),
        "\"a\\\"b\\\\c\\x0ad\\x7f\"");
    assert_string_equal(log_quoted(out, sizeof out, ""), "\"\"");
    (void)log_quoted(small, sizeof small, "\n\n\n\n\n\n\n\n");
    assert_true(strlen(small) < sizeof small);
    assert_int_equal(small[strlen(small) - 1], '"');
}

static void test_counters_add_up_and_have_names_of_their_own(void **state)
{
    (void)state;
    for (int a = 0; a < COUNTER_COUNT; a++) {
        uint64_t before = counter_get((enum counter)a);
        counter_add((enum counter)a, 3);
        assert_int_equal(counter_get((enum counter)a), before + 3);
        assert_true(strlen(counter_help((enum counter)a)) > 0);
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(
                counter_name((enum counter)a), counter_name((enum counter)b));
        }
    }
    for (int a = 0; a < GAUGE_COUNT; a++) {
        gauge_set((enum gauge)a, 5);
        gauge_add((enum gauge)a, -7);
        assert_int_equal(gauge_get((enum gauge)a), -2);
        assert_true(strlen(gauge_name((enum gauge)a)) > 0);
        assert_true(strlen(gauge_help((enum gauge)a)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_time_level_area_and_pairs),
        cmocka_unit_test(test_nothing_below_the_level_is_written),
        cmocka_unit_test(test_a_long_line_is_cut_and_still_one_line),
        cmocka_unit_test(test_a_flood_is_one_line),
        cmocka_unit_test(test_the_next_line_says_how_many_were_held_back),
        cmocka_unit_test(test_foreign_text_is_quoted_and_cannot_break_the_line),
        cmocka_unit_test(test_counters_add_up_and_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

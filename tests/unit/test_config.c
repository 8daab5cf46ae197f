/* config: the four layers, and what is said when one of them is wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config.h"

#define ARGUMENTS_MAX 16

static struct config config;
static struct err error;

/* arguments: separated by single blanks. */
static enum err_code load(const char *arguments, const char *variable)
{
    static char words[512];
    const char *argv[ARGUMENTS_MAX] = { "trajd" };
    const char *environment[] = { "HOME=/", variable, NULL };
    int argc = 1;
    (void)snprintf(words, sizeof words, "%s", arguments);
    for (char *word = strtok(words, " "); word != NULL;
         word = strtok(NULL, " ")) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = word;
    }
    error = (struct err){ 0 };
    return config_load(&config, argc, argv, environment, &error);
}

static enum err_code parse(const char *text)
{
    config_init(&config);
    error = (struct err){ 0 };
    return config_parse(&config, str_of(text), "t.conf", &error);
}

static void test_defaults_are_right_and_meant(void **state)
{
    (void)state;
    assert_int_equal(load("", NULL), ERR_NONE);
    assert_int_equal(config.action, CONFIG_RUN);
    assert_string_equal(config.values[SETTING_DB], "trajd.db");
    assert_string_equal(config.http_address, "127.0.0.1");
    assert_int_equal(config.http_port, 7010);
    assert_string_equal(config.values[SETTING_INGEST], "tcp://127.0.0.1:7011");
    assert_int_equal(config.durability, DURABILITY_COMMIT);
    assert_int_equal(config.window, 64);
    assert_int_equal(config.lost_after_s, 30);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.keep_days, 0);
    assert_int_equal(config.thin_days, 0);
    assert_int_equal(config.keep_bytes, 0);
    assert_int_equal(config.run_bytes, 0);
}

static void test_limits_of_alerts_are_numbers_in_their_range(void **state)
{
    (void)state;
    assert_int_equal(load("", NULL), ERR_NONE);
    assert_true(fabs(config.alert_spike_z - 6) < 1e-15);
    assert_true(fabs(config.alert_clip_fraction - 0.9) < 1e-15);
    assert_true(fabs(config.alert_skipped_fraction - 0.5) < 1e-15);
    assert_true(fabs(config.alert_lr_over_limit - 1) < 1e-15);
    assert_true(fabs(config.alert_l1_jump - 2) < 1e-15);
    assert_string_equal(config.values[SETTING_ALERT_COMMAND], "");
    assert_string_equal(config.values[SETTING_ALERT_WEBHOOK], "");
    assert_int_equal(load("--alert-spike-z 1e6 --alert-clip-fraction=1 "
                          "--alert-skipped-fraction 0.25 "
                          "--alert-lr-over-limit 1.5 --alert-l1-jump 3",
                         NULL),
        ERR_NONE);
    assert_true(fabs(config.alert_spike_z - 1e6) < 1e-15);
    assert_true(fabs(config.alert_clip_fraction - 1) < 1e-15);
    assert_true(fabs(config.alert_skipped_fraction - 0.25) < 1e-15);
    assert_true(fabs(config.alert_lr_over_limit - 1.5) < 1e-15);
    assert_true(fabs(config.alert_l1_jump - 3) < 1e-15);
    static const char *const bad[] = { "--alert-spike-z 0",
        "--alert-spike-z 1000001", "--alert-spike-z NaN", "--alert-spike-z 6x",
        "--alert-clip-fraction 0", "--alert-clip-fraction 1.01",
        "--alert-clip-fraction=", "--alert-skipped-fraction 2",
        "--alert-lr-over-limit -1", "--alert-l1-jump 1",
        "--alert-l1-jump Infinity" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(load(bad[i], NULL), ERR_INVALID);
        assert_non_null(strstr(error.text, "is not a number above"));
    }
}

static void test_a_webhook_is_a_url_of_http(void **state)
{
    (void)state;
    assert_int_equal(load("--alert-webhook http://h/x", NULL), ERR_NONE);
    assert_int_equal(load("--alert-webhook https://h/x", NULL), ERR_NONE);
    assert_int_equal(load("", "TRAJD_ALERT_WEBHOOK="), ERR_NONE);
    static const char *const bad[] = { "ftp://h", "file:///etc/passwd", "h/x",
        "http://", "HTTP" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char flags[80];
        (void)snprintf(flags, sizeof flags, "--alert-webhook %s", bad[i]);
        assert_int_equal(load(flags, NULL), ERR_INVALID);
        assert_non_null(strstr(error.text, "http:// or https://"));
    }
}

static void test_bytes_have_units_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t bytes;
    } cases[] = {
        { "0", 0 },
        { "1023", 1023 },
        { "1K", UINT64_C(1) << 10 },
        { "500M", UINT64_C(500) << 20 },
        { "20G", UINT64_C(20) << 30 },
        { "8388607T", UINT64_C(8388607) << 40 },
        { "9223372036854775807", INT64_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char flags[80];
        (void)snprintf(flags, sizeof flags, "--keep-bytes %s --run-bytes=%s",
            cases[i].value, cases[i].value);
        assert_int_equal(load(flags, NULL), ERR_NONE);
        assert_int_equal(config.keep_bytes, cases[i].bytes);
        assert_int_equal(config.run_bytes, cases[i].bytes);
    }
}

static void test_flag_before_variable_before_file(void **state)
{
    (void)state;
    char path[] = "/tmp/trajd-config.XXXXXX";
    char flags[128];
    int fd = mkstemp(path);
    const char *text = "[ingest]\nwindow = 5\n[runs]\nlost_after=6\n"
                       "[log]\nlevel = warn\n";
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);

    (void)snprintf(flags, sizeof flags, "--config %s --window=9", path);
    assert_int_equal(load(flags, "TRAJD_LOST_AFTER=8"), ERR_NONE);
    assert_int_equal(config.window, 9);
    assert_int_equal(config.lost_after_s, 8);
    assert_int_equal(config.log_level, LOG_WARN);

    assert_int_equal(load(flags, "TRAJD_WINDOW=8"), ERR_NONE);
    assert_int_equal(config.window, 9);
    (void)snprintf(flags, sizeof flags, "--config %s", path);
    assert_int_equal(load(flags, "TRAJD_WINDOW=8"), ERR_NONE);
    assert_int_equal(config.window, 8);

    (void)snprintf(flags, sizeof flags, "TRAJD_CONFIG=%s", path);
    assert_int_equal(load("", flags), ERR_NONE);
    assert_int_equal(config.window, 5);
    assert_int_equal(unlink(path), 0);
}

static void test_a_flag_takes_its_value_in_either_form(void **state)
{
    (void)state;
    assert_int_equal(load("--db a.db --durability=relaxed", NULL), ERR_NONE);
    assert_string_equal(config.values[SETTING_DB], "a.db");
    assert_int_equal(config.durability, DURABILITY_RELAXED);
    assert_int_equal(
        load("--http [::1]:0 --http=localhost:65535", NULL), ERR_NONE);
    assert_string_equal(config.http_address, "127.0.0.1");
    assert_int_equal(config.http_port, 65535);
}

static void test_actions_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(load("--help", NULL), ERR_NONE);
    assert_int_equal(config.action, CONFIG_HELP);
    assert_int_equal(load("-h", NULL), ERR_NONE);
    assert_int_equal(config.action, CONFIG_HELP);
    assert_int_equal(load("--version", NULL), ERR_NONE);
    assert_int_equal(config.action, CONFIG_VERSION);
    assert_int_equal(load("--check-config", NULL), ERR_NONE);
    assert_int_equal(config.action, CONFIG_CHECK);
    assert_int_equal(load("--print-config", NULL), ERR_NONE);
    assert_int_equal(config.action, CONFIG_PRINT);
}

static void test_help_works_with_a_broken_file(void **state)
{
    (void)state;
    assert_int_equal(load("--config /nonexistent --help", NULL), ERR_NONE);
    assert_int_equal(load("--config /nonexistent", NULL), ERR_INVALID);
}

struct wrong {
    const char *arguments;
    const char *said;
};

static void test_a_wrong_flag_is_named_with_its_value(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        { "--dbx a", "unknown argument \"--dbx\"" },
        { "word", "unknown argument \"word\"" },
        { "--db", "--db needs a value" },
        { "--db=", "--db: \"\" is empty" },
        { "--http 127.0.0.1", "--http: \"127.0.0.1\" is not ADDRESS:PORT" },
        { "--http 127.0.0.1:65536", "no port from 0 to 65535" },
        { "--http 127.0.0.1:-1", "no port from 0 to 65535" },
        { "--http 127.0.0.1:", "no port from 0 to 65535" },
        { "--http 0.0.0.0:1", "is not loopback" },
        { "--http 128.0.0.1:1", "is not loopback" },
        { "--http 127.0.0.1.evil.com:1", "is not loopback" },
        { "--http [::]:1", "is not loopback" },
        { "--http :1", "is not loopback" },
        { "--ingest tcp://*:1", "is not loopback" },
        { "--ingest udp://127.0.0.1:1", "neither tcp://" },
        { "--ingest ipc://", "neither tcp://" },
        { "--durability Commit", "none of commit, group, relaxed" },
        { "--sync full", "unknown argument \"--sync\"" },
        { "--window 0", "not a number from 1 to 4096" },
        { "--window 4097", "not a number from 1 to 4096" },
        { "--window 5x", "not a number from 1 to 4096" },
        { "--lost-after 99999999999999999999", "not a number" },
        { "--keep-days 36501", "not a number from 0 to 36500" },
        { "--thin-days -1", "not a number from 0 to 36500" },
        { "--keep-bytes 8388608T", "not a number of bytes" },
        { "--keep-bytes 5g", "not a number of bytes" },
        { "--run-bytes=G", "not a number of bytes" },
        { "--run-bytes=", "not a number of bytes" },
        { "--log-level loud", "none of debug, info, warn, error" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(load(cases[i].arguments, NULL), ERR_INVALID);
        if (strstr(error.text, cases[i].said) == NULL) {
            fail_msg("%s: %s", cases[i].arguments, error.text);
        }
    }
}

static void test_a_wrong_variable_is_named(void **state)
{
    (void)state;
    assert_int_equal(load("", "TRAJD_WINDOW=x"), ERR_INVALID);
    assert_non_null(strstr(error.text, "TRAJD_WINDOW: \"x\""));
}

static void test_a_file_may_have_comments_and_blanks(void **state)
{
    (void)state;
    assert_int_equal(
        parse("# one\n; two\n\n [ store ] \r\n"
              "\tdb =  /a b/c.db  \r\ndurability=relaxed\n\n[http]"),
        ERR_NONE);
    assert_string_equal(config.values[SETTING_DB], "/a b/c.db");
    assert_int_equal(config.durability, DURABILITY_RELAXED);
    assert_int_equal(parse(""), ERR_NONE);
}

static void test_a_wrong_line_is_named_by_its_number(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        { "[store]\ndbx = a\n", "t.conf:2: no such key in this section" },
        { "\n\n[nothing]\n", "t.conf:3: no such section" },
        { "[store\n", "t.conf:1: no such section" },
        { "db = a\n", "t.conf:1: no such key in this section" },
        { "[http]\ndb = a\n", "t.conf:2: no such key in this section" },
        { "[store]\ndb\n", "t.conf:2: neither [section] nor key = value" },
        { "[store]\ndb=a\n\ndb=b\n", "t.conf:4: db is given twice" },
        { "[ingest]\nwindow = 0\n", "t.conf:2: window: \"0\" is not" },
        { "[store]\ndb = \xff\n", "t.conf:2: db: " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].arguments), ERR_INVALID);
        if (strstr(error.text, cases[i].said) == NULL) {
            fail_msg("%s: %s", cases[i].arguments, error.text);
        }
    }
}

static void test_a_value_of_any_length_is_taken_or_refused(void **state)
{
    (void)state;
    static char text[CONFIG_VALUE_MAX + 64];
    int n = snprintf(text, sizeof text, "[store]\ndb = ");
    memset(text + n, 'x', CONFIG_VALUE_MAX);
    assert_int_equal(parse(text), ERR_NONE);
    assert_int_equal(
        strlen(config.values[SETTING_DB]), (size_t)CONFIG_VALUE_MAX);
    text[n + CONFIG_VALUE_MAX] = 'x';
    assert_int_equal(parse(text), ERR_INVALID);
}

static void test_what_is_printed_parses_to_the_same(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(load("--db d --http [::1]:5 --window 3", NULL), ERR_NONE);
    struct config first = config;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    config_print(&first, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(parse(text), ERR_NONE);
    assert_memory_equal(config.values, first.values, sizeof first.values);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_right_and_meant),
        cmocka_unit_test(test_limits_of_alerts_are_numbers_in_their_range),
        cmocka_unit_test(test_a_webhook_is_a_url_of_http),
        cmocka_unit_test(test_bytes_have_units_of_1024),
        cmocka_unit_test(test_flag_before_variable_before_file),
        cmocka_unit_test(test_a_flag_takes_its_value_in_either_form),
        cmocka_unit_test(test_actions_are_told_apart),
        cmocka_unit_test(test_help_works_with_a_broken_file),
        cmocka_unit_test(test_a_wrong_flag_is_named_with_its_value),
        cmocka_unit_test(test_a_wrong_variable_is_named),
        cmocka_unit_test(test_a_file_may_have_comments_and_blanks),
        cmocka_unit_test(test_a_wrong_line_is_named_by_its_number),
        cmocka_unit_test(test_a_value_of_any_length_is_taken_or_refused),
        cmocka_unit_test(test_what_is_printed_parses_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The thread that sends alerts out: its bounds, and its end. What commands and
 * webhooks get is in tests/integration/test_alerts.py. */
#include "threads/notify.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/counters.h"

#define PATIENCE_NS (30 * NS_PER_S)

struct bed {
    char dir[40];
    char command[64];
    char began[64];                 /* a file that the command makes */
    uint64_t sent, failed, dropped; /* before */
};

static void open_bed(struct bed *bed, const char *script)
{
    *bed = (struct bed){ .dir = "/tmp/trajd-notify.XXXXXX",
        .sent = counter_get(COUNTER_NOTICES_SENT),
        .failed = counter_get(COUNTER_NOTICES_FAILED),
        .dropped = counter_get(COUNTER_NOTICES_DROPPED) };
    assert_non_null(mkdtemp(bed->dir));
    (void)snprintf(bed->command, sizeof bed->command, "%s/command", bed->dir);
    (void)snprintf(bed->began, sizeof bed->began, "%s/began", bed->dir);
    FILE *file = fopen(bed->command, "w");
    assert_non_null(file);
    assert_true(
        fprintf(file, "#!/bin/sh\n: > %s\n%s\n", bed->began, script) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(bed->command, 0700), 0);
}

static void close_bed(struct bed *bed)
{
    (void)unlink(bed->began);
    assert_int_equal(unlink(bed->command), 0);
    assert_int_equal(rmdir(bed->dir), 0);
}

static struct notify *started(const char *command)
{
    const struct notify_options options = { .command = command };
    struct notify *notify = NULL;
    struct err e = { 0 };
    assert_int_equal(notify_start(&options, &notify, &e), ERR_NONE);
    return notify;
}

static void add(struct notify *notify, unsigned n)
{
    const struct alert alert = { .rule = ALERT_SPIKE, .sentence = "s" };
    for (unsigned i = 0; i < n; i++) {
        notify_add(notify, "r", &alert);
    }
}

static uint64_t sent(const struct bed *bed)
{
    return counter_get(COUNTER_NOTICES_SENT) - bed->sent;
}
static uint64_t failed(const struct bed *bed)
{
    return counter_get(COUNTER_NOTICES_FAILED) - bed->failed;
}
static uint64_t dropped(const struct bed *bed)
{
    return counter_get(COUNTER_NOTICES_DROPPED) - bed->dropped;
}

static void wait_until_begun(const struct bed *bed)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    const int64_t deadline = clock_mono_ns() + PATIENCE_NS;
    while (access(bed->began, F_OK) != 0) {
        assert_true(clock_mono_ns() < deadline);
        (void)nanosleep(&pause, NULL);
    }
}

static void test_more_than_can_wait_are_dropped_and_counted(void **state)
{
    (void)state;
    struct bed bed;
    open_bed(&bed, "exec sleep 1000");
    struct notify *notify = started(bed.command);
    add(notify, 1);
    wait_until_begun(&bed); /* that one waits no more */
    add(notify, NOTIFY_QUEUE);
    assert_int_equal(dropped(&bed), 0);
    add(notify, 3);
    assert_int_equal(dropped(&bed), 3);
    const int64_t began = clock_mono_ns();
    notify_stop(notify);
    assert_true(clock_mono_ns() - began < 2 * NOTIFY_DRAIN_MS * NS_PER_MS);
    assert_int_equal(sent(&bed), 0);
    assert_int_equal(failed(&bed), 1);
    assert_int_equal(dropped(&bed), NOTIFY_QUEUE + 3);
    close_bed(&bed);
}

static void test_what_waits_is_sent_before_the_end(void **state)
{
    (void)state;
    struct bed bed;
    open_bed(&bed, "exit 0");
    struct notify *notify = started(bed.command);
    add(notify, 5);
    notify_stop(notify);
    assert_int_equal(sent(&bed), 5);
    assert_int_equal(failed(&bed) + dropped(&bed), 0);
    close_bed(&bed);
}

static void test_a_command_that_reads_nothing_is_no_hindrance(void **state)
{
    (void)state;
    struct bed bed;
    open_bed(&bed, "exec <&-; kill -9 $$");
    struct notify *notify = started(bed.command);
    add(notify, 1);
    notify_stop(notify);
    assert_int_equal(failed(&bed), 1);
    close_bed(&bed);
}

static void test_a_webhook_that_nobody_serves_ends_with_trajd(void **state)
{
    (void)state;
    const uint64_t before = counter_get(COUNTER_NOTICES_FAILED);
    const struct notify_options options = { .webhook = "http://127.0.0.1:1/" };
    struct notify *notify = NULL;
    struct err e = { 0 };
    assert_int_equal(notify_start(&options, &notify, &e), ERR_NONE);
    add(notify, 1);
    const int64_t began = clock_mono_ns();
    notify_stop(notify);
    assert_true(clock_mono_ns() - began < 2 * NOTIFY_DRAIN_MS * NS_PER_MS);
    assert_int_equal(counter_get(COUNTER_NOTICES_FAILED) - before, 1);
    notify_stop(NULL);
}

static void test_a_command_that_cannot_be_run_is_told_at_once(void **state)
{
    (void)state;
    struct notify *notify = NULL;
    struct err e = { 0 };
    static const char *const bad[] = { "/nonexistent/command", "/etc/passwd" };
    for (size_t i = 0; i < 2; i++) {
        const struct notify_options options = { .command = bad[i] };
        assert_int_equal(notify_start(&options, &notify, &e), ERR_INVALID);
        assert_null(notify);
        assert_non_null(strstr(e.text, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_than_can_wait_are_dropped_and_counted),
        cmocka_unit_test(test_what_waits_is_sent_before_the_end),
        cmocka_unit_test(test_a_command_that_reads_nothing_is_no_hindrance),
        cmocka_unit_test(test_a_command_that_cannot_be_run_is_told_at_once),
        cmocka_unit_test(test_a_webhook_that_nobody_serves_ends_with_trajd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

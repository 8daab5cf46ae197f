/* Alerts as they are stored: once per run, rule and step, listed newest first,
 * gone with their run; and what the watch of a run reads of its records. */
#include "store/alerts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "base/counters.h"
#include "threads/alert_watch.h"

static int open_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_open(rig, 0);
    *state = rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static struct alert alert_at(enum alert_rule rule, uint64_t step)
{
    struct alert alert = { .rule = rule,
        .severity = ALERT_ERROR,
        .attempt = 1,
        .step = step,
        .wall_ns = RIG_NOW_NS + (int64_t)step,
        .value = (double)NAN,
        .limit = (double)NAN };
    (void)snprintf(
        alert.sentence, sizeof alert.sentence, "step %u: ü", (unsigned)step);
    return alert;
}

/* In a transaction of its own; whether it was new. */
static bool add(struct rig *rig, const char *run, const struct alert *alert)
{
    struct err e = { 0 };
    bool is_new = false;
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(
        store_add_alert(rig->store, run, alert, &is_new, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    return is_new;
}

static bool add_at(
    struct rig *rig, const char *run, enum alert_rule rule, uint64_t step)
{
    const struct alert alert = alert_at(rule, step);
    return add(rig, run, &alert);
}

struct listed {
    struct alert_row rows[16];
    size_t n;
};

static enum err_code keep(
    void *context, const struct alert_row *row, struct err *e)
{
    (void)e;
    struct listed *listed = context;
    assert_true(listed->n < 16);
    listed->rows[listed->n++] = *row;
    return ERR_NONE;
}

static struct listed list(const struct rig *rig, struct alert_query query)
{
    struct listed listed = { 0 };
    struct reader *reader = NULL;
    struct err e = { 0 };
    query.limit = query.limit == 0 ? 16 : query.limit;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(alerts_list(reader, &query, keep, &listed, &e), ERR_NONE);
    reader_close(reader);
    return listed;
}

static void two_runs(struct rig *rig)
{
    (void)rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    (void)rig_hello(rig, 2, "{\"run_id\":\"b\",\"attempt\":1}");
    assert_true(add_at(rig, "a", ALERT_SPIKE, 1));
    assert_true(add_at(rig, "b", ALERT_SPIKE, 2));
    assert_true(add_at(rig, "a", ALERT_STALL, 3));
    assert_true(add_at(rig, "a", ALERT_SPIKE, 4));
}

static void test_an_alert_reads_back_as_it_was(void **state)
{
    struct rig *rig = *state;
    (void)rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    struct alert alert = alert_at(ALERT_L1_JUMP, UINT64_MAX);
    alert.value = (double)INFINITY;
    alert.limit = 2.5;
    alert.severity = ALERT_WARNING;
    alert.attempt = 7;
    assert_true(add(rig, "a", &alert));
    const struct listed l = list(rig, (struct alert_query){ 0 });
    assert_int_equal(l.n, 1);
    assert_string_equal(l.rows[0].run_uid, "a");
    assert_memory_equal(&l.rows[0].alert, &alert, sizeof alert);
    /* What SQLite has no value for. */
    assert_true(add_at(rig, "a", ALERT_NON_FINITE, 1));
    const struct listed nan =
        list(rig, (struct alert_query){ .run_uid = "a", .rule = "non_finite" });
    assert_int_equal(nan.n, 1);
    assert_true(isnan(nan.rows[0].alert.value));
    assert_true(isnan(nan.rows[0].alert.limit));
    assert_int_equal(nan.rows[0].alert.severity, ALERT_ERROR);
}

static void test_the_same_alert_is_stored_once_also_after_a_restart(
    void **state)
{
    struct rig *rig = *state;
    two_runs(rig);
    assert_false(add_at(rig, "a", ALERT_SPIKE, 1));
    rig_reopen(rig, 0);
    assert_false(add_at(rig, "a", ALERT_SPIKE, 1));
    assert_true(add_at(rig, "a", ALERT_STALL, 1));
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM alerts"), 5);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM alerts WHERE run = 'a' AND "
                        "rule = 'spike' AND severity = 'error' AND "
                        "attempt = 1 AND value IS NULL"),
        2);
}

static void test_a_new_alert_raises_the_revision_of_its_run_alone(void **state)
{
    struct rig *rig = *state;
    static const char revisions[] =
        "SELECT revision * 1000 + (SELECT revision FROM runs WHERE uid = 'b') "
        "FROM runs WHERE uid = 'a' AND updated_wall_ns < 1700000000000000002";
    two_runs(rig);
    struct run_row run = rig_run(rig, "a");
    assert_int_equal(run.alerts, 3);
    run_row_done(&run);
    const int64_t before = rig_number(rig, revisions);
    assert_true(before > 0);
    assert_false(add_at(rig, "a", ALERT_SPIKE, 1));
    assert_int_equal(rig_number(rig, revisions), before);
    assert_true(add_at(rig, "a", ALERT_SPIKE, 9));
    assert_int_equal(rig_number(rig, revisions), before + 1000);
}

static void test_an_alert_of_no_run_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    bool is_new = true;
    const struct alert alert = alert_at(ALERT_SPIKE, 1);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(store_add_alert(rig->store, "nobody", &alert, &is_new, &e),
        ERR_NOT_FOUND);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    assert_true(is_new); /* untouched */
    assert_int_equal(
        store_add_alert(rig->store, "nobody", &alert, &is_new, &e), ERR_STORE);
}

static void test_lists_are_newest_first_with_filters_and_a_cursor(void **state)
{
    struct rig *rig = *state;
    two_runs(rig);
    struct listed l = list(rig, (struct alert_query){ 0 });
    assert_int_equal(l.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(l.rows[i].alert.step, 4 - i);
    }
    const struct alert_row second = l.rows[1];
    l = list(rig, (struct alert_query){ .limit = 1,
                      .before_wall_ns = second.alert.wall_ns,
                      .before_id = second.id });
    assert_int_equal(l.n, 1);
    assert_int_equal(l.rows[0].alert.step, 2);
    assert_string_equal(l.rows[0].run_uid, "b");
    l = list(rig, (struct alert_query){ .rule = "spike" });
    assert_int_equal(l.n, 3);
    l = list(rig, (struct alert_query){ .run_uid = "a", .rule = "spike" });
    assert_int_equal(l.n, 2);
    l = list(rig, (struct alert_query){ .run_uid = "a" });
    assert_int_equal(l.n, 3);
    l = list(rig, (struct alert_query){ .since_wall_ns = RIG_NOW_NS + 3 });
    assert_int_equal(l.n, 2);
    l = list(rig, (struct alert_query){ .run_uid = "nobody" });
    assert_int_equal(l.n, 0);
}

static void test_alerts_go_with_their_run(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    two_runs(rig);
    const struct run_row run = rig_run(rig, "a");
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(store_delete_run(rig->store, run.id, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    const struct listed l = list(rig, (struct alert_query){ 0 });
    assert_int_equal(l.n, 1);
    assert_string_equal(l.rows[0].run_uid, "b");
    struct run_row done = run;
    run_row_done(&done);
}

static void test_the_past_is_the_last_of_each_rule_and_how_many(void **state)
{
    struct rig *rig = *state;
    struct reader *reader = NULL;
    struct err e = { 0 };
    struct alert_past past[ALERT_RULES];
    two_runs(rig);
    struct alert later = alert_at(ALERT_SPIKE, 2);
    later.attempt = 2;
    assert_true(add(rig, "a", &later));
    struct run_row run = rig_run(rig, "a");
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(alerts_past(reader, run.id, past, &e), ERR_NONE);
    reader_close(reader);
    run_row_done(&run);
    assert_int_equal(past[ALERT_SPIKE].n, 3);
    assert_int_equal(past[ALERT_SPIKE].attempt, 2);
    assert_int_equal(past[ALERT_SPIKE].step, 2);
    assert_int_equal(past[ALERT_STALL].n, 1);
    assert_int_equal(past[ALERT_STALL].step, 3);
    assert_int_equal(past[ALERT_NON_FINITE].n, 0);
}

/* ---- reading on ---- */

/* Of the attempt, whose stream has its number. */
static void append_losses(struct rig *rig, struct stream_state *stream,
    uint64_t first_step, size_t n, double loss)
{
    struct rig_records records = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct rig_record r =
            rig_step(stream->committed_seq + 1 + i, first_step + i, loss);
        rig_records_add(&records, &r);
    }
    for (size_t at = 0; at < n; at += 4096) {
        rig_append(rig, stream, stream->attempt, &records, at,
            n - at < 4096 ? n : at + 4096);
    }
    rig_records_done(&records);
}

/* Returns whether there is more. */
static bool look(const struct rig *rig, struct alert_watch *watch)
{
    struct reader *reader = NULL;
    struct err e = { 0 };
    bool more = false;
    const struct alert_limits limits = ALERT_LIMITS_DEFAULT;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(reader_begin(reader, &e), ERR_NONE);
    struct run_row run;
    assert_int_equal(runs_get(reader, "a", &run, &e), ERR_NONE);
    assert_int_equal(
        alert_watch_read(watch, reader, &run, &limits, &more, &e), ERR_NONE);
    run_row_done(&run);
    reader_end(reader);
    reader_close(reader);
    return more;
}

static size_t raised(struct alert_watch *watch, enum alert_rule rule)
{
    size_t n = 0;
    for (size_t i = 0; i < watch->raised.n; i++) {
        n += watch->raised.v[i].rule == rule;
    }
    watch->raised.n = 0;
    return n;
}

static void test_a_watch_reads_each_record_once(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    struct stream_state stream =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_losses(rig, &stream, 0, 50, 1);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.rules.loss.n, 50);
    append_losses(rig, &stream, 50, 10, 1);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.rules.loss.n, 60);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.rules.loss.n, 60);
    assert_int_equal(watch.seq, 60);
    append_losses(rig, &stream, 60, 1, (double)NAN);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.raised.v[0].step, 60);
    assert_int_equal(raised(&watch, ALERT_NON_FINITE), 1);
}

static void test_of_more_than_a_look_takes_the_newest_are_seen(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    const uint64_t before = counter_get(COUNTER_ALERT_RECORDS_SKIPPED);
    struct stream_state stream =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_losses(rig, &stream, 0, 99, 1);
    append_losses(rig, &stream, 99, 2, (double)NAN); /* steps 99 and 100 */
    append_losses(rig, &stream, 101, ALERT_LOOK_RECORDS - 1, 1);
    assert_false(look(rig, &watch));
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED) - before, 100);
    assert_int_equal(watch.left_out, 100);
    assert_int_equal(watch.raised.v[0].step, 100);
    assert_int_equal(raised(&watch, ALERT_NON_FINITE), 1);
    append_losses(rig, &stream, 70000, 1, 1);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.left_out, 0);
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED) - before, 100);
}

static void test_the_oldest_of_all_attempts_are_left_out(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    struct stream_state first =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_losses(rig, &first, 0, 100, (double)NAN);
    struct stream_state second =
        rig_hello(rig, 2, "{\"run_id\":\"a\",\"attempt\":2}");
    append_losses(rig, &second, 0, 50, (double)NAN);
    append_losses(rig, &second, 50, 1, (double)NAN);
    append_losses(rig, &second, 51, ALERT_LOOK_RECORDS - 1, 1);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.raised.v[0].attempt, 2);
    assert_int_equal(watch.raised.v[0].step, 50);
    assert_int_equal(raised(&watch, ALERT_NON_FINITE), 1);
}

static void test_records_of_other_kinds_are_passed_by(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    struct rig_records records = { 0 };
    const struct rig_record event = {
        .seq = 11, .kind = WIRE_EVENT, .present = UINT64_C(1) << EVENT_event
    };
    struct stream_state stream =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_losses(rig, &stream, 0, 10, 1);
    rig_records_add(&records, &event);
    rig_append(rig, &stream, 1, &records, 0, 1);
    rig_records_done(&records);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.seq, 11);
}

static void test_a_full_list_stops_the_look_and_nothing_is_lost(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    struct stream_state stream =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    size_t n = 0;
    for (size_t i = 0; i < 12; i++) {
        append_losses(rig, &stream, 200 * i, 1, (double)NAN);
        append_losses(rig, &stream, 200 * i + 1, 199, 1);
    }
    while (look(rig, &watch)) {
        n += raised(&watch, ALERT_NON_FINITE);
        assert_true(n <= 12);
    }
    n += raised(&watch, ALERT_NON_FINITE);
    assert_int_equal(n, 12);
}

static void test_a_new_watch_knows_what_is_stored(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    struct stream_state stream =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_losses(rig, &stream, 0, 50, 1);
    append_losses(rig, &stream, 50, 10, (double)NAN);
    assert_false(look(rig, &watch));
    const struct alert found = watch.raised.v[0];
    assert_int_equal(raised(&watch, ALERT_NON_FINITE), 1);
    assert_true(add(rig, "a", &found));
    struct alert_watch again = { 0 };
    assert_false(look(rig, &again));
    assert_int_equal(raised(&again, ALERT_NON_FINITE), 0);
}

static void test_an_older_attempt_that_comes_late_is_passed_by(void **state)
{
    struct rig *rig = *state;
    struct alert_watch watch = { 0 };
    struct stream_state first =
        rig_hello(rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_losses(rig, &first, 0, 10, 1);
    (void)rig_hello(rig, 2, "{\"run_id\":\"a\",\"attempt\":2}");
    assert_false(look(rig, &watch));
    assert_int_equal(watch.attempt, 2);
    const uint64_t before = counter_get(COUNTER_ALERT_RECORDS_SKIPPED);
    append_losses(rig, &first, 10, ALERT_LOOK_RECORDS + 1, (double)NAN);
    assert_false(look(rig, &watch));
    assert_int_equal(watch.attempt, 2);
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED), before);
    assert_int_equal(raised(&watch, ALERT_NON_FINITE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_alert_reads_back_as_it_was),
        TEST(test_the_same_alert_is_stored_once_also_after_a_restart),
        TEST(test_a_new_alert_raises_the_revision_of_its_run_alone),
        TEST(test_an_alert_of_no_run_is_refused),
        TEST(test_lists_are_newest_first_with_filters_and_a_cursor),
        TEST(test_alerts_go_with_their_run),
        TEST(test_the_past_is_the_last_of_each_rule_and_how_many),
        TEST(test_a_watch_reads_each_record_once),
        TEST(test_of_more_than_a_look_takes_the_newest_are_seen),
        TEST(test_the_oldest_of_all_attempts_are_left_out),
        TEST(test_records_of_other_kinds_are_passed_by),
        TEST(test_a_full_list_stops_the_look_and_nothing_is_lost),
        TEST(test_a_new_watch_knows_what_is_stored),
        TEST(test_an_older_attempt_that_comes_late_is_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

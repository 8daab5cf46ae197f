/* Alerts as they are stored: once per run, rule, attempt and step, listed
 * newest first, gone with their run. */
#include "store/alerts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"

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
        .rank = ALERT_NO_RANK,
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

static void test_a_run_says_how_many_of_its_alerts_are_errors(void **state)
{
    struct rig *rig = *state;
    two_runs(rig);
    struct alert warning = alert_at(ALERT_STALL, 5);
    warning.severity = ALERT_WARNING;
    assert_true(add(rig, "a", &warning));
    assert_true(add(rig, "b", &warning));
    struct run_row a = rig_run(rig, "a");
    struct run_row b = rig_run(rig, "b");
    assert_int_equal(a.alerts, 4);
    assert_int_equal(a.alert_errors, 3);
    assert_int_equal(b.alerts, 2);
    assert_int_equal(b.alert_errors, 1);
    run_row_done(&a);
    run_row_done(&b);
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

static void test_a_step_of_another_attempt_is_another_alert(void **state)
{
    struct rig *rig = *state;
    struct alert again = alert_at(ALERT_SPIKE, 1);
    two_runs(rig);
    again.attempt = 2;
    assert_true(add(rig, "a", &again));
    assert_false(add(rig, "a", &again));
    again.rank = 17; /* it is the step that tells them apart */
    assert_false(add(rig, "a", &again));
}

static void test_alerts_of_a_rank_are_found(void **state)
{
    struct rig *rig = *state;
    struct alert of_rank = alert_at(ALERT_SPIKE, 9);
    two_runs(rig);
    of_rank.rank = 0;
    assert_true(add(rig, "b", &of_rank));
    of_rank.rank = 65535;
    of_rank.step = 10;
    assert_true(add(rig, "a", &of_rank));
    struct alert_query query = { .has_rank = true, .rank = 65535 };
    struct listed l = list(rig, query);
    assert_int_equal(l.n, 1);
    assert_memory_equal(&l.rows[0].alert, &of_rank, sizeof of_rank);
    query.rank = 0;
    l = list(rig, query);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.rows[0].alert.step, 9);
    assert_int_equal(l.rows[0].alert.rank, 0);
    query.run_uid = "a";
    assert_int_equal(list(rig, query).n, 0);
    query = (struct alert_query){
        .rule = "spike", .run_uid = "a", .has_rank = true, .rank = 65535
    };
    assert_int_equal(list(rig, query).n, 1);
    assert_int_equal(rig_number(rig, "SELECT sum(rank) FROM alerts"), 65535);
    assert_int_equal(rig_number(rig, "SELECT count(rank) FROM alerts"), 2);
}

static void test_the_past_is_all_there_is_by_rule(void **state)
{
    struct rig *rig = *state;
    struct reader *reader = NULL;
    struct err e = { 0 };
    struct alert_past past;
    two_runs(rig);
    struct alert later = alert_at(ALERT_SPIKE, 2);
    later.attempt = 2;
    later.rank = 17;
    assert_true(add(rig, "a", &later));
    rig_sql(rig, "UPDATE alert SET rule = 'of a later version' WHERE step = 3");
    struct run_row run = rig_run(rig, "a");
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(alerts_past(reader, run.id, &past, &e), ERR_NONE);
    reader_close(reader);
    run_row_done(&run);
    const struct alert_told expected[] = { { ALERT_NO_RANK, 1, 1 },
        { ALERT_NO_RANK, 1, 4 }, { 17, 2, 2 } };
    assert_int_equal(past.n[ALERT_SPIKE], 3);
    assert_memory_equal(past.v[ALERT_SPIKE], expected, sizeof expected);
    assert_int_equal(past.n[ALERT_STALL], 0);
    assert_int_equal(past.n[ALERT_NON_FINITE], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_alert_reads_back_as_it_was),
        TEST(test_the_same_alert_is_stored_once_also_after_a_restart),
        TEST(test_a_new_alert_raises_the_revision_of_its_run_alone),
        TEST(test_a_run_says_how_many_of_its_alerts_are_errors),
        TEST(test_an_alert_of_no_run_is_refused),
        TEST(test_lists_are_newest_first_with_filters_and_a_cursor),
        TEST(test_alerts_go_with_their_run),
        TEST(test_a_step_of_another_attempt_is_another_alert),
        TEST(test_alerts_of_a_rank_are_found),
        TEST(test_the_past_is_all_there_is_by_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

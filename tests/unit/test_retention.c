/* What the retention policy takes away, in which order, and what stays. */
#include "../lib/store_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "care/check.h"
#include "store/retention.h"

#define DAY_NS (INT64_C(86400) * NS_PER_S)
/* Ten days after everything the rig does. */
#define LATER_NS (RIG_NOW_NS + 10 * DAY_NS)

static int open_rig(void **state)
{
    static struct rig rig;
    rig_open(&rig, 128);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

/* Run "r<number>", rank 0, with so many sealed steps; created a second after
 * the one before. */
static struct stream_state add_run(struct rig *rig, uint32_t number, size_t n)
{
    char json[100];
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r%u\",\"project\":\"p\",\"name\":\"n\",\"rank\":0,"
        "\"attempt\":1}",
        number);
    struct stream_state s = rig_hello(rig, number, json);
    rig_steps(rig, &s, number, 0, n);
    (void)rig_seal(rig, &s, true);
    return s;
}

/* Its trainer has gone, so many days before LATER_NS. */
static void end_run(struct rig *rig, struct stream_state *s, uint32_t number,
    int64_t days_before)
{
    char sql[200];
    int64_t when = LATER_NS - days_before * DAY_NS;
    rig_bye(rig, s, number, 0, RIG_NOW_NS);
    (void)snprintf(sql, sizeof sql,
        "UPDATE run_progress SET updated_wall_ns = %lld WHERE run = %lld",
        (long long)when, (long long)s->run.v);
    rig_sql(rig, sql);
    (void)snprintf(sql, sizeof sql,
        "UPDATE stream_progress SET heard_wall_ns = %lld WHERE stream = %lld",
        (long long)when, (long long)s->stream.v);
    rig_sql(rig, sql);
}

static struct retention_plan plan_of(
    const struct rig *rig, struct retention_policy policy)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct retention_plan plan = { 0 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(
        retention_plan_make(reader, &policy, LATER_NS, &plan, &e), ERR_NONE);
    reader_close(reader);
    return plan;
}

static void assert_item(const struct retention_plan *plan, size_t i,
    enum retention_act act, enum retention_why why, const char *run_uid)
{
    assert_true(i < plan->n);
    assert_int_equal(plan->items[i].act, act);
    assert_int_equal(plan->items[i].why, why);
    assert_string_equal(plan->items[i].run_uid, run_uid);
}

/* Steps until the item is over; returns how many. */
static size_t work_off(struct rig *rig, struct retention_item *item)
{
    struct err e = { 0 };
    struct retention_done done = { 0 };
    size_t steps = 0;
    for (; !done.item_is_over; steps++) {
        assert_int_equal(retention_step(rig->store, item, &done, &e), ERR_NONE);
    }
    return steps;
}

static void fail_on_finding(void *context, const struct finding *finding)
{
    (void)context;
    fail_msg("%s", finding->text);
}

static struct check_counts assert_whole(const struct rig *rig)
{
    const struct check_options options = {
        .path = rig->path, .depth = CHECK_ALL, .found = fail_on_finding
    };
    struct check_counts counts = { 0 };
    struct err e = { 0 };
    assert_int_equal(check_database(&options, &counts, &e), ERR_NONE);
    return counts;
}

/* ---- plans --------------------------------------------------------------- */

static void test_without_a_policy_everything_is_kept(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 300);
    end_run(rig, &s, 1, 3000);
    const struct retention_policy none = { 0 };
    struct retention_plan plan = plan_of(rig, none);
    assert_false(retention_is_on(&none));
    assert_int_equal(plan.n, 0);
    retention_plan_done(&plan);
}

static void test_a_run_goes_when_it_is_older_than_keep_days(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = add_run(rig, 1, 300);
    struct stream_state b = add_run(rig, 2, 300);
    end_run(rig, &a, 1, 8);
    end_run(rig, &b, 2, 6);
    struct retention_plan plan =
        plan_of(rig, (struct retention_policy){ .keep_days = 7 });
    assert_int_equal(plan.n, 1);
    assert_item(&plan, 0, RETENTION_DELETE, RETENTION_KEEP_DAYS, "r1");
    retention_plan_done(&plan);
}

static void test_a_run_that_is_heard_has_no_age(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 300);
    char sql[200];
    (void)snprintf(sql, sizeof sql,
        "UPDATE stream_progress SET heard_wall_ns = %lld", (long long)LATER_NS);
    rig_sql(rig, sql);
    (void)s;
    struct retention_plan plan = plan_of(
        rig, (struct retention_policy){ .keep_days = 1, .thin_days = 1 });
    assert_int_equal(plan.n, 0);
    plan = plan_of(rig, (struct retention_policy){ .keep_bytes = 1 });
    assert_int_equal(plan.n, 0);
    plan = plan_of(rig, (struct retention_policy){ .run_bytes = 1 });
    assert_item(&plan, 0, RETENTION_THIN, RETENTION_RUN_BYTES, "r1");
    retention_plan_done(&plan);
}

static void test_what_is_thinned_is_not_thinned_again(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 300);
    end_run(rig, &s, 1, 3);
    const struct retention_policy policy = { .thin_days = 2 };
    struct retention_plan plan = plan_of(rig, policy);
    assert_item(&plan, 0, RETENTION_THIN, RETENTION_THIN_DAYS, "r1");
    (void)work_off(rig, &plan.items[0]);
    retention_plan_done(&plan);
    plan = plan_of(rig, policy);
    assert_int_equal(plan.n, 0);
    retention_plan_done(&plan);
}

static void test_room_is_made_by_thinning_the_oldest_before_deleting_it(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state a = add_run(rig, 1, 300);
    struct stream_state b = add_run(rig, 2, 300);
    end_run(rig, &a, 1, 2);
    end_run(rig, &b, 2, 5);
    const struct retention_policy policy = { .keep_bytes = 1 };
    struct retention_plan plan = plan_of(rig, policy);
    assert_int_equal(plan.n, 2);
    assert_item(&plan, 0, RETENTION_THIN, RETENTION_KEEP_BYTES, "r2");
    assert_item(&plan, 1, RETENTION_THIN, RETENTION_KEEP_BYTES, "r1");
    (void)work_off(rig, &plan.items[0]);
    (void)work_off(rig, &plan.items[1]);
    retention_plan_done(&plan);

    plan = plan_of(rig, policy);
    assert_int_equal(plan.n, 1); /* one at a time: it may be enough */
    assert_item(&plan, 0, RETENTION_DELETE, RETENTION_KEEP_BYTES, "r2");
    retention_plan_done(&plan);
}

static void test_room_is_made_when_what_age_asks_for_is_done(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = add_run(rig, 1, 300);
    struct stream_state b = add_run(rig, 2, 300);
    end_run(rig, &a, 1, 9);
    end_run(rig, &b, 2, 1);
    const struct retention_policy policy = { .keep_days = 5, .keep_bytes = 1 };
    struct retention_plan plan = plan_of(rig, policy);
    assert_int_equal(plan.n, 1); /* it may be enough */
    assert_item(&plan, 0, RETENTION_DELETE, RETENTION_KEEP_DAYS, "r1");
    (void)work_off(rig, &plan.items[0]);
    retention_plan_done(&plan);
    plan = plan_of(rig, policy);
    assert_item(&plan, 0, RETENTION_THIN, RETENTION_KEEP_BYTES, "r2");
    retention_plan_done(&plan);
}

static void test_a_file_within_keep_bytes_stays_as_it_is(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 300);
    end_run(rig, &s, 1, 2);
    struct retention_plan plan =
        plan_of(rig, (struct retention_policy){ .keep_bytes = UINT32_MAX });
    uint64_t used = plan.used_bytes;
    assert_int_equal(plan.n, 0);
    plan = plan_of(rig, (struct retention_policy){ .keep_bytes = used });
    assert_int_equal(plan.n, 0);
    plan = plan_of(rig, (struct retention_policy){ .keep_bytes = used - 1 });
    assert_int_equal(plan.n, 1);
    retention_plan_done(&plan);
}

/* ---- what stays ---------------------------------------------------------- */

static void test_run_bytes_thins_the_start_and_keeps_the_rest(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 128 * 200);
    uint64_t bytes =
        (uint64_t)rig_number(rig, "SELECT sum(length(body)) FROM chunk");
    struct retention_plan plan =
        plan_of(rig, (struct retention_policy){ .run_bytes = bytes / 2 });
    assert_item(&plan, 0, RETENTION_THIN, RETENTION_RUN_BYTES, "r1");
    assert_int_equal(plan.items[0].bytes, bytes);
    (void)work_off(rig, &plan.items[0]);
    retention_plan_done(&plan);

    int64_t left = rig_number(rig, "SELECT sum(length(body)) FROM chunk");
    assert_in_range(left, bytes / 2 - bytes / 100, bytes / 2);
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    struct rig_records records;
    rig_scan(rig, &query, &records);
    struct run_row row = rig_run(rig, "r1");
    assert_int_equal(row.records[WIRE_STEP], 128 * 200);
    assert_int_equal(row.thinned_records, 128 * 200 - records.n);
    assert_true(records.n > 0);
    assert_int_equal(records.v[records.n - 1].seq, 128 * 200);
    assert_int_equal(records.v[0].seq, row.thinned_records + 1);
    assert_int_equal(assert_whole(rig).thinned_records, 128 * 200 - records.n);
    run_row_done(&row);
    rig_records_done(&records);
}

static void test_a_scan_says_what_it_passed_by(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    struct stream_state s = add_run(rig, 1, 512);
    struct store_thinned thinned = { 0 };
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(
        store_thin(rig->store, s.run, UINT64_MAX, &thinned, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    assert_int_equal(thinned.chunks, 4);
    assert_int_equal(thinned.records, 512);

    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    query.from_step = 200; /* the second chunk and those after it */
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
    assert_int_equal(batch.n, 0);
    assert_int_equal(scan_thinned(scan), 384);
    scan_close(scan);
    reader_close(reader);
}

static void test_what_a_law_is_fitted_to_is_never_thinned(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 1);
    struct rig_records records = { 0 };
    uint64_t seed = 7;
    for (uint64_t seq = 2; seq <= 900; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&records, &r);
    }
    rig_append(rig, &s, 1, &records, 0, records.n);
    (void)rig_seal(rig, &s, true);
    struct retention_item item = {
        .act = RETENTION_THIN, .run = s.run, .last_wall_ns = LATER_NS
    };
    item.bytes = UINT64_MAX; /* as much as there is */
    (void)work_off(rig, &item);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM chunk "
                        "WHERE kind IN (1, 3, 6) AND length(body) > 0"),
        0);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM chunk WHERE "
                                     "kind IN (2, 4, 5) AND length(body) = 0"),
        0);
    static const unsigned kept[] = { WIRE_PROBE, WIRE_EVENT, WIRE_SHARPNESS };
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        unsigned kind = kept[i];
        struct rig_records there;
        struct scan_query query = rig_query(s.run, (enum wire_kind)kind);
        rig_scan(rig, &query, &there);
        rig_assert_same(&records, kind, &there);
        rig_records_done(&there);
    }
    rig_records_done(&records);
    (void)assert_whole(rig);
}

static void test_a_chunk_without_a_summary_gets_one_or_keeps_its_body(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 128 * 150);
    rig_sql(rig, "UPDATE chunk SET summary = x'' WHERE id <= 120");
    rig_sql(rig, "UPDATE chunk SET body = zeroblob(40) WHERE id <= 100");
    struct retention_item item = {
        .act = RETENTION_THIN, .run = s.run, .last_wall_ns = LATER_NS
    };
    item.bytes = UINT64_MAX;
    (void)work_off(rig, &item);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM chunk WHERE length(body) > 0"),
        100);
    assert_int_equal(
        rig_number(rig, "SELECT thinned_records FROM stream_progress"),
        128 * 50);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM chunk WHERE "
                                     "id > 100 AND length(summary) = 0"),
        0);
}

static void test_thinning_is_no_sign_of_life_and_raises_the_revision(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state s = add_run(rig, 1, 300);
    end_run(rig, &s, 1, 3);
    struct run_row before = rig_run(rig, "r1");
    struct retention_item item = {
        .act = RETENTION_THIN, .run = s.run, .last_wall_ns = LATER_NS
    };
    item.bytes = UINT64_MAX; /* as much as there is */
    (void)work_off(rig, &item);
    struct run_row after = rig_run(rig, "r1");
    assert_int_equal(after.updated_wall_ns, before.updated_wall_ns);
    assert_int_equal(after.facts.heard_wall_ns, before.facts.heard_wall_ns);
    assert_true(after.revision > before.revision);
    run_row_done(&before);
    run_row_done(&after);
}

/* ---- small steps --------------------------------------------------------- */

/* Bodies of random bits, with the summary of another chunk: 12 MB, which is
 * more than a step may empty. */
static struct stream_state add_big_run(struct rig *rig, uint32_t number)
{
    struct stream_state s = add_run(rig, number, 300);
    char sql[400];
    (void)snprintf(sql, sizeof sql,
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 1119) INSERT INTO chunk (stream, kind, first_seq, last_seq, "
        "records, summary, body) SELECT %lld, 1, i, i, 1, "
        "(SELECT summary FROM chunk WHERE kind = 1 LIMIT 1), "
        "randomblob(100000) FROM n",
        (long long)s.stream.v);
    rig_sql(rig, sql);
    return s;
}

static void test_a_deletion_thins_in_bounded_steps_first(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    struct stream_state s = add_big_run(rig, 1);
    struct retention_item item = {
        .act = RETENTION_DELETE, .run = s.run, .last_wall_ns = LATER_NS
    };
    struct retention_done done = { 0 };
    assert_int_equal(retention_step(rig->store, &item, &done, &e), ERR_NONE);
    assert_false(done.item_is_over);
    assert_in_range(done.thinned.bytes, 4u << 20, (4u << 20) + 100000);
    assert_true(work_off(rig, &item) >= 3); /* 12 MB, and the row itself */
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM run"), 0);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM chunk"), 0);
    assert_int_equal(
        retention_step(rig->store, &item, &done, &e), ERR_NOT_FOUND);
}

/* A trainer that goes on with a run while the plan that deletes it is worked
 * off. */
static void test_a_run_that_is_heard_again_is_let_alone(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    struct retention_done done = { 0 };
    struct stream_state s = add_big_run(rig, 1);
    end_run(rig, &s, 1, 30);
    struct retention_plan plan =
        plan_of(rig, (struct retention_policy){ .keep_days = 20 });
    assert_item(&plan, 0, RETENTION_DELETE, RETENTION_KEEP_DAYS, "r1");
    assert_int_equal(
        retention_step(rig->store, &plan.items[0], &done, &e), ERR_NONE);
    assert_false(done.item_is_over);
    int64_t thinned =
        rig_number(rig, "SELECT thinned_seq FROM stream_progress");

    (void)rig_hello(rig, 2,
        "{\"run_id\":\"r1\",\"project\":\"p\",\"name\":\"n\",\"rank\":0,"
        "\"attempt\":2}");
    assert_int_equal(
        retention_step(rig->store, &plan.items[0], &done, &e), ERR_NOT_FOUND);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM run"), 1);
    assert_int_equal(
        rig_number(rig, "SELECT max(thinned_seq) FROM stream_progress"),
        thinned);
    retention_plan_done(&plan);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_a_policy_everything_is_kept),
        TEST(test_a_run_goes_when_it_is_older_than_keep_days),
        TEST(test_a_run_that_is_heard_has_no_age),
        TEST(test_what_is_thinned_is_not_thinned_again),
        TEST(test_room_is_made_by_thinning_the_oldest_before_deleting_it),
        TEST(test_room_is_made_when_what_age_asks_for_is_done),
        TEST(test_a_file_within_keep_bytes_stays_as_it_is),
        TEST(test_run_bytes_thins_the_start_and_keeps_the_rest),
        TEST(test_a_scan_says_what_it_passed_by),
        TEST(test_what_a_law_is_fitted_to_is_never_thinned),
        TEST(test_a_chunk_without_a_summary_gets_one_or_keeps_its_body),
        TEST(test_thinning_is_no_sign_of_life_and_raises_the_revision),
        TEST(test_a_deletion_thins_in_bounded_steps_first),
        TEST(test_a_run_that_is_heard_again_is_let_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reading records: order, ranges, cursors, columns, snapshots, damage. */
#include "../lib/store_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HELLO_R1 "{\"run_id\":\"r\",\"attempt\":1}"
#define HELLO_R2 "{\"run_id\":\"r\",\"attempt\":2}"

static int open_rig(void **state)
{
    static struct rig rig;
    rig_open(&rig, 100);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

/* The steps of a scan as "first-last" runs of neighbours. */
static void steps_of(
    const struct rig *rig, const struct scan_query *query, char out[400])
{
    struct rig_records got = { 0 };
    rig_scan(rig, query, &got);
    size_t start = 0;
    out[0] = '\0';
    for (size_t i = 1; i <= got.n; i++) {
        uint64_t before = got.v[i - 1].values[STEP_step];
        if (i < got.n && got.v[i].values[STEP_step] == before + 1) {
            continue;
        }
        char text[60];
        (void)snprintf(text, sizeof text, "%llu-%llu ",
            (unsigned long long)got.v[start].values[STEP_step],
            (unsigned long long)before);
        strcat(out, text);
        start = i;
    }
    rig_records_done(&got);
}

#define assert_steps(rig, query, expected)                                     \
    do {                                                                       \
        char text_[400];                                                       \
        steps_of(rig, query, text_);                                           \
        assert_string_equal(text_, expected);                                  \
    } while (0)

static void test_the_newest_view_leaves_out_what_was_done_again(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = rig_hello(rig, 1, HELLO_R1);
    struct stream_state b = rig_hello(rig, 2, HELLO_R2);
    struct stream_state c =
        rig_hello(rig, 3, "{\"run_id\":\"r\",\"attempt\":3}");
    rig_steps(rig, &a, 1, 0, 500);
    rig_steps(rig, &b, 2, 300, 100);
    rig_steps(rig, &c, 3, 350, 10);
    struct scan_query query = rig_query(a.run, WIRE_STEP);
    assert_steps(rig, &query, "0-499 300-399 350-359 ");
    query.attempts = SCAN_NEWEST;
    assert_steps(rig, &query, "0-359 ");
    (void)rig_seal(rig, &a, false);
    (void)rig_seal(rig, &b, true);
    assert_steps(rig, &query, "0-359 ");
    query.attempts = SCAN_ONE;
    query.attempt = 2;
    assert_steps(rig, &query, "300-399 ");
}

/* n records of a kind, from a step on, or without one; 50 a message. */
static void append_kind(struct rig *rig, struct stream_state *stream,
    uint32_t uid, enum wire_kind kind, int64_t first_step, size_t n)
{
    struct rig_records records = { 0 };
    for (size_t i = 0; i < n; i++) {
        const struct rig_record r = { .seq = stream->committed_seq + 1 + i,
            .kind = kind,
            .present = first_step < 0 ? 0 : 1,
            .values = { (uint64_t)(first_step + (int64_t)i) } };
        rig_records_add(&records, &r);
    }
    for (size_t at = 0; at < n; at += 50) {
        rig_append(rig, stream, uid, &records, at, n - at < 50 ? n : at + 50);
    }
    rig_records_done(&records);
}

/* In the log, and when it is in chunks. */
static void test_attempts_of_probes_alone_are_cut_too(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = rig_hello(rig, 1, HELLO_R1);
    struct stream_state b = rig_hello(rig, 2, HELLO_R2);
    append_kind(rig, &a, 1, WIRE_PROBE, 0, 500);
    struct scan_query query = rig_query(a.run, WIRE_PROBE);
    query.attempts = SCAN_NEWEST;
    append_kind(rig, &b, 2, WIRE_EVENT, 7, 60); /* what begins nothing */
    append_kind(rig, &b, 2, WIRE_PROBE, -1, 60);
    assert_steps(rig, &query,
        "0-499 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 "
        "0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 "
        "0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 "
        "0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 "
        "0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 0-0 "
        "0-0 0-0 0-0 0-0 0-0 0-0 ");
    append_kind(rig, &b, 2, WIRE_PROBE, 300, 150);
    query.from_step = 1;
    assert_steps(rig, &query, "1-449 ");
    (void)rig_seal(rig, &a, true);
    assert_steps(rig, &query, "1-449 ");
    (void)rig_seal(rig, &b, true);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM log"), 0);
    assert_steps(rig, &query, "1-449 ");
    /* With steps it is these that count. */
    rig_steps(rig, &b, 2, 400, 10);
    assert_steps(rig, &query, "1-399 300-449 ");
}

static void test_ranks_are_cut_on_their_own(void **state)
{
    struct rig *rig = *state;
    struct stream_state a0 = rig_hello(
        rig, 1, "{\"run_id\":\"r\",\"attempt\":1,\"rank\":0,\"world\":2}");
    struct stream_state a1 = rig_hello(
        rig, 2, "{\"run_id\":\"r\",\"attempt\":1,\"rank\":1,\"world\":2}");
    struct stream_state b1 = rig_hello(
        rig, 3, "{\"run_id\":\"r\",\"attempt\":2,\"rank\":1,\"world\":2}");
    rig_steps(rig, &a0, 1, 0, 10);
    rig_steps(rig, &a1, 2, 0, 10);
    rig_steps(rig, &b1, 3, 5, 3);
    struct scan_query query = rig_query(a0.run, WIRE_STEP);
    query.attempts = SCAN_NEWEST;
    assert_steps(rig, &query, "0-9 0-7 ");
    query.rank = 1;
    assert_steps(rig, &query, "0-7 ");
    query.rank = 0;
    assert_steps(rig, &query, "0-9 ");
}

static void test_a_range_of_steps_is_exact_in_chunks_and_log(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 500);
    (void)rig_seal(rig, &s, false);
    rig_steps(rig, &s, 1, 500, 50);
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    query.from_step = 130;
    query.to_step = 270;
    assert_steps(rig, &query, "130-270 ");
    query.to_step = UINT64_MAX;
    assert_steps(rig, &query, "130-549 ");
    query.from_step = 0;
    query.to_step = 0;
    assert_steps(rig, &query, "0-0 ");
    query.from_step = 549;
    query.to_step = 600;
    assert_steps(rig, &query, "549-549 ");
    query.from_step = 550;
    assert_steps(rig, &query, "");
}

/* Its steps go past the range on both sides, and none is in it. */
static void test_a_chunk_around_the_range_gives_nothing(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = { 0 };
    struct rig_records got = { 0 };
    for (uint64_t i = 0; i < 20; i++) {
        struct rig_record r = { .seq = i + 1,
            .kind = WIRE_METRIC,
            .present = 1u << METRIC_step | 1u << METRIC_name,
            .text = strdup("name"),
            .text_bytes = 4 };
        r.values[METRIC_step] = i % 2 == 0 ? i : 1000 + i;
        rig_records_add(&sent, &r);
    }
    for (size_t i = 0; i < 20; i += 10) {
        rig_append(rig, &s, 1, &sent, i, i + 10);
        (void)rig_seal(rig, &s, true);
    }
    struct scan_query query = rig_query(s.run, WIRE_METRIC);
    query.from_step = 100;
    query.to_step = 200;
    rig_scan(rig, &query, &got);
    assert_int_equal(got.n, 0);
    rig_records_done(&got);
    rig_records_done(&sent);
}

static void test_steps_beyond_2_63_are_in_their_range(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = { 0 };
    for (uint64_t i = 0; i < 200; i++) {
        struct rig_record r = rig_step(i + 1, UINT64_MAX - 199 + i, 0);
        rig_records_add(&sent, &r);
    }
    rig_append(rig, &s, 1, &sent, 0, 200);
    (void)rig_seal(rig, &s, false);
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    query.from_step = UINT64_MAX - 5;
    assert_steps(rig, &query, "18446744073709551610-18446744073709551615 ");
    rig_records_done(&sent);
}

static void test_a_cursor_goes_on_where_it_was_anywhere(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = rig_hello(rig, 1, HELLO_R1);
    struct stream_state b = rig_hello(rig, 2, HELLO_R2);
    rig_steps(rig, &a, 1, 0, 250);
    (void)rig_seal(rig, &a, false);
    rig_steps(rig, &a, 1, 250, 30);
    rig_steps(rig, &b, 2, 1000, 120);
    struct rig_records all = { 0 };
    struct scan_query query = rig_query(a.run, WIRE_STEP);
    rig_scan(rig, &query, &all);
    assert_int_equal(all.n, 400);
    for (size_t i = 0; i + 1 < all.n; i += 7) {
        struct rig_records rest = { 0 };
        query.after_attempt = i < 280 ? 1 : 2;
        query.after_seq = all.v[i].seq;
        rig_scan(rig, &query, &rest);
        assert_int_equal(rest.n, all.n - i - 1);
        assert_int_equal(
            rest.v[0].values[STEP_step], all.v[i + 1].values[STEP_step]);
        rig_records_done(&rest);
    }
    rig_records_done(&all);
}

static void test_only_wanted_columns_come(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 200);
    (void)rig_seal(rig, &s, false);
    rig_steps(rig, &s, 1, 200, 10);
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct err e = { 0 };
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    query.fields = UINT64_C(1) << STEP_loss | UINT64_C(1) << STEP_lr;
    query.from_step = 10; /* the step is read for it, and not handed out */
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    size_t n = 0;
    do {
        assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
        assert_null(batch.columns[STEP_step]);
        assert_null(batch.columns[STEP_lr]);
        assert_true(batch.n == 0 || scan_f64(batch.columns[STEP_loss], 0) ==
                                        (double)(n + 10) / 3);
        n += batch.n;
    } while (batch.n > 0);
    assert_int_equal(n, 200);
    scan_close(scan);
    reader_close(reader);
}

static void test_a_scan_sees_one_state_while_the_writer_goes_on(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 9000);
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct err e = { 0 };
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    uint64_t seq = 0;
    do {
        assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
        for (size_t i = 0; i < batch.n; i++) {
            assert_int_equal(batch.seq[i], ++seq);
        }
        struct stream_state now = s;
        (void)rig_seal(rig, &now, false);
        rig_steps(rig, &s, 1, 9000 + seq, 10);
    } while (batch.n > 0);
    assert_int_equal(seq, 9000);
    scan_close(scan);
    reader_close(reader);
}

/* Records of steps 0, 1, ... of two streams, 9000 of each, while more come and
 * all are sealed at each pause. */
static void test_a_paused_scan_gives_what_was_there_when_it_was_opened(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state a = rig_hello(rig, 1, HELLO_R1);
    struct stream_state b = rig_hello(rig, 2, HELLO_R2);
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct err e = { 0 };
    rig_steps(rig, &a, 1, 0, 9000);
    rig_steps(rig, &b, 2, 9000, 9000);
    struct scan_query query = rig_query(a.run, WIRE_STEP);
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    uint64_t step = 0;
    do {
        scan_pause(scan);
        scan_pause(scan);
        rig_steps(rig, &a, 1, 100000, 10);
        rig_steps(rig, &b, 2, 200000, 10);
        (void)rig_seal(rig, &a, false);
        (void)rig_seal(rig, &b, true);
        (void)rig_hello(rig, 3, "{\"run_id\":\"r\",\"attempt\":3}");
        assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
        for (size_t i = 0; i < batch.n; i++) {
            assert_int_equal(batch.columns[STEP_step][i], step++);
        }
    } while (batch.n > 0);
    assert_int_equal(step, 18000);
    scan_close(scan);
    reader_close(reader);
}

static void test_a_paused_scan_does_not_hold_the_log(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct err e = { 0 };
    rig_steps(rig, &s, 1, 0, 5000);
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    rig_steps(rig, &s, 1, 5000, 10);
    assert_int_equal(
        rig_number(rig, "PRAGMA wal_checkpoint(TRUNCATE)"), 1); /* busy */
    scan_pause(scan);
    assert_int_equal(rig_number(rig, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    scan_close(scan);
    reader_close(reader);
}

/* Of a run that is deleted at the pause; `again`: another gets its ids. */
static void pause_and_delete(struct rig *rig, const char *again)
{
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct err e = { 0 };
    rig_steps(rig, &s, 1, 0, 9000);
    struct scan_query query = rig_query(s.run, WIRE_STEP);
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
    scan_pause(scan);
    rig_sql(rig, "PRAGMA foreign_keys = ON; DELETE FROM run;");
    if (again != NULL) {
        struct stream_state other = rig_hello(rig, 2, again);
        assert_int_equal(other.stream.v, s.stream.v);
        rig_steps(rig, &other, 2, 0, 9000);
    }
    assert_int_equal(scan_next(scan, &batch, &e), ERR_NOT_FOUND);
    scan_close(scan);
    reader_close(reader);
}

static void test_a_paused_scan_says_that_its_run_was_deleted(void **state)
{
    pause_and_delete(*state, NULL);
}

static void test_a_paused_scan_takes_no_other_stream_for_its_own(void **state)
{
    pause_and_delete(*state, "{\"run_id\":\"r\",\"attempt\":1}");
}

struct reading {
    const struct rig *rig;
    struct run_id run;
    _Atomic bool stop;    /* relaxed: one scan more does no harm */
    _Atomic size_t scans; /* so */
};

/* Each scan sees all records from the first on, and never fewer than before. */
static void *read_on(void *context)
{
    struct reading *reading = context;
    size_t before = 0;
    while (!reading->stop) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(reading->run, WIRE_STEP);
        rig_scan(reading->rig, &query, &got);
        bool right = got.n >= before;
        for (size_t i = 0; right && i < got.n; i++) {
            right = got.v[i].seq == i + 1;
        }
        if (!right) {
            abort(); /* cmocka's assertions are for the main thread */
        }
        before = got.n;
        rig_records_done(&got);
        reading->scans++;
    }
    return NULL;
}

static void test_readers_miss_nothing_while_another_thread_seals(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct reading reading = { .rig = rig, .run = s.run };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &reading), 0);
    for (uint64_t i = 0; i < 200 || (reading.scans < 10 && i < 20000); i++) {
        rig_steps(rig, &s, 1, s.committed_seq, 30);
        (void)rig_seal(rig, &s, i % 7 == 0);
    }
    reading.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(reading.scans >= 1);
}

/* Scans to the end over errors: the records that could be read. */
static size_t count_readable(
    const struct rig *rig, struct run_id run, size_t *ret_errors)
{
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    struct scan_query query = rig_query(run, WIRE_STEP);
    struct err e = { 0 };
    size_t n = 0;
    *ret_errors = 0;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    while (batch.n > 0) {
        enum err_code code = scan_next(scan, &batch, &e);
        if (code != ERR_NONE) {
            assert_int_equal(code, ERR_STORE);
            assert_non_null(strstr(e.text, "damaged"));
            ++*ret_errors;
            continue;
        }
        n += batch.n;
    }
    scan_close(scan);
    reader_close(reader);
    return n;
}

static void test_a_damaged_chunk_is_said_and_the_others_are_read(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 512);
    (void)rig_seal(rig, &s, true);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM chunk"), 4);
    static const char *const damage[] = {
        "substr(body, 1, length(body) - 1)",
        "substr(body, 1, 30)",
        "x''",
        "zeroblob(length(body))",
        "CAST(substr(body, 1, 100) || x'aa' || substr(body, 102) AS BLOB)",
    };
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        char sql[300];
        size_t errors = 0;
        rig_sql(rig, "CREATE TABLE keep AS SELECT id, body FROM chunk");
        (void)snprintf(sql, sizeof sql,
            "UPDATE chunk SET body = %s WHERE id = 2", damage[i]);
        rig_sql(rig, sql);
        assert_int_equal(count_readable(rig, s.run, &errors), 512 - 128);
        assert_int_equal(errors, 1);
        rig_sql(rig, "UPDATE chunk SET body = (SELECT body FROM keep "
                     "WHERE keep.id = chunk.id); DROP TABLE keep");
    }
    size_t errors = 0;
    assert_int_equal(count_readable(rig, s.run, &errors), 512);
    assert_int_equal(errors, 0);
}

static void test_a_damaged_log_row_is_said_and_scanning_goes_on(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 64 * 80);
    rig_sql(rig, "UPDATE log SET frame = substr(frame, 2) WHERE id = 70");
    size_t errors = 0;
    assert_true(count_readable(rig, s.run, &errors) >= 64 * 74);
    assert_int_equal(errors, 1);
    struct err e = { 0 };
    uint64_t sealed = 0;
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    while (store_seal(rig->store, s.stream, false, &sealed, &e) == ERR_NONE) {
        assert_true(sealed > 0);
    }
    assert_non_null(strstr(e.text, "damaged"));
    store_rollback(rig->store);
}

static void test_a_run_without_records_gives_none(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(s.run, (enum wire_kind)kind);
        rig_scan(rig, &query, &got);
        assert_int_equal(got.n, 0);
        query.run.v = 77;
        rig_scan(rig, &query, &got);
        assert_int_equal(got.n, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_newest_view_leaves_out_what_was_done_again),
        TEST(test_attempts_of_probes_alone_are_cut_too),
        TEST(test_ranks_are_cut_on_their_own),
        TEST(test_a_range_of_steps_is_exact_in_chunks_and_log),
        TEST(test_a_chunk_around_the_range_gives_nothing),
        TEST(test_steps_beyond_2_63_are_in_their_range),
        TEST(test_a_cursor_goes_on_where_it_was_anywhere),
        TEST(test_only_wanted_columns_come),
        TEST(test_a_scan_sees_one_state_while_the_writer_goes_on),
        TEST(test_a_paused_scan_gives_what_was_there_when_it_was_opened),
        TEST(test_a_paused_scan_does_not_hold_the_log),
        TEST(test_a_paused_scan_says_that_its_run_was_deleted),
        TEST(test_a_paused_scan_takes_no_other_stream_for_its_own),
        TEST(test_readers_miss_nothing_while_another_thread_seals),
        TEST(test_a_damaged_chunk_is_said_and_the_others_are_read),
        TEST(test_a_damaged_log_row_is_said_and_scanning_goes_on),
        TEST(test_a_run_without_records_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

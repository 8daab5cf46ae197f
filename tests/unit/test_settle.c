/* What comes in one transaction: in chunks at once, or in the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "store/db.h"

#define CHUNK 128u /* records that are worth one */
#define FRAMES_MAX 16u
#define FRAME_BYTES (512u << 10)

static struct rig rig;
static struct rig_records sent; /* of any kind; each seq once */
static uint8_t frames[FRAMES_MAX][FRAME_BYTES];

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig, CHUNK);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static int make_records(void **state)
{
    (void)state;
    uint64_t seed = 21;
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    return 0;
}

static int free_records(void **state)
{
    (void)state;
    rig_records_done(&sent);
    return 0;
}

static struct stream_state hello(uint32_t uid)
{
    char json[64];
    (void)snprintf(
        json, sizeof json, "{\"run_id\":\"r%u\",\"attempt\":1}", uid);
    return rig_hello(&rig, uid, json);
}

static void begin(void)
{
    struct err e = { 0 };
    assert_int_equal(store_begin(rig.store, &e), ERR_NONE);
}

/* Records [from, to), as frame i of the transaction. */
static void append(
    struct stream_state *s, uint32_t uid, size_t i, size_t from, size_t to)
{
    struct err e = { 0 };
    uint32_t taken = 0;
    size_t n = rig_encode(&sent, from, to, uid, 0, frames[i], FRAME_BYTES);
    assert_int_equal(
        rig_try_append(&rig, s, frames[i], n, RIG_NOW_NS, &taken, &e),
        ERR_NONE);
}

/* Returns the chunks that were made at once, of all kinds of a range one. */
static uint64_t commit(struct stream_state *s)
{
    struct err e = { 0 };
    uint64_t ranges = 0;
    assert_int_equal(store_settle(rig.store, &ranges, &e), ERR_NONE);
    store_refresh(rig.store, s);
    assert_int_equal(store_commit(rig.store, &e), ERR_NONE);
    return ranges;
}

static int64_t log_rows(void)
{
    return rig_number(&rig, "SELECT count(*) FROM log");
}

static void assert_are_there(const struct stream_state *s, size_t n)
{
    const struct rig_records expected = { .v = sent.v, .n = n };
    assert_int_equal(s->committed_seq, n);
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(s->run, (enum wire_kind)kind);
        rig_scan(&rig, &query, &got);
        rig_assert_same(&expected, kind, &got);
        rig_records_done(&got);
    }
}

/* As the rows themselves say. */
static void assert_log_is_counted(const struct stream_state *s)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
        "SELECT (SELECT coalesce(sum(length(frame)), 0) FROM log) - log_bytes "
        "FROM stream_progress WHERE stream = %lld",
        (long long)s->stream.v);
    assert_int_equal(rig_number(&rig, sql), 0);
    (void)snprintf(sql, sizeof sql,
        "SELECT log_bytes FROM stream_progress WHERE stream = %lld",
        (long long)s->stream.v);
    assert_int_equal(rig_number(&rig, sql), s->log_bytes);
}

static void test_much_at_once_is_never_in_the_log(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    begin();
    for (size_t i = 0; i < 16; i++) {
        append(&s, 1, i, i * 60, i * 60 + 60);
    }
    assert_true(commit(&s) >= 4);
    assert_true(log_rows() <= 3); /* less than a chunk */
    assert_false(s.fills_chunk);
    assert_are_there(&s, 960);
    assert_log_is_counted(&s);
    assert_int_equal(rig_number(&rig, "SELECT max(id) FROM log"), log_rows());
}

static void test_what_is_left_in_the_log_goes_before(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    rig_append(&rig, &s, 1, &sent, 0, 50);
    assert_int_equal(log_rows(), 1);
    begin();
    append(&s, 1, 0, 50, 100);
    append(&s, 1, 1, 100, 260);
    assert_int_equal(commit(&s), 1);
    assert_int_equal(log_rows(), 0);
    assert_are_there(&s, 260);
    assert_log_is_counted(&s);
}

static void test_a_chunk_waits_where_less_than_half_of_it_is_new(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    rig_append(&rig, &s, 1, &sent, 0, 50);
    rig_append(&rig, &s, 1, &sent, 50, 100);
    begin();
    append(&s, 1, 0, 100, 160);
    assert_int_equal(commit(&s), 0);
    assert_int_equal(log_rows(), 3);
    assert_int_equal(rig_number(&rig, "SELECT count(*) FROM chunk"), 0);
    assert_are_there(&s, 160);
    assert_log_is_counted(&s);
    assert_true(rig_seal(&rig, &s, false) >= 1);
    assert_are_there(&s, 160);
}

static void test_what_is_due_in_the_log_waits_for_its_time(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    for (size_t i = 0; i < 4; i++) {
        rig_append(&rig, &s, 1, &sent, i * 50, i * 50 + 50);
    }
    begin();
    append(&s, 1, 0, 200, 400);
    assert_int_equal(commit(&s), 0);
    assert_int_equal(log_rows(), 5);
    assert_are_there(&s, 400);
}

static void test_streams_of_one_transaction_stay_apart(void **state)
{
    (void)state;
    struct stream_state a = hello(1);
    struct stream_state b = hello(2);
    struct stream_state c = hello(3);
    begin();
    for (size_t i = 0; i < 5; i++) {
        append(&a, 1, 3 * i, i * 80, i * 80 + 80);
        append(&b, 2, 3 * i + 1, i * 90, i * 90 + 90);
        append(&c, 3, 3 * i + 2, i * 10, i * 10 + 10);
    }
    assert_true(commit(&a) >= 4);
    assert_are_there(&a, 400);
    assert_are_there(&b, 450);
    assert_are_there(&c, 50);
    assert_int_equal(
        rig_number(&rig, "SELECT count(DISTINCT stream) FROM chunk"), 2);
}

static void test_what_was_there_before_is_not_sealed_again(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    rig_append(&rig, &s, 1, &sent, 0, 20);
    begin();
    append(&s, 1, 0, 5, 150);
    append(&s, 1, 1, 100, 300);
    assert_true(commit(&s) >= 1);
    assert_are_there(&s, 300);
}

static void test_sealing_in_the_transaction_finds_all_of_it(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    struct err e = { 0 };
    uint64_t sealed = 0;
    begin();
    append(&s, 1, 0, 0, 30);
    append(&s, 1, 1, 30, 60);
    assert_int_equal(
        store_seal(rig.store, s.stream, true, &sealed, &e), ERR_NONE);
    assert_true(sealed > 0);
    append(&s, 1, 2, 60, 90);
    assert_int_equal(commit(&s), 0);
    assert_int_equal(log_rows(), 1);
    assert_are_there(&s, 90);
    assert_log_is_counted(&s);
}

static void test_a_rollback_leaves_nothing_of_it(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    struct stream_state before = s;
    struct err e = { 0 };
    uint64_t ranges = 0;
    rig_append(&rig, &s, 1, &sent, 0, 40);
    before = s;
    begin();
    append(&s, 1, 0, 40, 300);
    append(&s, 1, 1, 300, 320);
    assert_int_equal(store_settle(rig.store, &ranges, &e), ERR_NONE);
    assert_true(ranges > 0);
    store_rollback(rig.store);
    assert_int_equal(rig_number(&rig, "SELECT count(*) FROM chunk"), 0);
    assert_int_equal(log_rows(), 1);
    s = before;
    rig_append(&rig, &s, 1, &sent, 40, 300);
    assert_are_there(&s, 300);
}

static void test_a_damaged_row_keeps_nobody_from_storing(void **state)
{
    (void)state;
    struct stream_state s = hello(1);
    rig_append(&rig, &s, 1, &sent, 0, 40);
    rig_sql(&rig, "UPDATE log SET frame = zeroblob(length(frame))");
    begin();
    append(&s, 1, 0, 40, 200);
    append(&s, 1, 1, 200, 300);
    assert_int_equal(commit(&s), 0);
    assert_int_equal(s.committed_seq, 300);
    assert_int_equal(log_rows(), 3);
    assert_log_is_counted(&s);
}

static void test_a_deleted_run_takes_what_was_held(void **state)
{
    (void)state;
    struct stream_state a = hello(1);
    struct stream_state b = hello(2);
    struct err e = { 0 };
    begin();
    append(&a, 1, 0, 0, 20);
    append(&b, 2, 1, 0, 20);
    assert_int_equal(store_delete_run(rig.store, a.run, &e), ERR_NONE);
    assert_int_equal(commit(&b), 0);
    assert_int_equal(log_rows(), 1);
    assert_are_there(&b, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        TEST(test_much_at_once_is_never_in_the_log),
        TEST(test_what_is_left_in_the_log_goes_before),
        TEST(test_a_chunk_waits_where_less_than_half_of_it_is_new),
        TEST(test_what_is_due_in_the_log_waits_for_its_time),
        TEST(test_streams_of_one_transaction_stay_apart),
        TEST(test_what_was_there_before_is_not_sealed_again),
        TEST(test_sealing_in_the_transaction_finds_all_of_it),
        TEST(test_a_rollback_leaves_nothing_of_it),
        TEST(test_a_damaged_row_keeps_nobody_from_storing),
        TEST(test_a_deleted_run_takes_what_was_held),
    };
    return cmocka_run_group_tests(tests, make_records, free_records);
}

/* What the store promises its writer: store.h. */
#include "../lib/store_rig.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "traj.h"

#define HELLO_R1 "{\"run_id\":\"r\",\"attempt\":1}"
#define SECOND INT64_C(1000000000)

static uint8_t frame[WIRE_MESSAGE_MAX];

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

static struct rig_records steps(uint64_t first, size_t n)
{
    struct rig_records records = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct rig_record r = rig_step(first + i, first + i, 0.5);
        rig_records_add(&records, &r);
    }
    return records;
}

/* Appends records [from, to) with these flags, at this time. */
static enum err_code send(struct rig *rig, struct stream_state *s,
    const struct rig_records *records, size_t from, size_t to, unsigned flags,
    int64_t now_ns, uint32_t *ret_new)
{
    struct err e = { 0 };
    size_t n = rig_encode(records, from, to, 1, flags, frame, sizeof frame);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    enum err_code code = rig_try_append(rig, s, frame, n, now_ns, ret_new, &e);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    return code;
}

static void assert_all_kinds_same(const struct rig *rig,
    const struct stream_state *s, const struct rig_records *sent)
{
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(s->run, (enum wire_kind)kind);
        rig_scan(rig, &query, &got);
        rig_assert_same(sent, kind, &got);
        rig_records_done(&got);
    }
}

static void test_any_records_in_any_frames_sealed_or_not_come_back_exactly(
    void **state)
{
    struct rig *rig = *state;
    rig_reopen(rig, 100);
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = { 0 };
    uint64_t seed = 8;
    for (uint64_t seq = 1; seq <= 5000; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    /* Frames of any length that start anywhere in what is already there. */
    while (s.committed_seq < 5000) {
        size_t from = (size_t)s.committed_seq;
        from -= rig_random(&seed) % (from + 1) % 20;
        size_t to = from + 1 + (size_t)(rig_random(&seed) % 90);
        rig_append(rig, &s, 1, &sent, from, to > 5000 ? 5000 : to);
        if (rig_random(&seed) % 8 == 0) {
            (void)rig_seal(rig, &s, rig_random(&seed) % 8 == 0);
        }
    }
    assert_all_kinds_same(rig, &s, &sent);
    assert_true(rig_number(rig, "SELECT count(*) FROM chunk") > 10);
    assert_true(rig_number(rig, "SELECT count(*) FROM log") > 0);
    (void)rig_seal(rig, &s, true);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM log"), 0);
    assert_all_kinds_same(rig, &s, &sent);
    rig_records_done(&sent);
}

static void test_64_interleaved_streams_keep_their_records_apart(void **state)
{
    struct rig *rig = *state;
    struct stream_state streams[64];
    rig_reopen(rig, 128);
    for (uint32_t i = 0; i < 64; i++) {
        char hello[100];
        (void)snprintf(hello, sizeof hello,
            "{\"run_id\":\"r%u\",\"attempt\":1,\"rank\":%u,\"world\":4}", i / 4,
            i % 4);
        streams[i] = rig_hello(rig, i, hello);
    }
    for (size_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 64; i++) {
            rig_steps(rig, &streams[i], i, 1000 * i + 64 * round, 64);
            (void)rig_seal(rig, &streams[i], false);
        }
    }
    for (uint32_t i = 0; i < 64; i++) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(streams[i].run, WIRE_STEP);
        query.rank = streams[i].rank;
        rig_scan(rig, &query, &got);
        assert_int_equal(got.n, 320);
        assert_int_equal(got.v[0].values[STEP_step], 1000 * i);
        assert_int_equal(got.v[319].values[STEP_step], 1000 * i + 319);
        rig_records_done(&got);
    }
}

static void test_what_was_sent_before_is_left_out(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = steps(1, 30);
    uint32_t taken = 99;
    assert_int_equal(
        send(rig, &s, &sent, 0, 20, 0, RIG_NOW_NS, &taken), ERR_NONE);
    assert_int_equal(taken, 20);
    assert_int_equal(
        send(rig, &s, &sent, 0, 20, 0, RIG_NOW_NS, &taken), ERR_NONE);
    assert_int_equal(taken, 0);
    assert_int_equal(
        send(rig, &s, &sent, 10, 30, 0, RIG_NOW_NS, &taken), ERR_NONE);
    assert_int_equal(taken, 10);
    assert_int_equal(s.committed_seq, 30);
    assert_all_kinds_same(rig, &s, &sent);
    struct run_row row = rig_run(rig, "r");
    assert_int_equal(row.records[WIRE_STEP], 30);
    run_row_done(&row);
    rig_records_done(&sent);
}

static void test_a_gap_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = steps(1, 30);
    uint32_t taken = 0;
    assert_int_equal(
        send(rig, &s, &sent, 0, 10, 0, RIG_NOW_NS, &taken), ERR_NONE);
    assert_int_equal(
        send(rig, &s, &sent, 11, 30, 0, RIG_NOW_NS, &taken), ERR_INVALID);
    assert_int_equal(s.committed_seq, 10);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM log"), 1);
    rig_records_done(&sent);
}

static void test_a_declared_gap_is_counted_as_lost(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = steps(1, 30);
    uint32_t taken = 0;
    assert_int_equal(
        send(rig, &s, &sent, 0, 10, 0, RIG_NOW_NS, &taken), ERR_NONE);
    assert_int_equal(
        send(rig, &s, &sent, 15, 30, WIRE_F_GAP, RIG_NOW_NS, &taken), ERR_NONE);
    assert_int_equal(taken, 15);
    assert_int_equal(s.committed_seq, 30);
    struct run_row row = rig_run(rig, "r");
    assert_int_equal(row.lost_records, 5);
    assert_int_equal(row.records[WIRE_STEP], 25);
    run_row_done(&row);
    rig_records_done(&sent);
}

static void test_seqs_beyond_2_63_are_refused(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = steps(UINT64_MAX / 2, 2);
    uint32_t taken = 0;
    assert_int_equal(send(rig, &s, &sent, 0, 2, WIRE_F_GAP, RIG_NOW_NS, &taken),
        ERR_INVALID);
    assert_int_equal(s.committed_seq, 0);
    rig_records_done(&sent);
}

static void test_a_rolled_back_transaction_leaves_no_trace(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct stream_state before = s;
    struct rig_records sent = steps(1, 10);
    struct err e = { 0 };
    uint32_t taken = 0;
    size_t n = rig_encode(&sent, 0, 10, 1, 0, frame, sizeof frame);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(
        rig_try_append(rig, &s, frame, n, RIG_NOW_NS, &taken, &e), ERR_NONE);
    store_rollback(rig->store);

    assert_int_equal(store_stream(rig->store, rig_uid(1), &s, &e), ERR_NONE);
    assert_int_equal(s.committed_seq, before.committed_seq);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM log"), 0);
    rig_append(rig, &s, 1, &sent, 0, 10);
    assert_int_equal(s.committed_seq, 10);
    rig_records_done(&sent);
}

static void test_nothing_is_written_outside_a_transaction(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = steps(1, 10);
    struct err e = { 0 };
    uint32_t taken = 0;
    size_t n = rig_encode(&sent, 0, 10, 1, 0, frame, sizeof frame);
    assert_int_equal(
        rig_try_append(rig, &s, frame, n, RIG_NOW_NS, &taken, &e), ERR_STORE);
    assert_int_equal(store_commit(rig->store, &e), ERR_STORE);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM log"), 0);
    rig_records_done(&sent);
}

static void test_streams_are_found_again_after_a_restart(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 100, 130);
    rig_reopen(rig, 0);
    struct stream_state again = { 0 };
    struct err e = { 0 };
    assert_int_equal(
        store_stream(rig->store, rig_uid(1), &again, &e), ERR_NONE);
    assert_int_equal(again.stream.v, s.stream.v);
    assert_int_equal(again.run.v, s.run.v);
    assert_int_equal(again.attempt, 1);
    assert_int_equal(again.committed_seq, 130);
    assert_int_equal(
        store_stream(rig->store, rig_uid(2), &again, &e), ERR_NOT_FOUND);
}

static void test_hello_twice_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 1, 5);
    struct run_row before = rig_run(rig, "r");
    struct stream_state again = rig_hello(rig, 1, HELLO_R1);
    struct run_row after = rig_run(rig, "r");
    assert_int_equal(again.stream.v, s.stream.v);
    assert_int_equal(again.committed_seq, 5);
    assert_int_equal(after.revision, before.revision);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM stream"), 1);
    run_row_done(&before);
    run_row_done(&after);
}

static void test_a_taken_attempt_gives_the_next_free_one(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_hello(rig, 1, HELLO_R1).attempt, 1);
    assert_int_equal(
        rig_hello(rig, 2, "{\"run_id\":\"r\",\"attempt\":3}").attempt, 3);
    assert_int_equal(rig_hello(rig, 3, HELLO_R1).attempt, 2);
    assert_int_equal(rig_hello(rig, 4, HELLO_R1).attempt, 4);
    /* Another rank has attempts of its own. */
    assert_int_equal(rig_hello(rig, 5,
                         "{\"run_id\":\"r\",\"attempt\":1,\"rank\":1,"
                         "\"world\":2}")
                         .attempt,
        1);
}

static void test_revision_rises_by_one_per_commit_that_touches(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = steps(1, 20);
    struct run_row row = rig_run(rig, "r");
    uint64_t revision = row.revision;
    run_row_done(&row);

    struct err e = { 0 };
    uint32_t taken = 0;
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    for (size_t i = 0; i < 20; i += 10) {
        size_t n = rig_encode(&sent, i, i + 10, 1, 0, frame, sizeof frame);
        assert_int_equal(
            rig_try_append(rig, &s, frame, n, RIG_NOW_NS + 7, &taken, &e),
            ERR_NONE);
    }
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    row = rig_run(rig, "r");
    assert_int_equal(row.revision, revision + 1);
    assert_int_equal(row.updated_wall_ns, RIG_NOW_NS + 7);
    run_row_done(&row);
    rig_records_done(&sent);
}

static void test_a_keepalive_is_a_sign_of_life_and_no_revision(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records none = steps(1, 1);
    struct run_row before = rig_run(rig, "r");
    uint32_t taken = 9;
    int64_t now = RIG_NOW_NS + 5 * SECOND;
    assert_int_equal(send(rig, &s, &none, 0, 0, 0, now, &taken), ERR_NONE);
    assert_int_equal(taken, 0);
    /* Soon after, it is not worth a write. */
    assert_int_equal(send(rig, &s, &none, 0, 0, 0, now + 1, &taken), ERR_NONE);
    /* A sync is no sign of life of the trainer. */
    assert_int_equal(
        send(rig, &s, &none, 0, 0, WIRE_F_SYNC, now + 9 * SECOND, &taken),
        ERR_NONE);
    struct run_row after = rig_run(rig, "r");
    assert_int_equal(after.facts.heard_wall_ns, now);
    assert_int_equal(after.revision, before.revision);
    run_row_done(&before);
    run_row_done(&after);
    rig_records_done(&none);
}

static struct rig_record event(
    uint64_t seq, uint64_t kind, double value, int64_t exit_code)
{
    struct rig_record r = { .seq = seq, .kind = WIRE_EVENT };
    r.present = 1u << EVENT_event | 1u << EVENT_value | 1u << EVENT_exit_code;
    r.values[EVENT_event] = kind;
    memcpy(&r.values[EVENT_value], &value, sizeof value);
    r.values[EVENT_exit_code] = (uint64_t)exit_code;
    return r;
}

static void send_event(
    struct rig *rig, struct stream_state *s, uint32_t uid, struct rig_record r)
{
    struct rig_records records = { 0 };
    rig_records_add(&records, &r);
    rig_append(rig, s, uid, &records, 0, 1);
    rig_records_done(&records);
}

static void test_finish_is_of_all_ranks_and_a_failure_of_one(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = rig_hello(
        rig, 1, "{\"run_id\":\"r\",\"attempt\":1,\"rank\":0,\"world\":2}");
    struct stream_state b = rig_hello(
        rig, 2, "{\"run_id\":\"r\",\"attempt\":1,\"rank\":1,\"world\":2}");
    send_event(rig, &a, 1, event(1, TRAJ_EVENT_FINISH, 0, 0));
    struct run_row row = rig_run(rig, "r");
    assert_false(row.facts.finished);
    run_row_done(&row);
    send_event(rig, &b, 2, event(1, TRAJ_EVENT_FINISH, 0, -3));
    row = rig_run(rig, "r");
    assert_true(row.facts.finished);
    assert_int_equal(row.facts.exit_code, -3);
    run_row_done(&row);
    /* A new attempt starts anew. */
    (void)rig_hello(rig, 3, "{\"run_id\":\"r\",\"attempt\":2}");
    row = rig_run(rig, "r");
    assert_false(row.facts.finished);
    assert_int_equal(row.facts.exit_code, 0);
    assert_int_equal(row.attempts, 2);
    assert_int_equal(row.ranks, 1);
    run_row_done(&row);
}

static void test_dropped_events_add_up(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    send_event(rig, &s, 1, event(1, TRAJ_EVENT_DROPPED, 40, 0));
    send_event(rig, &s, 1, event(2, TRAJ_EVENT_DROPPED, 2, 0));
    send_event(rig, &s, 1, event(3, TRAJ_EVENT_DROPPED, (double)NAN, 0));
    send_event(rig, &s, 1, event(4, TRAJ_EVENT_DROPPED, -1e300, 0));
    send_event(rig, &s, 1, event(5, TRAJ_EVENT_DROPPED, 1e300, 0));
    struct run_row row = rig_run(rig, "r");
    assert_int_equal(row.dropped_records, 42);
    run_row_done(&row);
}

static void test_a_store_gives_back_its_cache_and_goes_on(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 20000);
    sqlite3_int64 before = sqlite3_memory_used();
    store_shrink(rig->store);
    assert_true(sqlite3_memory_used() < before - 300000);
    rig_steps(rig, &s, 1, 20000, 100);
    assert_int_equal(
        rig_number(rig, "SELECT committed_seq FROM stream_progress"), 20100);
}

static void test_the_step_interval_comes_near_the_median(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 0, 500); /* rig_step: a step each ms */
    struct run_row row = rig_run(rig, "r");
    assert_in_range(row.facts.step_interval_ns, 900000, 1100000);
    assert_int_equal(row.facts.last_step_wall_ns, RIG_NOW_NS);
    assert_true(row.has_last_step);
    assert_int_equal(row.last_step, 499);
    run_row_done(&row);
}

static void test_bye_closes_and_the_writer_opens_again(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    rig_steps(rig, &s, 1, 1, 3);
    rig_bye(rig, &s, 1, WIRE_F_SYNC, RIG_NOW_NS);
    struct run_row row = rig_run(rig, "r");
    assert_true(s.closed);
    assert_false(row.facts.writer_gone);
    run_row_done(&row);
    rig_bye(rig, &s, 1, WIRE_F_SYNC | WIRE_F_WRITER_GONE, RIG_NOW_NS);
    row = rig_run(rig, "r");
    assert_true(row.facts.writer_gone);
    run_row_done(&row);
    rig_steps(rig, &s, 1, 4, 1);
    row = rig_run(rig, "r");
    assert_false(s.closed);
    assert_false(row.facts.writer_gone);
    run_row_done(&row);
    rig_bye(rig, &s, 1, 0, RIG_NOW_NS);
    row = rig_run(rig, "r");
    assert_true(row.facts.writer_gone);
    run_row_done(&row);
    s = rig_hello(rig, 1, HELLO_R1);
    assert_false(s.closed);
}

static void test_bye_before_all_records_is_a_gap(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct err e = { 0 };
    struct message message;
    size_t n = wire_encode_bye(frame, sizeof frame, rig_uid(1).v, 0, 7);
    assert_int_equal(decode_message(frame, n, &message), DECODE_OK);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(
        store_bye(rig->store, &s, &message, RIG_NOW_NS, &e), ERR_INVALID);
    assert_false(s.closed);
    store_rollback(rig->store);
}

static void test_long_texts_are_sealed_before_they_are_many(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO_R1);
    struct rig_records sent = { 0 };
    for (uint64_t seq = 1; seq <= 100; seq++) {
        struct rig_record r = { .seq = seq, .kind = WIRE_EVENT };
        r.present = 1u << EVENT_text;
        r.text_bytes = WIRE_TEXT_MAX;
        r.text = malloc(WIRE_TEXT_MAX);
        memset(r.text, 'a' + (int)(seq % 26), WIRE_TEXT_MAX);
        rig_records_add(&sent, &r);
        rig_append(rig, &s, 1, &sent, seq - 1, seq);
    }
    assert_int_equal(rig_seal(rig, &s, false), 1);
    assert_true(rig_number(rig, "SELECT records FROM chunk") < 80);
    assert_all_kinds_same(rig, &s, &sent);
    rig_records_done(&sent);
}

static void test_a_deleted_run_is_gone_and_others_stay(void **state)
{
    struct rig *rig = *state;
    struct stream_state s =
        rig_hello(rig, 1, "{\"run_id\":\"r\",\"attempt\":1,\"tags\":[\"t\"]}");
    struct stream_state other =
        rig_hello(rig, 2, "{\"run_id\":\"o\",\"attempt\":1}");
    rig_steps(rig, &s, 1, 1, 3000);
    rig_steps(rig, &other, 2, 1, 10);
    (void)rig_seal(rig, &s, false);

    struct err e = { 0 };
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(store_delete_run(rig->store, s.run, &e), ERR_NONE);
    assert_int_equal(store_delete_run(rig->store, s.run, &e), ERR_NOT_FOUND);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    assert_int_equal(rig_number(rig, "SELECT (SELECT count(*) FROM chunk) + "
                                     "(SELECT count(*) FROM run_tag)"),
        0);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM log"), 1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM run"), 1);
    assert_int_equal(
        store_stream(rig->store, rig_uid(1), &s, &e), ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_any_records_in_any_frames_sealed_or_not_come_back_exactly),
        TEST(test_64_interleaved_streams_keep_their_records_apart),
        TEST(test_what_was_sent_before_is_left_out),
        TEST(test_a_gap_changes_nothing),
        TEST(test_a_store_gives_back_its_cache_and_goes_on),
        TEST(test_a_declared_gap_is_counted_as_lost),
        TEST(test_seqs_beyond_2_63_are_refused),
        TEST(test_a_rolled_back_transaction_leaves_no_trace),
        TEST(test_nothing_is_written_outside_a_transaction),
        TEST(test_streams_are_found_again_after_a_restart),
        TEST(test_hello_twice_changes_nothing),
        TEST(test_a_taken_attempt_gives_the_next_free_one),
        TEST(test_revision_rises_by_one_per_commit_that_touches),
        TEST(test_a_keepalive_is_a_sign_of_life_and_no_revision),
        TEST(test_finish_is_of_all_ranks_and_a_failure_of_one),
        TEST(test_dropped_events_add_up),
        TEST(test_the_step_interval_comes_near_the_median),
        TEST(test_bye_closes_and_the_writer_opens_again),
        TEST(test_bye_before_all_records_is_a_gap),
        TEST(test_long_texts_are_sealed_before_they_are_many),
        TEST(test_a_deleted_run_is_gone_and_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

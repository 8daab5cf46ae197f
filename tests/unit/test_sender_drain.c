/* The protocol of one stream against a daemon that loses, forgets, refuses
 * and lies; messages are played by hand and time is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/fake_daemon.h"
#include "../lib/spool_rig.h"
#include "transport/drain.h"
#include "wire/encode.h"

#define MS INT64_C(1000000)
#define ACKS_MAX 4096u

struct talk {
    struct spool_rig rig;
    struct fake_daemon daemon;
    struct drain_counters counters;
    struct drain drain;
    struct drain_buffer *buffer;
    int64_t now;
    uint8_t acks[ACKS_MAX][FAKE_ACK_BYTES]; /* under way to the client */
    size_t ack_bytes[ACKS_MAX];
    size_t n_acks;
    size_t sent; /* messages since talk_round began */
};

static bool deliver(void *context, const void *bytes, size_t n)
{
    struct talk *t = context;
    assert_true(t->n_acks < ACKS_MAX);
    size_t ack = fake_daemon_receive(&t->daemon, bytes, n, t->acks[t->n_acks]);
    t->ack_bytes[t->n_acks] = ack;
    t->n_acks += ack > 0;
    t->sent++;
    return true;
}

static void give_ack(struct talk *t, const void *bytes, size_t n)
{
    struct wire_head head;
    struct wire_ack ack;
    assert_true(wire_decode_ack(bytes, n, &head, &ack));
    drain_on_ack(&t->drain, &head, &ack, t->now);
}

/* 5 ms pass, the client sends, the answers come. */
static size_t talk_round(struct talk *t)
{
    t->now += 5 * MS;
    t->n_acks = 0;
    t->sent = 0;
    (void)drain_pump(&t->drain, t->buffer, t->now, deliver, t);
    for (size_t i = 0; i < t->n_acks; i++) {
        give_ack(t, t->acks[i], t->ack_bytes[i]);
    }
    return t->sent;
}

static void talk_rounds(struct talk *t, int n)
{
    for (int i = 0; i < n; i++) {
        (void)talk_round(t);
    }
}

static struct fake_stream *only_stream(struct talk *t)
{
    assert_int_equal(t->daemon.n_streams, 1);
    return &t->daemon.streams[0];
}

static struct talk *talk_open(uint64_t steps, enum drain_role role)
{
    struct talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->buffer = malloc(sizeof *t->buffer);
    assert_non_null(t->buffer);
    t->now = 1000 * MS;
    spool_rig_open(&t->rig, 0);
    spool_rig_record(&t->rig, 0, steps);
    drain_init(&t->drain, &t->rig.stream, role, &t->counters);
    return t;
}

static void talk_close(struct talk *t)
{
    assert_int_equal(t->daemon.malformed, 0);
    fake_daemon_done(&t->daemon);
    spool_rig_close(&t->rig);
    free(t->buffer);
    free(t);
}

static void test_every_record_arrives_once_and_in_order(void **state)
{
    (void)state;
    struct talk *t = talk_open(5000, DRAIN_LIVE);
    talk_rounds(t, 30);
    assert_fake_stream_has_steps(only_stream(t), 0, 5000);
    assert_true(drain_is_acked(&t->drain));
    assert_int_equal(t->counters.resent_frames, 0);
    assert_int_equal(only_stream(t)->sync_messages, 0);
    talk_close(t);
}

static void test_loss_of_messages_and_answers_loses_and_repeats_nothing(
    void **state)
{
    (void)state;
    uint64_t resent = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct talk *t = talk_open(6000, DRAIN_LIVE);
        t->daemon.lose_percent = 20;
        t->daemon.seed = seed;
        t->daemon.window = 4;
        t->drain.closing_wanted = true;
        for (int i = 0; i < 200000 && t->drain.state != DRAIN_DONE; i++) {
            (void)talk_round(t);
        }
        assert_int_equal(t->drain.state, DRAIN_DONE);
        assert_fake_stream_has_steps(only_stream(t), 0, 6000);
        assert_int_equal(only_stream(t)->lost, 0);
        resent += t->counters.resent_frames;
        talk_close(t);
    }
    assert_true(resent > 0);
}

static void test_a_daemon_that_forgot_gets_hello_and_all_that_is_left(
    void **state)
{
    (void)state;
    struct talk *t = talk_open(100, DRAIN_LIVE);
    t->daemon.silent = true;
    talk_rounds(t, 2);
    t->daemon.silent = false;
    t->daemon.forgetful = true;
    talk_rounds(t, 2000);
    assert_fake_stream_has_steps(only_stream(t), 0, 100);
    talk_close(t);
}

static void test_records_deleted_here_and_lost_there_are_a_marked_gap(
    void **state)
{
    (void)state;
    struct talk *t = talk_open(100, DRAIN_LIVE);
    talk_rounds(t, 50);
    assert_true(drain_is_acked(&t->drain));
    t->daemon.forgetful = true; /* the database was lost */
    spool_rig_record(&t->rig, 100, 150);
    talk_rounds(t, 200);
    assert_int_equal(only_stream(t)->lost, 100);
    assert_int_equal(only_stream(t)->n, 50);
    assert_int_equal(only_stream(t)->records[0].seq, 101);
    talk_close(t);
}

static void test_gap_rewinds_to_what_is_committed(void **state)
{
    (void)state;
    struct talk *t = talk_open(2000, DRAIN_LIVE);
    (void)talk_round(t); /* HELLO */
    t->daemon.lose_percent = 100;
    t->drain.window = 2;
    (void)talk_round(t); /* two frames that never arrive */
    t->daemon.lose_percent = 0;
    t->drain.window = 64;
    int64_t before = t->now;
    talk_rounds(t, 100);
    assert_fake_stream_has_steps(only_stream(t), 0, 2000);
    assert_true(t->counters.resent_frames > 0);
    assert_true(t->drain.progress_mono_ns - before < 1000 * MS);
    talk_close(t);
}

static void test_busy_pauses_and_then_goes_on(void **state)
{
    (void)state;
    struct talk *t = talk_open(100, DRAIN_LIVE);
    talk_rounds(t, 1);
    t->daemon.forced = WIRE_ACK_BUSY;
    t->daemon.forced_n = 1;
    talk_rounds(t, 1);
    uint64_t messages = t->daemon.messages;
    talk_rounds(t, 90); /* 450 ms */
    assert_int_equal(t->daemon.messages, messages);
    talk_rounds(t, 100);
    assert_fake_stream_has_steps(only_stream(t), 0, 100);
    talk_close(t);
}

static void test_refused_stops_for_good_and_keeps_the_spool(void **state)
{
    (void)state;
    struct talk *t = talk_open(100, DRAIN_LIVE);
    t->daemon.forced = WIRE_ACK_REFUSED;
    t->daemon.forced_n = 1;
    talk_rounds(t, 5000);
    assert_int_equal(t->drain.state, DRAIN_REFUSED);
    assert_int_equal(t->daemon.messages, 1);
    spool_rig_recover(&t->rig);
    drain_init(&t->drain, &t->rig.stream, DRAIN_LEFTOVER, &t->counters);
    talk_rounds(t, 10);
    assert_fake_stream_has_steps(only_stream(t), 0, 100);
    talk_close(t);
}

/* An ACK for the stream with a body of the test's choice. */
static void lie(
    struct talk *t, enum wire_ack_status status, struct wire_ack body)
{
    uint8_t bytes[FAKE_ACK_BYTES];
    size_t n = wire_encode_ack(
        bytes, sizeof bytes, t->rig.stream.spool.stream_uid, status, &body);
    give_ack(t, bytes, n);
}

static void test_acks_that_cannot_be_true_change_nothing(void **state)
{
    (void)state;
    struct talk *t = talk_open(1000, DRAIN_LIVE);
    lie(t, WIRE_ACK_OK,
        (struct wire_ack){ .committed_seq = 1001, .attempt = 1 });
    lie(t, WIRE_ACK_OK,
        (struct wire_ack){ .committed_seq = UINT64_MAX, .attempt = 1 });
    lie(t, WIRE_ACK_OK, (struct wire_ack){ .committed_seq = 10 });
    lie(t, WIRE_ACK_BYE, (struct wire_ack){ .attempt = 1 });
    lie(t, (enum wire_ack_status)999, (struct wire_ack){ .attempt = 1 });
    assert_int_equal(t->drain.acked.next_seq, 1);
    talk_rounds(t, 50);
    lie(t, WIRE_ACK_OK, (struct wire_ack){ .attempt = 1, .window = 1 });
    assert_fake_stream_has_steps(only_stream(t), 0, 1000);
    assert_true(drain_is_acked(&t->drain));
    talk_close(t);
}

static void test_no_more_frames_than_the_window_are_unacknowledged(void **state)
{
    (void)state;
    struct talk *t = talk_open(20000, DRAIN_LIVE);
    t->daemon.window = 3;
    (void)talk_round(t); /* HELLO; its answer tells the window */
    t->daemon.silent = true;
    assert_int_equal(talk_round(t), 3);
    assert_int_equal(talk_round(t), 0);
    assert_true(t->daemon.largest_frame <= DRAIN_BATCH_MAX);
    /* There is room to remember so many and no more. */
    lie(t, WIRE_ACK_OK,
        (struct wire_ack){ .attempt = 1, .window = UINT32_MAX });
    assert_int_equal(t->drain.window, DRAIN_WINDOW_MAX);
    talk_close(t);
}

static void test_a_silent_daemon_is_greeted_again_ever_more_seldom(void **state)
{
    (void)state;
    struct talk *t = talk_open(10, DRAIN_LIVE);
    t->daemon.silent = true;
    talk_rounds(t, 60 * 200); /* a minute */
    assert_in_range(only_stream(t)->hellos, 5, 15);
    talk_close(t);
}

static void test_records_wait_100_ms_for_a_full_frame_and_no_longer(
    void **state)
{
    (void)state;
    struct talk *t = talk_open(0, DRAIN_LIVE);
    talk_rounds(t, 2); /* HELLO; nothing to send */
    spool_rig_record(&t->rig, 0, 3);
    talk_rounds(t, 19);
    assert_int_equal(only_stream(t)->n, 0);
    talk_rounds(t, 1);
    assert_int_equal(only_stream(t)->n, 3);
    spool_rig_record(&t->rig, 3, 67);
    talk_rounds(t, 1); /* 64: a full frame */
    assert_int_equal(only_stream(t)->n, 67);
    spool_rig_record(&t->rig, 67, 68);
    talk_rounds(t, 19);
    assert_int_equal(only_stream(t)->n, 67);
    talk_rounds(t, 1);
    assert_int_equal(only_stream(t)->n, 68);
    talk_close(t);
}

/* Rounds of 5 ms until the records of one more step arrive. */
static int rounds_until_one_more(struct talk *t)
{
    const uint64_t n = only_stream(t)->n;
    spool_rig_record(&t->rig, n, n + 1);
    int rounds = 0;
    while (only_stream(t)->n == n) {
        talk_rounds(t, 1);
        rounds++;
        assert_true(rounds < 10000);
    }
    return rounds;
}

static void test_records_wait_as_long_as_the_daemon_says(void **state)
{
    (void)state;
    static const struct {
        uint32_t said_ms;
        int rounds;
    } cases[] = { { 1000, 200 }, { 100, 20 }, { 1, 1 },
        { UINT32_MAX, DRAIN_WAIT_MAX_MS / 5 }, { 500, 100 } };
    struct talk *t = talk_open(0, DRAIN_LIVE);
    talk_rounds(t, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        t->daemon.wait_ms = cases[i].said_ms;
        (void)rounds_until_one_more(t); /* its answer says it */
        assert_int_equal(rounds_until_one_more(t), cases[i].rounds);
    }
    t->daemon.wait_ms = 0; /* as we like */
    assert_int_equal(rounds_until_one_more(t), 100);
    assert_int_equal(rounds_until_one_more(t), 20);
    talk_close(t);
}

static void test_a_drain_is_due_when_it_may_send_or_hear(void **state)
{
    (void)state;
    struct talk *t = talk_open(0, DRAIN_LIVE);
    t->daemon.wait_ms = 500;
    assert_true(drain_is_due(&t->drain, t->now)); /* HELLO */
    talk_rounds(t, 2);
    spool_rig_record(&t->rig, 0, 1);
    assert_false(drain_is_due(&t->drain, t->now + 499 * MS));
    assert_true(drain_is_due(&t->drain, t->now + 500 * MS));
    t->daemon.silent = true;
    talk_rounds(t, 100); /* one frame is under way */
    assert_true(drain_is_due(&t->drain, t->now));
    lie(t, WIRE_ACK_OK,
        (struct wire_ack){ .committed_seq = 1, .attempt = 1, .wait_ms = 500 });
    assert_false(drain_is_due(&t->drain, t->now));
    talk_close(t);
}

/* What else comes is of no use: nobody reads it, so nobody waits for it. */
static void test_a_refused_drain_is_not_due_and_hangs_on_nothing(void **state)
{
    (void)state;
    struct talk *t = talk_open(20000, DRAIN_LIVE);
    talk_rounds(t, 1);
    t->daemon.silent = true;
    talk_rounds(t, 1);
    assert_true(t->drain.flight_n > 1);
    assert_true(drain_hangs_on_an_answer(&t->drain));
    lie(t, WIRE_ACK_REFUSED, (struct wire_ack){ .attempt = 1 });
    assert_false(drain_hangs_on_an_answer(&t->drain));
    assert_false(drain_is_due(&t->drain, t->now + 5000 * MS));
    talk_close(t);
}

static void test_a_leftover_is_due_as_long_as_it_is_there(void **state)
{
    (void)state;
    struct talk *t = talk_open(1, DRAIN_LEFTOVER);
    talk_rounds(t, 5);
    assert_int_equal(t->drain.state, DRAIN_STREAMING);
    assert_true(drain_is_acked(&t->drain));
    assert_true(drain_is_due(&t->drain, t->now));
    talk_close(t);
}

/* It may be another, of an earlier version. */
static void test_what_a_daemon_said_of_waiting_ends_with_it(void **state)
{
    (void)state;
    struct talk *t = talk_open(0, DRAIN_LIVE);
    t->daemon.wait_ms = 1000;
    talk_rounds(t, 2);
    assert_int_equal(rounds_until_one_more(t), 200);
    t->daemon.wait_ms = 0;
    t->daemon.forgetful = true;
    spool_rig_record(&t->rig, 1, 2);
    talk_rounds(t, 200 + 100); /* NEED_HELLO, and all that follows */
    assert_int_equal(only_stream(t)->hellos, 1);
    spool_rig_record(&t->rig, 2, 3);
    talk_rounds(t, 19);
    assert_false(drain_is_acked(&t->drain));
    talk_rounds(t, 1);
    assert_true(drain_is_acked(&t->drain));
    talk_close(t);
}

static void test_only_a_question_or_a_backlog_hangs_on_an_answer(void **state)
{
    (void)state;
    struct talk *t = talk_open(0, DRAIN_LIVE);
    assert_false(drain_hangs_on_an_answer(&t->drain));
    t->daemon.silent = true;
    (void)talk_round(t); /* HELLO */
    assert_true(drain_hangs_on_an_answer(&t->drain));
    t->daemon.silent = false;
    talk_rounds(t, 400); /* said again */
    assert_false(drain_hangs_on_an_answer(&t->drain));
    t->daemon.silent = true;
    spool_rig_record(&t->rig, 0, 100);
    (void)talk_round(t); /* one frame, which the next round will find */
    assert_false(drain_hangs_on_an_answer(&t->drain));
    t->drain.window = 1;
    assert_true(drain_hangs_on_an_answer(&t->drain));
    t->drain.window = 64;
    spool_rig_record(&t->rig, 100, 200);
    (void)talk_round(t);
    assert_true(drain_hangs_on_an_answer(&t->drain));
    talk_close(t);
}

static void test_an_idle_trainer_gives_a_sign_of_life_every_5_s(void **state)
{
    (void)state;
    struct talk *t = talk_open(0, DRAIN_LIVE);
    talk_rounds(t, 200 * 21); /* 21 s */
    assert_int_equal(t->daemon.keepalives, 4);
    assert_int_equal(only_stream(t)->hellos, 1);
    talk_close(t);
}

static void test_bye_follows_the_last_acknowledgement(void **state)
{
    (void)state;
    struct talk *t = talk_open(500, DRAIN_LIVE);
    t->drain.closing_wanted = true;
    talk_rounds(t, 30);
    assert_int_equal(t->drain.state, DRAIN_DONE);
    assert_true(only_stream(t)->closed);
    assert_int_equal(only_stream(t)->bye_flags, 0);
    talk_close(t);
}

static void test_a_lost_bye_is_said_again(void **state)
{
    (void)state;
    struct talk *t = talk_open(10, DRAIN_LIVE);
    talk_rounds(t, 20);
    t->drain.closing_wanted = true;
    t->daemon.lose_percent = 100;
    talk_rounds(t, 10);
    assert_int_equal(t->drain.state, DRAIN_CLOSING);
    t->daemon.lose_percent = 0;
    talk_rounds(t, 600);
    assert_int_equal(t->drain.state, DRAIN_DONE);
    talk_close(t);
}

static void test_a_leftover_says_that_its_writer_is_gone(void **state)
{
    (void)state;
    struct talk *t = talk_open(500, DRAIN_LEFTOVER);
    t->drain.closing_wanted = true;
    talk_rounds(t, 30);
    assert_int_equal(t->drain.state, DRAIN_DONE);
    assert_int_equal(
        only_stream(t)->bye_flags, WIRE_F_SYNC | WIRE_F_WRITER_GONE);
    assert_true(only_stream(t)->sync_messages >= 3);
    assert_fake_stream_has_steps(only_stream(t), 0, 500);
    talk_close(t);
}

static void test_acknowledged_segments_are_deleted(void **state)
{
    (void)state;
    struct talk *t = talk_open(200000, DRAIN_LIVE);
    uint64_t before = t->rig.quota.used;
    talk_rounds(t, 200);
    assert_true(drain_is_acked(&t->drain));
    assert_true(before >= 6u * SPOOL_SEGMENT_BYTES);
    assert_int_equal(t->rig.quota.used, t->rig.stream.spool.segment_bytes);
    assert_int_equal(
        faccessat(t->rig.stream.spool.dir_fd, "00000000.seg", F_OK, 0), -1);
    talk_close(t);
}

static void test_a_recovered_stream_goes_on_behind_what_was_acknowledged(
    void **state)
{
    (void)state;
    struct talk *t = talk_open(300, DRAIN_LIVE);
    talk_rounds(t, 30);
    spool_rig_record(&t->rig, 300, 700);
    spool_rig_recover(&t->rig);
    drain_init(&t->drain, &t->rig.stream, DRAIN_LEFTOVER, &t->counters);
    t->counters.resent_frames = 0;
    talk_rounds(t, 30);
    assert_fake_stream_has_steps(only_stream(t), 0, 700);
    talk_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_record_arrives_once_and_in_order),
        cmocka_unit_test(
            test_loss_of_messages_and_answers_loses_and_repeats_nothing),
        cmocka_unit_test(
            test_a_daemon_that_forgot_gets_hello_and_all_that_is_left),
        cmocka_unit_test(
            test_records_deleted_here_and_lost_there_are_a_marked_gap),
        cmocka_unit_test(test_gap_rewinds_to_what_is_committed),
        cmocka_unit_test(test_busy_pauses_and_then_goes_on),
        cmocka_unit_test(test_refused_stops_for_good_and_keeps_the_spool),
        cmocka_unit_test(test_acks_that_cannot_be_true_change_nothing),
        cmocka_unit_test(
            test_no_more_frames_than_the_window_are_unacknowledged),
        cmocka_unit_test(
            test_a_silent_daemon_is_greeted_again_ever_more_seldom),
        cmocka_unit_test(
            test_records_wait_100_ms_for_a_full_frame_and_no_longer),
        cmocka_unit_test(test_records_wait_as_long_as_the_daemon_says),
        cmocka_unit_test(test_a_drain_is_due_when_it_may_send_or_hear),
        cmocka_unit_test(test_a_refused_drain_is_not_due_and_hangs_on_nothing),
        cmocka_unit_test(test_a_leftover_is_due_as_long_as_it_is_there),
        cmocka_unit_test(test_what_a_daemon_said_of_waiting_ends_with_it),
        cmocka_unit_test(test_only_a_question_or_a_backlog_hangs_on_an_answer),
        cmocka_unit_test(test_an_idle_trainer_gives_a_sign_of_life_every_5_s),
        cmocka_unit_test(test_bye_follows_the_last_acknowledgement),
        cmocka_unit_test(test_a_lost_bye_is_said_again),
        cmocka_unit_test(test_a_leftover_says_that_its_writer_is_gone),
        cmocka_unit_test(test_acknowledged_segments_are_deleted),
        cmocka_unit_test(
            test_a_recovered_stream_goes_on_behind_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

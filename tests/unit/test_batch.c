/* batch: what a transaction of many messages leaves of a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zmq.h>

#include "../lib/store_rig.h"
#include "threads/batch.h"

#define FRAME 64u
#define FRAMES 40u /* more than a chunk, less than two */

static struct rig rig;
static struct stream_cache cache;
static struct batch batch;
static struct job jobs[FRAMES];

static int set_up(void **state)
{
    (void)state;
    memset(&cache, 0, sizeof cache);
    rig_open(&rig, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* STEP records from seq on, as ingest hands them over. */
static void fill(struct job *job, uint64_t seq)
{
    static uint8_t bytes[1 << 16];
    struct rig_records records = { 0 };
    for (uint64_t i = 0; i < FRAME; i++) {
        struct rig_record r = rig_step(seq + i, seq + i, 0.5);
        rig_records_add(&records, &r);
    }
    size_t n = rig_encode(&records, 0, FRAME, 1, 0, bytes, sizeof bytes);
    rig_records_done(&records);
    *job = (struct job){ .kind = JOB_MESSAGE };
    assert_int_equal(zmq_msg_init_size(&job->bytes, n), 0);
    memcpy(zmq_msg_data(&job->bytes), bytes, n);
    assert_int_equal(
        decode_message(zmq_msg_data(&job->bytes), n, &job->message), DECODE_OK);
}

static void commit(size_t n)
{
    struct job *v[FRAMES];
    struct err e = { 0 };
    for (size_t i = 0; i < n; i++) {
        fill(&jobs[i], 1 + i * FRAME);
        v[i] = &jobs[i];
    }
    assert_int_equal(
        batch_commit(&batch, rig.store, &cache, v, n, &e), ERR_NONE);
    for (size_t i = 0; i < n; i++) {
        (void)zmq_msg_close(&jobs[i].bytes); /* cannot fail on these */
    }
}

static void assert_in_log_are(int64_t frames)
{
    assert_int_equal(
        rig_number(&rig, "SELECT log_records FROM stream_progress"),
        frames * FRAME);
    assert_int_equal(batch.streams[0].state.log_bytes,
        rig_number(&rig, "SELECT coalesce(sum(length(frame)), 0) FROM log"));
}

static void test_few_messages_are_in_the_log_and_said_to_be(void **state)
{
    (void)state;
    (void)rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    commit(3);
    assert_int_equal(batch.chunks, 0);
    assert_int_equal(batch.n_streams, 1);
    assert_int_equal(batch.streams[0].state.committed_seq, 3 * FRAME);
    assert_int_equal(rig_number(&rig, "SELECT count(*) FROM log"), 3);
    assert_in_log_are(3);
}

static void test_of_many_what_is_sealed_is_not_said_to_be_in_the_log(
    void **state)
{
    (void)state;
    (void)rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    commit(FRAMES);
    const int64_t left = rig_number(&rig, "SELECT count(*) FROM log");
    assert_int_equal(batch.chunks, 1);
    assert_int_equal(left, FRAMES - 2048 / FRAME);
    assert_int_equal(batch.streams[0].state.committed_seq, FRAMES * FRAME);
    assert_in_log_are(left);
    for (size_t i = 0; i < FRAMES; i++) {
        assert_int_equal(batch.outcomes[i].status, WIRE_ACK_OK);
        assert_int_equal(batch.outcomes[i].new_records, FRAME);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_few_messages_are_in_the_log_and_said_to_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_of_many_what_is_sealed_is_not_said_to_be_in_the_log, set_up,
            tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

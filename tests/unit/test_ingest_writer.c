/*
 * ingest and writer together in this process, with a real store, and senders
 * that are DEALER sockets of this test: what is answered, counted, told to
 * live, and what happens at the end. What a real trajd does with real
 * trainers is in tests/integration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "base/counters.h"
#include "store/reader.h"
#include "store/runs.h"
#include "store/alerts.h"
#include "threads/ingest.h"
#include "threads/requests.h"
#include "threads/writer.h"
#include "wire/encode.h"

struct pipeline {
    char folder[32];
    char db[64];
    void *zmq;
    struct jobs *jobs;
    struct writer *writer;
    struct ingest *ingest;
    enum durability durability;
};

static void start(struct pipeline *p)
{
    struct err e = { 0 };
    if (p->folder[0] == '\0') {
        (void)snprintf(p->folder, sizeof p->folder, "/tmp/trajd-test.XXXXXX");
        assert_non_null(mkdtemp(p->folder));
        (void)snprintf(p->db, sizeof p->db, "%s/t.db", p->folder);
    }
    p->zmq = zmq_ctx_new();
    assert_non_null(p->zmq);
    assert_int_equal(jobs_new(&p->jobs, &e), ERR_NONE);
    const struct writer_options writer = {
        .store = { .path = p->db, .durability = p->durability },
        .zmq = p->zmq,
        .jobs = p->jobs,
        .window = 7,
    };
    assert_int_equal(writer_start(&writer, &p->writer, &e), ERR_NONE);
    const struct ingest_options ingest = {
        .zmq = p->zmq,
        .endpoint = "tcp://127.0.0.1:0",
        .jobs = p->jobs,
    };
    assert_int_equal(ingest_start(&ingest, &p->ingest, &e), ERR_NONE);
}

static void stop(struct pipeline *p)
{
    ingest_drain(p->ingest);
    writer_drain(p->writer);
    ingest_stop(p->ingest);
    writer_stop(p->writer);
    jobs_free(p->jobs);
    assert_int_equal(zmq_ctx_term(p->zmq), 0);
}

static void remove_files(const struct pipeline *p)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char path[80];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s%s", p->db, suffixes[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(p->folder), 0);
}

/* ---- a sender ---------------------------------------------------------------
 */

struct sender {
    void *zmq;
    void *socket;
    uint8_t uid[16];
};

static struct sender connect_sender(const struct pipeline *p, uint8_t id)
{
    struct sender s = { .zmq = zmq_ctx_new(), .uid = { id } };
    int patience_ms = 10000;
    int none = 0;
    s.socket = zmq_socket(s.zmq, ZMQ_DEALER);
    assert_non_null(s.socket);
    assert_int_equal(
        zmq_setsockopt(s.socket, ZMQ_RCVHWM, &none, sizeof none), 0);
    assert_int_equal(zmq_setsockopt(s.socket, ZMQ_RCVTIMEO, &patience_ms,
                         sizeof patience_ms),
        0);
    assert_int_equal(
        zmq_setsockopt(s.socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(s.socket, ingest_endpoint(p->ingest)), 0);
    return s;
}

static void disconnect(struct sender *s)
{
    assert_int_equal(zmq_close(s->socket), 0);
    assert_int_equal(zmq_ctx_term(s->zmq), 0);
}

static void send_hello(const struct sender *s, const char *json)
{
    uint8_t bytes[1024];
    size_t n =
        wire_encode_hello(bytes, sizeof bytes, s->uid, 0, json, strlen(json));
    assert_int_equal(zmq_send(s->socket, bytes, n, 0), (int)n);
}

static void send_steps(const struct sender *s, uint64_t first_seq, size_t n)
{
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    static struct wire_record records[WIRE_RECORDS_MAX];
    static uint64_t values[WIRE_RECORDS_MAX];
    for (size_t i = 0; i < n; i++) {
        values[i] = first_seq + i;
        records[i] = (struct wire_record){ .seq = first_seq + i,
            .kind = WIRE_STEP,
            .present = 1u << STEP_step,
            .values = &values[i] };
    }
    size_t length =
        wire_encode_data(bytes, sizeof bytes, s->uid, 0, first_seq, records, n);
    assert_int_equal(zmq_send(s->socket, bytes, length, 0), (int)length);
}

static enum wire_ack_status receive(
    const struct sender *s, struct wire_ack *ret_ack)
{
    uint8_t bytes[256];
    struct wire_head head;
    int n = zmq_recv(s->socket, bytes, sizeof bytes, 0);
    assert_true(n > 0);
    assert_true(wire_decode_ack(bytes, (size_t)n, &head, ret_ack));
    assert_memory_equal(head.stream_uid, s->uid, sizeof head.stream_uid);
    return (enum wire_ack_status)head.flags;
}

/* Answers until everything up to seq is committed. */
static void receive_until(const struct sender *s, uint64_t seq)
{
    struct wire_ack ack = { 0 };
    while (ack.committed_seq < seq) {
        assert_int_equal(receive(s, &ack), WIRE_ACK_OK);
    }
    assert_int_equal(ack.committed_seq, seq);
}

static struct sender greeted(const struct pipeline *p, uint8_t id)
{
    char json[64];
    struct wire_ack ack;
    struct sender s = connect_sender(p, id);
    (void)snprintf(json, sizeof json, "{\"run_id\":\"r%u\",\"attempt\":1}", id);
    send_hello(&s, json);
    assert_int_equal(receive(&s, &ack), WIRE_ACK_OK);
    assert_int_equal(ack.attempt, 1);
    assert_int_equal(ack.window, 7);
    return s;
}

static uint64_t steps_on_disk(const struct pipeline *p, const char *run)
{
    struct reader *reader = NULL;
    struct run_row row;
    struct err e = { 0 };
    assert_int_equal(reader_open(p->db, &reader, &e), ERR_NONE);
    assert_int_equal(runs_get(reader, run, &row, &e), ERR_NONE);
    uint64_t steps = row.records[WIRE_STEP];
    run_row_done(&row);
    reader_close(reader);
    return steps;
}

static uint32_t spikes_on_disk(const struct pipeline *p, const char *run)
{
    struct reader *reader = NULL;
    struct run_row row;
    struct alert_past past;
    struct err e = { 0 };
    assert_int_equal(reader_open(p->db, &reader, &e), ERR_NONE);
    assert_int_equal(runs_get(reader, run, &row, &e), ERR_NONE);
    assert_int_equal(alerts_past(reader, row.id, &past, &e), ERR_NONE);
    run_row_done(&row);
    reader_close(reader);
    return past.n[ALERT_SPIKE];
}

/* ---- tests ------------------------------------------------------------------
 */

static void test_what_is_acknowledged_is_on_disk(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    start(&p);
    struct sender s = greeted(&p, 1);
    for (uint64_t seq = 1; seq < 5000; seq += 100) {
        send_steps(&s, seq, 100);
    }
    receive_until(&s, 5000);
    assert_int_equal(steps_on_disk(&p, "r1"), 5000);
    disconnect(&s);
    stop(&p);
    remove_files(&p);
}

/* One frame by itself, and more than the window that a commit waits for. */
static void test_a_group_commit_waits_for_no_frame_that_does_not_come(
    void **state)
{
    (void)state;
    struct pipeline p = { .durability = DURABILITY_GROUP };
    start(&p);
    struct sender s = greeted(&p, 1);
    send_steps(&s, 1, 10);
    receive_until(&s, 10);
    for (uint64_t seq = 11; seq <= 200; seq += 10) {
        send_steps(&s, seq, 10);
    }
    receive_until(&s, 200);
    assert_int_equal(steps_on_disk(&p, "r1"), 200);
    disconnect(&s);
    stop(&p);
    remove_files(&p);
}

static void test_what_is_acknowledged_early_is_synced_by_the_clock(void **state)
{
    (void)state;
    struct pipeline p = { .durability = DURABILITY_RELAXED };
    uint64_t syncs = counter_get(COUNTER_SYNCS);
    uint64_t seq = 0;
    start(&p);
    struct sender s = greeted(&p, 1);
    while (counter_get(COUNTER_SYNCS) < syncs + 2) {
        send_steps(&s, seq + 1, 10);
        seq += 10;
        receive_until(&s, seq);
    }
    assert_int_equal(steps_on_disk(&p, "r1"), seq);
    disconnect(&s);
    stop(&p);
    remove_files(&p);
}

static void test_a_full_queue_holds_senders_back_and_loses_nothing(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    start(&p);
    struct sender s = greeted(&p, 1);
    uint64_t n = 4 * JOBS_MAX;
    for (uint64_t seq = 1; seq <= n; seq++) {
        send_steps(&s, seq, 1);
    }
    receive_until(&s, n);
    assert_int_equal(steps_on_disk(&p, "r1"), n);
    disconnect(&s);
    stop(&p);
    remove_files(&p);
}

enum { STREAMS = 1200 }; /* over STREAM_CACHE_MAX */

/* A HELLO and the record of this seq of every stream, without waiting. */
static void send_all_streams(struct sender *s, uint64_t seq)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        char json[64];
        memcpy(s->uid, &i, sizeof i);
        (void)snprintf(json, sizeof json,
            "{\"run_id\":\"r\",\"attempt\":1,\"rank\":%u,\"world\":%d}", i,
            STREAMS);
        send_hello(s, json);
        send_steps(s, seq, 1);
    }
}

/* Jobs are done in order: the last stream's answer speaks for all. */
static void receive_last_stream(const struct sender *s, uint64_t seq)
{
    struct wire_head head = { 0 };
    struct wire_ack ack = { 0 };
    while (memcmp(head.stream_uid, s->uid, sizeof head.stream_uid) != 0 ||
           ack.committed_seq < seq) {
        uint8_t bytes[256];
        int n = zmq_recv(s->socket, bytes, sizeof bytes, 0);
        assert_true(n > 0);
        assert_true(wire_decode_ack(bytes, (size_t)n, &head, &ack));
        assert_int_equal(head.flags, WIRE_ACK_OK);
    }
}

static void test_more_streams_than_are_remembered_are_all_kept(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    start(&p);
    struct sender s = connect_sender(&p, 0);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        send_all_streams(&s, seq);
        receive_last_stream(&s, seq);
    }
    assert_int_equal(steps_on_disk(&p, "r"), 3 * STREAMS);
    disconnect(&s);
    stop(&p);
    remove_files(&p);
}

static void test_draining_commits_and_acknowledges_what_has_come(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    start(&p);
    struct sender s = greeted(&p, 1);
    struct wire_ack ack = { 0 };
    uint64_t committed = 0;
    int patience_ms = 300;
    for (uint64_t seq = 1; seq < 20000; seq += 50) {
        send_steps(&s, seq, 50);
    }
    assert_int_equal(receive(&s, &ack), WIRE_ACK_OK);
    stop(&p);
    assert_int_equal(zmq_setsockopt(s.socket, ZMQ_RCVTIMEO, &patience_ms,
                         sizeof patience_ms),
        0);
    for (bool more = true; more;) {
        uint8_t bytes[256];
        struct wire_head head;
        int n = zmq_recv(s.socket, bytes, sizeof bytes, 0);
        committed = ack.committed_seq;
        more = n > 0 && wire_decode_ack(bytes, (size_t)n, &head, &ack);
    }
    assert_int_equal(steps_on_disk(&p, "r1"), committed);
    disconnect(&s);
    remove_files(&p);
}

static void test_a_run_is_deleted_by_the_writer_and_forgotten(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    struct err e = { 0 };
    struct wire_ack ack;
    start(&p);
    struct sender s = greeted(&p, 1);
    send_steps(&s, 1, 10);
    receive_until(&s, 10);
    assert_int_equal(request_delete_run(p.jobs, "r2", &e), ERR_NOT_FOUND);
    assert_int_equal(request_delete_run(p.jobs, "r1", &e), ERR_NONE);
    assert_int_equal(request_delete_run(p.jobs, "r1", &e), ERR_NOT_FOUND);
    send_steps(&s, 11, 1);
    assert_int_equal(receive(&s, &ack), WIRE_ACK_NEED_HELLO);
    disconnect(&s);
    stop(&p);
    remove_files(&p);
}

static void test_an_alert_is_stored_by_the_writer_once(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    struct err e = { 0 };
    bool is_new = false;
    const struct alert alert = { .rule = ALERT_SPIKE, .step = 7 };
    start(&p);
    struct sender s = greeted(&p, 1);
    assert_int_equal(
        request_add_alert(p.jobs, "r2", &alert, &is_new, &e), ERR_NOT_FOUND);
    assert_int_equal(
        request_add_alert(p.jobs, "r1", &alert, &is_new, &e), ERR_NONE);
    assert_true(is_new);
    assert_int_equal(
        request_add_alert(p.jobs, "r1", &alert, &is_new, &e), ERR_NONE);
    assert_false(is_new);
    disconnect(&s);
    stop(&p);
    assert_int_equal(spikes_on_disk(&p, "r1"), 1);
    remove_files(&p);
}

static void test_a_stopping_writer_refuses_requests(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    struct err e = { 0 };
    start(&p);
    ingest_drain(p.ingest);
    writer_drain(p.writer);
    assert_int_equal(request_delete_run(p.jobs, "r1", &e), ERR_BUSY);
    bool is_new = false;
    const struct alert alert = { .rule = ALERT_SPIKE };
    assert_int_equal(
        request_add_alert(p.jobs, "r1", &alert, &is_new, &e), ERR_BUSY);
    ingest_stop(p.ingest);
    writer_stop(p.writer);
    jobs_free(p.jobs);
    assert_int_equal(zmq_ctx_term(p.zmq), 0);
    remove_files(&p);
}

static void test_a_store_that_cannot_open_is_an_error_of_the_start(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct jobs *jobs = NULL;
    struct writer *writer = NULL;
    void *zmq = zmq_ctx_new();
    assert_int_equal(jobs_new(&jobs, &e), ERR_NONE);
    const struct writer_options options = {
        .store = { .path = "/nonexistent/folder/t.db" },
        .zmq = zmq,
        .jobs = jobs,
    };
    assert_int_not_equal(writer_start(&options, &writer, &e), ERR_NONE);
    assert_non_null(strstr(e.text, "/nonexistent/folder/t.db"));
    assert_null(writer);
    jobs_free(jobs);
    assert_int_equal(zmq_ctx_term(zmq), 0);
}

static void test_a_taken_address_is_an_error_of_the_start(void **state)
{
    (void)state;
    struct pipeline p = { 0 };
    struct err e = { 0 };
    struct ingest *second = NULL;
    start(&p);
    void *zmq = zmq_ctx_new();
    const struct ingest_options options = {
        .zmq = zmq,
        .endpoint = ingest_endpoint(p.ingest),
        .jobs = p.jobs,
    };
    assert_int_equal(ingest_start(&options, &second, &e), ERR_IO);
    assert_non_null(strstr(e.text, ingest_endpoint(p.ingest)));
    assert_null(second);
    assert_int_equal(zmq_ctx_term(zmq), 0);
    stop(&p);
    remove_files(&p);
}

static void test_a_job_comes_back_empty_and_as_often_as_wanted(void **state)
{
    (void)state;
    struct jobs *jobs = NULL;
    struct err e = { 0 };
    assert_int_equal(jobs_new(&jobs, &e), ERR_NONE);
    for (size_t i = 0; i < 3 * JOBS_MAX; i++) {
        struct job *job = jobs_spare(jobs);
        struct job *taken = NULL;
        assert_non_null(job);
        assert_int_equal(zmq_msg_size(&job->bytes), 0);
        (void)zmq_msg_close(&job->bytes);
        assert_int_equal(zmq_msg_init_size(&job->bytes, 1000), 0);
        assert_true(jobs_submit(jobs, job));
        assert_int_equal(jobs_take(jobs, &taken, 1, 0), 1);
        assert_ptr_equal(taken, job);
        jobs_return(jobs, job);
    }
    assert_int_equal(gauge_get(GAUGE_QUEUE_DEPTH), 0);
    jobs_free(jobs);
}

static void test_no_job_is_spare_when_all_wait_or_hold_too_much(void **state)
{
    (void)state;
    struct jobs *jobs = NULL;
    struct err e = { 0 };
    struct job *taken[64];
    size_t large = JOBS_BYTES_MAX / 64;
    assert_int_equal(jobs_new(&jobs, &e), ERR_NONE);
    for (size_t i = 0; i < 64; i++) {
        struct job *job = jobs_spare(jobs);
        assert_non_null(job);
        (void)zmq_msg_close(&job->bytes);
        assert_int_equal(zmq_msg_init_size(&job->bytes, large), 0);
        assert_true(jobs_submit(jobs, job));
    }
    assert_null(jobs_spare(jobs));
    assert_int_equal(jobs_take(jobs, taken, 64, 0), 64);
    for (size_t i = 0; i < 64; i++) {
        jobs_return(jobs, taken[i]);
    }
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = jobs_spare(jobs);
        assert_non_null(job);
        assert_true(jobs_submit(jobs, job));
    }
    assert_null(jobs_spare(jobs));
    gauge_set(GAUGE_QUEUE_DEPTH, 0);
    jobs_free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_acknowledged_is_on_disk),
        cmocka_unit_test(
            test_a_group_commit_waits_for_no_frame_that_does_not_come),
        cmocka_unit_test(
            test_what_is_acknowledged_early_is_synced_by_the_clock),
        cmocka_unit_test(
            test_a_full_queue_holds_senders_back_and_loses_nothing),
        cmocka_unit_test(test_more_streams_than_are_remembered_are_all_kept),
        cmocka_unit_test(test_draining_commits_and_acknowledges_what_has_come),
        cmocka_unit_test(test_a_run_is_deleted_by_the_writer_and_forgotten),
        cmocka_unit_test(test_an_alert_is_stored_by_the_writer_once),
        cmocka_unit_test(test_a_stopping_writer_refuses_requests),
        cmocka_unit_test(
            test_a_store_that_cannot_open_is_an_error_of_the_start),
        cmocka_unit_test(test_a_taken_address_is_an_error_of_the_start),
        cmocka_unit_test(test_a_job_comes_back_empty_and_as_often_as_wanted),
        cmocka_unit_test(test_no_job_is_spare_when_all_wait_or_hold_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

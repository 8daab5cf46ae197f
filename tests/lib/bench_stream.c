/* bench_stream.c: test support; one thread. */
#include "bench_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "wire/encode.h"
#include "wire/fields.h"

#define FRAME_ROWS_MAX 200u

const struct bench_load bench_steps = { WIRE_STEP, 64, 8192, STEP_loss };
const struct bench_load bench_layers = { WIRE_GROUP, 200, 20480,
    GROUP_grad_sq };

static void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ---- frames -----------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Row i of a frame; returns what is present. */
static uint64_t fill_row(const struct bench_load *load, uint64_t first_seq,
    size_t i, uint64_t *random, uint64_t *values)
{
    uint64_t first = load->first_double;
    uint64_t present = UINT64_C(0xff) << first | 3; /* step, wall_ns */
    uint64_t step = load->kind == WIRE_STEP ? first_seq + i : first_seq;
    static_assert(STEP_step == 0 && STEP_wall_ns == 1 && GROUP_step == 0 &&
                      GROUP_wall_ns == 1,
        "both begin alike");
    values[STEP_step] = step;
    values[STEP_wall_ns] = 1700000000000000000u + step * 1000000;
    if (load->kind == WIRE_GROUP) {
        values[GROUP_group] = i + 1;
        present |= UINT64_C(1) << GROUP_group;
    }
    for (uint64_t field = first; field < first + 8; field++) {
        double value = 1 + (double)(next_random(random) >> 11) * 0x1p-53;
        memcpy(&values[field], &value, sizeof value);
    }
    return present;
}

static uint32_t make_frame(const struct bench_stream *s, uint64_t first_seq,
    uint64_t *random, uint8_t *out)
{
    static uint64_t values[FRAME_ROWS_MAX][WIRE_FIELDS_MAX];
    struct wire_record records[FRAME_ROWS_MAX];
    const struct bench_load *load = s->load;
    for (size_t i = 0; i < load->rows; i++) {
        records[i] = (struct wire_record){
            .seq = first_seq + i,
            .kind = load->kind,
            .present = fill_row(load, first_seq, i, random, values[i]),
            .values = values[i],
        };
    }
    size_t n = wire_encode_data(
        out, load->frame_bytes, s->uid, 0, first_seq, records, load->rows);
    if (n == 0) {
        die("a frame does not fit");
    }
    return (uint32_t)n;
}

/* ---- talking ----------------------------------------------------------------
 */

static bool receive_ack(
    struct bench_stream *s, int flags, enum wire_ack_status *ret_status)
{
    uint8_t bytes[128];
    struct wire_head head;
    struct wire_ack ack;
    int n = zmq_recv(s->socket, bytes, sizeof bytes, flags);
    if (n < 0) {
        return false;
    }
    if (!wire_decode_ack(bytes, (size_t)n, &head, &ack)) {
        die("not an ACK");
    }
    *ret_status = (enum wire_ack_status)head.flags;
    s->acked = ack.committed_seq / s->load->rows;
    return true;
}

static void say_hello(struct bench_stream *s, unsigned id)
{
    char json[128];
    uint8_t bytes[512];
    enum wire_ack_status status = WIRE_ACK_BUSY;
    int n = snprintf(
        json, sizeof json, "{\"run_id\":\"bench-%u\",\"attempt\":1}", id);
    size_t length =
        wire_encode_hello(bytes, sizeof bytes, s->uid, 0, json, (size_t)n);
    (void)zmq_send(s->socket, bytes, length, 0);
    if (!receive_ack(s, 0, &status) || status != WIRE_ACK_OK) {
        die("HELLO was refused");
    }
}

struct bench_stream bench_stream_open(void *zmq, const char *endpoint,
    const struct bench_load *load, unsigned id, size_t n_frames)
{
    struct bench_stream s = { .load = load, .n_frames = n_frames };
    uint64_t random = id;
    int high = 0;
    memset(s.uid, 0xb0, sizeof s.uid);
    memcpy(s.uid, &(uint64_t){ next_random(&random) }, sizeof random);
    s.frames = malloc(n_frames * load->frame_bytes);
    s.lengths = malloc(n_frames * sizeof s.lengths[0]);
    s.sent_mono_ns = malloc(n_frames * sizeof s.sent_mono_ns[0]);
    s.latencies_us = malloc(n_frames * sizeof s.latencies_us[0]);
    s.socket = zmq_socket(zmq, ZMQ_DEALER);
    if (s.frames == NULL || s.lengths == NULL || s.sent_mono_ns == NULL ||
        s.latencies_us == NULL || s.socket == NULL) {
        die("memory");
    }
    for (size_t i = 0; i < n_frames; i++) {
        s.lengths[i] = make_frame(
            &s, i * load->rows + 1, &random, s.frames + i * load->frame_bytes);
    }
    (void)zmq_setsockopt(s.socket, ZMQ_SNDHWM, &high, sizeof high);
    if (zmq_connect(s.socket, endpoint) != 0) {
        die("connect");
    }
    say_hello(&s, id);
    return s;
}

void bench_stream_close(struct bench_stream *s)
{
    int linger = 0;
    (void)zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_close(s->socket);
    free(s->frames);
    free(s->lengths);
    free(s->sent_mono_ns);
    free(s->latencies_us);
}

void bench_stream_send(struct bench_stream *s, unsigned window, size_t most)
{
    most = most < s->n_frames ? most : s->n_frames;
    while (s->sent < most && s->sent - s->acked < window) {
        s->sent_mono_ns[s->sent] = clock_mono_ns();
        if (zmq_send(s->socket, s->frames + s->sent * s->load->frame_bytes,
                s->lengths[s->sent], ZMQ_DONTWAIT) < 0) {
            return;
        }
        s->sent++;
    }
}

void bench_stream_receive(struct bench_stream *s)
{
    enum wire_ack_status status = WIRE_ACK_OK;
    size_t before = s->acked;
    while (receive_ack(s, ZMQ_DONTWAIT, &status)) {
        if (status != WIRE_ACK_OK) {
            die("a frame was not taken");
        }
    }
    int64_t now = clock_mono_ns();
    for (size_t i = before; i < s->acked; i++) {
        s->latencies_us[i] = (double)(now - s->sent_mono_ns[i]) / 1000;
    }
}

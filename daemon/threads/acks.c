/* acks.c: owns its socket; the writer thread. */
#include "threads/acks.h"

#include <stdbool.h>
#include <stddef.h>
#include <zmq.h>

#include "base/counters.h"
#include "threads/analysis.h"
#include "threads/ingest.h"
#include "threads/live.h"
#include "threads/probe_rates.h"
#include "wire/encode.h"

#define ACKS_HWM 4096
/* To who looks on five times a second is at once; and each frame costs the
 * trainer's machine a quarter of a millisecond. */
#define WAIT_WATCHED_MS 200u
#define WAIT_MS 1000u

enum err_code acks_open(struct acks *acks, void *zmq, struct err *e)
{
    int hwm = ACKS_HWM;
    int linger = 0;
    acks->socket = zmq_socket(zmq, ZMQ_PAIR);
    if (acks->socket == NULL ||
        zmq_setsockopt(acks->socket, ZMQ_SNDHWM, &hwm, sizeof hwm) != 0 ||
        zmq_setsockopt(acks->socket, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_connect(acks->socket, INGEST_ACKS_ENDPOINT) != 0) {
        return err_set(e, ERR_IO, "writer: %s", zmq_strerror(zmq_errno()));
    }
    return ERR_NONE;
}

void acks_close(struct acks *acks)
{
    if (acks->socket != NULL) {
        (void)zmq_close(acks->socket); /* cannot fail on a socket */
    }
}

static struct wire_ack ack_of(
    struct acks *acks, const struct batch_stream *stream)
{
    struct wire_ack ack = {
        .committed_seq = stream->state.committed_seq,
        .window = acks->window,
    };
    struct run_law law;
    if (!stream->known) {
        return ack;
    }
    ack.attempt = stream->state.attempt;
    ack.wait_ms = WAIT_MS;
    if (acks->live != NULL &&
        live_is_watched(acks->live, stream->state.run_uid)) {
        ack.wait_ms = WAIT_WATCHED_MS;
    }
    ack.probe_every = probe_rates_get(acks->rates, stream->state.run_uid);
    if (acks->analysis != NULL &&
        analysis_advice(acks->analysis, stream->state.run_uid, &law)) {
        ack.advice_n = law.n;
        ack.advice_L0 = law.line.L0;
        ack.advice_L1 = law.line.L1;
    }
    return ack;
}

void acks_send(struct acks *acks, struct job *job,
    const struct batch_stream *stream, enum wire_ack_status status)
{
    uint8_t bytes[sizeof(struct wire_head) + sizeof(struct wire_ack)];
    struct wire_ack ack = ack_of(acks, stream);
    size_t n =
        wire_encode_ack(bytes, sizeof bytes, stream->uid.v, status, &ack);
    bool sent =
        zmq_send(acks->socket, zmq_msg_data(&job->route),
            zmq_msg_size(&job->route), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        zmq_send(acks->socket, bytes, n, ZMQ_DONTWAIT) >= 0;
    if (!sent) {
        counter_add(COUNTER_ACKS_DROPPED, 1);
    }
}

void acks_jobs_are_spare(struct acks *acks)
{
    (void)zmq_send(acks->socket, "", 0, ZMQ_DONTWAIT); /* it looks anyway */
}

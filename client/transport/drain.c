/*
 * drain: runs in the drainer of its spool.
 *
 * Invariants:
 * 1. acked is never behind a segment that is still mapped, and sent is never
 *    behind acked: so no cursor points into a released segment;
 * 2. the records of a frame have contiguous seqs; a frame that starts behind
 *    records that exist nowhere any more carries WIRE_F_GAP;
 * 3. DATA and BYE are sent only while the daemon has answered the last HELLO.
 */
#include "transport/drain.h"

#include <string.h>

#include "wire/encode.h"

#define FRAME_RECORDS 64u
#define FRAME_BYTES_MAX (512u << 10) /* of records, before the encoding */
#define STALL_MIN_NS (1500 * 1000000LL)
#define STALL_MAX_NS (8000 * 1000000LL)
#define BUSY_PAUSE_NS (500 * 1000000LL)
#define GAP_QUIET_NS (200 * 1000000LL)
#define ALIVE_NS (5000 * 1000000LL)
#define WINDOW_START 64u

static uint64_t acked_seq(const struct drain *d)
{
    return d->acked.next_seq - 1;
}

static uint64_t last_seq(const struct drain *d)
{
    /* Relaxed: a bound for what an ACK may claim; it can only rise. */
    return atomic_load_explicit(
        &d->spool->state->last_seq, memory_order_relaxed);
}

/* ---- forward ------------------------------------------------------------ */

/* Frames that have landed: behind the last of them acked is at once, without a
 * look at each record, which by now is in no cache. */
static void drop_landed_frames(struct drain *d, uint64_t seq)
{
    while (d->flight_n > 0) {
        const struct cursor *behind =
            &d->flight[d->flight_from % DRAIN_WINDOW_MAX];
        if (behind->next_seq - 1 > seq) {
            return;
        }
        d->acked = *behind;
        d->flight_from++;
        d->flight_n--;
    }
}

/* Past all records up to seq. They are the daemon's: their segments go. */
static void advance_acked(struct drain *d, uint64_t seq)
{
    const struct record_head *record = NULL;
    drop_landed_frames(d, seq);
    while ((record = cursor_peek(&d->acked)) != NULL && record->seq <= seq) {
        cursor_advance(&d->acked, record);
    }
    if (d->acked.next_seq <= seq) {
        d->acked.next_seq = seq + 1; /* the rest was lost here, not there */
    }
    if (d->sent.next_seq <= d->acked.next_seq) {
        d->sent = d->acked;
    }
    /* Relaxed: read by other threads as a number, by others after a crash. */
    atomic_store_explicit(
        &d->spool->state->acked_seq, seq, memory_order_relaxed);
    spool_release_before(d->spool, d->acked.segment);
}

static void note_progress(struct drain *d, int64_t now)
{
    d->progress_mono_ns = now;
    d->stall_ns = STALL_MIN_NS;
}

/* ---- back --------------------------------------------------------------- */

static void rewind_to_acked(struct drain *d)
{
    d->sent = d->acked;
    d->flight_n = 0;
    d->none_mono_ns = 0;
}

static void greet_again(struct drain *d)
{
    rewind_to_acked(d);
    d->state = DRAIN_GREETING;
    d->awaiting = false;
}

/* Nothing has come back for too long. */
static void check_stall(struct drain *d, int64_t now)
{
    bool waiting = d->awaiting || d->flight_n > 0 || d->state == DRAIN_CLOSING;
    if (!waiting) {
        d->progress_mono_ns = now;
        return;
    }
    if (now - d->progress_mono_ns < d->stall_ns) {
        return;
    }
    d->stall_ns =
        d->stall_ns * 2 < STALL_MAX_NS ? d->stall_ns * 2 : STALL_MAX_NS;
    d->progress_mono_ns = now;
    greet_again(d);
}

/* ---- sending ------------------------------------------------------------ */

struct out {
    struct drain_buffer *buffer;
    drain_send_fn send;
    void *context;
    int64_t now;
};

static unsigned base_flags(const struct drain *d)
{
    return d->role == DRAIN_LEFTOVER ? WIRE_F_SYNC : 0;
}

static bool say(struct drain *d, struct out *out, size_t n)
{
    if (n == 0 || !out->send(out->context, out->buffer->message, n)) {
        return false;
    }
    d->said_mono_ns = out->now;
    return true;
}

static bool send_hello(struct drain *d, struct out *out)
{
    size_t n =
        wire_encode_hello(out->buffer->message, sizeof out->buffer->message,
            d->spool->stream_uid, base_flags(d), d->hello->p, d->hello->n);
    if (!say(d, out, n)) {
        return false;
    }
    d->awaiting = true;
    d->progress_mono_ns = out->now;
    return true;
}

static bool send_bye(struct drain *d, struct out *out)
{
    unsigned flags = base_flags(d);
    if (d->role == DRAIN_LEFTOVER) {
        flags |= WIRE_F_WRITER_GONE; /* its lock was free */
    }
    size_t n = wire_encode_bye(out->buffer->message,
        sizeof out->buffer->message, d->spool->stream_uid, flags, last_seq(d));
    if (!say(d, out, n)) {
        return false;
    }
    d->state = DRAIN_CLOSING;
    d->awaiting = true;
    d->progress_mono_ns = out->now;
    return true;
}

static bool send_sign_of_life(struct drain *d, struct out *out)
{
    size_t n =
        wire_encode_data(out->buffer->message, sizeof out->buffer->message,
            d->spool->stream_uid, base_flags(d), d->sent.next_seq, NULL, 0);
    if (!say(d, out, n)) {
        return false;
    }
    d->awaiting = true;
    d->progress_mono_ns = out->now;
    return true;
}

/* Records with contiguous seqs from `at` on, at most max of them; `at` moves
 * behind them. */
static size_t gather(struct cursor *at, size_t max, struct drain_buffer *buffer)
{
    size_t n = 0;
    size_t bytes = 0;
    const struct record_head *record = NULL;
    while (n < max && (record = cursor_peek(at)) != NULL) {
        bool hole = n > 0 && record->seq != at->next_seq;
        bytes += record->length;
        if (hole || (n > 0 && bytes > FRAME_BYTES_MAX)) {
            break;
        }
        cursor_unpack(record, buffer->values[n], &buffer->records[n]);
        cursor_advance(at, record);
        n++;
    }
    return n;
}

/* Whether what lies before the first record of a frame is lost for good. */
static bool starts_behind_loss(const struct drain *d, uint64_t first_seq)
{
    bool lost_here = first_seq > d->sent.next_seq;
    bool lost_there = d->lost_at_daemon && first_seq == d->acked.next_seq;
    return lost_here || lost_there;
}

static void note_sent(
    struct drain *d, const struct cursor *behind, uint64_t first, int64_t now)
{
    if (d->flight_n == 0 && !d->awaiting) {
        d->progress_mono_ns = now; /* waiting begins */
    }
    d->flight[(d->flight_from + d->flight_n) % DRAIN_WINDOW_MAX] = *behind;
    d->flight_n++;
    (void)atomic_fetch_add_explicit(
        &d->counters->sent_frames, 1, memory_order_relaxed);
    if (first <= d->highest_sent_seq) {
        (void)atomic_fetch_add_explicit(
            &d->counters->resent_frames, 1, memory_order_relaxed);
    }
    if (behind->next_seq - 1 > d->highest_sent_seq) {
        d->highest_sent_seq = behind->next_seq - 1;
    }
    d->sent = *behind;
}

static bool waited_enough(const struct drain *d, int64_t now)
{
    return now - d->none_mono_ns >= d->wait_ms * 1000000LL;
}

/* A frame that is not full waits a little for more. */
static bool is_ripe(const struct drain *d, size_t n, int64_t now)
{
    return n >= FRAME_RECORDS || d->flush || d->role == DRAIN_LEFTOVER ||
           waited_enough(d, now);
}

static bool send_frame(struct drain *d, struct out *out)
{
    size_t max = DRAIN_BATCH_MAX;
    size_t length = 0;
    size_t n = 0;
    struct cursor behind = d->sent;
    /* Records of many kinds may take more room in columns than they did in
     * the spool; one alone always fits. */
    while (length == 0 && max > 0) {
        behind = d->sent;
        n = gather(&behind, max, out->buffer);
        if (n == 0) {
            d->none_mono_ns = out->now;
            return false;
        }
        if (!is_ripe(d, n, out->now)) {
            return false;
        }
        unsigned flags = base_flags(d);
        if (starts_behind_loss(d, out->buffer->records[0].seq)) {
            flags |= WIRE_F_GAP;
        }
        length =
            wire_encode_data(out->buffer->message, sizeof out->buffer->message,
                d->spool->stream_uid, flags, 0, out->buffer->records, n);
        max = n / 2;
    }
    if (!say(d, out, length)) {
        return false;
    }
    note_sent(d, &behind, out->buffer->records[0].seq, out->now);
    return true;
}

static bool stream_records(struct drain *d, struct out *out)
{
    bool sent = false;
    while (d->flight_n < d->window && send_frame(d, out)) {
        sent = true;
    }
    if (d->closing_wanted && drain_is_acked(d)) {
        return send_bye(d, out) || sent;
    }
    if (d->role == DRAIN_LIVE && out->now - d->said_mono_ns >= ALIVE_NS) {
        return send_sign_of_life(d, out) || sent;
    }
    return sent;
}

/* ---- what the sender calls ---------------------------------------------- */

void drain_init(struct drain *d, struct stream *stream, enum drain_role role,
    struct drain_counters *counters)
{
    *d = (struct drain){ .spool = &stream->spool,
        .hello = &stream->hello,
        .role = role,
        .state = DRAIN_GREETING,
        .window = WINDOW_START,
        .wait_ms = DRAIN_WAIT_MS,
        .stall_ns = STALL_MIN_NS,
        .counters = counters };
    /* A refusal of another day is asked about again. */
    atomic_store_explicit(
        &stream->spool.state->refused, 0, memory_order_relaxed);
    d->acked = cursor_at_front(&stream->spool, 1);
    advance_acked(d, atomic_load_explicit(&stream->spool.state->acked_seq,
                         memory_order_relaxed));
    d->sent = d->acked;
}

bool drain_pump(struct drain *d, struct drain_buffer *buffer, int64_t now,
    drain_send_fn send, void *context)
{
    struct out out = { buffer, send, context, now };
    if (now < d->pause_until_mono_ns) {
        return false;
    }
    if (!drain_is_settled(d)) {
        check_stall(d, now);
    }
    switch (d->state) {
    case DRAIN_GREETING:
        return !d->awaiting && send_hello(d, &out);
    case DRAIN_STREAMING:
        return stream_records(d, &out);
    case DRAIN_CLOSING:
    case DRAIN_DONE:
    case DRAIN_REFUSED:
        break;
    }
    return false;
}

static void on_gap(struct drain *d, const struct wire_ack *ack, int64_t now)
{
    /* The frames that were under way when it was noticed all give a GAP. */
    if (now < d->gap_until_mono_ns) {
        return;
    }
    d->gap_until_mono_ns = now + GAP_QUIET_NS;
    d->lost_at_daemon = ack->committed_seq < acked_seq(d);
    rewind_to_acked(d);
}

/* committed_seq, as far as it can be true. */
static void on_committed(
    struct drain *d, const struct wire_ack *ack, int64_t now)
{
    uint64_t seq = ack->committed_seq;
    if (ack->attempt == 0 || seq > last_seq(d) || seq <= acked_seq(d)) {
        return;
    }
    advance_acked(d, seq);
    d->lost_at_daemon = false;
    d->gap_until_mono_ns = 0;
    note_progress(d, now);
}

static void on_answer(struct drain *d, const struct wire_ack *ack, int64_t now)
{
    if (ack->attempt == 0) {
        return; /* of no stream it knows: no answer to anything of ours */
    }
    d->awaiting = false;
    if (ack->window > 0) {
        d->window =
            ack->window < DRAIN_WINDOW_MAX ? ack->window : DRAIN_WINDOW_MAX;
    }
    d->wait_ms = ack->wait_ms == 0                  ? DRAIN_WAIT_MS
                 : ack->wait_ms < DRAIN_WAIT_MAX_MS ? ack->wait_ms
                                                    : DRAIN_WAIT_MAX_MS;
    if (d->state == DRAIN_GREETING) {
        d->state = DRAIN_STREAMING;
        note_progress(d, now);
    }
}

void drain_on_ack(struct drain *d, const struct wire_head *head,
    const struct wire_ack *ack, int64_t now)
{
    if (drain_is_settled(d)) {
        return;
    }
    on_committed(d, ack, now);
    switch (head->flags) {
    case WIRE_ACK_OK:
        on_answer(d, ack, now);
        break;
    case WIRE_ACK_GAP:
        on_answer(d, ack, now);
        on_gap(d, ack, now);
        break;
    case WIRE_ACK_NEED_HELLO:
        /* While a HELLO is under way this is about what went before it. */
        if (d->state != DRAIN_GREETING) {
            greet_again(d);
        }
        break;
    case WIRE_ACK_BUSY:
        greet_again(d);
        d->pause_until_mono_ns = now + BUSY_PAUSE_NS;
        break;
    case WIRE_ACK_REFUSED:
        d->state = DRAIN_REFUSED;
        atomic_store_explicit(
            &d->spool->state->refused, 1, memory_order_relaxed);
        break;
    case WIRE_ACK_BYE:
        if (d->state == DRAIN_CLOSING && drain_is_acked(d)) {
            d->state = DRAIN_DONE;
        }
        break;
    default: /* of a later daemon: the committed_seq was all we can use */
        break;
    }
}

bool drain_is_settled(const struct drain *d)
{
    return d->state == DRAIN_DONE || d->state == DRAIN_REFUSED;
}

bool drain_is_due(const struct drain *d, int64_t now)
{
    return !drain_is_settled(d) &&
           (d->state != DRAIN_STREAMING || d->awaiting || d->flight_n > 0 ||
               d->role == DRAIN_LEFTOVER || waited_enough(d, now));
}

bool drain_hangs_on_an_answer(const struct drain *d)
{
    return !drain_is_settled(d) &&
           (d->awaiting || d->flight_n > 1 || d->flight_n >= d->window);
}

bool drain_is_acked(const struct drain *d)
{
    return acked_seq(d) >= last_seq(d);
}

int64_t drain_oldest_wall_ns(struct drain *d)
{
    const struct record_head *record = cursor_peek(&d->acked);
    if (record == NULL) {
        return 0;
    }
    /* wall_ns is field 1 of every kind and always there; field 0 may not be. */
    const uint64_t *values = (const uint64_t *)(const void *)(record + 1);
    return (int64_t)values[record->present & 1u];
}

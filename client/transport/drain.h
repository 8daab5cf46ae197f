/*
 * drain: the protocol of one stream, from its spool to the daemon's ACKs
 * (schema/wire.md). No socket and no clock: messages go out through a
 * function, time comes in as an argument.
 *
 * Go-back-N: frames are sent in seq order as far as the window allows; when
 * acknowledgements stop, or say GAP, everything behind the acknowledged seq is
 * sent again. The daemon leaves out what it has, so sending twice is harmless.
 * The same for a live stream, for what an earlier attempt left, and for
 * `traj sync`.
 */
#ifndef TRAJ_TRANSPORT_DRAIN_H
#define TRAJ_TRANSPORT_DRAIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/cursor.h"
#include "transport/rundir.h"
#include "wire.h"

#define DRAIN_WINDOW_MAX 1024u
#define DRAIN_BATCH_MAX 512u
/* How long records wait for a frame to fill, unless the daemon says otherwise:
 * a tenth of a second is at once to who looks on; and each frame wakes three
 * threads, here and at libzmq, which in a step of 10 ms can be felt. */
#define DRAIN_WAIT_MS 100u
#define DRAIN_WAIT_MAX_MS 2000u /* whatever the daemon says */

enum drain_state {
    DRAIN_GREETING,  /* HELLO to be sent, or sent and not answered */
    DRAIN_STREAMING, /* the daemon knows the stream */
    DRAIN_CLOSING,   /* BYE sent and not answered */
    DRAIN_DONE,      /* the BYE is on disk: the folder may be removed */
    DRAIN_REFUSED,   /* for good; the spool is kept */
};

enum drain_role {
    DRAIN_LIVE,     /* of the trainer's own process */
    DRAIN_LEFTOVER, /* its writer is gone */
};

/* Sends one message: true if it was taken, false if there is no room or no
 * connection now. bytes are borrowed for the call. */
typedef bool (*drain_send_fn)(void *context, const void *bytes, size_t n);

/* Where messages are built; one for all drains of a thread. */
struct drain_buffer {
    uint8_t message[WIRE_MESSAGE_MAX];
    struct wire_record records[DRAIN_BATCH_MAX];
    uint64_t values[DRAIN_BATCH_MAX][WIRE_FIELDS_MAX];
};

/* Counters for whoever asks; relaxed atomics. */
struct drain_counters {
    _Atomic uint64_t sent_frames;
    _Atomic uint64_t resent_frames;
};

struct drain {
    struct spool *spool;      /* borrowed */
    const struct text *hello; /* borrowed */
    enum drain_role role;
    enum drain_state state;
    bool closing_wanted; /* BYE once everything is acknowledged */
    bool flush;          /* do not wait for a frame to fill */

    struct cursor acked; /* behind the last record the daemon has */
    struct cursor sent;  /* behind the last record sent */
    uint64_t highest_sent_seq;
    bool lost_at_daemon; /* it asks for records that are deleted here */

    /* Behind the frames in flight, a ring. */
    struct cursor flight[DRAIN_WINDOW_MAX];
    uint32_t flight_from, flight_n;
    uint32_t window;
    uint32_t wait_ms; /* see DRAIN_WAIT_MS */

    bool awaiting;            /* a HELLO, BYE or sign of life is unanswered */
    int64_t progress_mono_ns; /* when an ACK last moved us, or waiting began */
    int64_t stall_ns;         /* patience; doubles */
    int64_t pause_until_mono_ns;
    int64_t gap_until_mono_ns; /* GAPs until then are about the last rewind */
    int64_t none_mono_ns;      /* no record waited then; what does came after */
    int64_t said_mono_ns;      /* when anything was last sent */
    struct drain_counters *counters; /* borrowed */
};

void drain_init(struct drain *drain, struct stream *stream,
    enum drain_role role, struct drain_counters *counters);

/* Send what may be sent now. Returns whether anything was. */
bool drain_pump(struct drain *drain, struct drain_buffer *buffer,
    int64_t now_mono_ns, drain_send_fn send, void *context);

/* An ACK for this stream. */
void drain_on_ack(struct drain *drain, const struct wire_head *head,
    const struct wire_ack *ack, int64_t now_mono_ns);

/* Nothing more will be sent, and no answer matters. */
bool drain_is_settled(const struct drain *drain);

/* There may be something to send or to hear now. A full frame is no reason, nor
 * a sign of life: they come soon enough with what has waited. */
bool drain_is_due(const struct drain *drain, int64_t now_mono_ns);

/* Nothing more can be sent, or there is a backlog, until an ACK comes: it is
 * worth being woken by one. */
bool drain_hangs_on_an_answer(const struct drain *drain);

/* Everything recorded so far is acknowledged. */
bool drain_is_acked(const struct drain *drain);

/* Wall time of the oldest record that is not acknowledged; 0 = none. */
int64_t drain_oldest_wall_ns(struct drain *drain);

#endif

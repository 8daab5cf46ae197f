/*
 * fake_daemon: the daemon's side of schema/wire.md in memory, without a
 * socket: takes messages, keeps records, answers, and misbehaves as told.
 * Fails the test by itself if a client breaks the protocol.
 */
#ifndef TRAJD_TEST_FAKE_DAEMON_H
#define TRAJD_TEST_FAKE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/decode.h"
#include "wire.h"

#define FAKE_STREAMS_MAX 16u
#define FAKE_ACK_BYTES 128u

struct fake_record {
    uint64_t seq;
    unsigned kind;
    uint64_t present;
    uint64_t values[WIRE_FIELDS_MAX]; /* of texts: 0 */
    char *text;                       /* owned; of the text field */
    uint32_t text_bytes;
};

struct fake_stream {
    struct stream_uid uid;
    char *json; /* owned, terminated: of the last HELLO */
    unsigned hellos;
    unsigned sync_messages; /* with WIRE_F_SYNC */
    uint64_t committed;
    uint64_t lost; /* behind a WIRE_F_GAP */
    bool closed;
    unsigned bye_flags;
    struct fake_record *records; /* owned; in order of seq, no seq twice */
    size_t n;
    size_t capacity;
};

struct fake_daemon {
    struct fake_stream streams[FAKE_STREAMS_MAX];
    size_t n_streams;
    /* The script. */
    uint32_t window;             /* told in every ACK; 0 = 64 */
    enum wire_ack_status forced; /* status of the next forced_n answers, */
    unsigned forced_n;           /* whose messages are not stored */
    bool silent;                 /* stores and does not answer */
    bool forgetful;              /* knows no stream at the next message */
    unsigned lose_percent;       /* of messages, and of answers */
    uint64_t seed;               /* of what is lost */
    uint32_t probe_every, law_n, wait_ms; /* told in every ACK */
    double law_L0, law_L1;
    /* What was seen. */
    uint64_t messages, keepalives, malformed, largest_frame;
};

void fake_daemon_done(struct fake_daemon *daemon);

/* A message from a client; the length of the answer in ack, 0 = none. */
size_t fake_daemon_receive(struct fake_daemon *daemon, const void *bytes,
    size_t n, uint8_t ack[static FAKE_ACK_BYTES]);

#endif

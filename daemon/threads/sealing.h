/*
 * sealing: which streams have a chunk's worth of log rows, and seals them a
 * slice of time after the other, so that no acknowledgement waits long. The
 * writer thread.
 *
 * Sealing may fall behind while much comes in, up to SEALING_BEHIND_MAX
 * bytes of log; beyond that a slice takes as long as it takes. A stream that
 * cannot be sealed (a damaged row, say) holds up no other: it is tried again by
 * itself, a second later.
 */
#ifndef TRAJD_SEALING_H
#define TRAJD_SEALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define SEALING_SLICE_MS 2        /* that others wait for */
#define SEALING_STREAMS_MAX 1024u /* that wait; another asks again later */
/* Sixteen streams with as much as a chunk is made of at once (store/seal.c). */
#define SEALING_BEHIND_MAX (64u << 20)

struct sealing_due {
    struct stream_id stream;
    uint64_t bytes;             /* about, in the log */
    bool everything;            /* it has ended: what is left is sealed too */
    bool done;                  /* if the transaction is committed */
    int64_t not_before_mono_ns; /* after a failure; else 0 */
};

/* Zero-initialised is empty. */
struct sealing {
    size_t n;
    uint64_t bytes; /* of all that is due */
    struct sealing_due due[SEALING_STREAMS_MAX];
};

/* As the stream is now; due if what it has in the log fills a chunk, and with
 * everything if there is anything. */
void sealing_note(struct sealing *sealing, const struct stream_state *stream,
    bool everything);
/* What a trajd that was killed has left: at the start. */
void sealing_find(struct sealing *sealing, struct store *store);

/* Whether a slice has something to do now. */
bool sealing_is_due(const struct sealing *sealing);
/* Seals for SEALING_SLICE_MS, in one transaction. A failure is logged and
 * counted and leaves everything in the log. */
void sealing_slice(struct sealing *sealing, struct store *store);

#endif

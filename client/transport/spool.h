/*
 * spool: the queue of one stream, a folder of segments and a state file.
 *
 *   DIR/RUN_ID/aNNNN-rRRRRR/hello.json   who the stream is, written once
 *                           state        what both sides know of it; locked
 *                           NNNNNNNN.seg the records
 *
 * A spool has two sides, each one thread at a time:
 *   the appender  reserve, commit (the trainer's thread)
 *   the drainer   maintain, release_before, acked, and cursors (the sender)
 * A spool that was recovered has no appender.
 *
 * A segment that holds records that cannot be read, and that nobody has a copy
 * of, is not deleted: when the daemon has the others, its file goes to the
 * run's folder, DIR/RUN_ID/aNNNN-rRRRRR-NNNNNNNN.damaged, and is the user's.
 */
#ifndef TRAJ_TRANSPORT_SPOOL_H
#define TRAJ_TRANSPORT_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "traj.h"
#include "transport/lock.h"
#include "transport/segment.h"

#define SPOOL_ASIDE ".damaged"
#define SPOOL_SEGMENT_BYTES (4u << 20)
#define SPOOL_SEGMENT_BYTES_MIN (256u << 10)
#define SPOOL_RECORD_MAX (sizeof(struct record_head) + 64 * 8 + 65536)
static_assert(
    SPOOL_RECORD_MAX + sizeof(struct segment_head) < SPOOL_SEGMENT_BYTES_MIN,
    "any record fits into an empty segment");

/* What the segments of a run may take on disk, over all its streams here. */
struct quota {
    uint64_t limit;
    _Atomic uint64_t used; /* relaxed: a sum, orders nothing */
};

/* The state file. Mapped by the one process that holds its lock. */
struct spool_state {
    uint32_t magic;
    uint32_t version;
    uint8_t stream_uid[16];
    uint8_t pad0[40];
    /* The appender's line; relaxed, for whoever looks. */
    _Atomic uint64_t last_seq;
    _Atomic uint64_t dropped;
    _Atomic uint64_t dropped_told; /* of them: an event in the spool tells */
    uint8_t pad1[40];
    /* The drainer's line; relaxed. */
    _Atomic uint64_t acked_seq; /* the daemon has everything up to here */
    _Atomic uint32_t refused;   /* 1: the daemon said it never wants it */
    uint8_t pad2[52];
};
static_assert(sizeof(struct spool_state) == 192, "three cache lines");

struct spool {
    int dir_fd;
    struct lock lock; /* on the state file */
    struct spool_state *state;
    uint8_t stream_uid[16];
    size_t segment_bytes;
    struct quota *quota; /* borrowed; outlives the spool */

    /* Of a recovered one. */
    const char *name;    /* of the stream, aNNNN-rRRRRR; borrowed, as quota */
    uint64_t unreadable; /* records not acknowledged that cannot be read */
    bool stuck;          /* a damaged file could not be put aside */

    /* The appender's. */
    struct segment *tail; /* the one being written */
    size_t offset;        /* of the next record in it */
    uint64_t next_seq;
    int64_t retry_mono_ns; /* after a disk error: not before */

    /* Between the two. `ready` is made by the drainer (release) and taken by
     * the appender (acquire); who finds it empty makes a segment for itself,
     * under a number of its own, so that neither ever waits for the other. */
    _Atomic(struct segment *) ready;
    _Atomic uint64_t next_number;
    _Atomic uint64_t segment_waits; /* relaxed counter */

    /* The drainer's. */
    struct segment *first;      /* oldest that is still mapped */
    struct segment *maintained; /* the one whose pages were populated last */
    size_t seen_committed;      /* of it, at that time */
    size_t window_bytes;        /* to keep present ahead of the appender */
    int64_t refreshed_mono_ns;
    int64_t prepare_after_mono_ns; /* after a disk error: not before */
};

/* Make a new stream in the open, empty folder dir_fd (taken on success). */
TRAJ_CHECK enum traj_status spool_create(struct spool *spool, int dir_fd,
    const uint8_t stream_uid[static 16], struct quota *quota);

/* Take over what a dead process left in dir_fd (taken on success), the folder
 * of the stream of that name. TRAJ_EBUSY: its process lives. */
TRAJ_CHECK enum traj_status spool_recover(
    struct spool *spool, int dir_fd, const char *name, struct quota *quota);

/* Close both sides, give unused room back to the disk. Files stay. */
void spool_close(struct spool *spool);

/* Put the damaged files aside that are still in the folder. false: one is, and
 * the folder must stay. */
TRAJ_CHECK bool spool_put_aside(struct spool *spool);

/* Close, and remove the stream's files; damaged ones have been put aside. The
 * folder is the caller's. */
void spool_close_and_remove(struct spool *spool);

enum spool_urgency {
    SPOOL_ORDINARY = 0,
    SPOOL_URGENT = 1, /* may go one segment over the limit */
};

/*
 * Appender: room for a record whose values and text take at most max_bytes.
 * Returns where the values go, or NULL with *ret_status TRAJ_EFULL (limit) or
 * TRAJ_EIO (disk). No system call unless a segment ends and the drainer has
 * not made the next one.
 */
uint64_t *spool_reserve(struct spool *spool, size_t max_bytes,
    enum spool_urgency urgency, int64_t now_mono_ns,
    enum traj_status *ret_status);

/* Appender: publish the record whose n_values values were just written. */
void spool_commit(struct spool *spool, unsigned kind, uint64_t present,
    size_t n_values, const void *text, uint32_t text_bytes);

/* Appender: the same, and do not publish it: the next record takes its place
 * and its seq. Only if the process is killed before that, the recovery finds it
 * behind the others. */
void spool_draft(
    struct spool *spool, unsigned kind, uint64_t present, size_t n_values);

/* Drainer: make the next segment and keep pages ahead of the appender
 * present. true: it may reach their end before long; call again in half the
 * time since the last call. */
bool spool_maintain(struct spool *spool, int64_t now_mono_ns);

/* Drainer: unmap all segments before keep; their files are deleted, or put
 * aside if they are damaged. */
void spool_release_before(struct spool *spool, const struct segment *keep);

/* How many records are there whose seq is beyond `seq`. For a spool without
 * an appender. */
uint64_t spool_records_beyond(const struct spool *spool, uint64_t seq);

/* Take bytes from the quota, or not; one segment more when urgent. */
bool quota_take(struct quota *quota, size_t bytes, enum spool_urgency urgency);
void quota_give(struct quota *quota, size_t bytes);

#endif

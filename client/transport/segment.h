/*
 * segment: one mapped file of the spool, a head and then records back to
 * back. Made whole (posix_fallocate) before it is used, so that a full disk
 * is an error code here and never a SIGBUS in the trainer.
 *
 * Who touches what: one thread appends, one thread reads up to `committed`.
 * The append is published by a release store of committed; a reader that
 * loads it with acquire sees whole records only.
 */
#ifndef TRAJ_TRANSPORT_SEGMENT_H
#define TRAJ_TRANSPORT_SEGMENT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "traj.h"

#define SEGMENT_MAGIC 0x474a5254u /* "TRJG" */
#define SEGMENT_VERSION 1u

struct segment_head {
    uint32_t magic;
    uint32_t version;
    uint64_t number; /* of the file, unique in its stream */
    uint8_t stream_uid[16];
    uint8_t pad0[32];
    _Atomic uint64_t first_seq; /* 0 = made ahead and not used yet */
    uint8_t pad1[56];
    /* Offset behind the last whole record. On a line of its own. */
    _Atomic uint64_t committed;
    uint8_t pad2[56];
};
static_assert(sizeof(struct segment_head) == 192, "three cache lines");

/* Then, 8-aligned: the values of the set bits of present in ascending order,
 * without the one of the text field; then text_bytes of text, zero-padded. */
struct record_head {
    uint32_t length; /* of the whole record, a multiple of 8 */
    uint32_t crc32c; /* of everything from seq on */
    uint64_t seq;
    uint32_t kind; /* enum wire_kind */
    uint32_t text_bytes;
    uint64_t present;
};
static_assert(sizeof(struct record_head) == 32, "record_head is 32 bytes");
#define RECORD_CRC_FROM 8u

struct segment {
    struct segment_head *head; /* the mapping */
    size_t bytes;              /* of the mapping */
    uint64_t number;
    /* Set (release) by the appending thread when it has left this segment
     * for good: then it may be unmapped once it is read. */
    _Atomic(struct segment *) next;
    size_t populated; /* pages up to here are present; the maintainer's */
    /* Of a recovered one. */
    bool damaged; /* it held records that cannot be read: offsets are those of
                     memory, not of the file */
    bool torn;    /* among them its last ones */
};

/* The file's name, NNNNNNNN.seg. */
#define SEGMENT_NAME_BYTES 32
void segment_name(char out[static SEGMENT_NAME_BYTES], uint64_t number);

/* Create the file with room for bytes (a multiple of the page size). */
TRAJ_CHECK enum traj_status segment_create(int dir_fd, uint64_t number,
    const uint8_t stream_uid[static 16], size_t bytes,
    struct segment **ret_segment);

/* What a file turned out to be that a dead process left. */
enum segment_state {
    SEGMENT_HAS_RECORDS, /* or would have had */
    SEGMENT_UNUSED, /* made ahead, or not to its end: no record was in it */
    SEGMENT_NONE,   /* something was in it; it is no segment any more */
};

/*
 * Open what a dead process left. Every record is checked by its lengths, its
 * checksum and its seq, which rises; those that are good are in the segment
 * back to back, in memory: the file stays as it is.
 *
 * After SIGKILL they are what the process had committed, and perhaps a whole
 * one more: a draft, or what was about to be committed. Bytes among them that
 * are no record, or an end before the one that was committed, are damage: a
 * disk's, or of a power cut before all pages reached it. A record that was
 * never committed leaves neither.
 *
 * *ret_segment is set for SEGMENT_HAS_RECORDS. TRAJ_EIO and TRAJ_ENOMEM: what
 * the file is could not be found out.
 */
TRAJ_CHECK enum traj_status segment_recover(int dir_fd, uint64_t number,
    const uint8_t stream_uid[static 16], enum segment_state *ret_state,
    struct segment **ret_segment);

/* Unmap and free; the file stays. NULL is allowed. */
void segment_close(struct segment *segment);

/* The record at offset, or NULL if none is committed there. Any thread that
 * may read; its values follow the head. */
const struct record_head *segment_record(
    const struct segment *segment, size_t offset);

/*
 * Whether bytes at p hold one good record of at most n bytes: pure, total.
 * Used on files that a power cut may have torn.
 */
bool segment_record_is_good(const void *p, size_t n);

#endif

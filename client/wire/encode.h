/* encode: records into messages, as schema/wire.md lays them out. */
#ifndef TRAJ_WIRE_ENCODE_H
#define TRAJ_WIRE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* One record, ready to be laid into columns. values[i] holds the bits of
 * field i (of a text or blob: nothing; its bytes are in text). At most one
 * field of a kind is a text or blob. Borrowed for the call. */
struct wire_record {
    uint64_t seq;
    unsigned kind;          /* enum wire_kind */
    uint64_t present;       /* bit i: field i is there */
    const uint64_t *values; /* indexed by field id; absent slots ignored */
    const void *text;
    uint32_t text_bytes;
};

/*
 * Encode n records (contiguous seqs, any kinds) as one DATA message into out.
 * n = 0 makes a keepalive with first_seq = next_seq. Returns the length, or 0
 * if out (capacity bytes) or a bound of wire.h is too small for all of them.
 * The encoding is canonical: the same records give the same bytes.
 */
size_t wire_encode_data(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], unsigned flags, uint64_t next_seq,
    const struct wire_record *records, size_t n);

size_t wire_encode_hello(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], unsigned flags, const char *json,
    size_t json_bytes);
size_t wire_encode_bye(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], unsigned flags, uint64_t last_seq);
size_t wire_encode_ack(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], enum wire_ack_status status,
    const struct wire_ack *ack);

/* An ACK from outside: checks magic, version, type, length and crc32c. What an
 * earlier daemon does not say is 0. */
bool wire_decode_ack(const void *bytes, size_t n, struct wire_head *ret_head,
    struct wire_ack *ret_ack);

#endif

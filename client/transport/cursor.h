/* cursor: a place in a spool, for its drainer. Moves over segments. */
#ifndef TRAJ_TRANSPORT_CURSOR_H
#define TRAJ_TRANSPORT_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/spool.h"
#include "wire/encode.h"

struct cursor {
    struct segment *segment;
    size_t offset;
    uint64_t next_seq; /* one more than the record before; the record at the
                          cursor has this seq unless some were lost */
};

/* At the front of the spool; next_seq is what the caller expects there. */
struct cursor cursor_at_front(const struct spool *spool, uint64_t next_seq);

/* The record at the cursor, or NULL if there is none yet. */
const struct record_head *cursor_peek(struct cursor *cursor);

/* Past the record that cursor_peek returned. */
void cursor_advance(struct cursor *cursor, const struct record_head *record);

/* Unpack: values by field id into values[64], borrowed by *ret. */
void cursor_unpack(const struct record_head *record, uint64_t values[static 64],
    struct wire_record *ret);

#endif

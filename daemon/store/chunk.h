/*
 * chunk: sealed records of one kind of one stream as one blob. One blob, for
 * blobs of a page each would fill overflow pages badly; a directory first, so
 * that a reader fetches the columns it wants and no others.
 *
 *   struct chunk_head
 *   struct chunk_entry x entries, by ascending id
 *   the entries' bytes
 *
 * Ids 0..63 are fields: the values of the records that have the field, one
 * after the other (of a text or blob: their lengths). The others below.
 */
#ifndef TRAJD_CHUNK_H
#define TRAJD_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/column.h"
#include "store/records.h"

#define CHUNK_MAGIC 0x314b4843u /* the bytes 'C' 'H' 'K' '1' */
#define CHUNK_RECORDS_MAX 32768u
#define CHUNK_HEAP_MAX (64u << 20)
#define CHUNK_ENTRIES_MAX (WIRE_FIELDS_MAX + 3)

enum chunk_entry_id {
    CHUNK_SEQ = 64,     /* of every record */
    CHUNK_PRESENT = 65, /* presence mask of every record */
    CHUNK_HEAP = 66,    /* texts or blobs, back to back; count is bytes */
};

struct chunk_head {
    uint32_t magic;
    uint32_t crc32c;  /* of the rest of the head and the directory */
    uint32_t records; /* 1..CHUNK_RECORDS_MAX */
    uint8_t kind;     /* enum wire_kind */
    uint8_t entries;
    uint16_t reserved; /* 0 */
    uint64_t mask;     /* fields that at least one record has */
};
static_assert(sizeof(struct chunk_head) == 24, "chunk_head is 24 bytes");
#define CHUNK_CRC_FROM 8u

struct chunk_entry {
    uint8_t id;
    uint8_t codec; /* enum column_codec */
    uint16_t reserved;
    uint32_t count;  /* values; of the heap: bytes */
    uint32_t offset; /* in the blob */
    uint32_t length; /* as stored */
    uint32_t crc32c; /* as stored */
};
static_assert(sizeof(struct chunk_entry) == 20, "chunk_entry is 20 bytes");

/* Working memory for chunks, one thread at a time. Zero is ready. */
struct chunk_coder {
    struct column_coder column;
    uint64_t *values; /* of one column: column.scratch_n of them */
    uint8_t *bytes;   /* of one entry as stored, or of a whole body */
    size_t bytes_capacity;
};
void chunk_coder_done(struct chunk_coder *coder);

/* records: all fields kept. *ret_body is the coder's, valid until its next
 * use. */
CHECK_RESULT enum err_code chunk_encode(struct chunk_coder *coder,
    const struct records *records, struct str *ret_body, struct err *e);

/* Where a chunk is read from: a part of a blob, or memory. */
struct chunk_source {
    void *context;
    size_t size;
    /* n bytes from offset, within size. */
    enum err_code (*read)(
        void *context, void *to, size_t n, size_t offset, struct err *e);
};

/*
 * Reads the records with the fields that `records` keeps; it must be clear.
 * Any bytes are safe: ERR_STORE says what is wrong with them.
 */
CHECK_RESULT enum err_code chunk_read(struct chunk_coder *coder,
    const struct chunk_source *source, struct records *records, struct err *e);

#endif

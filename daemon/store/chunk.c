/*
 * chunk.c: working memory, and building a chunk. The writer thread builds;
 * chunk_read.c reads.
 */
#include "store/chunk.h"

#include <assert.h>
#include <string.h>

#include "store/chunk_impl.h"
#include "store/db.h"
#include "wire/crc32c.h"
#include "wire/fields.h"

void chunk_coder_done(struct chunk_coder *coder)
{
    column_coder_done(&coder->column);
    db_free(coder->column.scratch);
    db_free(coder->values);
    db_free(coder->bytes);
    *coder = (struct chunk_coder){ 0 };
}

enum err_code chunk_reserve_values(
    struct chunk_coder *coder, size_t n, struct err *e)
{
    if (coder->column.scratch_n >= n) {
        return ERR_NONE;
    }
    uint64_t *values = db_realloc(coder->values, n * 8);
    if (values == NULL) {
        return db_nomem(e, "chunk");
    }
    coder->values = values;
    uint64_t *scratch = db_realloc(coder->column.scratch, n * 16);
    if (scratch == NULL) {
        return db_nomem(e, "chunk");
    }
    coder->column.scratch = scratch;
    coder->column.scratch_n = n;
    return ERR_NONE;
}

enum err_code chunk_reserve_bytes(
    struct chunk_coder *coder, size_t n, struct err *e)
{
    if (coder->bytes_capacity >= n) {
        return ERR_NONE;
    }
    uint8_t *bytes = db_realloc(coder->bytes, n);
    if (bytes == NULL) {
        return db_nomem(e, "chunk");
    }
    coder->bytes = bytes;
    coder->bytes_capacity = n;
    return ERR_NONE;
}

enum column_type chunk_column_type(enum wire_kind kind, unsigned field)
{
    return wire_kind_info(kind)->fields[field].type == WIRE_F64
               ? COLUMN_FLOAT
               : COLUMN_INTEGER;
}

/* ---- building ------------------------------------------------------------ */

/* A body on its way: entries are written behind each other. */
struct builder {
    struct chunk_coder *coder;
    const struct records *records;
    struct chunk_entry entries[CHUNK_ENTRIES_MAX];
    size_t n;
    size_t used; /* bytes of the body so far */
};

static size_t head_bytes(size_t entries)
{
    return sizeof(struct chunk_head) + entries * sizeof(struct chunk_entry);
}

static void add_entry(
    struct builder *b, unsigned id, uint8_t codec, size_t count, size_t length)
{
    b->entries[b->n++] = (struct chunk_entry){
        .id = (uint8_t)id,
        .codec = codec,
        .count = (uint32_t)count,
        .offset = (uint32_t)b->used,
        .length = (uint32_t)length,
        .crc32c = crc32c(b->coder->bytes + b->used, length),
    };
    b->used += length;
}

static void add_column(struct builder *b, unsigned id, enum column_type type,
    const uint64_t *values, size_t n)
{
    uint8_t codec = 0;
    size_t length = column_encode(
        &b->coder->column, type, values, n, b->coder->bytes + b->used, &codec);
    add_entry(b, id, codec, n, length);
}

/* The values of the records that have the field, of a text their lengths. */
static size_t gather(const struct records *r, unsigned field, uint64_t *to)
{
    bool is_text = (int)field == records_text_field(r->kind);
    uint64_t keep = is_text ? UINT32_MAX : UINT64_MAX;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        to[n] = r->columns[field][i] & keep;
        n += r->present[i] >> field & 1;
    }
    return n;
}

static void add_field(struct builder *b, unsigned field)
{
    size_t n = gather(b->records, field, b->coder->values);
    enum column_type type = chunk_column_type(b->records->kind, field);
    add_column(b, field, type, b->coder->values, n);
}

/* Bytes of all texts together. */
static size_t heap_bytes(const struct records *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->n; i++) {
        bytes += records_text(r, i).n;
    }
    return bytes;
}

/* The texts are gathered at the end of the body's room and compressed to where
 * the body ends. */
static void add_heap(struct builder *b, size_t bytes)
{
    const struct records *r = b->records;
    char *heap = (char *)b->coder->bytes + b->coder->bytes_capacity - bytes;
    size_t at = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct str text = records_text(r, i);
        if (text.n > 0) {
            memcpy(heap + at, text.p, text.n);
        }
        at += text.n;
    }
    uint8_t codec = 0;
    size_t length = column_encode_heap(
        &b->coder->column, heap, bytes, b->coder->bytes + b->used, &codec);
    add_entry(b, CHUNK_HEAP, codec, bytes, length);
}

static size_t count_entries(const struct records *r)
{
    size_t n = 2 + (records_text_field(r->kind) >= 0);
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        n += r->mask >> f & 1;
    }
    return n;
}

#define KEY_ENTRIES 2

/* Their bytes come first, for every reader wants them and few want all that
 * lies between: SQLite goes through a body page by page. In the directory they
 * follow the fields. */
static void add_keys(struct builder *b)
{
    const struct records *r = b->records;
    b->n = (size_t)__builtin_popcountll(r->mask);
    add_column(b, CHUNK_SEQ, COLUMN_INTEGER, r->seq, r->n);
    add_column(b, CHUNK_PRESENT, COLUMN_INTEGER, r->present, r->n);
    b->n = 0;
}

static enum err_code reserve(
    struct builder *b, size_t entries, size_t heap, struct err *e)
{
    enum err_code code = chunk_reserve_values(b->coder, b->records->n, e);
    if (code != ERR_NONE) {
        return code;
    }
    size_t bytes = head_bytes(entries) + entries * column_bound(b->records->n) +
                   column_bound((heap + 7) / 8) + heap;
    return chunk_reserve_bytes(b->coder, bytes, e);
}

static void write_head(struct builder *b)
{
    struct chunk_head head = {
        .magic = CHUNK_MAGIC,
        .records = (uint32_t)b->records->n,
        .kind = (uint8_t)b->records->kind,
        .entries = (uint8_t)b->n,
        .mask = b->records->mask,
    };
    uint8_t *to = b->coder->bytes;
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, b->entries, b->n * sizeof b->entries[0]);
    head.crc32c =
        crc32c(to + CHUNK_CRC_FROM, head_bytes(b->n) - CHUNK_CRC_FROM);
    memcpy(to, &head, sizeof head);
}

enum err_code chunk_encode(struct chunk_coder *coder,
    const struct records *records, struct str *ret_body, struct err *e)
{
    assert(records->n > 0 && records->n <= CHUNK_RECORDS_MAX);

    size_t entries = count_entries(records);
    size_t heap = heap_bytes(records);
    struct builder b = {
        .coder = coder, .records = records, .used = head_bytes(entries)
    };
    enum err_code code = reserve(&b, entries, heap, e);
    if (code != ERR_NONE) {
        return code;
    }
    add_keys(&b);
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        if ((records->mask >> f & 1) != 0) {
            add_field(&b, f);
        }
    }
    b.n += KEY_ENTRIES;
    if (records_text_field(records->kind) >= 0) {
        add_heap(&b, heap);
    }
    assert(b.n == entries);
    write_head(&b);
    *ret_body = (struct str){ (const char *)coder->bytes, b.used };
    return ERR_NONE;
}

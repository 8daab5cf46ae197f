/*
 * chunk_read.c: chunks from a file are bytes from outside: every length,
 * count and order is checked before it is used, whatever the checksums say.
 * The thread of the reader.
 */
#include "store/chunk.h"

#include <assert.h>
#include <string.h>

#include "store/chunk_impl.h"
#include "store/db.h"
#include "wire/crc32c.h"
#include "wire/fields.h"

#define GAMMA_BYTES 32u /* four F64 a point: schema/wire.md */

struct chunk_view {
    const struct chunk_source *source;
    struct chunk_coder *coder;
    struct chunk_head head;
    struct chunk_entry entries[CHUNK_ENTRIES_MAX];
};

static enum err_code damaged(struct err *e, const char *what)
{
    return err_set(e, ERR_STORE, "chunk is damaged: %s", what);
}

/* ---- the directory ------------------------------------------------------- */

static bool head_is_sound(const struct chunk_head *head, size_t size)
{
    const struct wire_kind_info *info = wire_kind_info(head->kind);
    if (info == NULL || head->magic != CHUNK_MAGIC || head->reserved != 0 ||
        head->records < 1 || head->records > CHUNK_RECORDS_MAX ||
        head->entries > CHUNK_ENTRIES_MAX) {
        return false;
    }
    uint64_t known =
        info->n_fields == 64 ? UINT64_MAX : (UINT64_C(1) << info->n_fields) - 1;
    return (head->mask & ~known) == 0 &&
           size - sizeof *head >= head->entries * sizeof(struct chunk_entry);
}

static bool entries_are_sound(const struct chunk_view *v, size_t size)
{
    int before = -1;
    for (size_t i = 0; i < v->head.entries; i++) {
        const struct chunk_entry *entry = &v->entries[i];
        if (entry->id <= before || entry->id > CHUNK_HEAP ||
            entry->offset > size || entry->length > size - entry->offset ||
            entry->count >
                (entry->id == CHUNK_HEAP ? CHUNK_HEAP_MAX : v->head.records)) {
            return false;
        }
        before = entry->id;
    }
    return true;
}

static enum err_code read_directory(struct chunk_view *v, struct err *e)
{
    const struct chunk_source *source = v->source;
    if (source->size < sizeof v->head) {
        return damaged(e, "too short");
    }
    enum err_code code =
        source->read(source->context, &v->head, sizeof v->head, 0, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!head_is_sound(&v->head, source->size)) {
        return damaged(e, "its head");
    }
    uint8_t bytes[sizeof v->head + sizeof v->entries];
    size_t n = v->head.entries * sizeof v->entries[0];
    memcpy(bytes, &v->head, sizeof v->head);
    code = source->read(
        source->context, bytes + sizeof v->head, n, sizeof v->head, e);
    if (code != ERR_NONE) {
        return code;
    }
    n += sizeof v->head;
    if (crc32c(bytes + CHUNK_CRC_FROM, n - CHUNK_CRC_FROM) != v->head.crc32c) {
        return damaged(e, "its directory");
    }
    memcpy(v->entries, bytes + sizeof v->head, n - sizeof v->head);
    return entries_are_sound(v, source->size) ? ERR_NONE
                                              : damaged(e, "its directory");
}

static const struct chunk_entry *find_entry(
    const struct chunk_view *v, unsigned id)
{
    for (size_t i = 0; i < v->head.entries; i++) {
        if (v->entries[i].id == id) {
            return &v->entries[i];
        }
    }
    return NULL;
}

/* ---- columns ------------------------------------------------------------- */

/* An entry as it is stored, into the coder's bytes. */
static enum err_code fetch(
    struct chunk_view *v, const struct chunk_entry *entry, struct err *e)
{
    enum err_code code = chunk_reserve_bytes(v->coder, entry->length, e);
    if (code == ERR_NONE && entry->length > 0) {
        code = v->source->read(v->source->context, v->coder->bytes,
            entry->length, entry->offset, e);
    }
    if (code == ERR_NONE &&
        crc32c(v->coder->bytes, entry->length) != entry->crc32c) {
        code = damaged(e, "a checksum is wrong");
    }
    return code;
}

/* The count values of an entry into to. */
static enum err_code read_column(struct chunk_view *v, unsigned id,
    size_t count, uint64_t *to, struct err *e)
{
    const struct chunk_entry *entry = find_entry(v, id);
    if (entry == NULL || entry->count != count) {
        return damaged(e, "a column is missing");
    }
    enum err_code code = fetch(v, entry, e);
    if (code == ERR_NONE && !column_decode(&v->coder->column, entry->codec,
                                v->coder->bytes, entry->length, to, count)) {
        code = damaged(e, "a column does not decode");
    }
    return code;
}

static bool keys_are_sound(const struct records *r, uint64_t mask)
{
    uint64_t all = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (i > 0 && r->seq[i] <= r->seq[i - 1]) {
            return false;
        }
        all |= r->present[i];
    }
    return all == mask;
}

static enum err_code read_keys(
    struct chunk_view *v, struct records *r, struct err *e)
{
    size_t n = v->head.records;
    enum err_code code = read_column(v, CHUNK_SEQ, n, r->seq, e);
    if (code == ERR_NONE) {
        code = read_column(v, CHUNK_PRESENT, n, r->present, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    r->n = n;
    return keys_are_sound(r, v->head.mask) ? ERR_NONE : damaged(e, "its keys");
}

static size_t count_present(const struct records *r, unsigned field)
{
    size_t count = 0;
    for (size_t i = 0; i < r->n; i++) {
        count += r->present[i] >> field & 1;
    }
    return count;
}

/* The first count slots are the values of the records that have the field:
 * each moves to its record, from the last on, and the others become 0. */
static void scatter(
    const struct records *r, unsigned field, size_t count, uint64_t *column)
{
    for (size_t i = r->n; i > 0 && count < i; i--) {
        bool present = (r->present[i - 1] >> field & 1) != 0;
        count -= present;
        column[i - 1] = present ? column[count] : 0;
    }
}

/* As the wire has it: whole points, and not too many. */
static bool length_is_sound(enum wire_kind kind, uint64_t length)
{
    if (kind == WIRE_PROBE) {
        return length % GAMMA_BYTES == 0 &&
               length <= WIRE_GAMMAS_MAX * GAMMA_BYTES;
    }
    return length <= WIRE_TEXT_MAX;
}

/* Lengths, one after the other, become offset << 32 | length. */
static bool place_texts(
    enum wire_kind kind, uint64_t *lengths, size_t n, size_t heap_bytes)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t length = lengths[i];
        if (!length_is_sound(kind, length) || length > heap_bytes - at) {
            return false;
        }
        lengths[i] = at << 32 | length;
        at += length;
    }
    return at == heap_bytes;
}

static enum err_code read_heap(struct chunk_view *v, struct records *r,
    uint64_t *lengths, size_t count, struct err *e)
{
    const struct chunk_entry *entry = find_entry(v, CHUNK_HEAP);
    if (entry == NULL) {
        return damaged(e, "its texts are missing");
    }
    enum err_code code = records_reserve_heap(r, entry->count, e);
    if (code == ERR_NONE) {
        code = fetch(v, entry, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    if (!column_decode_heap(&v->coder->column, entry->codec, v->coder->bytes,
            entry->length, r->heap, entry->count) ||
        !place_texts(r->kind, lengths, count, entry->count)) {
        return damaged(e, "its texts");
    }
    r->heap_n = entry->count;
    return ERR_NONE;
}

static enum err_code read_field(
    struct chunk_view *v, struct records *r, unsigned field, struct err *e)
{
    size_t count = count_present(r, field);
    uint64_t *column = r->columns[field];
    enum err_code code = read_column(v, field, count, column, e);
    if (code == ERR_NONE && (int)field == records_text_field(r->kind)) {
        code = read_heap(v, r, column, count, e);
    }
    if (code == ERR_NONE) {
        scatter(r, field, count, column);
    }
    return code;
}

static enum err_code read_fields(
    struct chunk_view *v, struct records *r, struct err *e)
{
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        if (r->columns[f] == NULL) {
            continue;
        }
        if ((v->head.mask >> f & 1) == 0) {
            memset(r->columns[f], 0, r->n * 8);
            continue;
        }
        enum err_code code = read_field(v, r, f, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

enum err_code chunk_read(struct chunk_coder *coder,
    const struct chunk_source *source, struct records *records, struct err *e)
{
    assert(records->n == 0 && records->heap_n == 0);

    struct chunk_view v = { .source = source, .coder = coder };
    enum err_code code = read_directory(&v, e);
    if (code == ERR_NONE && v.head.kind != records->kind) {
        code = damaged(e, "its kind");
    }
    if (code == ERR_NONE) {
        code = chunk_reserve_values(coder, v.head.records, e);
    }
    if (code == ERR_NONE) {
        code = records_reserve(records, v.head.records, v.head.mask, e);
    }
    if (code == ERR_NONE) {
        code = read_keys(&v, records, e);
    }
    if (code == ERR_NONE) {
        code = read_fields(&v, records, e);
    }
    if (code != ERR_NONE) {
        records_clear(records);
        return code;
    }
    records->mask = v.head.mask;
    return ERR_NONE;
}

/* records.c: owns the arrays; one thread at a time. Little-endian, as the
 * wire is: columns are copied as they are. */
#include "store/records.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "store/db.h"
#include "wire/fields.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "columns of the wire are used as they are");

int records_text_field(enum wire_kind kind)
{
    switch (kind) {
    case WIRE_PROBE:
        return PROBE_gammas;
    case WIRE_METRIC:
        return METRIC_name;
    case WIRE_EVENT:
        return EVENT_text;
    default:
        return -1;
    }
}

void records_init(struct records *records, enum wire_kind kind, uint64_t fields)
{
    *records = (struct records){ .kind = kind, .fields = fields };
}

void records_done(struct records *records)
{
    db_free(records->seq);
    db_free(records->present);
    for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
        db_free(records->columns[f]);
    }
    db_free(records->heap);
    *records = (struct records){ 0 };
}

void records_clear(struct records *records)
{
    records->n = 0;
    records->heap_n = 0;
    records->mask = 0;
}

/* A column grown to capacity, zero where it is new. */
static bool grow_column(uint64_t **column, size_t used, size_t capacity)
{
    uint64_t *grown = db_realloc(*column, capacity * 8);
    if (grown == NULL) {
        return false;
    }
    memset(grown + used, 0, (capacity - used) * 8);
    *column = grown;
    return true;
}

static enum err_code grow(struct records *r, size_t capacity, struct err *e)
{
    bool grown = grow_column(&r->seq, r->n, capacity) &&
                 grow_column(&r->present, r->n, capacity);
    for (size_t f = 0; grown && f < WIRE_FIELDS_MAX; f++) {
        grown = r->columns[f] == NULL ||
                grow_column(&r->columns[f], r->n, capacity);
    }
    if (!grown) {
        return db_nomem(e, "records"); /* some are larger than they say */
    }
    r->capacity = capacity;
    return ERR_NONE;
}

enum err_code records_reserve(
    struct records *records, size_t n, uint64_t mask, struct err *e)
{
    if (records->n + n > records->capacity) {
        size_t capacity = records->capacity < 64 ? 64 : records->capacity * 2;
        capacity = capacity < records->n + n ? records->n + n : capacity;
        enum err_code code = grow(records, capacity, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    mask &= records->fields;
    for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
        if ((mask >> f & 1) != 0 && records->columns[f] == NULL &&
            !grow_column(&records->columns[f], 0, records->capacity)) {
            return db_nomem(e, "records");
        }
    }
    return ERR_NONE;
}

enum err_code records_reserve_heap(
    struct records *records, size_t bytes, struct err *e)
{
    size_t wanted = records->heap_n + bytes;
    if (wanted <= records->heap_capacity) {
        return ERR_NONE;
    }
    if (wanted > UINT32_MAX) {
        return err_set(e, ERR_FULL, "records: more than 4 GiB of texts");
    }
    size_t capacity = records->heap_capacity * 2;
    capacity = capacity < wanted ? wanted : capacity;
    char *grown = db_realloc(records->heap, capacity);
    if (grown == NULL) {
        return db_nomem(e, "records");
    }
    records->heap = grown;
    records->heap_capacity = capacity;
    return ERR_NONE;
}

struct str records_text(const struct records *records, size_t i)
{
    int field = records_text_field(records->kind);
    if (field < 0 || records->columns[field] == NULL) {
        return (struct str){ 0 };
    }
    uint64_t value = records->columns[field][i];
    return (struct str){ records->heap + (value >> 32), value & UINT32_MAX };
}

/* The heap of s behind the one that is there; its texts moved with it. */
static void append_texts(
    struct records *r, const struct section *s, unsigned field, uint32_t from)
{
    if (s->heap_length > 0) {
        memcpy(r->heap + r->heap_n, s->heap, s->heap_length);
    }
    for (uint32_t i = from; i < s->count; i++) {
        bool present = (section_present(s, i) >> field & 1) != 0;
        uint64_t value = section_bits(s, field, i);
        r->columns[field][r->n + i - from] =
            present ? value + ((uint64_t)r->heap_n << 32) : 0;
    }
    r->heap_n += s->heap_length;
}

/* The index of the first record of s with seq from_seq or later. */
static uint32_t first_wanted(
    const struct section *s, uint64_t first_seq, uint64_t from_seq)
{
    uint32_t i = 0;
    while (i < s->count && first_seq + section_seq_offset(s, i) < from_seq) {
        i++;
    }
    return i;
}

static void append_keys(struct records *r, const struct section *s,
    uint64_t first_seq, uint32_t from)
{
    for (uint32_t i = from; i < s->count; i++) {
        size_t at = r->n + i - from;
        r->seq[at] = first_seq + section_seq_offset(s, i);
        r->present[at] = section_present(s, i);
        r->mask |= r->present[at];
    }
}

/* Every column that is there gets its n slots; nothing can fail. */
static void append_columns(
    struct records *r, const struct section *s, uint32_t from)
{
    size_t n = s->count - from;
    int text_field = records_text_field(r->kind);
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        if (r->columns[f] == NULL) {
            continue;
        }
        uint64_t *to = r->columns[f] + r->n;
        if ((s->mask >> f & 1) == 0) {
            memset(to, 0, n * 8);
        } else if ((int)f == text_field) {
            append_texts(r, s, f, from);
        } else {
            memcpy(to, s->columns[f] + (size_t)from * 8, n * 8);
        }
    }
}

enum err_code records_append(struct records *records, const struct section *s,
    uint64_t first_seq, uint64_t from_seq, struct err *e)
{
    assert(records->kind == s->kind);

    uint32_t from = first_wanted(s, first_seq, from_seq);
    if (from == s->count) {
        return ERR_NONE;
    }
    size_t n = s->count - from;
    enum err_code code = records_reserve(records, n, s->mask, e);
    if (code == ERR_NONE) {
        code = records_reserve_heap(records, s->heap_length, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    append_columns(records, s, from);
    append_keys(records, s, first_seq, from);
    records->n += n;
    return ERR_NONE;
}

void records_keep(struct records *records, const uint32_t *indices, size_t n)
{
    struct records *r = records;
    for (size_t i = 0; i < n; i++) {
        r->seq[i] = r->seq[indices[i]];
        r->present[i] = r->present[indices[i]];
    }
    for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
        uint64_t *column = r->columns[f];
        for (size_t i = 0; column != NULL && i < n; i++) {
            column[i] = column[indices[i]];
        }
    }
    r->n = n;
}

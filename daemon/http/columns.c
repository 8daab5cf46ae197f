/* columns.c: owns the buffers of struct columns; any thread, one at a time. */
#include "http/columns.h"

#include <assert.h>
#include <string.h>

#include "http/json.h"
#include "pure/gammas.h"
#include "wire/fields.h"

static const struct wire_field *field_of(enum wire_kind kind, unsigned field)
{
    const struct wire_kind_info *info = wire_kind_info(kind);
    assert(info != NULL && field < info->n_fields);
    return &info->fields[field];
}

static double double_of(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Clocks count nanoseconds and are texts whatever their size, so that a
 * column has one type; an exit code is a number. */
static void i64_json(struct buf *out, const char *name, int64_t value)
{
    size_t n = strlen(name);
    bool clock = n > 3 && strcmp(name + n - 3, "_ns") == 0;
    bool exact = value <= (int64_t)JSON_INTEGER_MAX &&
                 value >= -(int64_t)JSON_INTEGER_MAX;
    const char *quote = clock || !exact ? "\"" : "";
    buf_text(out, quote);
    buf_i64(out, value);
    buf_text(out, quote);
}

void value_json(struct buf *out, enum wire_kind kind, unsigned field,
    uint64_t bits, struct str text)
{
    const struct wire_field *f = field_of(kind, field);
    switch (f->type) {
    case WIRE_F64:
        buf_json_double(out, double_of(bits));
        break;
    case WIRE_U64:
        buf_json_u64(out, bits);
        break;
    case WIRE_I64:
        i64_json(out, f->name, (int64_t)bits);
        break;
    case WIRE_TEXT:
        buf_json_text(out, text);
        break;
    case WIRE_BLOB:
        gammas_json(out, text);
        break;
    }
}

/* RFC 4180: quotes around, quotes inside doubled. */
static void csv_quoted(struct buf *out, struct str text)
{
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"') {
            buf_char(out, '"');
        }
        buf_char(out, text.p[i]);
    }
    buf_char(out, '"');
}

static void gammas_csv(struct buf *out, struct str blob)
{
    struct buf json = { 0 };
    gammas_json(&json, blob);
    out->failed = out->failed || json.failed;
    csv_quoted(out, (struct str){ json.p, json.n });
    buf_done(&json);
}

void value_csv(struct buf *out, enum wire_kind kind, unsigned field,
    uint64_t bits, struct str text)
{
    switch (field_of(kind, field)->type) {
    case WIRE_F64:
        buf_double(out, double_of(bits));
        break;
    case WIRE_U64:
        buf_u64(out, bits);
        break;
    case WIRE_I64:
        buf_i64(out, (int64_t)bits);
        break;
    case WIRE_TEXT:
        csv_quoted(out, text);
        break;
    case WIRE_BLOB:
        gammas_csv(out, text);
        break;
    }
}

/* The lowest field of the mask, which it leaves; false: it is empty. */
static bool next_field(uint64_t *mask, unsigned *ret_field)
{
    if (*mask == 0) {
        return false;
    }
    *ret_field = (unsigned)__builtin_ctzll(*mask);
    *mask &= *mask - 1;
    return true;
}

static bool is_text(enum wire_kind kind, unsigned field)
{
    enum wire_field_type type = field_of(kind, field)->type;
    return type == WIRE_TEXT || type == WIRE_BLOB;
}

static bool has(enum wire_kind kind, const struct scan_batch *batch, size_t i,
    unsigned field)
{
    bool read = is_text(kind, field) ? batch->texts != NULL
                                     : batch->columns[field] != NULL;
    return read && (batch->present[i] >> field & 1) != 0;
}

static uint64_t bits_of(const struct scan_batch *batch, size_t i, unsigned f)
{
    return batch->columns[f] == NULL ? 0 : batch->columns[f][i];
}

static struct str text_of(const struct scan_batch *batch, size_t i)
{
    return batch->texts == NULL ? (struct str){ 0 } : batch->texts[i];
}

void rows_csv_header(struct buf *out, enum wire_kind kind, uint64_t fields)
{
    unsigned f = 0;
    buf_text(out, "attempt,rank,seq");
    uint64_t left = fields;
    while (next_field(&left, &f)) {
        buf_char(out, ',');
        buf_text(out, field_of(kind, f)->name);
    }
    buf_char(out, '\n');
}

void rows_csv(struct buf *out, enum wire_kind kind, uint64_t fields,
    const struct scan_batch *batch, size_t i)
{
    unsigned f = 0;
    buf_u64(out, batch->attempt);
    buf_char(out, ',');
    buf_u64(out, batch->rank);
    buf_char(out, ',');
    buf_u64(out, batch->seq[i]);
    uint64_t left = fields;
    while (next_field(&left, &f)) {
        buf_char(out, ',');
        if (has(kind, batch, i, f)) {
            value_csv(out, kind, f, bits_of(batch, i, f), text_of(batch, i));
        }
    }
    buf_char(out, '\n');
}

void rows_ndjson(struct buf *out, enum wire_kind kind, uint64_t fields,
    const struct scan_batch *batch, size_t i)
{
    unsigned f = 0;
    buf_text(out, "{\"attempt\":");
    buf_u64(out, batch->attempt);
    buf_text(out, ",\"rank\":");
    buf_u64(out, batch->rank);
    buf_text(out, ",\"seq\":");
    buf_json_u64(out, batch->seq[i]);
    uint64_t left = fields & batch->present[i];
    while (next_field(&left, &f)) {
        if (!has(kind, batch, i, f)) {
            continue;
        }
        buf_text(out, ",\"");
        buf_text(out, field_of(kind, f)->name);
        buf_text(out, "\":");
        value_json(out, kind, f, bits_of(batch, i, f), text_of(batch, i));
    }
    buf_text(out, "}\n");
}

void columns_init(struct columns *columns, enum wire_kind kind, uint64_t fields)
{
    *columns = (struct columns){ .kind = kind, .fields = fields };
}

void columns_done(struct columns *columns)
{
    buf_done(&columns->attempt);
    buf_done(&columns->rank);
    buf_done(&columns->seq);
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        buf_done(&columns->values[f]);
    }
}

void columns_add(
    struct columns *columns, const struct scan_batch *batch, size_t i)
{
    unsigned f = 0;
    const char *comma = columns->rows++ == 0 ? "" : ",";
    buf_text(&columns->attempt, comma);
    buf_u64(&columns->attempt, batch->attempt);
    buf_text(&columns->rank, comma);
    buf_u64(&columns->rank, batch->rank);
    buf_text(&columns->seq, comma);
    buf_json_u64(&columns->seq, batch->seq[i]);
    uint64_t left = columns->fields;
    while (next_field(&left, &f)) {
        struct buf *out = &columns->values[f];
        buf_text(out, comma);
        if (!has(columns->kind, batch, i, f)) {
            buf_text(out, "null");
            continue;
        }
        value_json(
            out, columns->kind, f, bits_of(batch, i, f), text_of(batch, i));
    }
}

size_t columns_bytes(const struct columns *columns)
{
    unsigned f = 0;
    size_t n = columns->attempt.n + columns->rank.n + columns->seq.n;
    uint64_t left = columns->fields;
    while (next_field(&left, &f)) {
        n += columns->values[f].n;
    }
    return n;
}

static void write_column(
    struct buf *out, const char *name, const struct buf *values)
{
    buf_char(out, '"');
    buf_text(out, name);
    buf_text(out, "\":[");
    buf_append(out, values->p, values->n);
    buf_char(out, ']');
    out->failed = out->failed || values->failed;
}

void columns_write(const struct columns *columns, struct buf *out)
{
    unsigned f = 0;
    buf_char(out, '{');
    write_column(out, "attempt", &columns->attempt);
    buf_char(out, ',');
    write_column(out, "rank", &columns->rank);
    buf_char(out, ',');
    write_column(out, "seq", &columns->seq);
    uint64_t left = columns->fields;
    while (next_field(&left, &f)) {
        buf_char(out, ',');
        write_column(
            out, field_of(columns->kind, f)->name, &columns->values[f]);
    }
    buf_char(out, '}');
}

/*
 * api_array.c: numeric fields of the records of a kind as one NumPy array, in
 * the .npy format (numpy.lib.format, version 1.0): numpy.load reads it as it
 * is. Bits of the records, so nothing is rounded or spelled out. Memory is
 * bounded by a batch and a block, however long the run.
 *
 * The format says first how many rows come: they are counted in a scan of its
 * own. Both scans are of one state of the database.
 */
#include "http/routes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/log.h"
#include "http/readers.h"
#include "http/record_query.h"
#include "http/reply.h"
#include "wire/fields.h"

#define BLOCK_BYTES 262144u
#define HEADER_ALIGN 64u

struct array_stream {
    struct readers *readers;
    struct reader *reader;
    struct scan *scan;
    struct scan_query query;
    uint64_t rows;
    uint64_t written; /* rows, into blocks */
    struct scan_batch batch;
    size_t next_row; /* of batch */
    struct buf block;
    size_t sent; /* bytes of block */
    bool ended;  /* nothing comes after block */
};

static void array_free(void *context)
{
    struct array_stream *a = context;
    scan_close(a->scan);
    reader_end(a->reader);
    readers_give(a->readers, READERS_STREAM, a->reader);
    buf_done(&a->block);
    free(a);
}

/* ---- the header ---------------------------------------------------------- */

static const char *dtype_of(enum wire_field_type type)
{
    return type == WIRE_F64 ? "<f8" : type == WIRE_I64 ? "<i8" : "<u8";
}

static bool is_numeric(enum wire_kind kind, unsigned field)
{
    enum wire_field_type type = wire_kind_info(kind)->fields[field].type;
    return type != WIRE_TEXT && type != WIRE_BLOB;
}

static void put_description(struct buf *out, const struct array_stream *a)
{
    const struct wire_kind_info *info = wire_kind_info(a->query.kind);
    buf_text(out, "{'descr': [");
    for (unsigned f = 0; f < info->n_fields; f++) {
        if ((a->query.fields >> f & 1) != 0) {
            buf_printf(out, "('%s', '%s'), ", info->fields[f].name,
                dtype_of(info->fields[f].type));
        }
    }
    buf_text(out, "('present', '<u8')], 'fortran_order': False, 'shape': (");
    buf_u64(out, a->rows);
    buf_text(out, ",), }");
}

static void put_header(struct buf *out, const struct array_stream *a)
{
    static const char magic[] = "\x93NUMPY\x01\x00";
    struct buf text = { 0 };
    put_description(&text, a);
    size_t whole = sizeof magic - 1 + 2 + text.n + 1;
    size_t padding = (HEADER_ALIGN - whole % HEADER_ALIGN) % HEADER_ALIGN;
    for (size_t i = 0; i < padding; i++) {
        buf_char(&text, ' ');
    }
    buf_char(&text, '\n');
    out->failed = out->failed || text.failed;
    const char length[2] = { (char)(text.n & 0xff), (char)(text.n >> 8) };
    buf_append(out, magic, sizeof magic - 1);
    buf_append(out, length, sizeof length);
    buf_append(out, text.p, text.n);
    buf_done(&text);
}

/* ---- rows ---------------------------------------------------------------- */

/* A value that is absent is NaN, or 0 of an integer; the bit of its place
 * among the fields is 0 in `present`. */
static void put_row(struct array_stream *a)
{
    const struct wire_kind_info *info = wire_kind_info(a->query.kind);
    uint64_t row[WIRE_FIELDS_MAX + 1];
    const double nan = (double)NAN;
    uint64_t present = 0;
    size_t n = 0;
    for (uint64_t left = a->query.fields; left != 0; left &= left - 1) {
        unsigned f = (unsigned)__builtin_ctzll(left);
        const uint64_t *column = a->batch.columns[f];
        bool there =
            column != NULL && (a->batch.present[a->next_row] >> f & 1) != 0;
        row[n] = 0;
        if (there) {
            row[n] = column[a->next_row];
            present |= UINT64_C(1) << n;
        } else if (info->fields[f].type == WIRE_F64) {
            memcpy(&row[n], &nan, sizeof nan);
        }
        n++;
    }
    row[n++] = present;
    buf_append(&a->block, (const char *)row, n * sizeof row[0]);
    a->next_row++;
    a->written++;
}

/* The fields and `present`. */
static size_t row_bytes(uint64_t fields)
{
    return ((size_t)__builtin_popcountll(fields) + 1) * sizeof(uint64_t);
}

/* Fills an empty block. */
static enum err_code fill(struct array_stream *a, struct err *e)
{
    while (a->block.n < BLOCK_BYTES && !a->ended) {
        if (a->next_row < a->batch.n) {
            put_row(a);
            continue;
        }
        a->next_row = 0;
        if (scan_next(a->scan, &a->batch, e) != ERR_NONE) {
            return e->code;
        }
        a->ended = a->batch.n == 0;
    }
    if (a->ended && a->written != a->rows) {
        return err_set(e, ERR_STORE, "array: the rows were not those counted");
    }
    return a->block.failed ? err_nomem(e) : ERR_NONE;
}

static ssize_t array_read(
    void *context, uint64_t position, char *out, size_t max)
{
    (void)position;
    struct array_stream *a = context;
    struct err e = { 0 };
    if (a->sent == a->block.n) {
        if (a->ended) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        buf_clear(&a->block);
        a->sent = 0;
        if (fill(a, &e) != ERR_NONE) {
            char quoted[256];
            log_limited(LOG_ERROR, "http", "array=cut error=%s",
                log_quoted(quoted, sizeof quoted, e.text));
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    size_t left = a->block.n - a->sent;
    size_t n = left < max ? left : max;
    if (n == 0) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    memcpy(out, a->block.p + a->sent, n);
    a->sent += n;
    return (ssize_t)n;
}

/* ---- opening ------------------------------------------------------------- */

static enum err_code count_rows(struct array_stream *a, struct err *e)
{
    struct scan_query steps = a->query;
    struct scan *scan = NULL;
    steps.fields = 1; /* the step, for the window */
    enum err_code code = scan_open(a->reader, &steps, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct scan_batch batch = { .n = 1 };
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        a->rows += code == ERR_NONE ? batch.n : 0;
    }
    scan_close(scan);
    return code;
}

/* In the snapshot. */
static enum err_code open_scan(struct array_stream *a, struct err *e)
{
    enum err_code code = count_rows(a, e);
    if (code != ERR_NONE) {
        return code;
    }
    put_header(&a->block, a);
    if (a->block.failed) {
        buf_done(&a->block);
        return err_nomem(e);
    }
    code = scan_open(a->reader, &a->query, &a->scan, e);
    if (code != ERR_NONE) {
        buf_done(&a->block);
    }
    return code;
}

static enum err_code array_open(
    struct request *req, struct array_stream *a, struct err *e)
{
    a->readers = req->http->readers;
    enum err_code code =
        readers_take(a->readers, READERS_STREAM, &a->reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = reader_begin(a->reader, e);
    if (code == ERR_NONE) {
        code = open_scan(a, e);
        if (code != ERR_NONE) {
            reader_end(a->reader);
        }
    }
    if (code != ERR_NONE) {
        readers_give(a->readers, READERS_STREAM, a->reader);
    }
    return code;
}

static enum err_code array_start(
    struct request *req, const struct scan_query *query, struct err *e)
{
    struct array_stream *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return err_nomem(e);
    }
    a->query = *query;
    enum err_code code = array_open(req, a, e);
    if (code != ERR_NONE) {
        free(a);
        return code;
    }
    /* All that is in the block yet is the header. */
    const uint64_t size = a->block.n + a->rows * row_bytes(a->query.fields);
    code = reply_stream(req, MEDIA_NPY, size, array_read, array_free, a, e);
    if (code != ERR_NONE) {
        array_free(a);
    }
    return code;
}

/* Texts and blobs have no place in an array: an error when they are asked for
 * by name, left out of "all". */
static uint64_t numeric_fields(struct request *req, enum wire_kind kind)
{
    const bool named = request_text(req, "fields", 2000, NULL) != NULL;
    uint64_t fields = record_query_fields(req, kind);
    const struct wire_kind_info *info = wire_kind_info(kind);
    for (unsigned f = 0; f < info->n_fields; f++) {
        if ((fields >> f & 1) == 0 || is_numeric(kind, f)) {
            continue;
        }
        if (named) {
            request_bad(req, "fields: %s is no number", info->fields[f].name);
        }
        fields &= ~(UINT64_C(1) << f);
    }
    return fields;
}

enum err_code api_array(struct request *req, struct err *e)
{
    static const char *const kinds[] = { "step", "probe", "metric", "event",
        "sharpness", "group", NULL };
    static_assert(WIRE_STEP == 1 && WIRE_GROUP == 6, "kinds are in order");

    enum wire_kind kind =
        (enum wire_kind)(WIRE_STEP + request_choice(req, "kind", kinds, 0));
    struct scan_query query;
    record_query_window(req, kind, &query);
    query.fields = numeric_fields(req, kind);
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    struct run_row run = { 0 };
    if (request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    query.run = run.id;
    run_row_done(&run);
    return array_start(req, &query, e);
}

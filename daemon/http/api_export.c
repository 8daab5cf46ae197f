/*
 * api_export.c: every record of a kind of a run, streamed. Memory is bounded
 * by one batch of the scan and one block of text, however long the run: the
 * next block is made when the client has taken the last.
 *
 * Owns its reader and its scan, and so gives what was there at the first byte,
 * but lets go of the database between two batches: a client may take minutes
 * or stop reading, and meanwhile the write-ahead log could not begin again.
 * libmicrohttpd ends it (and both) when the reply is over, the client has gone
 * or has been idle too long.
 */
#include "http/routes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/log.h"
#include "http/columns.h"
#include "http/readers.h"
#include "http/record_query.h"
#include "http/reply.h"
#include "wire/crc32c.h"

#define BLOCK_BYTES 65536u

struct export_stream {
    struct readers *readers;
    struct reader *reader;
    struct scan *scan;
    enum wire_kind kind;
    enum record_format format;
    uint64_t fields;
    struct scan_batch batch;
    size_t next_row; /* of batch */
    struct buf block;
    size_t sent; /* bytes of block */
    uint64_t rows;
    uint32_t crc; /* of all bytes before the trailer */
    bool ended;   /* nothing comes after block */
};

static void export_free(void *context)
{
    struct export_stream *x = context;
    scan_close(x->scan);
    readers_give(x->readers, READERS_STREAM, x->reader);
    buf_done(&x->block);
    free(x);
}

static void add_row(struct export_stream *x)
{
    if (x->format == RECORD_CSV) {
        rows_csv(&x->block, x->kind, x->fields, &x->batch, x->next_row);
    } else {
        rows_ndjson(&x->block, x->kind, x->fields, &x->batch, x->next_row);
    }
    x->next_row++;
    x->rows++;
}

/* The last line lets a reader tell a whole export from one cut short. */
static void end(struct export_stream *x)
{
    x->ended = true;
    x->crc = crc32c_extend(x->crc, x->block.p, x->block.n);
    if (x->format == RECORD_NDJSON) {
        buf_text(&x->block, "{\"trailer\":{\"rows\":");
        buf_u64(&x->block, x->rows);
        buf_text(&x->block, ",\"thinned\":");
        buf_u64(&x->block, scan_thinned(x->scan));
        buf_printf(&x->block, ",\"crc32c\":\"%08x\"}}\n", x->crc);
    }
}

/* Fills an empty block. */
static enum err_code fill(struct export_stream *x, struct err *e)
{
    while (x->block.n < BLOCK_BYTES && !x->ended) {
        if (x->next_row < x->batch.n) {
            add_row(x);
            continue;
        }
        x->next_row = 0;
        enum err_code code = scan_next(x->scan, &x->batch, e);
        if (code != ERR_NONE) {
            return code;
        }
        scan_pause(x->scan);
        if (x->batch.n == 0) {
            end(x);
        }
    }
    if (!x->ended) {
        x->crc = crc32c_extend(x->crc, x->block.p, x->block.n);
    }
    return x->block.failed ? err_nomem(e) : ERR_NONE;
}

static ssize_t export_read(
    void *context, uint64_t position, char *out, size_t max)
{
    (void)position;
    struct export_stream *x = context;
    struct err e = { 0 };
    if (x->sent == x->block.n) {
        if (x->ended) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        buf_clear(&x->block);
        x->sent = 0;
        if (fill(x, &e) != ERR_NONE) {
            char quoted[256];
            log_limited(LOG_ERROR, "http", "export=cut error=%s",
                log_quoted(quoted, sizeof quoted, e.text));
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    size_t left = x->block.n - x->sent;
    size_t n = left < max ? left : max;
    if (n == 0) {
        return MHD_CONTENT_READER_END_OF_STREAM; /* an export of nothing */
    }
    memcpy(out, x->block.p + x->sent, n);
    x->sent += n;
    return (ssize_t)n;
}

static enum err_code export_open(struct request *req, struct export_stream *x,
    struct run_id run, struct err *e)
{
    const struct scan_query query = { .run = run,
        .kind = x->kind,
        .fields = x->fields,
        .attempts = SCAN_ALL,
        .rank = SCAN_ALL_RANKS,
        .to_step = UINT64_MAX };
    if (readers_take(req->http->readers, READERS_STREAM, &x->reader, e) !=
        ERR_NONE) {
        return e->code;
    }
    x->readers = req->http->readers;
    if (scan_open(x->reader, &query, &x->scan, e) != ERR_NONE) {
        readers_give(x->readers, READERS_STREAM, x->reader);
        return e->code;
    }
    scan_pause(x->scan);
    if (x->format == RECORD_CSV) {
        rows_csv_header(&x->block, x->kind, x->fields);
    }
    return ERR_NONE;
}

static enum err_code export_start(struct request *req,
    const struct export_stream *what, struct run_id run, struct err *e)
{
    struct export_stream *x = malloc(sizeof *x);
    if (x == NULL) {
        return err_nomem(e);
    }
    *x = *what;
    if (export_open(req, x, run, e) != ERR_NONE) {
        free(x);
        return e->code;
    }
    const char *media_type = x->format == RECORD_CSV ? MEDIA_CSV : MEDIA_NDJSON;
    if (reply_stream(req, media_type, REPLY_SIZE_UNKNOWN, export_read,
            export_free, x, e) != ERR_NONE) {
        export_free(x);
        return e->code;
    }
    return ERR_NONE;
}

enum err_code api_export(struct request *req, struct err *e)
{
    static const char *const kinds[] = { "step", "probe", "metric", "event",
        "sharpness", "group", NULL };
    static const char *const formats[] = { "ndjson", "csv", NULL };
    static_assert(WIRE_STEP == 1 && WIRE_GROUP == 6, "kinds are in order");
    static_assert(RECORD_CSV == RECORD_NDJSON + 1, "formats are in order");

    size_t kind = request_choice(req, "kind", kinds, 0);
    size_t format = request_choice(req, "format", formats, 0);
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    struct export_stream what = { .kind = (enum wire_kind)(WIRE_STEP + kind),
        .format = (enum record_format)(RECORD_NDJSON + format) };
    what.fields = record_fields_all(what.kind);

    struct run_row run = { 0 };
    if (request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    struct run_id id = run.id;
    run_row_done(&run);
    return export_start(req, &what, id, e);
}

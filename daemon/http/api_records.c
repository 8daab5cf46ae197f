/*
 * api_records.c: one page of records as JSON columns, NDJSON or CSV. A page
 * ends at `limit` rows or at PAGE_BYTES_MAX of text, whichever comes first,
 * and says where to go on.
 */
#include "http/routes.h"

#include <string.h>

#include "base/hash.h"
#include "http/accept.h"
#include "http/columns.h"
#include "http/cursor.h"
#include "http/record_query.h"
#include "http/reply.h"

#define LIMIT_MAX 100000
#define LIMIT_DEFAULT 10000
#define PAGE_BYTES_MAX (16u << 20)
#define NAME_MAX_BYTES 200

struct records {
    struct scan_query query;
    uint64_t fields; /* shown; query.fields may hold one more, to filter by */
    enum record_format format;
    uint64_t limit;
    uint64_t filter_hash;
    const char *name; /* METRIC: only this one; NULL = all */
    struct columns columns;
    struct buf rows; /* of NDJSON and CSV */
    uint64_t n;
    bool more;
    struct cursor last;
};

static const char *const format_names[] = { "json", "ndjson", "csv", NULL };
static const char *const format_types[] = { "application/json",
    "application/x-ndjson", "text/csv" };
static const char *const media_types[] = { MEDIA_JSON, MEDIA_NDJSON,
    MEDIA_CSV };

/* format= decides, else Accept. false: Accept excludes all three. */
static bool parse_format(struct request *req, enum record_format *ret_format)
{
    size_t none = sizeof format_names / sizeof format_names[0];
    size_t format = request_choice(req, "format", format_names, none);
    if (format != none) {
        *ret_format = (enum record_format)format;
        return true;
    }
    int best =
        accept_best(str_of(request_header(req, "Accept")), format_types, 3);
    *ret_format = best < 0 ? RECORD_JSON : (enum record_format)best;
    return best >= 0;
}

static void parse_cursor(struct request *req, struct records *r)
{
    struct cursor cursor = { 0 };
    if (request_cursor(req, r->filter_hash, &cursor)) {
        r->query.after_attempt = (uint32_t)cursor.key[0];
        r->query.after_rank = (uint32_t)cursor.key[1];
        r->query.after_seq = cursor.key[2];
    }
}

/* Everything that decides which rows come, in which order. */
static uint64_t filters_of(const struct request *req, const struct records *r)
{
    const struct scan_query *q = &r->query;
    uint64_t hash = hash_text(HASH_START, req->run_uid);
    const uint64_t numbers[] = { q->kind, q->attempts, q->attempt, q->rank,
        q->from_step, q->to_step };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        hash = hash_u64(hash, numbers[i]);
    }
    return hash_text(hash, r->name);
}

static enum err_code parse(
    struct request *req, enum wire_kind kind, struct records *r, struct err *e)
{
    record_query_window(req, kind, &r->query);
    r->fields = record_query_fields(req, kind);
    r->query.fields = r->fields;
    if (kind == WIRE_METRIC) {
        r->name = request_text(req, "name", NAME_MAX_BYTES, NULL);
        r->query.fields |= UINT64_C(1) << METRIC_name;
    }
    r->limit = request_u64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
    r->filter_hash = filters_of(req, r);
    parse_cursor(req, r);
    return request_params(req, e);
}

static bool wanted(
    const struct records *r, const struct scan_batch *batch, size_t i)
{
    return r->name == NULL || (batch->texts != NULL &&
                                  str_equal(batch->texts[i], str_of(r->name)));
}

static void add_row(struct records *r, const struct scan_batch *batch, size_t i)
{
    switch (r->format) {
    case RECORD_JSON:
        columns_add(&r->columns, batch, i);
        break;
    case RECORD_NDJSON:
        rows_ndjson(&r->rows, r->query.kind, r->fields, batch, i);
        break;
    case RECORD_CSV:
        rows_csv(&r->rows, r->query.kind, r->fields, batch, i);
        break;
    }
    r->n++;
    r->last = (struct cursor){ { batch->attempt, batch->rank, batch->seq[i] } };
}

static bool is_full(const struct records *r)
{
    return r->n == r->limit ||
           columns_bytes(&r->columns) + r->rows.n >= PAGE_BYTES_MAX;
}

/* Adds the batch's rows; sets r->more and stops when one does not fit. */
static void add_batch(struct records *r, const struct scan_batch *batch)
{
    for (size_t i = 0; i < batch->n && !r->more; i++) {
        if (!wanted(r, batch, i)) {
            continue;
        }
        r->more = is_full(r);
        if (!r->more) {
            add_row(r, batch, i);
        }
    }
}

static enum err_code read_rows(
    struct reader *reader, struct records *r, struct err *e)
{
    struct scan *scan = NULL;
    if (scan_open(reader, &r->query, &scan, e) != ERR_NONE) {
        return e->code;
    }
    struct scan_batch batch = { .n = 1 };
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && batch.n > 0 && !r->more) {
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE) {
            add_batch(r, &batch);
        }
    }
    scan_close(scan);
    return code;
}

static void write_json(
    const struct records *r, const char *next_cursor, struct buf *out)
{
    buf_text(out, "{\"data\":");
    columns_write(&r->columns, out);
    buf_printf(out, ",\"rows\":%zu,\"page\":{\"next_cursor\":", (size_t)r->n);
    if (next_cursor == NULL) {
        buf_text(out, "null");
    } else {
        buf_json_text(out, str_of(next_cursor));
    }
    buf_text(out, "}}");
}

/* The rows' formats have no place for a cursor: it is a Link header. */
static enum err_code reply_rows(struct request *req, struct records *r,
    const char *next_cursor, struct err *e)
{
    struct MHD_Response *response = reply_of_buf(&r->rows);
    if (response == NULL) {
        return err_nomem(e);
    }
    bool ok =
        MHD_add_response_header(
            response, "Content-Type", media_types[r->format]) == MHD_YES &&
        (next_cursor == NULL || MHD_add_response_header(response,
                                    "X-Next-Cursor", next_cursor) == MHD_YES);
    if (!ok) {
        MHD_destroy_response(response);
        return err_nomem(e);
    }
    return reply_response(req, MHD_HTTP_OK, response, e);
}

static enum err_code reply_page(
    struct request *req, struct records *r, struct err *e)
{
    char text[CURSOR_TEXT_MAX];
    cursor_encode(&r->last, r->filter_hash, text);
    const char *next_cursor = r->more ? text : NULL;
    if (r->format != RECORD_JSON) {
        return reply_rows(req, r, next_cursor, e);
    }
    struct buf out = { 0 };
    write_json(r, next_cursor, &out);
    return reply_buf(req, MEDIA_JSON, &out, e);
}

static enum err_code answer_run(struct request *req, struct records *r,
    const struct run_row *run, struct err *e)
{
    if (request_is_fresh(req, run, r->format)) {
        return reply_not_modified(req, e);
    }
    r->query.run = run->id;
    columns_init(&r->columns, r->query.kind, r->fields);
    if (r->format == RECORD_CSV) {
        rows_csv_header(&r->rows, r->query.kind, r->fields);
    }
    enum err_code code = read_rows(req->reader, r, e);
    if (code == ERR_NONE) {
        code = reply_page(req, r, e);
    }
    columns_done(&r->columns);
    buf_done(&r->rows);
    return code;
}

static enum err_code records(
    struct request *req, enum wire_kind kind, struct err *e)
{
    struct records r = { 0 };
    bool acceptable = parse_format(req, &r.format);
    if (parse(req, kind, &r, e) != ERR_NONE) {
        return e->code;
    }
    if (!acceptable) {
        return reply_problem(req, MHD_HTTP_NOT_ACCEPTABLE, "not_acceptable",
            "there are application/json, application/x-ndjson and text/csv");
    }
    struct run_row run = { 0 };
    if (request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    enum err_code code = answer_run(req, &r, &run, e);
    run_row_done(&run);
    return code;
}

enum err_code api_steps(struct request *req, struct err *e)
{
    return records(req, WIRE_STEP, e);
}

enum err_code api_probes(struct request *req, struct err *e)
{
    return records(req, WIRE_PROBE, e);
}

enum err_code api_sharpness(struct request *req, struct err *e)
{
    return records(req, WIRE_SHARPNESS, e);
}

enum err_code api_groups(struct request *req, struct err *e)
{
    return records(req, WIRE_GROUP, e);
}

enum err_code api_messages(struct request *req, struct err *e)
{
    return records(req, WIRE_EVENT, e);
}

enum err_code api_metrics(struct request *req, struct err *e)
{
    return records(req, WIRE_METRIC, e);
}

/*
 * scan.c: reads stream after stream, each from its sealed chunks and then from
 * its log: the records of a stream up to some seq are in chunks, those after
 * it in the log, and the read transaction keeps that border where it is; after
 * a pause it may be elsewhere, and the stream is started again behind what was
 * read. The thread of the reader.
 *
 * Invariants:
 * 1. `records` holds what was read last, filtered; those before `at` have been
 *    handed out.
 * 2. `stream` is the one being read; everything of it before `phase` has been.
 */
#include "store/scan.h"

#include <assert.h>
#include <string.h>

#include "store/db.h"
#include "store/reader_impl.h"
#include "store/records.h"
#include "store/scan_plan.h"
#include "store/stream_read.h"

/* Texts of one batch; a metric name is some 20 bytes, but a text may be 64
 * KiB. */
#define BATCH_HEAP_BYTES (4u << 20)

#define FIELD_STEP UINT64_C(1) /* field 0 of every kind */

static const char sql_chunks[] =
    "SELECT id, least_step, most_step, records, last_seq FROM chunk "
    "WHERE stream = ?1 AND kind = ?2 AND last_seq > ?3 ORDER BY last_seq;";

static const char sql_uid[] = "SELECT uid FROM stream WHERE id = ?1;";

enum phase { PHASE_START, PHASE_CHUNKS, PHASE_LOG, PHASE_END };

struct scan {
    struct reader *reader;
    struct scan_query query;
    struct scan_plan plan;
    size_t stream;
    enum phase phase;
    sqlite3_stmt *chunks;
    struct stream_read read;
    sqlite3_stmt *uid; /* NULL before the first pause has ended */
    bool paused;
    uint64_t read_seq; /* of the stream: read up to here */
    struct records records;
    size_t at;
    uint32_t *indices; /* of the records a filter keeps */
    size_t indices_capacity;
    uint64_t thinned;
    struct str texts[SCAN_BATCH_MAX];
};

static bool has_range(const struct scan_query *query)
{
    return query->from_step > 0 || query->to_step < UINT64_MAX;
}

/* The fields the caller wants, and the step where a filter needs it. */
static uint64_t fields_to_read(
    const struct scan_query *query, const struct scan_plan *plan)
{
    bool filters = has_range(query);
    for (size_t i = 0; i < plan->n; i++) {
        filters = filters || plan->streams[i].is_cut;
    }
    return filters ? query->fields | FIELD_STEP : query->fields;
}

enum err_code scan_open(struct reader *reader, const struct scan_query *query,
    struct scan **ret_scan, struct err *e)
{
    struct scan *scan = db_malloc(sizeof *scan);
    if (scan == NULL) {
        return db_nomem(e, "scan");
    }
    *scan = (struct scan){ .query = *query };
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        db_free(scan);
        return code;
    }
    scan->reader = reader;
    code = scan_plan_init(&scan->plan, reader->db, query, e);
    records_init(
        &scan->records, query->kind, fields_to_read(query, &scan->plan));
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, sql_chunks, &scan->chunks, e);
    }
    if (code == ERR_NONE) {
        code = stream_read_init(&scan->read, reader->db, e);
    }
    if (code != ERR_NONE) {
        scan_close(scan);
        return code;
    }
    *ret_scan = scan;
    return ERR_NONE;
}

void scan_close(struct scan *scan)
{
    if (scan == NULL) {
        return;
    }
    (void)sqlite3_finalize(scan->chunks); /* the steps have told */
    (void)sqlite3_finalize(scan->uid);
    stream_read_done(&scan->read);
    if (!scan->paused) {
        reader_end(scan->reader);
    }
    scan_plan_done(&scan->plan);
    records_done(&scan->records);
    db_free(scan->indices);
    db_free(scan);
}

static enum err_code start_log(
    struct scan *scan, const struct scan_stream *stream, struct err *e)
{
    scan->phase = PHASE_LOG;
    return stream_read_log(&scan->read, stream->id, stream->after_seq, e);
}

/* ---- reading chunks ------------------------------------------------------ */

/* Whether the chunk of the current row may hold a record that is wanted. */
static bool may_hold(const struct scan *scan, const struct scan_stream *stream)
{
    const struct scan_query *query = &scan->query;
    if (sqlite3_column_type(scan->chunks, 1) == SQLITE_NULL) {
        return !has_range(query);
    }
    if (query->from_step > db_u64(scan->chunks, 2)) {
        return false;
    }
    /* A chunk whose steps are all too high may hold records without one. */
    uint64_t least = db_u64(scan->chunks, 1);
    return least <= query->to_step &&
           (!stream->is_cut || least < stream->cut_step || !has_range(query));
}

/* The next chunk of the stream that may hold something. */
static enum err_code read_chunk(
    struct scan *scan, const struct scan_stream *stream, struct err *e)
{
    bool more = false;
    enum err_code code = db_step(scan->chunks, &more, "scan", e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!more) {
        return start_log(scan, stream, e);
    }
    if (!may_hold(scan, stream)) {
        return ERR_NONE;
    }
    enum chunk_body body = db_u64(scan->chunks, 4) <= stream->thinned_seq
                               ? CHUNK_BODY_MAY_BE_EMPTY
                               : CHUNK_BODY_WHOLE;
    code = stream_read_chunk(&scan->read, sqlite3_column_int64(scan->chunks, 0),
        body, &scan->records, e);
    if (code == ERR_NONE && scan->records.n == 0) {
        scan->thinned += db_u64(scan->chunks, 3);
    }
    return code;
}

static enum err_code start_chunks(
    struct scan *scan, const struct scan_stream *stream, struct err *e)
{
    (void)sqlite3_reset(scan->chunks); /* of another stream, or at its end */
    int rc = sqlite3_bind_int64(scan->chunks, 1, stream->id);
    rc |= sqlite3_bind_int64(scan->chunks, 2, scan->query.kind);
    rc |= db_bind_u64(scan->chunks, 3, stream->after_seq);
    if (rc != SQLITE_OK) {
        return db_fail(scan->reader->db, e, "scan");
    }
    scan->phase = PHASE_CHUNKS;
    return ERR_NONE;
}

/* ---- reading the log ----------------------------------------------------- */

/* Some rows of the log: enough for a batch, or all there are. */
static enum err_code read_log(struct scan *scan, struct err *e)
{
    struct records *r = &scan->records;
    bool more = true;
    while (more && r->n < SCAN_BATCH_MAX && r->heap_n < BATCH_HEAP_BYTES) {
        enum err_code code = stream_read_log_row(&scan->read, r, &more, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    scan->phase = more ? PHASE_LOG : PHASE_END;
    return ERR_NONE;
}

/* ---- filtering ----------------------------------------------------------- */

/* A record without a step is in no range of steps, and is never one that was
 * done again. */
static bool is_kept(
    const struct scan *scan, const struct scan_stream *stream, size_t i)
{
    const struct scan_query *query = &scan->query;
    const struct records *r = &scan->records;
    if (r->seq[i] <= stream->after_seq || r->seq[i] > stream->until_seq) {
        return false;
    }
    if (!has_range(query) && !stream->is_cut) {
        return true;
    }
    if ((r->present[i] & FIELD_STEP) == 0) {
        return !has_range(query);
    }
    uint64_t step = r->columns[0][i];
    return step >= query->from_step && step <= query->to_step &&
           (!stream->is_cut || step < stream->cut_step);
}

static enum err_code reserve_indices(struct scan *scan, struct err *e)
{
    if (scan->indices_capacity >= scan->records.n) {
        return ERR_NONE;
    }
    uint32_t *grown =
        db_realloc(scan->indices, scan->records.capacity * sizeof *grown);
    if (grown == NULL) {
        return db_nomem(e, "scan");
    }
    scan->indices = grown;
    scan->indices_capacity = scan->records.capacity;
    return ERR_NONE;
}

static enum err_code filter(
    struct scan *scan, const struct scan_stream *stream, struct err *e)
{
    if (!has_range(&scan->query) && !stream->is_cut &&
        scan->records.seq[0] > stream->after_seq &&
        scan->records.seq[scan->records.n - 1] <= stream->until_seq) {
        return ERR_NONE;
    }
    enum err_code code = reserve_indices(scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    size_t kept = 0;
    for (size_t i = 0; i < scan->records.n; i++) {
        scan->indices[kept] = (uint32_t)i;
        kept += is_kept(scan, stream, i);
    }
    if (kept == 0) {
        records_clear(&scan->records); /* and their texts */
    } else if (kept < scan->records.n) {
        records_keep(&scan->records, scan->indices, kept);
    }
    return ERR_NONE;
}

/* ---- handing out --------------------------------------------------------- */

/* Reads on until there are records, or no stream is left. */
static enum err_code refill(struct scan *scan, struct err *e)
{
    scan->at = 0;
    records_clear(&scan->records);
    while (scan->records.n == 0 && scan->stream < scan->plan.n) {
        const struct scan_stream *stream = &scan->plan.streams[scan->stream];
        enum err_code code = ERR_NONE;
        switch (scan->phase) {
        case PHASE_START:
            code = start_chunks(scan, stream, e);
            break;
        case PHASE_CHUNKS:
            code = read_chunk(scan, stream, e);
            break;
        case PHASE_LOG:
            code = read_log(scan, e);
            break;
        case PHASE_END:
            scan->stream++;
            scan->phase = PHASE_START;
            break;
        }
        if (code == ERR_NONE && scan->records.n > 0) {
            scan->read_seq = scan->records.seq[scan->records.n - 1];
            code = filter(scan, stream, e);
        }
        if (code != ERR_NONE) {
            records_clear(&scan->records);
            return code;
        }
    }
    return ERR_NONE;
}

static void hand_out(struct scan *scan, struct scan_batch *batch)
{
    const struct records *r = &scan->records;
    const struct scan_stream *stream = &scan->plan.streams[scan->stream];
    size_t at = scan->at;
    size_t n = r->n - at > SCAN_BATCH_MAX ? SCAN_BATCH_MAX : r->n - at;
    *batch = (struct scan_batch){
        .attempt = stream->attempt,
        .rank = stream->rank,
        .n = n,
        .seq = r->seq + at,
        .present = r->present + at,
    };
    uint64_t fields = scan->query.fields & r->mask;
    for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
        bool wanted = (fields >> f & 1) != 0;
        batch->columns[f] = wanted ? r->columns[f] + at : NULL;
    }
    int text_field = records_text_field(r->kind);
    if (text_field >= 0 && (fields >> text_field & 1) != 0) {
        for (size_t i = 0; i < n; i++) {
            scan->texts[i] = records_text(r, at + i);
        }
        batch->texts = scan->texts;
    }
    scan->at += n;
}

uint64_t scan_thinned(const struct scan *scan)
{
    return scan->thinned;
}

/* ---- pausing ------------------------------------------------------------- */

void scan_pause(struct scan *scan)
{
    if (scan->paused) {
        return;
    }
    stream_read_rest(&scan->read);
    (void)sqlite3_reset(scan->chunks); /* the steps have told */
    reader_end(scan->reader);
    scan->paused = true;
}

/* An id may have been given to another stream since. */
static enum err_code check_uid(
    struct scan *scan, const struct scan_stream *stream, struct err *e)
{
    bool row = false;
    enum err_code code = ERR_NONE;
    if (scan->uid == NULL) {
        code = db_prepare(scan->reader->db, sql_uid, &scan->uid, e);
    }
    if (code == ERR_NONE &&
        sqlite3_bind_int64(scan->uid, 1, stream->id) != SQLITE_OK) {
        code = db_fail(scan->reader->db, e, "scan");
    }
    if (code == ERR_NONE) {
        code = db_step(scan->uid, &row, "scan", e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct str uid = { 0 };
    if (row) {
        uid = db_blob(scan->uid, 0);
    }
    bool same = uid.n == sizeof stream->uid.v &&
                memcmp(uid.p, stream->uid.v, uid.n) == 0;
    (void)sqlite3_reset(scan->uid); /* the step has told */
    return same ? ERR_NONE
                : err_set(e, ERR_NOT_FOUND, "the run has been deleted");
}

static enum err_code resume(struct scan *scan, struct err *e)
{
    enum err_code code = reader_begin(scan->reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    scan->paused = false;
    if (scan->stream == scan->plan.n) {
        return ERR_NONE;
    }
    struct scan_stream *stream = &scan->plan.streams[scan->stream];
    code = check_uid(scan, stream, e);
    if (code == ERR_NONE && scan->phase != PHASE_END) {
        if (scan->read_seq > stream->after_seq) {
            stream->after_seq = scan->read_seq;
        }
        scan->phase = PHASE_START;
    }
    return code;
}

static enum err_code read_on(struct scan *scan, struct err *e)
{
    enum err_code code = scan->paused ? resume(scan, e) : ERR_NONE;
    return code == ERR_NONE ? refill(scan, e) : code;
}

enum err_code scan_next(
    struct scan *scan, struct scan_batch *ret_batch, struct err *e)
{
    if (scan->at == scan->records.n) {
        enum err_code code = read_on(scan, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    if (scan->records.n == 0) {
        *ret_batch = (struct scan_batch){ 0 };
        return ERR_NONE;
    }
    hand_out(scan, ret_batch);
    return ERR_NONE;
}

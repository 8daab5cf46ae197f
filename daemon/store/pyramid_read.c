/*
 * pyramid_read.c: the thread of the reader. Owns, for one call, the statements,
 * one for each level since a row stays current while those below it are gone
 * through, and the memory for the records of a chunk.
 *
 * Invariant: values and nodes of a metric come in the order of scan.h, each
 * once: what a row gives for some metrics, the rows below it give for the
 * others.
 */
#include "store/pyramid_read.h"

#include <assert.h>

#include "pure/trainer.h"
#include "store/db.h"
#include "store/layers.h"
#include "store/pyramid.h"
#include "store/pyramid_take.h"
#include "store/reader_impl.h"
#include "store/runs.h"
#include "store/scan_plan.h"
#include "store/stream_read.h"

/* Records and bytes of texts of the log that are taken at once. */
#define LOG_RECORDS 4096u
#define LOG_HEAP_BYTES (4u << 20)

#define WIDEST 64u /* any node is narrow enough */

static const char sql_chunks[] =
    "SELECT last_seq, least_step, most_step, summary, id, length(body) "
    "FROM chunk WHERE stream = ?1 AND kind = ?2 AND last_seq > ?3 "
    "AND last_seq <= ?4 ORDER BY last_seq;";
static const char sql_rows[] =
    "SELECT last_seq, least_step, most_step, body FROM pyramid "
    "WHERE stream = ?1 AND kind = ?2 AND level = ?5 AND last_seq > ?3 "
    "AND last_seq <= ?4 ORDER BY last_seq;";
static const char sql_top[] = "SELECT max(level) FROM pyramid "
                              "WHERE stream = ?1 AND kind = ?2;";
/* The last chunk that may be empty; if it is, those before it are. */
static const char sql_thinned[] =
    "SELECT last_seq, length(body) FROM chunk WHERE stream = ?1 "
    "AND kind = ?2 AND last_seq <= ?3 ORDER BY last_seq DESC LIMIT 1;";

static const char sql_emptied[] =
    "SELECT records, least_step, most_step FROM chunk WHERE stream = ?1 "
    "AND kind = ?2 AND last_seq <= ?3 AND length(body) = 0;";

struct pyramid_reading {
    struct reader *reader;
    struct scan_plan plan;
    struct stream_read read;
    sqlite3_stmt *levels[PYRAMID_LEVELS_MAX + 1]; /* 0: chunks */
    sqlite3_stmt *top;
    sqlite3_stmt *thinned;
    const struct scan_stream *stream; /* that is being read */
    uint64_t thinned_seq; /* its chunks of this kind up to it are empty */
    struct pyramid_take take;
};

/* ---- going down ---------------------------------------------------------- */

/* Rows of a level, for the metrics of the mask. */
struct part {
    unsigned level;
    uint64_t after_seq;
    uint64_t upto_seq;
    uint64_t mask;
};

static enum err_code start(struct pyramid_reading *r, sqlite3_stmt *stmt,
    const struct part *part, struct err *e)
{
    int rc = sqlite3_bind_int64(stmt, 1, r->stream->id);
    rc |= sqlite3_bind_int64(stmt, 2, r->take.kind);
    rc |= db_bind_u64(stmt, 3, part->after_seq);
    rc |= db_bind_u64(stmt, 4, part->upto_seq);
    if (part->level > 0) {
        rc |= sqlite3_bind_int64(stmt, 5, part->level);
    }
    return rc == SQLITE_OK ? ERR_NONE : db_fail(r->reader->db, e, "series");
}

/* Whether the current row has a step of the range. */
static bool may_hold(const struct pyramid_reading *r, sqlite3_stmt *stmt)
{
    return sqlite3_column_type(stmt, 1) != SQLITE_NULL &&
           db_u64(stmt, 1) <= r->take.to_step &&
           db_u64(stmt, 2) >= r->take.from_step;
}

static enum err_code visit_chunk(
    struct pyramid_reading *r, sqlite3_stmt *stmt, uint64_t mask, struct err *e)
{
    bool is_empty = sqlite3_column_int64(stmt, 5) == 0;
    uint64_t left = mask;
    enum err_code code = pyramid_take_body(&r->take, db_blob(stmt, 3),
        is_empty ? PYRAMID_ALONE : PYRAMID_IF_FIT, mask, &left, e);
    if (code != ERR_NONE || left == 0 || is_empty) {
        return code;
    }
    records_clear(&r->take.records);
    code = stream_read_chunk(&r->read, sqlite3_column_int64(stmt, 4),
        CHUNK_BODY_WHOLE, &r->take.records, e);
    return code == ERR_NONE ? pyramid_take_records(&r->take, left, e) : code;
}

static enum err_code visit(
    struct pyramid_reading *r, const struct part *part, struct err *e);

static enum err_code visit_row(struct pyramid_reading *r, sqlite3_stmt *stmt,
    const struct part *part, uint64_t after_seq, struct err *e)
{
    uint64_t last_seq = db_u64(stmt, 0);
    struct part below = { .level = part->level - 1,
        .after_seq = after_seq,
        .upto_seq = last_seq,
        .mask = part->mask };
    enum err_code code = ERR_NONE;
    if (last_seq <= r->thinned_seq || after_seq >= r->thinned_seq) {
        code = pyramid_take_body(&r->take, db_blob(stmt, 3),
            last_seq <= r->thinned_seq ? PYRAMID_THINNED : PYRAMID_IF_FIT,
            part->mask, &below.mask, e);
    }
    return code == ERR_NONE && below.mask != 0 ? visit(r, &below, e) : code;
}

static enum err_code statement_of(struct pyramid_reading *r, unsigned level,
    sqlite3_stmt **ret_stmt, struct err *e)
{
    enum err_code code = ERR_NONE;
    if (r->levels[level] == NULL) {
        code = db_prepare(r->reader->db, level == 0 ? sql_chunks : sql_rows,
            &r->levels[level], e);
    }
    *ret_stmt = r->levels[level];
    return code;
}

/* The rows of a part; what no row covers is gone through a level below. */
static enum err_code visit(
    struct pyramid_reading *r, const struct part *part, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = statement_of(r, part->level, &stmt, e);
    if (code == ERR_NONE) {
        code = start(r, stmt, part, e);
    }
    uint64_t after_seq = part->after_seq;
    for (bool more = true; code == ERR_NONE && more;) {
        code = db_step(stmt, &more, "series", e);
        if (code != ERR_NONE || !more) {
            break;
        }
        if (may_hold(r, stmt)) {
            code = part->level == 0 ? visit_chunk(r, stmt, part->mask, e)
                                    : visit_row(r, stmt, part, after_seq, e);
        }
        after_seq = db_u64(stmt, 0);
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    if (code == ERR_NONE && part->level > 0 && after_seq < part->upto_seq) {
        struct part rest = *part;
        rest.level--;
        rest.after_seq = after_seq;
        code = visit(r, &rest, e);
    }
    return code;
}

/* ---- a stream -------------------------------------------------------------
 */

static enum err_code read_log(
    struct pyramid_reading *r, uint64_t mask, struct err *e)
{
    enum err_code code = stream_read_log(&r->read, r->stream->id, 0, e);
    records_clear(&r->take.records);
    for (bool more = true; code == ERR_NONE && more;) {
        code = stream_read_log_row(&r->read, &r->take.records, &more, e);
        bool full = r->take.records.n >= LOG_RECORDS ||
                    r->take.records.heap_n >= LOG_HEAP_BYTES;
        if (code == ERR_NONE && (full || !more)) {
            code = pyramid_take_records(&r->take, mask, e);
            records_clear(&r->take.records);
        }
    }
    return code;
}

/* A number of a query of the stream and kind; 0 where there is no row. */
static enum err_code ask(struct pyramid_reading *r, sqlite3_stmt *stmt,
    uint64_t *ret_number, struct err *e)
{
    bool row = false;
    int rc = sqlite3_bind_int64(stmt, 1, r->stream->id);
    rc |= sqlite3_bind_int64(stmt, 2, r->take.kind);
    if (stmt == r->thinned) {
        rc |= db_bind_u64(stmt, 3, r->stream->thinned_seq);
    }
    enum err_code code = rc == SQLITE_OK ? db_step(stmt, &row, "series", e)
                                         : db_fail(r->reader->db, e, "series");
    *ret_number = 0;
    if (code == ERR_NONE && row) {
        bool counts = stmt != r->thinned || sqlite3_column_int64(stmt, 1) == 0;
        *ret_number = counts ? db_u64(stmt, 0) : 0;
        (void)sqlite3_reset(stmt); /* it gave its row */
    }
    return code;
}

static enum err_code read_sealed(
    struct pyramid_reading *r, uint64_t mask, struct err *e)
{
    uint64_t top = 0;
    enum err_code code = ask(r, r->top, &top, e);
    r->thinned_seq = 0;
    if (code == ERR_NONE && r->stream->thinned_seq > 0) {
        code = ask(r, r->thinned, &r->thinned_seq, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const struct part all = {
        .level = top > PYRAMID_LEVELS_MAX ? PYRAMID_LEVELS_MAX : (unsigned)top,
        .upto_seq = INT64_MAX,
        .mask = mask
    };
    return visit(r, &all, e);
}

static enum err_code take_hello(
    void *context, const char *hello_json, struct err *e)
{
    struct pyramid_reading *r = context;
    enum err_code code = ERR_NONE;
    r->take.trainer = trainer_of_hello(hello_json);
    for (size_t m = 0; code == ERR_NONE && m < r->take.n; m++) {
        struct metric *metric = &r->take.wanted[m].metric;
        if (metric->kind == WIRE_GROUP && r->take.kind == WIRE_GROUP) {
            code = layers_find(hello_json, metric->match, &metric->group, e);
        }
    }
    return code;
}

/* What of the mask there can be: of layers, those that the stream has. */
static enum err_code ask_hello(
    struct pyramid_reading *r, uint64_t *mask, struct err *e)
{
    bool matters = r->take.kind == WIRE_GROUP;
    for (size_t m = 0; m < r->take.n; m++) {
        matters = matters || ((*mask & METRIC_BIT(m)) != 0 &&
                                 r->take.wanted[m].metric.of_trainer);
    }
    r->take.trainer = (struct trainer){ .world = 1 };
    if (!matters) {
        return ERR_NONE;
    }
    enum err_code code = runs_hello(
        r->reader, (struct stream_id){ r->stream->id }, take_hello, r, e);
    for (size_t m = 0; r->take.kind == WIRE_GROUP && m < r->take.n; m++) {
        if (r->take.wanted[m].metric.group == 0) {
            *mask &= ~METRIC_BIT(m);
        }
    }
    return code;
}

static enum err_code read_stream(struct pyramid_reading *r,
    const struct scan_query *query, uint64_t mask, struct err *e)
{
    const struct scan_stream *s = r->stream;
    r->take.from_step = query->from_step;
    r->take.to_step = query->to_step;
    if (s->is_cut && s->cut_step <= r->take.to_step) {
        if (s->cut_step <= r->take.from_step) {
            return ERR_NONE;
        }
        r->take.to_step = s->cut_step - 1;
    }
    enum err_code code = ask_hello(r, &mask, e);
    if (code != ERR_NONE || mask == 0) {
        return code;
    }
    code = read_sealed(r, mask, e);
    return code == ERR_NONE ? read_log(r, mask, e) : code;
}

/* ---- all of it ------------------------------------------------------------
 */

/* The metrics of a kind whose buckets are too wide, or not made yet. */
static uint64_t metrics_of(
    const struct pyramid_reading *r, enum wire_kind kind, unsigned least)
{
    uint64_t mask = 0;
    for (size_t m = 0; m < r->take.n; m++) {
        const struct pyramid_wanted *wanted = &r->take.wanted[m];
        if (wanted->metric.kind == kind &&
            (r->take.widest == WIDEST || wanted->buckets.shift > least)) {
            mask |= METRIC_BIT(m);
        }
    }
    return mask;
}

static enum err_code read_kind(struct pyramid_reading *r,
    const struct scan_query *query, uint64_t mask, struct err *e)
{
    uint64_t fields = 0;
    for (size_t m = 0; m < r->take.n; m++) {
        struct pyramid_wanted *wanted = &r->take.wanted[m];
        if ((mask & METRIC_BIT(m)) != 0) {
            fields |= wanted->metric.needs | wanted->metric.wants;
            buckets_clear(&wanted->buckets);
            wanted->thinned = 0;
        }
    }
    records_done(&r->take.records);
    records_init(&r->take.records, r->take.kind, fields);
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < r->plan.n; i++) {
        r->stream = &r->plan.streams[i];
        code = read_stream(r, query, mask, e);
    }
    return code;
}

/* The width at which there would be too many buckets if the steps are dense. */
static unsigned width_of(const struct buckets *b)
{
    unsigned finer = 1;
    while (finer < b->shift && b->n << finer <= b->max) {
        finer++;
    }
    return b->shift - finer;
}

/* The width to go on with after all has been read; WIDEST: all is well, or as
 * well as can be. */
static unsigned next_width(const struct pyramid_take *take)
{
    bool any = false;
    unsigned width = take->least;
    for (size_t m = 0; m < take->n; m++) {
        const struct buckets *b = &take->wanted[m].buckets;
        if (b->shift > take->least) {
            unsigned of_this = width_of(b);
            width = of_this > width ? of_this : width;
            any = true;
        }
    }
    if (!any || take->widest <= take->least) {
        return WIDEST;
    }
    return width < take->widest ? width : take->widest - 1;
}

static enum err_code read_all(
    struct pyramid_reading *r, const struct scan_query *query, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (r->take.widest = WIDEST; code == ERR_NONE;) {
        unsigned least = r->take.least;
        for (unsigned kind = 1; code == ERR_NONE && kind < WIRE_KINDS; kind++) {
            uint64_t mask = metrics_of(r, (enum wire_kind)kind, least);
            r->take.kind = (enum wire_kind)kind;
            code = mask == 0 ? code : read_kind(r, query, mask, e);
        }
        unsigned width = next_width(&r->take);
        if (width == WIDEST) {
            break;
        }
        r->take.widest = width;
    }
    return code;
}

static void share_grid(struct pyramid_reading *r)
{
    unsigned shift = 0;
    for (size_t m = 0; m < r->take.n; m++) {
        unsigned of_this = r->take.wanted[m].buckets.shift;
        shift = of_this > shift ? of_this : shift;
    }
    for (size_t m = 0; m < r->take.n; m++) {
        buckets_coarsen(&r->take.wanted[m].buckets, shift);
    }
}

static enum err_code prepare(
    struct pyramid_reading *r, const struct scan_query *query, struct err *e)
{
    enum err_code code = scan_plan_init(&r->plan, r->reader->db, query, e);
    if (code == ERR_NONE) {
        code = stream_read_init(&r->read, r->reader->db, e);
    }
    if (code == ERR_NONE) {
        code = db_prepare(r->reader->db, sql_top, &r->top, e);
    }
    if (code == ERR_NONE) {
        code = db_prepare(r->reader->db, sql_thinned, &r->thinned, e);
    }
    return code;
}

static void done(struct pyramid_reading *r)
{
    for (size_t i = 0; i <= PYRAMID_LEVELS_MAX; i++) {
        (void)sqlite3_finalize(r->levels[i]); /* the steps have told */
    }
    (void)sqlite3_finalize(r->top);
    (void)sqlite3_finalize(r->thinned);
    stream_read_done(&r->read);
    scan_plan_done(&r->plan);
    pyramid_take_done(&r->take);
}

enum err_code pyramid_read(struct reader *reader,
    const struct scan_query *query, struct pyramid_wanted *wanted, size_t n,
    struct err *e)
{
    assert(n <= PYRAMID_WANTED_MAX);

    struct pyramid_reading r = { .reader = reader,
        .take = { .wanted = wanted, .n = n } };
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = prepare(&r, query, e);
    if (code == ERR_NONE) {
        code = read_all(&r, query, e);
    }
    done(&r);
    reader_end(reader);
    if (code == ERR_NONE) {
        share_grid(&r);
    }
    return code;
}

/* ---- what is gone -------------------------------------------------------- */

static enum err_code count_emptied(sqlite3_stmt *stmt,
    const struct scan_stream *stream, const struct scan_query *query,
    uint64_t *records, struct err *e)
{
    int rc = sqlite3_bind_int64(stmt, 1, stream->id);
    rc |= sqlite3_bind_int64(stmt, 2, query->kind);
    rc |= db_bind_u64(stmt, 3, stream->thinned_seq);
    if (rc != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "series");
    }
    enum err_code code = ERR_NONE;
    for (bool more = true; code == ERR_NONE && more;) {
        code = db_step(stmt, &more, "series", e);
        if (code == ERR_NONE && more && db_u64(stmt, 1) <= query->to_step &&
            db_u64(stmt, 2) >= query->from_step) {
            *records += db_u64(stmt, 0);
        }
    }
    return code;
}

enum err_code pyramid_thinned(struct reader *reader,
    const struct scan_query *query, uint64_t *ret_records, struct err *e)
{
    struct scan_plan plan = { 0 };
    struct scan_query all = *query;
    sqlite3_stmt *stmt = NULL;
    uint64_t records = 0;
    all.rank = SCAN_ALL_RANKS;
    enum err_code code = scan_plan_init(&plan, reader->db, &all, e);
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, sql_emptied, &stmt, e);
    }
    for (size_t i = 0; code == ERR_NONE && i < plan.n; i++) {
        if (plan.streams[i].thinned_seq > 0) {
            code = count_emptied(stmt, &plan.streams[i], query, &records, e);
        }
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    scan_plan_done(&plan);
    if (code == ERR_NONE) {
        *ret_records = records;
    }
    return code;
}

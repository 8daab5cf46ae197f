/*
 * fit_read.c: the thread of the reader. Owns, for one call, the statements, one
 * for each level, and the memory for the records of a chunk.
 *
 * The range is gone through up to three times: to choose the class and the
 * regressor (only what the entries count), for the states, through the widest
 * bodies, and for the rows, through those of the level that gives enough of
 * them (only their sums). Each time every pair is seen once, in the order of
 * the scan: in a body's state, or among records.
 */
#include "store/fit_read.h"

#include <assert.h>

#include "store/db.h"
#include "store/fit_take.h"
#include "store/pyramid.h"
#include "store/pyramid_nodes.h"
#include "store/reader_impl.h"
#include "store/scan_plan.h"
#include "store/stream_read.h"

/* Records of the log that are taken at once. */
#define LOG_RECORDS 4096u

#define EDGES 2u /* of a range in one stream */

static const char sql_chunks[] =
    "SELECT last_seq, least_step, most_step, summary, id, length(body) "
    "FROM chunk WHERE stream = ?1 AND kind = 2 AND last_seq > ?2 "
    "AND last_seq <= ?3 ORDER BY last_seq;";
static const char sql_rows[] =
    "SELECT last_seq, least_step, most_step, body FROM pyramid "
    "WHERE stream = ?1 AND kind = 2 AND level = ?4 AND last_seq > ?2 "
    "AND last_seq <= ?3 ORDER BY last_seq;";
static_assert(WIRE_PROBE == 2, "it is in the statements");
static const char sql_top[] =
    "SELECT max(level) FROM pyramid WHERE stream = ?1 AND kind = 2;";

struct reading {
    struct reader *reader;
    const struct fit_read_query *query;
    struct scan_plan plan;
    struct stream_read read;
    struct records records; /* of one chunk, or part of the log */
    /* Chunks that the range cuts are asked for by every pass. */
    struct edge {
        int64_t chunk; /* 0: none */
        struct records records;
    } edges[EDGES];
    size_t next_edge;
    sqlite3_stmt *levels[PYRAMID_LEVELS_MAX + 1]; /* 0: chunks */
    sqlite3_stmt *top;
    unsigned widest;                  /* bodies up to this level */
    const struct scan_stream *stream; /* that is being read */
    /* Bodies within the range that the pass for the states came by. */
    size_t within[PYRAMID_LEVELS_MAX + 1], taken[PYRAMID_LEVELS_MAX + 1];
    struct fit_take take;
};

/* ---- rows ---------------------------------------------------------------- */

static enum err_code add_row(struct reading *r, struct err *e)
{
    struct fit_read *out = r->take.out;
    if (!(r->take.rest.n > 0)) {
        return ERR_NONE;
    }
    if (out->n_rows == out->rows_capacity) {
        const size_t capacity =
            out->rows_capacity == 0 ? 64 : 2 * out->rows_capacity;
        struct fit_sums *rows =
            db_realloc(out->rows, capacity * sizeof *out->rows);
        if (rows == NULL) {
            return db_nomem(e, "fits");
        }
        out->rows = rows;
        out->rows_capacity = capacity;
    }
    out->rows[out->n_rows++] = r->take.rest;
    r->take.rest = (struct fit_sums){ 0 };
    return ERR_NONE;
}

/* A body of the widest level has ended, whoever gave its pairs. */
static enum err_code end_body(struct reading *r, unsigned level, struct err *e)
{
    return r->take.pass == PASS_ROWS && level == r->widest ? add_row(r, e)
                                                           : ERR_NONE;
}

/* What comes behind the last of them is a row if it is half as much. */
static enum err_code end_rows(struct reading *r, struct err *e)
{
    struct fit_read *out = r->take.out;
    if (out->n_rows == 0 ||
        2 * r->take.rest.n >= out->rows[out->n_rows - 1].n) {
        return add_row(r, e);
    }
    fit_sums_merge(&out->rows[out->n_rows - 1], &r->take.rest, 1);
    return ERR_NONE;
}

/* ---- going down ---------------------------------------------------------- */

struct part {
    unsigned level;
    uint64_t after_seq, upto_seq;
};

static enum err_code start(struct reading *r, const struct part *part,
    sqlite3_stmt **ret_stmt, struct err *e)
{
    sqlite3_stmt **stmt = &r->levels[part->level];
    enum err_code code = ERR_NONE;
    if (*stmt == NULL) {
        code = db_prepare(
            r->reader->db, part->level == 0 ? sql_chunks : sql_rows, stmt, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    int rc = sqlite3_bind_int64(*stmt, 1, r->stream->id);
    rc |= db_bind_u64(*stmt, 2, part->after_seq);
    rc |= db_bind_u64(*stmt, 3, part->upto_seq);
    if (part->level > 0) {
        rc |= sqlite3_bind_int64(*stmt, 4, part->level);
    }
    *ret_stmt = *stmt;
    return rc == SQLITE_OK ? ERR_NONE : db_fail(r->reader->db, e, "fits");
}

enum place { OUTSIDE, WITHIN, ACROSS };

static enum place place_of(const struct reading *r, sqlite3_stmt *stmt)
{
    if (sqlite3_column_type(stmt, 1) == SQLITE_NULL) {
        return OUTSIDE;
    }
    const uint64_t least = db_u64(stmt, 1);
    const uint64_t most = db_u64(stmt, 2);
    if (least > r->take.to_step || most < r->take.from_step) {
        return OUTSIDE;
    }
    return least >= r->take.from_step && most <= r->take.to_step ? WITHIN
                                                                 : ACROSS;
}

/* The edge with the records of this chunk, or NULL. */
static struct edge *find_edge(struct reading *r, int64_t chunk)
{
    for (size_t i = 0; i < EDGES; i++) {
        if (r->edges[i].chunk == chunk) {
            return &r->edges[i];
        }
    }
    return NULL;
}

static enum err_code read_edge(
    struct reading *r, int64_t chunk, struct edge **ret, struct err *e)
{
    struct edge *edge = &r->edges[r->next_edge++ % EDGES];
    edge->chunk = 0;
    records_clear(&edge->records);
    const enum err_code code =
        stream_read_chunk(&r->read, chunk, CHUNK_BODY_WHOLE, &edge->records, e);
    edge->chunk = code == ERR_NONE ? chunk : 0;
    *ret = edge;
    return code;
}

static enum err_code read_chunk(struct reading *r, int64_t chunk,
    enum place place, const struct records **ret, struct err *e)
{
    if (place == WITHIN) {
        *ret = &r->records;
        records_clear(&r->records);
        return stream_read_chunk(
            &r->read, chunk, CHUNK_BODY_WHOLE, &r->records, e);
    }
    struct edge *edge = find_edge(r, chunk);
    enum err_code code = ERR_NONE;
    if (edge == NULL) {
        code = read_edge(r, chunk, &edge, e);
    }
    *ret = &edge->records;
    return code;
}

static enum err_code visit_chunk(
    struct reading *r, sqlite3_stmt *stmt, enum place place, struct err *e)
{
    const bool is_empty = sqlite3_column_int64(stmt, 5) == 0;
    const struct records *records = NULL;
    struct pair_window window;
    bool taken = false;
    enum err_code code = ERR_NONE;
    if (place == WITHIN) {
        code = fit_take_body(&r->take, db_blob(stmt, 3), &taken, e);
    }
    if (code != ERR_NONE || taken || is_empty) {
        return code;
    }
    pair_window_init(&window, PAIR_WINDOW_DEFAULT);
    code = read_chunk(r, sqlite3_column_int64(stmt, 4), place, &records, e);
    if (code == ERR_NONE) {
        code = fit_take_records(&r->take, records, &window, e);
    }
    fit_take_waiting(&r->take, &window);
    return code;
}

static enum err_code visit(
    struct reading *r, const struct part *part, struct err *e);

static enum err_code visit_row(struct reading *r, sqlite3_stmt *stmt,
    const struct part *part, enum place place, struct err *e)
{
    const struct part below = { part->level - 1, part->after_seq,
        db_u64(stmt, 0) };
    bool taken = false;
    enum err_code code = ERR_NONE;
    if (place == WITHIN && part->level <= r->widest) {
        code = fit_take_body(&r->take, db_blob(stmt, 3), &taken, e);
        r->within[part->level] += r->take.pass == PASS_STATES;
        r->taken[part->level] += r->take.pass == PASS_STATES && taken;
    }
    return code == ERR_NONE && !taken ? visit(r, &below, e) : code;
}

/* The row that the statement is at, which begins behind part->after_seq. */
static enum err_code visit_one(struct reading *r, sqlite3_stmt *stmt,
    const struct part *part, struct err *e)
{
    const enum place place = place_of(r, stmt);
    if (place == OUTSIDE) {
        return ERR_NONE;
    }
    const enum err_code code = part->level == 0
                                   ? visit_chunk(r, stmt, place, e)
                                   : visit_row(r, stmt, part, place, e);
    return code == ERR_NONE && place == WITHIN ? end_body(r, part->level, e)
                                               : code;
}

/* The rows of a part; what no row covers is gone through a level below. */
static enum err_code visit(
    struct reading *r, const struct part *part, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct part left = *part;
    enum err_code code = start(r, part, &stmt, e);
    for (bool more = true; code == ERR_NONE && more;) {
        code = db_step(stmt, &more, "fits", e);
        if (code == ERR_NONE && more) {
            code = visit_one(r, stmt, &left, e);
            left.after_seq = db_u64(stmt, 0);
        }
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    if (code == ERR_NONE && part->level > 0 && left.after_seq < left.upto_seq) {
        left.level--;
        code = visit(r, &left, e);
    }
    return code;
}

/* ---- streams ------------------------------------------------------------- */

static enum err_code read_log(struct reading *r, struct err *e)
{
    struct pair_window window;
    enum err_code code = stream_read_log(&r->read, r->stream->id, 0, e);
    pair_window_init(&window, PAIR_WINDOW_DEFAULT);
    records_clear(&r->records);
    for (bool more = true; code == ERR_NONE && more;) {
        code = stream_read_log_row(&r->read, &r->records, &more, e);
        if (code == ERR_NONE && (!more || r->records.n >= LOG_RECORDS)) {
            code = fit_take_records(&r->take, &r->records, &window, e);
            records_clear(&r->records);
        }
    }
    fit_take_waiting(&r->take, &window);
    return code;
}

/* false: nothing of it is in the range. */
static bool enter_stream(struct reading *r, const struct scan_stream *s)
{
    r->stream = s;
    r->take.from_step = r->query->scan.from_step;
    r->take.to_step = r->query->scan.to_step;
    if (s->is_cut && s->cut_step <= r->take.to_step) {
        r->take.to_step = s->cut_step - (s->cut_step > 0);
        return s->cut_step > r->take.from_step;
    }
    return true;
}

static enum err_code top_of(struct reading *r, unsigned *ret, struct err *e)
{
    bool row = false;
    enum err_code code =
        sqlite3_bind_int64(r->top, 1, r->stream->id) == SQLITE_OK
            ? db_step(r->top, &row, "fits", e)
            : db_fail(r->reader->db, e, "fits");
    if (code == ERR_NONE && row) {
        const uint64_t top = db_u64(r->top, 0);
        *ret = top > PYRAMID_LEVELS_MAX ? PYRAMID_LEVELS_MAX : (unsigned)top;
        (void)sqlite3_reset(r->top); /* it gave its row */
    }
    return code;
}

static enum err_code read_stream(struct reading *r, struct err *e)
{
    struct part all = { .upto_seq = INT64_MAX };
    enum err_code code = top_of(r, &all.level, e);
    if (code == ERR_NONE) {
        code = visit(r, &all, e);
    }
    return code == ERR_NONE ? read_log(r, e) : code;
}

static enum err_code run_pass(
    struct reading *r, enum fit_pass pass, unsigned widest, struct err *e)
{
    enum err_code code = ERR_NONE;
    r->take.pass = pass;
    r->widest = widest;
    for (size_t i = 0; code == ERR_NONE && i < r->plan.n; i++) {
        if (enter_stream(r, &r->plan.streams[i])) {
            code = read_stream(r, e);
        }
    }
    return code;
}

/* ---- which rows ---------------------------------------------------------- */

/* The widest level with rows enough; 0 if none has. Below a body that was taken
 * are PYRAMID_FAN of the next level, which nobody has looked at. */
static unsigned level_of_rows(const struct reading *r)
{
    size_t below = 0;
    for (unsigned level = PYRAMID_LEVELS_MAX; level > 0; level--) {
        if (r->within[level] + below >= FIT_READ_ROWS) {
            return level;
        }
        below = PYRAMID_FAN * (r->taken[level] + below);
    }
    return 0;
}

/* ---- all of it ----------------------------------------------------------- */

static enum err_code choose(struct reading *r, struct err *e)
{
    const struct fit_read_query *q = r->query;
    enum err_code code = ERR_NONE;
    if (q->estimator == PAIR_ESTIMATOR_AUTO ||
        q->regressor == PAIR_REGRESSOR_AUTO) {
        code = run_pass(r, PASS_CENSUS, PYRAMID_LEVELS_MAX, e);
    }
    r->take.out->estimator = q->estimator != PAIR_ESTIMATOR_AUTO
                                 ? (unsigned)q->estimator
                                 : pair_census_estimator(&r->take.census);
    r->take.out->regressor =
        q->regressor != PAIR_REGRESSOR_AUTO
            ? (enum fit_regressor)q->regressor
            : pair_census_regressor(&r->take.census, r->take.out->estimator);
    return code;
}

static enum err_code read_rows(struct reading *r, struct err *e)
{
    r->take.is_weighted = r->query->rows == FIT_READ_WEIGHTED;
    if (r->query->weight != NULL) {
        r->take.weight = *r->query->weight;
    } else if (r->take.is_weighted &&
               !fit_state_weight(&r->take.out->part.state, &r->take.weight)) {
        return ERR_NONE;
    }
    const enum err_code code = run_pass(r, PASS_ROWS, level_of_rows(r), e);
    return code == ERR_NONE ? end_rows(r, e) : code;
}

static enum err_code read_all(struct reading *r, struct err *e)
{
    enum err_code code = choose(r, e);
    if (code == ERR_NONE) {
        code = run_pass(r, PASS_STATES, PYRAMID_LEVELS_MAX, e);
    }
    if (code == ERR_NONE) {
        code = read_rows(r, e);
    }
    const struct fit_facts *facts = &r->take.out->part.facts;
    r->take.out->in_sight = facts->uses[PAIR_USED] + fit_facts_excluded(facts);
    return code;
}

static enum err_code prepare(struct reading *r, struct err *e)
{
    struct scan_query all = r->query->scan;
    all.after_attempt = 0;
    all.after_rank = 0;
    all.after_seq = 0;
    all.above_seq = 0;
    enum err_code code = scan_plan_init(&r->plan, r->reader->db, &all, e);
    if (code == ERR_NONE) {
        code = stream_read_init(&r->read, r->reader->db, e);
    }
    if (code == ERR_NONE) {
        code = db_prepare(r->reader->db, sql_top, &r->top, e);
    }
    records_init(&r->records, WIRE_PROBE, PAIR_FIELDS);
    for (size_t i = 0; i < EDGES; i++) {
        records_init(&r->edges[i].records, WIRE_PROBE, PAIR_FIELDS);
    }
    return code;
}

static void done(struct reading *r)
{
    for (size_t i = 0; i <= PYRAMID_LEVELS_MAX; i++) {
        (void)sqlite3_finalize(r->levels[i]); /* the steps have told */
    }
    (void)sqlite3_finalize(r->top);
    stream_read_done(&r->read);
    scan_plan_done(&r->plan);
    records_done(&r->records);
    for (size_t i = 0; i < EDGES; i++) {
        records_done(&r->edges[i].records);
    }
}

typedef enum err_code (*read_fn)(struct reading *r, struct err *e);

/* Within a snapshot, with all that a pass needs. */
static enum err_code read_by(struct reading *r, read_fn read, struct err *e)
{
    enum err_code code = reader_begin(r->reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = prepare(r, e);
    if (code == ERR_NONE) {
        code = read(r, e);
    }
    done(r);
    reader_end(r->reader);
    return code;
}

enum err_code fit_read(struct reader *reader,
    const struct fit_read_query *query, struct fit_read *ret, struct err *e)
{
    struct fit_read out = { 0 };
    struct reading r = { .reader = reader,
        .query = query,
        .take = { .group = query->group, .out = &out } };
    const enum err_code code = read_by(&r, read_all, e);
    if (code != ERR_NONE) {
        fit_read_done(&out);
        return code;
    }
    *ret = out;
    return ERR_NONE;
}

static enum err_code count_all(struct reading *r, struct err *e)
{
    return run_pass(r, PASS_CENSUS, PYRAMID_LEVELS_MAX, e);
}

enum err_code fit_read_census(struct reader *reader,
    const struct fit_read_query *query, struct pair_census *ret,
    uint64_t *ret_in_sight, struct err *e)
{
    struct fit_read out = { 0 };
    struct reading r = { .reader = reader,
        .query = query,
        .take = { .group = query->group, .out = &out } };
    const enum err_code code = read_by(&r, count_all, e);
    if (code != ERR_NONE) {
        return code;
    }
    *ret = r.take.census;
    *ret_in_sight = r.take.waiting;
    for (unsigned class = 0; class < PAIR_ESTIMATORS; class ++) {
        *ret_in_sight += ret->n[class];
    }
    return ERR_NONE;
}

void fit_read_done(struct fit_read *read)
{
    fit_part_done(&read->part);
    db_free(read->rows);
    *read = (struct fit_read){ 0 };
}

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

#include "pure/pair_window.h"
#include "pure/row.h"
#include "store/db.h"
#include "store/pyramid.h"
#include "store/pyramid_fits.h"
#include "store/reader_impl.h"
#include "store/scan_plan.h"
#include "store/stream_read.h"
#include "traj.h"

/* Records of the log that are taken at once. */
#define LOG_RECORDS 4096u

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

enum pass { PASS_CENSUS, PASS_STATES, PASS_ROWS };

struct reading {
    struct reader *reader;
    const struct fit_read_query *query;
    struct scan_plan plan;
    struct stream_read read;
    struct records records; /* of one chunk, or part of the log */
    sqlite3_stmt *levels[PYRAMID_LEVELS_MAX + 1]; /* 0: chunks */
    sqlite3_stmt *top;
    enum pass pass;
    unsigned widest; /* bodies up to this level */
    /* Of the stream that is being read. */
    const struct scan_stream *stream;
    uint64_t from_step, to_step; /* inclusive */
    struct pair_census census;
    struct fit_sums rest; /* pairs since the last row */
    struct fit_read *out;
};

/* ---- pairs and states ---------------------------------------------------- */

static bool is_wanted(
    const struct reading *r, unsigned estimator, unsigned regressor)
{
    return estimator == r->out->estimator && regressor == r->out->regressor;
}

/* false: out of memory. */
static bool take_pair(struct reading *r, const struct pair *pair)
{
    if (r->pass == PASS_CENSUS) {
        pair_census_add(&r->census, pair);
        return true;
    }
    if (pair->estimator != r->out->estimator) {
        r->out->part.facts.uses[PAIR_OTHER_ESTIMATOR] += r->pass == PASS_STATES;
        return true;
    }
    if (r->pass == PASS_STATES) {
        return fit_part_add(&r->out->part, pair, r->out->regressor);
    }
    const double x = pair->x[r->out->regressor];
    const double y = pair->y[r->out->regressor];
    if (pair_use(pair, r->out->regressor) == PAIR_USED && fit_sums_takes(x) &&
        fit_sums_takes(y)) {
        fit_sums_add(&r->rest, x, y);
    }
    return true;
}

static enum err_code take_records(
    struct reading *r, struct pair_window *window, struct err *e)
{
    const struct records *records = &r->records;
    r->out->records += r->pass == PASS_STATES ? records->n : 0;
    for (size_t i = 0; i < records->n; i++) {
        const struct row row = { (const uint64_t *const *)records->columns,
            records->present[i], i };
        struct pair pair;
        if (row_u64(&row, PROBE_group) == r->query->group &&
            pair_read(&row, &pair) && pair.step >= r->from_step &&
            pair.step <= r->to_step && pair_window_add(window, &row, &pair) &&
            !take_pair(r, &pair)) {
            return db_nomem(e, "fits");
        }
    }
    return ERR_NONE;
}

static void take_waiting(struct reading *r, const struct pair_window *window)
{
    const bool ours = r->out->estimator == TRAJ_ESTIMATOR_MICROBATCH;
    if (r->pass == PASS_STATES) {
        r->out->part.facts
            .uses[ours ? PAIR_WINDOW_OPEN : PAIR_OTHER_ESTIMATOR] +=
            pair_window_waiting(window);
    }
}

/* Into a part of its own, so that a body that turns out damaged has given
 * nothing. false: damaged, or out of memory. */
static bool decode_entry(const struct pyramid_fit_entry *entry,
    struct str bytes, struct fit_part *body, bool *ret_nomem)
{
    const struct fit_facts facts = pyramid_fit_facts(entry);
    struct fit_state state = { 0 };
    if (entry->length == 0) {
        fit_facts_merge(&body->facts, &facts);
        return true;
    }
    const enum fit_decode decoded =
        fit_state_decode((const uint8_t *)bytes.p, bytes.n, &state);
    *ret_nomem = decoded == FIT_DECODE_NOMEM;
    if (decoded != FIT_DECODE_OK) {
        return false;
    }
    if (body->facts.uses[PAIR_USED] == 0) {
        body->state = state;
        fit_facts_merge(&body->facts, &facts);
        return true;
    }
    *ret_nomem = !fit_part_merge(body, &facts, &state);
    fit_state_done(&state);
    return !*ret_nomem;
}

/* What the section has of the group. Others are of other classes: of those, a
 * pair is counted once, with the first regressor. */
static enum err_code take_states(struct reading *r,
    const struct pyramid_fits_view *view, bool *ret_taken, struct err *e)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    struct fit_part body = { 0 };
    uint64_t others = 0;
    bool nomem = false;
    bool ok = true;
    while (ok && pyramid_fits_next(view, &pos, &entry, &bytes)) {
        if (entry.group != r->query->group) {
            continue;
        }
        const struct fit_facts facts = pyramid_fit_facts(&entry);
        if (is_wanted(r, entry.estimator, entry.regressor)) {
            ok = decode_entry(&entry, bytes, &body, &nomem);
        } else if (entry.estimator != r->out->estimator &&
                   entry.regressor == FIT_REGRESSOR_START) {
            others += facts.uses[PAIR_USED] + fit_facts_excluded(&facts);
        }
    }
    if (ok) {
        ok = fit_part_merge(&r->out->part, &body.facts, &body.state);
        nomem = !ok;
    }
    if (ok) {
        r->out->part.facts.uses[PAIR_OTHER_ESTIMATOR] += others;
        r->out->states++;
    }
    fit_part_done(&body);
    *ret_taken = ok;
    return nomem ? db_nomem(e, "fits") : ERR_NONE;
}

static void take_census(struct reading *r, const struct pyramid_fits_view *view)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    while (pyramid_fits_next(view, &pos, &entry, &bytes)) {
        if (entry.group == r->query->group) {
            const struct fit_facts facts = pyramid_fit_facts(&entry);
            fit_facts_census(&facts, entry.estimator,
                (enum fit_regressor)entry.regressor, &r->census);
        }
    }
}

static bool take_sums(struct reading *r, const struct pyramid_fits_view *view)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    struct fit_sums sums = { 0 };
    while (pyramid_fits_next(view, &pos, &entry, &bytes)) {
        struct fit_block block;
        if (entry.group != r->query->group || entry.length == 0 ||
            !is_wanted(r, entry.estimator, entry.regressor)) {
            continue;
        }
        if (!fit_state_peek((const uint8_t *)bytes.p, bytes.n, &block)) {
            return false;
        }
        fit_sums_merge(&sums, &block.plain, 1);
    }
    fit_sums_merge(&r->rest, &sums, 1);
    return true;
}

/* The body of a row or chunk within the range. *ret_taken: it has told all. */
static enum err_code take_body(
    struct reading *r, struct str body, bool *ret_taken, struct err *e)
{
    struct pyramid_view view;
    struct pyramid_fits_view fits;
    *ret_taken = pyramid_view_open(body, WIRE_PROBE, &view) &&
                 pyramid_fits_open(view.fits, &fits) &&
                 pyramid_fits_know(&fits, r->query->group);
    if (!*ret_taken) {
        return ERR_NONE;
    }
    switch (r->pass) {
    case PASS_CENSUS:
        take_census(r, &fits);
        return ERR_NONE;
    case PASS_STATES:
        return take_states(r, &fits, ret_taken, e);
    case PASS_ROWS:
        *ret_taken = take_sums(r, &fits);
        return ERR_NONE;
    }
    return ERR_NONE;
}

/* ---- rows ---------------------------------------------------------------- */

static enum err_code add_row(struct reading *r, struct err *e)
{
    struct fit_read *out = r->out;
    if (!(r->rest.n > 0)) {
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
    out->rows[out->n_rows++] = r->rest;
    r->rest = (struct fit_sums){ 0 };
    return ERR_NONE;
}

/* A body of the widest level has ended, whoever gave its pairs. */
static enum err_code end_body(struct reading *r, unsigned level, struct err *e)
{
    return r->pass == PASS_ROWS && level == r->widest ? add_row(r, e)
                                                      : ERR_NONE;
}

/* What comes behind the last of them is a row if it is half as much. */
static enum err_code end_rows(struct reading *r, struct err *e)
{
    struct fit_read *out = r->out;
    if (out->n_rows == 0 || 2 * r->rest.n >= out->rows[out->n_rows - 1].n) {
        return add_row(r, e);
    }
    fit_sums_merge(&out->rows[out->n_rows - 1], &r->rest, 1);
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
    if (least > r->to_step || most < r->from_step) {
        return OUTSIDE;
    }
    return least >= r->from_step && most <= r->to_step ? WITHIN : ACROSS;
}

static enum err_code visit_chunk(
    struct reading *r, sqlite3_stmt *stmt, enum place place, struct err *e)
{
    const bool is_empty = sqlite3_column_int64(stmt, 5) == 0;
    struct pair_window window;
    bool taken = false;
    enum err_code code = ERR_NONE;
    if (place == WITHIN) {
        code = take_body(r, db_blob(stmt, 3), &taken, e);
    }
    if (code != ERR_NONE || taken || is_empty) {
        return code;
    }
    records_clear(&r->records);
    pair_window_init(&window, PAIR_WINDOW_DEFAULT);
    code = stream_read_chunk(&r->read, sqlite3_column_int64(stmt, 4),
        CHUNK_BODY_WHOLE, &r->records, e);
    if (code == ERR_NONE) {
        code = take_records(r, &window, e);
    }
    take_waiting(r, &window);
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
        code = take_body(r, db_blob(stmt, 3), &taken, e);
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
            code = take_records(r, &window, e);
            records_clear(&r->records);
        }
    }
    take_waiting(r, &window);
    return code;
}

/* false: nothing of it is in the range. */
static bool enter_stream(struct reading *r, const struct scan_stream *s)
{
    r->stream = s;
    r->from_step = r->query->scan.from_step;
    r->to_step = r->query->scan.to_step;
    if (s->is_cut && s->cut_step <= r->to_step) {
        r->to_step = s->cut_step - (s->cut_step > 0);
        return s->cut_step > r->from_step;
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
    struct reading *r, enum pass pass, unsigned widest, struct err *e)
{
    enum err_code code = ERR_NONE;
    r->pass = pass;
    r->widest = widest;
    for (size_t i = 0; code == ERR_NONE && i < r->plan.n; i++) {
        if (enter_stream(r, &r->plan.streams[i])) {
            code = read_stream(r, e);
        }
    }
    return code;
}

/* ---- which rows ---------------------------------------------------------- */

/* Bodies of the level within the range, counted until they are enough. */
static enum err_code count_bodies(
    struct reading *r, unsigned level, size_t *n, struct err *e)
{
    const struct part all = { .level = level, .upto_seq = INT64_MAX };
    sqlite3_stmt *stmt = NULL;
    enum err_code code = start(r, &all, &stmt, e);
    for (bool more = true; code == ERR_NONE && more && *n < FIT_READ_ROWS;) {
        code = db_step(stmt, &more, "fits", e);
        *n += code == ERR_NONE && more && place_of(r, stmt) == WITHIN;
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    return code;
}

/* The widest level with rows enough; 0 if none has. */
static enum err_code level_of_rows(
    struct reading *r, unsigned *ret_level, struct err *e)
{
    size_t n = 0;
    enum err_code code = ERR_NONE;
    for (unsigned level = PYRAMID_LEVELS_MAX; code == ERR_NONE && level > 0;
         level--) {
        n = 0;
        for (size_t i = 0; code == ERR_NONE && i < r->plan.n; i++) {
            if (enter_stream(r, &r->plan.streams[i])) {
                code = count_bodies(r, level, &n, e);
            }
        }
        if (n >= FIT_READ_ROWS) {
            *ret_level = level;
            return code;
        }
    }
    *ret_level = 0;
    return code;
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
    r->out->estimator = q->estimator != PAIR_ESTIMATOR_AUTO
                            ? (unsigned)q->estimator
                            : pair_census_estimator(&r->census);
    r->out->regressor =
        q->regressor != PAIR_REGRESSOR_AUTO
            ? (enum fit_regressor)q->regressor
            : pair_census_regressor(&r->census, r->out->estimator);
    return code;
}

static enum err_code read_rows(struct reading *r, struct err *e)
{
    unsigned level = 0;
    enum err_code code = level_of_rows(r, &level, e);
    if (code == ERR_NONE) {
        code = run_pass(r, PASS_ROWS, level, e);
    }
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
    const struct fit_facts *facts = &r->out->part.facts;
    r->out->in_sight = facts->uses[PAIR_USED] + fit_facts_excluded(facts);
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
}

enum err_code fit_read(struct reader *reader,
    const struct fit_read_query *query, struct fit_read *ret, struct err *e)
{
    struct fit_read out = { 0 };
    struct reading r = { .reader = reader, .query = query, .out = &out };
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = prepare(&r, e);
    if (code == ERR_NONE) {
        code = read_all(&r, e);
    }
    done(&r);
    reader_end(reader);
    if (code != ERR_NONE) {
        fit_read_done(&out);
        return code;
    }
    *ret = out;
    return ERR_NONE;
}

void fit_read_done(struct fit_read *read)
{
    fit_part_done(&read->part);
    db_free(read->rows);
    *read = (struct fit_read){ 0 };
}

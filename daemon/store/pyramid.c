/*
 * pyramid.c: the thread of its connection. Owns statements and working memory;
 * between calls no statement is under way.
 */
#include "store/pyramid.h"

#include <string.h>

#include "pure/derived.h"
#include "pure/trainer.h"
#include "store/db.h"
#include "store/pyramid_impl.h"

#define PYRAMID_STATEMENT_SQL(id, sql) [STMT_##id] = (sql),
static const char *const statement_sql[STMT_COUNT] = { PYRAMID_STATEMENTS(
    PYRAMID_STATEMENT_SQL) };
static_assert(PYRAMID_FAN == 16, "it is in the statements");

static enum err_code prepare_all(struct pyramid *pyramid, struct err *e)
{
    for (size_t i = 0; i < STMT_COUNT; i++) {
        enum err_code code =
            db_prepare(pyramid->db, statement_sql[i], &pyramid->stmts[i], e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return stream_read_init(&pyramid->read, pyramid->db, e);
}

enum err_code pyramid_open(
    sqlite3 *db, struct pyramid **ret_pyramid, struct err *e)
{
    struct pyramid *pyramid = db_malloc(sizeof *pyramid);
    if (pyramid == NULL) {
        return db_nomem(e, "pyramid");
    }
    *pyramid = (struct pyramid){ .db = db };
    enum err_code code = prepare_all(pyramid, e);
    if (code != ERR_NONE) {
        pyramid_close(pyramid);
        return code;
    }
    *ret_pyramid = pyramid;
    return ERR_NONE;
}

void pyramid_close(struct pyramid *pyramid)
{
    if (pyramid == NULL) {
        return;
    }
    for (size_t i = 0; i < STMT_COUNT; i++) {
        (void)sqlite3_finalize(pyramid->stmts[i]); /* the steps have told */
    }
    stream_read_done(&pyramid->read);
    pyramid_nodes_done(&pyramid->nodes);
    pyramid_fits_done(&pyramid->fits);
    buf_done(&pyramid->bodies);
    db_free(pyramid);
}

/* ---- summaries ----------------------------------------------------------- */

static enum err_code read_trainer(struct pyramid *pyramid, int64_t stream,
    struct trainer *ret_trainer, struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_HELLO];
    bool row = false;
    if (sqlite3_bind_int64(stmt, 1, stream) != SQLITE_OK) {
        return db_fail(pyramid->db, e, "pyramid");
    }
    enum err_code code = db_step(stmt, &row, "pyramid", e);
    if (code == ERR_NONE) {
        *ret_trainer = trainer_of_hello(row ? db_text(stmt, 0).p : NULL);
        (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
    }
    return code;
}

static enum err_code series_of(struct pyramid *pyramid, int64_t stream,
    const struct records *records, struct str *ret_body, struct err *e)
{
    struct trainer trainer = { .world = 1 };
    enum err_code code = ERR_NONE;
    if (records->kind == WIRE_STEP) { /* others do not ask who trains */
        code = read_trainer(pyramid, stream, &trainer, e);
    }
    return code == ERR_NONE ? pyramid_nodes_of_records(&pyramid->nodes, records,
                                  &trainer, ret_body, e)
                            : code;
}

/* The body, which has the series of these records, with their fits too. */
static enum err_code add_fits(struct pyramid *pyramid,
    const struct records *records, enum pyramid_fits_wanted wanted,
    struct str *body, struct err *e)
{
    return records->kind == WIRE_PROBE ? pyramid_fits_of_records(&pyramid->fits,
                                             records, wanted, *body, body, e)
                                       : ERR_NONE;
}

enum err_code pyramid_body_of(struct pyramid *pyramid, int64_t stream,
    const struct records *records, struct str *ret_body, struct err *e)
{
    struct str body = { 0 };
    enum err_code code = series_of(pyramid, stream, records, &body, e);
    if (code == ERR_NONE) {
        code = add_fits(pyramid, records, PYRAMID_FITS_ALL, &body, e);
    }
    if (code == ERR_NONE) {
        *ret_body = body;
    }
    return code;
}

static bool has_nodes(enum wire_kind kind)
{
    struct metric metric;
    return metric_kept(kind, 0, &metric);
}

enum err_code pyramid_summary(struct pyramid *pyramid, struct stream_id stream,
    const struct records *records, struct str *ret_summary, struct err *e)
{
    *ret_summary = (struct str){ 0 };
    if (!has_nodes(records->kind)) {
        return ERR_NONE;
    }
    struct str body = { 0 };
    enum err_code code = series_of(pyramid, stream.v, records, &body, e);
    if (code != ERR_NONE || !pyramid_nodes_pay(&pyramid->nodes)) {
        return code;
    }
    code = add_fits(pyramid, records, PYRAMID_FITS_OF_CHUNK, &body, e);
    if (code == ERR_NONE) {
        *ret_summary = body;
    }
    return code;
}

/* ---- making a row -------------------------------------------------------- */

static enum err_code start(struct pyramid *pyramid, enum pyramid_statement id,
    const struct pyramid_rows *rows, uint64_t after_seq, struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[id];
    int rc = sqlite3_bind_int64(stmt, 1, rows->stream);
    rc |= sqlite3_bind_int64(stmt, 2, rows->kind);
    if (id != STMT_NEWEST) {
        rc |= db_bind_u64(stmt, 3, after_seq);
    }
    if (id != STMT_CHUNKS && id != STMT_COUNT_CHUNKS) {
        rc |= sqlite3_bind_int64(stmt, 4, rows->level);
    }
    return rc == SQLITE_OK ? ERR_NONE : db_fail(pyramid->db, e, "pyramid");
}

/* The number of a query that gives one. */
static enum err_code number_of(struct pyramid *pyramid,
    enum pyramid_statement id, uint64_t *ret, struct err *e)
{
    bool row = false;
    enum err_code code = db_step(pyramid->stmts[id], &row, "pyramid", e);
    if (code == ERR_NONE) {
        *ret = row ? db_u64(pyramid->stmts[id], 0) : 0;
        (void)sqlite3_reset(pyramid->stmts[id]); /* it gave its row */
    }
    return code;
}

/* A chunk without a summary that says all: its records give one. Emptied by
 * retention, it gives none, and *body stays. */
static enum err_code body_of_chunk(struct pyramid *pyramid, int64_t stream,
    enum wire_kind kind, int64_t chunk, struct str *body, struct err *e)
{
    struct records records;
    records_init(&records, kind, UINT64_MAX);
    enum err_code code = stream_read_chunk(
        &pyramid->read, chunk, CHUNK_BODY_MAY_BE_EMPTY, &records, e);
    if (code == ERR_NONE && records.n > 0) {
        code = pyramid_body_of(pyramid, stream, &records, body, e);
    }
    if (code == ERR_STORE) {
        code = ERR_NONE; /* damaged: who reads it is told so */
    }
    stream_read_rest(&pyramid->read);
    records_done(&records);
    return code;
}

bool pyramid_says_all(const struct pyramid_view *view)
{
    struct pyramid_fits_view fits;
    return view->kind != WIRE_PROBE ||
           (pyramid_fits_open(view->fits, &fits) && fits.is_complete);
}

static enum err_code take_child(struct pyramid *pyramid,
    const struct pyramid_rows *below, sqlite3_stmt *stmt,
    struct pyramid_made *made, struct err *e)
{
    struct str body = db_blob(stmt, 6);
    struct pyramid_view view;
    enum err_code code = ERR_NONE;
    const bool reads = pyramid_view_open(body, below->kind, &view);
    body = reads ? body : (struct str){ 0 };
    if (below->level == 0 && (!reads || !pyramid_says_all(&view))) {
        code = body_of_chunk(pyramid, below->stream, below->kind,
            sqlite3_column_int64(stmt, 0), &body, e);
    }
    if (sqlite3_column_type(stmt, 3) != SQLITE_NULL) {
        uint64_t least = db_u64(stmt, 3);
        uint64_t most = db_u64(stmt, 4);
        bool first = !made->has_steps;
        made->has_steps = true;
        made->least_step =
            first || least < made->least_step ? least : made->least_step;
        made->most_step =
            first || most > made->most_step ? most : made->most_step;
    }
    made->first_seq = made->n == 0 ? db_u64(stmt, 1) : made->first_seq;
    made->last_seq = db_u64(stmt, 2);
    made->records += db_u64(stmt, 5);
    made->is_empty = made->is_empty || body.n == 0;
    buf_append(&pyramid->bodies, body.p, body.n);
    made->ends[made->n++] = pyramid->bodies.n;
    return code;
}

static enum err_code merge_children(struct pyramid *pyramid,
    enum wire_kind kind, struct pyramid_made *made, struct err *e)
{
    struct str bodies[PYRAMID_FAN] = { 0 };
    if (pyramid->bodies.failed) {
        return db_nomem(e, "pyramid");
    }
    for (size_t i = 0; i < made->n; i++) {
        size_t from = i == 0 ? 0 : made->ends[i - 1];
        bodies[i] =
            (struct str){ pyramid->bodies.p + from, made->ends[i] - from };
    }
    enum err_code code = pyramid_nodes_of_bodies(
        &pyramid->nodes, kind, bodies, made->n, &made->body, e);
    if (code == ERR_NONE && kind == WIRE_PROBE && made->body.n > 0) {
        code = pyramid_fits_of_bodies(
            &pyramid->fits, bodies, made->n, made->body, &made->body, e);
    }
    return code;
}

enum err_code pyramid_make_row(struct pyramid *pyramid,
    const struct pyramid_rows *below, uint64_t after_seq,
    struct pyramid_made *ret_made, struct err *e)
{
    enum pyramid_statement id = below->level == 0 ? STMT_CHUNKS : STMT_ROWS;
    struct pyramid_made made = { .n = 0 };
    enum err_code code = start(pyramid, id, below, after_seq, e);
    buf_clear(&pyramid->bodies);
    for (bool more = true; code == ERR_NONE && more;) {
        code = db_step(pyramid->stmts[id], &more, "pyramid", e);
        if (code == ERR_NONE && more) {
            code = take_child(pyramid, below, pyramid->stmts[id], &made, e);
        }
    }
    (void)sqlite3_reset(pyramid->stmts[id]); /* the steps have told */
    if (code == ERR_NONE && made.n > 0 && !made.is_empty) {
        code = merge_children(pyramid, below->kind, &made, e);
    }
    if (code == ERR_NONE) {
        *ret_made = made;
    }
    return code;
}

static enum err_code add_row(struct pyramid *pyramid,
    const struct pyramid_rows *rows, const struct pyramid_made *made,
    struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_ADD];
    const char *body = made->body.n == 0 ? "" : made->body.p; /* never NULL */
    int rc = sqlite3_bind_int64(stmt, 1, rows->stream);
    rc |= sqlite3_bind_int64(stmt, 2, rows->kind);
    rc |= sqlite3_bind_int64(stmt, 3, rows->level);
    rc |= db_bind_u64(stmt, 4, made->first_seq);
    rc |= db_bind_u64(stmt, 5, made->last_seq);
    rc |= made->has_steps ? db_bind_u64(stmt, 6, made->least_step)
                          : sqlite3_bind_null(stmt, 6);
    rc |= made->has_steps ? db_bind_u64(stmt, 7, made->most_step)
                          : sqlite3_bind_null(stmt, 7);
    rc |= db_bind_u64(stmt, 8, made->records);
    rc |= sqlite3_bind_blob64(stmt, 9, body, made->body.n, SQLITE_STATIC);
    enum err_code code = rc == SQLITE_OK ? db_run(stmt, "pyramid", e)
                                         : db_fail(pyramid->db, e, "pyramid");
    (void)sqlite3_clear_bindings(stmt); /* the body was borrowed */
    return code;
}

/* One more row of the level, if there is enough below. */
static enum err_code grow_level(struct pyramid *pyramid,
    const struct pyramid_rows *rows, bool *ret_grown, struct err *e)
{
    struct pyramid_rows below = *rows;
    below.level--;
    enum pyramid_statement count =
        below.level == 0 ? STMT_COUNT_CHUNKS : STMT_COUNT_ROWS;
    uint64_t after_seq = 0;
    uint64_t n = 0;
    enum err_code code = start(pyramid, STMT_NEWEST, rows, 0, e);
    if (code == ERR_NONE) {
        code = number_of(pyramid, STMT_NEWEST, &after_seq, e);
    }
    if (code == ERR_NONE) {
        code = start(pyramid, count, &below, after_seq, e);
    }
    if (code == ERR_NONE) {
        code = number_of(pyramid, count, &n, e);
    }
    *ret_grown = n == PYRAMID_FAN;
    if (code != ERR_NONE || !*ret_grown) {
        return code;
    }
    struct pyramid_made made;
    code = pyramid_make_row(pyramid, &below, after_seq, &made, e);
    return code == ERR_NONE ? add_row(pyramid, rows, &made, e) : code;
}

enum err_code pyramid_grow_once(struct pyramid *pyramid,
    struct stream_id stream, enum wire_kind kind, bool *ret_grown,
    struct err *e)
{
    struct pyramid_rows rows = { .stream = stream.v, .kind = kind, .level = 1 };
    *ret_grown = false;
    if (!has_nodes(kind)) {
        return ERR_NONE;
    }
    enum err_code code = grow_level(pyramid, &rows, ret_grown, e);
    bool more = *ret_grown;
    while (code == ERR_NONE && more && rows.level < PYRAMID_LEVELS_MAX) {
        rows.level++;
        code = grow_level(pyramid, &rows, &more, e);
    }
    return code;
}

enum err_code pyramid_grow(struct pyramid *pyramid, struct stream_id stream,
    enum wire_kind kind, struct err *e)
{
    bool grown = false;
    return pyramid_grow_once(pyramid, stream, kind, &grown, e);
}

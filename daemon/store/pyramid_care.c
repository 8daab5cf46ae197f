/* pyramid_care.c: the pyramid against the records, and made anew. The thread of
 * its connection. */
#include "store/pyramid.h"

#include <string.h>

#include "store/db.h"
#include "store/pyramid_impl.h"

/* ---- check --------------------------------------------------------------- */

static bool is_same(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Without fits, as older versions wrote them, it says nothing of them. */
static bool lacks_fits_only(const struct pyramid_view *stored, struct str right)
{
    struct pyramid_view view;
    return stored->fits.n == 0 &&
           pyramid_view_open(right, stored->kind, &view) &&
           is_same(stored->series, view.series);
}

static enum pyramid_state compare(
    enum wire_kind kind, struct str stored, struct str right)
{
    struct pyramid_view view;
    if (is_same(stored, right)) {
        return PYRAMID_RIGHT;
    }
    if (!pyramid_view_open(stored, kind, &view)) {
        return PYRAMID_EMPTY;
    }
    return lacks_fits_only(&view, right) ? PYRAMID_EMPTY : PYRAMID_WRONG;
}

enum err_code pyramid_check_summary(struct pyramid *pyramid,
    struct stream_id stream, const struct records *records, struct str stored,
    enum pyramid_state *ret_state, struct err *e)
{
    struct str right = { 0 };
    enum err_code code = pyramid_summary(pyramid, stream, records, &right, e);
    if (code == ERR_NONE) {
        *ret_state = compare(records->kind, stored, right);
    }
    return code;
}

/* The row that ALL_ROWS is at; the body is borrowed until its next step. */
struct stored {
    struct pyramid_rows rows;
    uint64_t first_seq, last_seq;
    bool has_steps;
    uint64_t least_step, most_step;
    uint64_t records;
    struct str body;
};

static struct stored stored_row(sqlite3_stmt *stmt, int64_t stream)
{
    return (struct stored){
        .rows = { .stream = stream,
            .kind = (enum wire_kind)sqlite3_column_int(stmt, 0),
            .level = (unsigned)sqlite3_column_int(stmt, 1) },
        .first_seq = db_u64(stmt, 2),
        .last_seq = db_u64(stmt, 3),
        .has_steps = sqlite3_column_type(stmt, 4) != SQLITE_NULL,
        .least_step = db_u64(stmt, 4),
        .most_step = db_u64(stmt, 5),
        .records = db_u64(stmt, 6),
        .body = db_blob(stmt, 7),
    };
}

/* What is amiss, or NULL. */
static const char *amiss(
    const struct stored *row, const struct pyramid_made *made)
{
    if (made->n != PYRAMID_FAN || made->first_seq != row->first_seq ||
        made->last_seq != row->last_seq) {
        return "it does not cover 16 rows of the level below";
    }
    if (made->records != row->records || made->has_steps != row->has_steps ||
        (row->has_steps && (made->least_step != row->least_step ||
                               made->most_step != row->most_step))) {
        return "it does not say what records and steps are below it";
    }
    return compare(row->rows.kind, row->body, made->body) == PYRAMID_WRONG
               ? "its nodes are not those of the rows below it"
               : NULL;
}

static enum err_code check_row(struct pyramid *pyramid,
    const struct stored *row, uint64_t after_seq, pyramid_found_fn found,
    void *context, struct err *e)
{
    struct pyramid_finding finding = { .kind = row->rows.kind,
        .level = row->rows.level,
        .first_seq = row->first_seq,
        .last_seq = row->last_seq,
        .what = "there is no such level" };
    if (row->rows.level == 0 || row->rows.level > PYRAMID_LEVELS_MAX) {
        found(context, &finding);
        return ERR_NONE;
    }
    struct pyramid_rows below = row->rows;
    struct pyramid_made made = { .n = 0 };
    below.level--;
    enum err_code code = pyramid_make_row(pyramid, &below, after_seq, &made, e);
    if (code == ERR_NONE) {
        finding.what = amiss(row, &made);
        if (finding.what != NULL) {
            found(context, &finding);
        }
    }
    return code;
}

enum err_code pyramid_check_rows(struct pyramid *pyramid,
    struct stream_id stream, pyramid_found_fn found, void *context,
    struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_ALL_ROWS];
    if (sqlite3_bind_int64(stmt, 1, stream.v) != SQLITE_OK) {
        return db_fail(pyramid->db, e, "pyramid");
    }
    struct stored before = { .rows = { .stream = stream.v } };
    enum err_code code = ERR_NONE;
    for (bool more = true; code == ERR_NONE && more;) {
        code = db_step(stmt, &more, "pyramid", e);
        if (code != ERR_NONE || !more) {
            break;
        }
        struct stored row = stored_row(stmt, stream.v);
        bool goes_on = row.rows.kind == before.rows.kind &&
                       row.rows.level == before.rows.level;
        code = check_row(
            pyramid, &row, goes_on ? before.last_seq : 0, found, context, e);
        before = row;
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    return code;
}

/* ---- anew ---------------------------------------------------------------- */

static enum err_code set_summary(
    struct pyramid *pyramid, int64_t chunk, struct str summary, struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_SET_SUMMARY];
    const char *bytes = summary.n == 0 ? "" : summary.p; /* never NULL */
    int rc = sqlite3_bind_int64(stmt, 1, chunk);
    rc |= sqlite3_bind_blob64(stmt, 2, bytes, summary.n, SQLITE_STATIC);
    enum err_code code = rc == SQLITE_OK ? db_run(stmt, "pyramid", e)
                                         : db_fail(pyramid->db, e, "pyramid");
    (void)sqlite3_clear_bindings(stmt); /* the summary was borrowed */
    return code;
}

enum summary_wanted { SUMMARY_THAT_PAYS, SUMMARY_ANYHOW };

/* Of one that is empty or damaged the summary stays as it is; a damaged one is
 * an error where a summary is needed. */
static enum err_code renew_summary(struct pyramid *pyramid,
    struct stream_id stream, int64_t chunk, enum wire_kind kind,
    enum summary_wanted wanted, struct err *e)
{
    struct records records;
    struct str summary = { 0 };
    records_init(&records, kind, UINT64_MAX);
    enum err_code code = stream_read_chunk(
        &pyramid->read, chunk, CHUNK_BODY_MAY_BE_EMPTY, &records, e);
    stream_read_rest(&pyramid->read);
    if (code == ERR_NONE && records.n > 0) {
        code = wanted == SUMMARY_ANYHOW
                   ? pyramid_body_of(pyramid, stream.v, &records, &summary, e)
                   : pyramid_summary(pyramid, stream, &records, &summary, e);
        if (code == ERR_NONE) {
            code = set_summary(pyramid, chunk, summary, e);
        }
    } else if (code == ERR_STORE && wanted == SUMMARY_THAT_PAYS) {
        code = ERR_NONE;
    }
    records_done(&records);
    return code;
}

static enum err_code renew_summaries(
    struct pyramid *pyramid, struct stream_id stream, struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_ALL_CHUNKS];
    if (sqlite3_bind_int64(stmt, 1, stream.v) != SQLITE_OK) {
        return db_fail(pyramid->db, e, "pyramid");
    }
    enum err_code code = ERR_NONE;
    for (bool more = true; code == ERR_NONE && more;) {
        code = db_step(stmt, &more, "pyramid", e);
        if (code == ERR_NONE && more) {
            code = renew_summary(pyramid, stream, sqlite3_column_int64(stmt, 0),
                (enum wire_kind)sqlite3_column_int(stmt, 1), SUMMARY_THAT_PAYS,
                e);
        }
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    return code;
}

enum err_code pyramid_rebuild(
    struct pyramid *pyramid, struct stream_id stream, struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_CLEAR];
    enum err_code code = sqlite3_bind_int64(stmt, 1, stream.v) == SQLITE_OK
                             ? db_run(stmt, "pyramid", e)
                             : db_fail(pyramid->db, e, "pyramid");
    if (code == ERR_NONE) {
        code = renew_summaries(pyramid, stream, e);
    }
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        for (bool more = true; code == ERR_NONE && more;) {
            code = pyramid_grow_once(
                pyramid, stream, (enum wire_kind)kind, &more, e);
        }
    }
    return code;
}

enum err_code pyramid_keep(
    struct pyramid *pyramid, int64_t chunk, struct err *e)
{
    sqlite3_stmt *stmt = pyramid->stmts[STMT_CHUNK];
    struct pyramid_view view;
    bool more = false;
    enum err_code code = sqlite3_bind_int64(stmt, 1, chunk) == SQLITE_OK
                             ? db_step(stmt, &more, "pyramid", e)
                             : db_fail(pyramid->db, e, "pyramid");
    if (code != ERR_NONE || !more) {
        return code;
    }
    struct stream_id stream = { sqlite3_column_int64(stmt, 0) };
    enum wire_kind kind = (enum wire_kind)sqlite3_column_int(stmt, 1);
    bool has = pyramid_view_open(db_blob(stmt, 2), kind, &view) &&
               pyramid_says_all(&view);
    (void)sqlite3_reset(stmt); /* it gave its row */
    return has ? ERR_NONE
               : renew_summary(pyramid, stream, chunk, kind, SUMMARY_ANYHOW, e);
}

/*
 * thin.c: chunks lose their body and keep their summary: what retention does to
 * a run before it deletes it. The writer thread.
 *
 * In the order of their seqs, so that thinned_seq tells which ones are left:
 * those after it.
 */
#include "store/store.h"

#include "store/db.h"
#include "store/store_impl.h"

/* A transaction stays within a few milliseconds. */
#define THIN_BYTES (4u << 20)

static_assert(WIRE_STEP == 1 && WIRE_METRIC == 3 && WIRE_GROUP == 6,
    "STORE_THINNED_KINDS names them by number");

struct thinning {
    int64_t stream;
    uint64_t thinned_seq;
    uint64_t wanted; /* bytes */
    struct store_thinned done;
};

/* The stream whose turn it is; *ret_found false: nothing is left to thin. */
static enum err_code find_stream(struct store *store, struct run_id run,
    struct thinning *t, bool *ret_found, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_FIND_THINNABLE];
    if (sqlite3_bind_int64(stmt, 1, run.v) != SQLITE_OK) {
        return db_fail(store->db, e, "thin");
    }
    enum err_code code = db_step(stmt, ret_found, "thin", e);
    if (code == ERR_NONE && *ret_found) {
        t->stream = sqlite3_column_int64(stmt, 0);
        t->thinned_seq = db_u64(stmt, 1);
        (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
    }
    return code;
}

/* Of a chunk without a summary nothing would be left: it gets one. A body that
 * cannot be read stays: repair may find something in it. */
static enum err_code keep_summary(
    struct store *store, int64_t chunk, bool *ret_kept, struct err *e)
{
    enum err_code code = pyramid_keep(store->pyramid, chunk, e);
    *ret_kept = code == ERR_NONE;
    return code == ERR_STORE && !sqlite3_get_autocommit(store->db) ? ERR_NONE
                                                                   : code;
}

static enum err_code thin_chunk(
    struct store *store, struct thinning *t, sqlite3_stmt *row, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_THIN_CHUNK];
    t->thinned_seq = db_u64(row, 1);
    t->done.looked_at++;
    bool kept = false;
    enum err_code code =
        keep_summary(store, sqlite3_column_int64(row, 0), &kept, e);
    if (code != ERR_NONE || !kept) {
        return code;
    }
    t->done.chunks++;
    t->done.records += db_u64(row, 2);
    t->done.bytes += db_u64(row, 3);
    return sqlite3_bind_int64(stmt, 1, sqlite3_column_int64(row, 0)) ==
                   SQLITE_OK
               ? db_run(stmt, "thin", e)
               : db_fail(store->db, e, "thin");
}

static enum err_code thin_chunks(
    struct store *store, struct thinning *t, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_READ_THINNABLE];
    int rc = sqlite3_bind_int64(stmt, 1, t->stream);
    rc |= db_bind_u64(stmt, 2, t->thinned_seq);
    enum err_code code =
        rc == SQLITE_OK ? ERR_NONE : db_fail(store->db, e, "thin");
    bool more = true;
    while (code == ERR_NONE && more && t->done.bytes < t->wanted) {
        code = db_step(stmt, &more, "thin", e);
        if (code == ERR_NONE && more) {
            code = thin_chunk(store, t, stmt, e);
        }
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    return code;
}

static enum err_code write_thinned(
    struct store *store, const struct thinning *t, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_THIN_STREAM];
    int rc = sqlite3_bind_int64(stmt, 1, t->stream);
    rc |= db_bind_u64(stmt, 2, t->thinned_seq);
    rc |= db_bind_u64(stmt, 3, t->done.records);
    rc |= db_bind_u64(stmt, 4, t->done.bytes);
    return rc == SQLITE_OK ? db_run(stmt, "thin", e)
                           : db_fail(store->db, e, "thin");
}

enum err_code store_thin(struct store *store, struct run_id run, uint64_t bytes,
    struct store_thinned *ret_thinned, struct err *e)
{
    struct thinning t = { .wanted = bytes < THIN_BYTES ? bytes : THIN_BYTES };
    bool found = false;
    enum err_code code = store_require_transaction(store, e);
    code = code != ERR_NONE ? code : find_stream(store, run, &t, &found, e);
    if (code == ERR_NONE && found) {
        code = thin_chunks(store, &t, e);
        code = code != ERR_NONE ? code : write_thinned(store, &t, e);
        struct touched *touched = NULL;
        code = code != ERR_NONE
                   ? code
                   : store_touch(
                         store, (struct stream_id){ t.stream }, &touched, e);
        if (code == ERR_NONE) {
            store_mark(touched, TOUCH_RUN, 0); /* not a sign of life */
        }
    }
    if (code == ERR_NONE) {
        *ret_thinned = t.done;
    }
    return code;
}

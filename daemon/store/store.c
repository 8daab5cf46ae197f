/*
 * store.c: opening, and the transaction: what it touched is kept in memory and
 * written once, before COMMIT. The writer thread. Invariants: store_impl.h.
 */
#include "store/store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"
#include "store/migrate.h"
#include "store/store_impl.h"

#define SEAL_RECORDS_DEFAULT 2048
#define SEAL_RECORDS_MAX 16384

#define STORE_STATEMENT_SQL(id, sql) [STMT_##id] = (sql),
static const char *const statement_sql[STMT_COUNT] = { STORE_STATEMENTS(
    STORE_STATEMENT_SQL) };

static enum err_code open_database(
    const struct store_options *options, sqlite3 **ret_db, struct err *e)
{
    sqlite3 *db = NULL;
    enum err_code code = db_open(options->path, DB_WRITE, &db, e);
    if (code != ERR_NONE) {
        return code;
    }
    /* Whose file it is comes before anything is written to it. */
    size_t version = 0;
    code = migrate_version(db, migrations_count, &version, e);
    if (code == ERR_NONE && sqlite3_db_readonly(db, "main") == 1) {
        code = err_set(e, ERR_STORE,
            "cannot be written: no permission, or a read-only file system");
    }
    if (code == ERR_NONE) {
        code = db_set_up_writer(db, e);
    }
    if (code == ERR_NONE) {
        code = migrate(db, migrations_table, migrations_count, e);
    }
    if (code != ERR_NONE) {
        db_close(db);
        return code;
    }
    *ret_db = db;
    return ERR_NONE;
}

static enum err_code prepare_all(struct store *store, struct err *e)
{
    for (size_t i = 0; i < STMT_COUNT; i++) {
        enum err_code code =
            db_prepare(store->db, statement_sql[i], &store->stmts[i], e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static uint32_t seal_records(const struct store_options *options)
{
    uint32_t wanted = options->seal_records;
    wanted = wanted == 0 ? SEAL_RECORDS_DEFAULT : wanted;
    return wanted > SEAL_RECORDS_MAX ? SEAL_RECORDS_MAX : wanted;
}

static void init_unsealed(struct store *store)
{
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        records_init(&store->unsealed[kind], (enum wire_kind)kind, UINT64_MAX);
    }
}

static void free_unsealed(struct store *store)
{
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        records_done(&store->unsealed[kind]);
    }
}

static int note_wal(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct store *store = context;
    store->wal_pages = (uint32_t)pages;
    return SQLITE_OK;
}

enum err_code store_open(const struct store_options *options,
    struct store **ret_store, struct err *e)
{
    assert(options->path != NULL);

    struct store *store = db_malloc(sizeof *store);
    if (store == NULL) {
        return db_nomem(e, "open");
    }
    *store = (struct store){
        .seal_records = seal_records(options),
        .commit_sync = options->durability == DURABILITY_RELAXED
                           ? DB_SYNC_LATER
                           : DB_SYNC_COMMIT,
        .sync = DB_SYNC_COMMIT, /* as db_set_up_writer leaves it */
    };
    init_unsealed(store);
    enum err_code code = open_database(options, &store->db, e);
    if (code == ERR_NONE) {
        (void)sqlite3_wal_hook(store->db, note_wal, store); /* none before */
        code = prepare_all(store, e);
    }
    if (code == ERR_NONE) {
        code = pyramid_open(store->db, &store->pyramid, e);
    }
    if (code != ERR_NONE) {
        (void)err_prefix(e, "%s", options->path);
        store_close(store);
        return code;
    }
    *ret_store = store;
    return ERR_NONE;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    for (size_t i = 0; i < STMT_COUNT; i++) {
        (void)sqlite3_finalize(store->stmts[i]); /* its last result again */
    }
    pyramid_close(store->pyramid);
    db_close(store->db); /* rolls back what was not committed */
    chunk_coder_done(&store->coder);
    free_unsealed(store);
    db_free(store->touched);
    db_free(store->held);
    db_free(store);
}

enum err_code store_require_transaction(struct store *store, struct err *e)
{
    if (sqlite3_get_autocommit(store->db)) {
        return err_set(e, ERR_STORE, "the transaction was rolled back");
    }
    return ERR_NONE;
}

/* What goes into a file without a name, or with another, would be acknowledged
 * and not be there when trajd starts again. One stat(2). */
static enum err_code require_in_place(struct store *store, struct err *e)
{
    int moved = 0;
    int rc =
        sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return rc == SQLITE_OK && moved == 0
               ? ERR_NONE
               : err_set(e, ERR_STORE,
                     "begin: the database was moved, deleted or replaced");
}

static enum err_code begin(
    struct store *store, enum db_sync sync, struct err *e)
{
    assert(store->touched_n == 0);
    enum err_code in_place = require_in_place(store, e);
    if (in_place != ERR_NONE) {
        return in_place;
    }
    if (store->sync != sync) {
        enum err_code code = db_set_sync(store->db, sync, e);
        if (code != ERR_NONE) {
            return code;
        }
        store->sync = sync;
    }
    return db_run(store->stmts[STMT_BEGIN], "begin", e);
}

enum err_code store_begin(struct store *store, struct err *e)
{
    return begin(store, store->commit_sync, e);
}

enum err_code store_begin_unsynced(struct store *store, struct err *e)
{
    return begin(store, DB_SYNC_LATER, e);
}

static void forget_transaction(struct store *store)
{
    store->touched_n = 0;
    store->held_n = 0;
}

void store_rollback(struct store *store)
{
    forget_transaction(store);
    /* Out of memory and a full disk make SQLite roll back on its own. */
    if (!sqlite3_get_autocommit(store->db)) {
        sqlite3_stmt *stmt = store->stmts[STMT_ROLLBACK];
        (void)sqlite3_step(stmt);
        (void)sqlite3_reset(stmt); /* what fails here was rolled back too */
    }
}

/* Whether an entry before this one raises the revision of the same run. */
static bool run_is_done(const struct store *store, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        const struct touched *other = &store->touched[k];
        if (other->run_changed &&
            other->state.run.v == store->touched[i].state.run.v) {
            return true;
        }
    }
    return false;
}

static enum err_code touch_run(
    struct store *store, const struct touched *t, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_TOUCH_RUN];
    int rc = sqlite3_bind_int64(stmt, 1, t->state.run.v);
    rc |= sqlite3_bind_int64(stmt, 2, t->now_wall_ns);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "commit");
    }
    return db_run(stmt, "commit", e);
}

static enum err_code write_touched(struct store *store, struct err *e)
{
    for (size_t i = 0; i < store->touched_n; i++) {
        const struct touched *t = &store->touched[i];
        enum err_code code = ERR_NONE;
        if (t->dirty) {
            code =
                progress_write(&t->progress, store->stmts[STMT_SAVE_STREAM], e);
        }
        if (code == ERR_NONE && t->run_changed && !run_is_done(store, i)) {
            code = touch_run(store, t, e);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

enum err_code store_commit(struct store *store, struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    if (code == ERR_NONE) {
        code = store_log_held(store, e);
    }
    if (code == ERR_NONE) {
        code = write_touched(store, e);
    }
    if (code == ERR_NONE) {
        code = db_run(store->stmts[STMT_COMMIT], "commit", e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    forget_transaction(store);
    return code;
}

void store_shrink(struct store *store)
{
    (void)sqlite3_db_release_memory(store->db); /* how much it was, or 0 */
    free_unsealed(store);
    init_unsealed(store);
}

/* The application's id is in the first page, and is written even if it is the
 * same. */
enum err_code store_try_commit(struct store *store, struct err *e)
{
    enum err_code code = store_begin(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = db_run(store->stmts[STMT_REWRITE_FIRST_PAGE], "try", e);
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    return code;
}

struct stream_state store_state_of(
    const struct store *store, const struct touched *touched)
{
    assert(touched != NULL);

    struct stream_state state = touched->state;
    state.committed_seq = touched->progress.committed_seq;
    state.closed = touched->progress.closed;
    state.log_bytes = touched->progress.log_bytes;
    state.fills_chunk = seal_is_enough(
        store, touched->progress.log_records, touched->progress.log_bytes);
    return state;
}

static struct touched *find_touched(const struct store *store, int64_t stream)
{
    for (size_t i = store->touched_n; i > 0; i--) {
        if (store->touched[i - 1].progress.stream == stream) {
            return &store->touched[i - 1];
        }
    }
    return NULL;
}

void store_refresh(const struct store *store, struct stream_state *state)
{
    const struct touched *t = find_touched(store, state->stream.v);
    if (t != NULL) {
        *state = store_state_of(store, t);
    }
}

void store_mark(
    struct touched *touched, enum touch_kind kind, int64_t now_wall_ns)
{
    touched->dirty = true;
    touched->run_changed = touched->run_changed || kind == TOUCH_RUN;
    touched->now_wall_ns = now_wall_ns;
}

static enum err_code grow_touched(struct store *store, struct err *e)
{
    if (store->touched_n < store->touched_capacity) {
        return ERR_NONE;
    }
    size_t capacity =
        store->touched_capacity == 0 ? 64 : store->touched_capacity * 2;
    struct touched *grown =
        db_realloc(store->touched, capacity * sizeof *grown);
    if (grown == NULL) {
        return db_nomem(e, "transaction");
    }
    store->touched = grown;
    store->touched_capacity = capacity;
    return ERR_NONE;
}

/* Takes the row of FIND_STREAM or LOAD_STREAM into touched, unless the stream
 * is there, and newer. */
static enum err_code take_row(struct store *store, sqlite3_stmt *stmt,
    struct touched **ret_touched, struct err *e)
{
    bool row = false;
    enum err_code code = db_step(stmt, &row, "stream", e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!row) {
        return err_set(e, ERR_NOT_FOUND, "no such stream");
    }
    struct touched t = { .state = {
                             .run = { sqlite3_column_int64(stmt, 0) },
                             .attempt = (uint32_t)db_u64(stmt, 1),
                             .rank = (uint32_t)db_u64(stmt, 2),
                             .world = (uint32_t)db_u64(stmt, 4),
                         } };
    (void)snprintf(t.state.run_uid, sizeof t.state.run_uid, "%s",
        (const char *)sqlite3_column_text(stmt, 3)); /* 64 bytes at most */
    progress_read(stmt, 5, &t.progress);
    t.state.stream.v = t.progress.stream;
    (void)sqlite3_reset(stmt); /* a SELECT that gave its row */

    struct touched *known = find_touched(store, t.progress.stream);
    if (known != NULL) {
        *ret_touched = known;
        return ERR_NONE;
    }
    code = grow_touched(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    store->touched[store->touched_n++] = t;
    *ret_touched = &store->touched[store->touched_n - 1];
    return ERR_NONE;
}

enum err_code store_touch(struct store *store, struct stream_id stream,
    struct touched **ret_touched, struct err *e)
{
    struct touched *known = find_touched(store, stream.v);
    if (known != NULL) {
        *ret_touched = known;
        return ERR_NONE;
    }
    sqlite3_stmt *stmt = store->stmts[STMT_LOAD_STREAM];
    if (sqlite3_bind_int64(stmt, 1, stream.v) != SQLITE_OK) {
        return db_fail(store->db, e, "stream");
    }
    return take_row(store, stmt, ret_touched, e);
}

enum err_code store_stream(struct store *store, struct stream_uid uid,
    struct stream_state *ret_state, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_FIND_STREAM];
    if (sqlite3_bind_blob(stmt, 1, uid.v, sizeof uid.v, SQLITE_STATIC) !=
        SQLITE_OK) {
        return db_fail(store->db, e, "stream");
    }
    struct touched *t = NULL;
    enum err_code code = take_row(store, stmt, &t, e);
    (void)sqlite3_clear_bindings(stmt); /* uid was borrowed for the call */
    if (code == ERR_NONE) {
        *ret_state = store_state_of(store, t);
    }
    if (sqlite3_get_autocommit(store->db)) {
        store->touched_n = 0; /* a look without a transaction keeps nothing */
    }
    return code;
}

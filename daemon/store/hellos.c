/* hellos.c: who a stream is: its run and its attempt. The writer thread. */
#include "store/store.h"

#include <cjson/cJSON.h>

#include "store/db.h"
#include "store/hello.h"
#include "store/store_impl.h"

/* A start that the daemon's clock has not reached would stay on top of every
 * list for ever. */
static int64_t created_at(const struct hello *hello, int64_t now_wall_ns)
{
    int64_t started = hello->started_wall_ns;
    return started > 0 && started < now_wall_ns ? started : now_wall_ns;
}

struct known_run {
    int64_t id;
    int64_t created_wall_ns;
    bool is_new;
};

static enum err_code find_run(struct store *store, const struct hello *hello,
    struct known_run *ret_run, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_FIND_RUN];
    if (db_bind_text(stmt, 1, hello->run_id) != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    bool row = false;
    enum err_code code = db_step(stmt, &row, "hello", e);
    if (code != ERR_NONE) {
        return code;
    }
    *ret_run = (struct known_run){ .is_new = !row };
    if (row) {
        ret_run->id = sqlite3_column_int64(stmt, 0);
        ret_run->created_wall_ns = sqlite3_column_int64(stmt, 1);
        (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
    }
    return ERR_NONE;
}

static int bind_fork(sqlite3_stmt *stmt, const struct hello *hello)
{
    if (hello->fork_of.n == 0) {
        return sqlite3_bind_null(stmt, 7) | sqlite3_bind_null(stmt, 8);
    }
    return db_bind_text(stmt, 7, hello->fork_of) |
           db_bind_u64(stmt, 8, hello->fork_step);
}

static enum err_code add_run(struct store *store, const struct hello *hello,
    struct known_run *run, int64_t now_wall_ns, struct err *e)
{
    run->created_wall_ns = created_at(hello, now_wall_ns);
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_RUN];
    int rc = db_bind_text(stmt, 1, hello->run_id);
    rc |= sqlite3_bind_int64(stmt, 2, run->created_wall_ns);
    rc |= db_bind_text(stmt, 3, hello->project);
    rc |= db_bind_text(stmt, 4, hello->name);
    rc |= db_bind_text(stmt, 5, hello->tags);
    rc |= db_bind_text(stmt, 6, hello->config);
    rc |= bind_fork(stmt, hello);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    enum err_code code = db_run(stmt, "hello", e);
    if (code != ERR_NONE) {
        return code;
    }
    run->id = sqlite3_last_insert_rowid(store->db);
    stmt = store->stmts[STMT_ADD_RUN_PROGRESS];
    rc = sqlite3_bind_int64(stmt, 1, run->id);
    rc |= sqlite3_bind_int64(stmt, 2, now_wall_ns);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    return db_run(stmt, "hello", e);
}

static enum err_code describe_run(struct store *store,
    const struct hello *hello, const struct known_run *run, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_DESCRIBE_RUN];
    int rc = sqlite3_bind_int64(stmt, 1, run->id);
    rc |= db_bind_text(stmt, 2, hello->project);
    rc |= db_bind_text(stmt, 3, hello->name);
    rc |= db_bind_text(stmt, 4, hello->tags);
    rc |= db_bind_text(stmt, 5, hello->config);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    return db_run(stmt, "hello", e);
}

static enum err_code set_tags(struct store *store, const struct hello *hello,
    const struct known_run *run, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_CLEAR_TAGS];
    if (sqlite3_bind_int64(stmt, 1, run->id) != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    enum err_code code = db_run(stmt, "hello", e);
    stmt = store->stmts[STMT_ADD_TAG];
    const cJSON *tag = hello->tag_list == NULL ? NULL : hello->tag_list->child;
    for (; code == ERR_NONE && tag != NULL; tag = tag->next) {
        int rc = db_bind_text(stmt, 1, str_of(tag->valuestring));
        rc |= sqlite3_bind_int64(stmt, 2, run->created_wall_ns);
        rc |= sqlite3_bind_int64(stmt, 3, run->id);
        code = rc == SQLITE_OK ? db_run(stmt, "hello", e)
                               : db_fail(store->db, e, "hello");
    }
    return code;
}

/* The lowest attempt of the rank that is free, from the one asked for on. */
static enum err_code free_attempt(struct store *store,
    const struct hello *hello, const struct known_run *run,
    uint32_t *ret_attempt, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_ATTEMPTS_FROM];
    int rc = sqlite3_bind_int64(stmt, 1, run->id);
    rc |= sqlite3_bind_int64(stmt, 2, hello->rank);
    rc |= sqlite3_bind_int64(stmt, 3, hello->attempt);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    int64_t attempt = hello->attempt;
    for (;;) {
        bool row = false;
        enum err_code code = db_step(stmt, &row, "hello", e);
        if (code != ERR_NONE) {
            return code;
        }
        if (!row || sqlite3_column_int64(stmt, 0) != attempt) {
            break;
        }
        attempt++;
    }
    (void)sqlite3_reset(stmt); /* a SELECT that gave its rows */
    if (attempt > INT32_MAX) {
        return err_set(e, ERR_INVALID, "hello: attempt: none is free");
    }
    *ret_attempt = (uint32_t)attempt;
    return ERR_NONE;
}

static enum err_code add_stream(struct store *store, struct stream_uid uid,
    struct str json, const struct touched *t, int64_t now_wall_ns,
    int64_t *ret_id, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_STREAM];
    int rc = sqlite3_bind_blob(stmt, 1, uid.v, sizeof uid.v, SQLITE_STATIC);
    rc |= sqlite3_bind_int64(stmt, 2, t->state.run.v);
    rc |= sqlite3_bind_int64(stmt, 3, t->state.attempt);
    rc |= sqlite3_bind_int64(stmt, 4, t->state.rank);
    rc |= sqlite3_bind_int64(stmt, 5, now_wall_ns);
    rc |= db_bind_text(stmt, 6, json);
    enum err_code code = rc == SQLITE_OK ? db_run(stmt, "hello", e)
                                         : db_fail(store->db, e, "hello");
    (void)sqlite3_clear_bindings(stmt); /* all were borrowed for the call */
    if (code != ERR_NONE) {
        return code;
    }
    *ret_id = sqlite3_last_insert_rowid(store->db);
    stmt = store->stmts[STMT_ADD_PROGRESS];
    if (sqlite3_bind_int64(stmt, 1, *ret_id) != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    return db_run(stmt, "hello", e);
}

/* Whether the stream is of the newest attempt and its lowest rank: the one
 * that describes the run. */
static enum err_code is_speaker(struct store *store, const struct touched *t,
    bool *ret_speaker, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_BEFORE_NEWEST];
    int rc = sqlite3_bind_int64(stmt, 1, t->state.run.v);
    rc |= sqlite3_bind_int64(stmt, 2, t->state.attempt);
    rc |= sqlite3_bind_int64(stmt, 3, t->state.rank);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "hello");
    }
    bool another = false;
    enum err_code code = db_step(stmt, &another, "hello", e);
    if (code == ERR_NONE) {
        (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
        *ret_speaker = !another;
    }
    return code;
}

/* The run of a stream that is new, made or described anew if it is to be. */
static enum err_code place_stream(struct store *store,
    const struct hello *hello, int64_t now_wall_ns, struct touched *ret_t,
    struct err *e)
{
    struct known_run run = { 0 };
    enum err_code code = find_run(store, hello, &run, e);
    if (code == ERR_NONE && run.is_new) {
        code = add_run(store, hello, &run, now_wall_ns, e);
    }
    *ret_t =
        (struct touched){ .state = { .run = { run.id }, .rank = hello->rank } };
    if (code == ERR_NONE) {
        code = free_attempt(store, hello, &run, &ret_t->state.attempt, e);
    }
    bool speaker = false;
    if (code == ERR_NONE) {
        code = is_speaker(store, ret_t, &speaker, e);
    }
    if (code == ERR_NONE && speaker && !run.is_new) {
        code = describe_run(store, hello, &run, e);
    }
    if (code == ERR_NONE && speaker) {
        code = set_tags(store, hello, &run, e);
    }
    return code;
}

static enum err_code new_stream(struct store *store, struct stream_uid uid,
    struct str json, int64_t now_wall_ns, struct err *e)
{
    struct hello hello = { 0 };
    enum err_code code = hello_parse(json, &hello, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct touched t = { 0 };
    int64_t id = 0;
    code = place_stream(store, &hello, now_wall_ns, &t, e);
    if (code == ERR_NONE) {
        code = add_stream(store, uid, json, &t, now_wall_ns, &id, e);
    }
    hello_done(&hello);
    struct touched *touched = NULL;
    if (code == ERR_NONE) {
        code = store_touch(store, (struct stream_id){ id }, &touched, e);
    }
    if (code == ERR_NONE) {
        store_mark(touched, TOUCH_RUN, now_wall_ns);
    }
    return code;
}

enum err_code store_hello(struct store *store, struct stream_uid uid,
    struct str json, int64_t now_wall_ns, struct stream_state *ret_state,
    struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct stream_state state = { 0 };
    code = store_stream(store, uid, &state, e);
    if (code == ERR_NOT_FOUND) {
        code = new_stream(store, uid, json, now_wall_ns, e);
        if (code == ERR_NONE) {
            code = store_stream(store, uid, &state, e);
        }
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct touched *t = NULL;
    code = store_touch(store, state.stream, &t, e);
    if (code != ERR_NONE) {
        return code;
    }
    bool reopened = t->progress.closed;
    t->progress.closed = false;
    t->progress.writer_gone = false;
    t->progress.heard_wall_ns = now_wall_ns;
    store_mark(t, reopened ? TOUCH_RUN : TOUCH_QUIET, now_wall_ns);
    *ret_state = store_state_of(store, t);
    return ERR_NONE;
}

/* append.c: records and farewells of a stream. The writer thread. */
#include "store/store.h"

#include <assert.h>

#include "store/db.h"
#include "store/store_impl.h"

/* A keepalive is written to disk only when the last one is this old. */
#define HEARD_EVERY_NS INT64_C(2000000000)

/* The writer itself was heard: not a sync on its behalf. */
static void hear(struct touched *t, unsigned flags, int64_t now_wall_ns)
{
    if ((flags & WIRE_F_SYNC) != 0) {
        return;
    }
    struct progress *p = &t->progress;
    if (p->closed) {
        p->closed = false;
        p->writer_gone = false;
        store_mark(t, TOUCH_RUN, now_wall_ns);
    }
    if (t->dirty || p->heard_wall_ns > now_wall_ns ||
        now_wall_ns - p->heard_wall_ns >= HEARD_EVERY_NS) {
        p->heard_wall_ns = now_wall_ns;
        store_mark(t, TOUCH_QUIET, now_wall_ns);
    }
}

/* Records up to `upto` will never come: they count as lost. Without the flag
 * that says so, a gap is the sender's to mend. */
static enum err_code close_gap(struct touched *t, unsigned flags, uint64_t upto,
    int64_t now_wall_ns, struct err *e)
{
    struct progress *p = &t->progress;
    if (upto <= p->committed_seq) {
        return ERR_NONE;
    }
    if ((flags & WIRE_F_GAP) == 0) {
        return err_set(e, ERR_INVALID,
            "a gap: records up to %llu are committed, %llu comes next",
            (unsigned long long)p->committed_seq, (unsigned long long)upto + 1);
    }
    p->lost_records += upto - p->committed_seq;
    p->committed_seq = upto;
    store_mark(t, TOUCH_RUN, now_wall_ns);
    return ERR_NONE;
}

static enum err_code add_log(
    struct store *store, int64_t stream, const struct held *held, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_LOG];
    int rc = sqlite3_bind_int64(stmt, 1, stream);
    rc |= db_bind_u64(stmt, 2, held->first_seq);
    rc |= db_bind_u64(stmt, 3, held->last_seq);
    rc |= sqlite3_bind_blob64(
        stmt, 4, held->bytes.p, held->bytes.n, SQLITE_STATIC);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "append");
    }
    return db_run(stmt, "append", e);
}

enum err_code store_log_held(struct store *store, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < store->touched_n; i++) {
        const struct touched *t = &store->touched[i];
        size_t at = t->held_first;
        while (code == ERR_NONE && at != 0) {
            const struct held *held = &store->held[at - 1];
            code = add_log(store, t->progress.stream, held, e);
            at = held->next;
        }
    }
    return code;
}

static enum err_code grow_held(struct store *store, struct err *e)
{
    if (store->held_n < store->held_capacity) {
        return ERR_NONE;
    }
    size_t capacity =
        store->held_capacity == 0 ? 256 : store->held_capacity * 2;
    struct held *grown = db_realloc(store->held, capacity * sizeof *grown);
    if (grown == NULL) {
        return db_nomem(e, "append");
    }
    store->held = grown;
    store->held_capacity = capacity;
    return ERR_NONE;
}

static enum err_code hold(struct store *store, struct touched *t,
    const struct message *message, struct str bytes, struct err *e)
{
    enum err_code code = grow_held(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    store->held[store->held_n++] = (struct held){ .message = message,
        .bytes = bytes,
        .first_seq = t->progress.committed_seq + 1,
        .last_seq = message->first_seq + message->count - 1 };
    size_t *last = t->held_last == 0 ? &t->held_first
                                     : &store->held[t->held_last - 1].next;
    *last = store->held_n;
    t->held_last = store->held_n;
    return ERR_NONE;
}

static enum err_code add_records(struct store *store, struct touched *t,
    const struct message *message, const void *bytes, size_t n,
    int64_t now_wall_ns, uint32_t *ret_new, struct err *e)
{
    struct progress *p = &t->progress;
    /* Decoding has seen to it that this does not overflow. */
    uint64_t end = message->first_seq + message->count; /* past the last */
    if (end > INT64_MAX) {
        return err_set(e, ERR_INVALID, "append: seq beyond 2^63");
    }
    enum err_code code =
        close_gap(t, message->flags, message->first_seq - 1, now_wall_ns, e);
    if (code != ERR_NONE) {
        return code;
    }
    uint64_t from_seq = p->committed_seq + 1;
    if (end <= from_seq) {
        *ret_new = 0;
        if (message->count > 0) {
            p->repeated_records += message->count;
            store_mark(t, TOUCH_RUN, now_wall_ns);
        }
        return ERR_NONE;
    }
    code = hold(store, t, message, (struct str){ bytes, n }, e);
    if (code != ERR_NONE) {
        return code;
    }
    uint64_t groups = p->records[WIRE_GROUP];
    progress_add(p, message, from_seq, now_wall_ns);
    groups = p->records[WIRE_GROUP] - groups;
    p->committed_seq = end - 1;
    p->log_records += end - from_seq - groups;
    p->log_bytes += n;
    t->held_records += end - from_seq - groups;
    t->held_bytes += n;
    store_mark(t, TOUCH_RUN, now_wall_ns);
    *ret_new = (uint32_t)(end - from_seq);
    return ERR_NONE;
}

enum err_code store_append(struct store *store, struct stream_state *state,
    const struct message *message, const void *bytes, size_t n,
    int64_t now_wall_ns, uint32_t *ret_new, struct err *e)
{
    assert(message->type == WIRE_DATA);

    enum err_code code = store_require_transaction(store, e);
    struct touched *t = NULL;
    if (code == ERR_NONE) {
        code = store_touch(store, state->stream, &t, e);
    }
    if (code == ERR_NONE) {
        code =
            add_records(store, t, message, bytes, n, now_wall_ns, ret_new, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    hear(t, message->flags, now_wall_ns);
    *state = store_state_of(store, t);
    return ERR_NONE;
}

enum err_code store_bye(struct store *store, struct stream_state *state,
    const struct message *message, int64_t now_wall_ns, struct err *e)
{
    assert(message->type == WIRE_BYE);

    enum err_code code = store_require_transaction(store, e);
    struct touched *t = NULL;
    if (code == ERR_NONE) {
        code = store_touch(store, state->stream, &t, e);
    }
    if (code == ERR_NONE && message->last_seq >= INT64_MAX) {
        code = err_set(e, ERR_INVALID, "bye: seq beyond 2^63");
    }
    if (code == ERR_NONE) {
        code = close_gap(t, message->flags, message->last_seq, now_wall_ns, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct progress *p = &t->progress;
    hear(t, message->flags, now_wall_ns);
    p->closed = true;
    /* A sync may end while the trainer goes on writing its spool. */
    p->writer_gone = (message->flags & WIRE_F_WRITER_GONE) != 0 ||
                     (message->flags & WIRE_F_SYNC) == 0;
    store_mark(t, TOUCH_RUN, now_wall_ns);
    *state = store_state_of(store, t);
    return ERR_NONE;
}

/* Its streams are no more: what this transaction knows of them goes too. */
static void forget_run(struct store *store, struct run_id run)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->touched_n; i++) {
        if (store->touched[i].state.run.v != run.v) {
            store->touched[kept++] = store->touched[i];
        }
    }
    store->touched_n = kept;
}

enum err_code store_delete_run(
    struct store *store, struct run_id run, struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_stmt *stmt = store->stmts[STMT_DELETE_RUN];
    if (sqlite3_bind_int64(stmt, 1, run.v) != SQLITE_OK) {
        return db_fail(store->db, e, "delete");
    }
    code = db_run(stmt, "delete", e);
    if (code == ERR_NONE && sqlite3_changes(store->db) == 0) {
        code = err_set(e, ERR_NOT_FOUND, "no such run");
    }
    forget_run(store, run);
    return code;
}

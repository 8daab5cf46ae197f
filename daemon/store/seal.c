/*
 * seal.c: the oldest log rows of a stream become one chunk per kind, and the
 * pyramid over the chunks grows. Chunks in, rows out, in the caller's one
 * transaction, so that every record is in one of the two places whatever
 * happens. The writer thread.
 *
 * What comes in plenty never gets into the log: a chunk is made of the rows
 * that are left there and of what is held (store_impl.h).
 *
 * GROUP records do not count for when it is time: they come in hundreds a step,
 * and a chunk of few steps would have as many nodes as values. Then a chunk is
 * as large as chunks get.
 */
#include "store/store.h"

#include <assert.h>

#include "store/chunk.h"
#include "store/db.h"
#include "store/pyramid.h"
#include "store/store_impl.h"

/* Frames of more than this are sealed before they make enough records: long
 * texts, which would make a chunk that takes too much memory to read, and
 * records of layers, which are in no count. */
#define SEAL_BYTES (4u << 20)

static_assert(SEAL_BYTES + WIRE_MESSAGE_MAX <= CHUNK_HEAP_MAX,
    "the texts of the frames of a chunk fit into it");

/* Records of any kind, one more frame of which a chunk can hold. */
#define SEAL_RECORDS_OF_ALL (CHUNK_RECORDS_MAX - WIRE_RECORDS_MAX)

struct sealing {
    struct store *store;
    struct touched *stream;
    uint64_t last_seq; /* of the log's rows taken; 0: none */
    uint64_t records;
    uint64_t bytes;
    uint64_t chunk_bytes;  /* of the bodies made of them */
    bool is_damaged;       /* a row of the log: nothing has been written */
    struct records *kinds; /* WIRE_KINDS, the store's */
};

bool seal_is_enough(
    const struct store *store, uint64_t log_records, uint64_t log_bytes)
{
    return log_records >= store->seal_records || log_bytes >= SEAL_BYTES;
}

/* Of the rows taken. */
static uint64_t log_records(const struct sealing *s)
{
    return s->records - s->kinds[WIRE_GROUP].n;
}

static bool wants_more(const struct sealing *s)
{
    return s->records < SEAL_RECORDS_OF_ALL &&
           !seal_is_enough(s->store, log_records(s), s->bytes);
}

/* A message of so many bytes and its records from from_seq on. */
struct taken {
    uint64_t from_seq;
    uint64_t last_seq;
    size_t bytes;
};

static enum err_code take_records(struct sealing *s,
    const struct message *message, const struct taken *taken, struct err *e)
{
    s->records += taken->last_seq - taken->from_seq + 1;
    s->bytes += taken->bytes;
    for (uint32_t i = 0; i < message->n_sections; i++) {
        const struct section *section = &message->sections[i];
        enum err_code code = records_append(&s->kinds[section->kind], section,
            message->first_seq, taken->from_seq, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* The row that the statement is at. */
static enum err_code take_row(
    struct sealing *s, sqlite3_stmt *stmt, struct err *e)
{
    struct str frame = db_blob(stmt, 2);
    const struct taken taken = { db_u64(stmt, 0), db_u64(stmt, 1), frame.n };
    struct message message;
    if (decode_message(frame.p, frame.n, &message) != DECODE_OK ||
        message.type != WIRE_DATA) {
        s->is_damaged = true;
        return err_set(e, ERR_STORE, "seal: a log row is damaged");
    }
    s->last_seq = taken.last_seq;
    return take_records(s, &message, &taken, e);
}

/* Whole rows from the oldest on, until they are enough. */
static enum err_code take_rows(struct sealing *s, struct err *e)
{
    sqlite3_stmt *stmt = s->store->stmts[STMT_READ_LOG];
    if (sqlite3_bind_int64(stmt, 1, s->stream->progress.stream) != SQLITE_OK) {
        return db_fail(s->store->db, e, "seal");
    }
    enum err_code code = ERR_NONE;
    bool more = s->stream->progress.log_bytes > s->stream->held_bytes;
    while (code == ERR_NONE && more && wants_more(s)) {
        code = db_step(stmt, &more, "seal", e);
        if (code != ERR_NONE || !more) {
            continue;
        }
        code = take_row(s, stmt, e);
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
    return code;
}

/* What is held after those, if they are not enough. */
static enum err_code take_held(struct sealing *s, struct err *e)
{
    struct touched *t = s->stream;
    uint64_t records = log_records(s);
    uint64_t bytes = s->bytes;
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && t->held_first != 0 && wants_more(s)) {
        const struct held *held = &s->store->held[t->held_first - 1];
        const struct taken taken = { held->first_seq, held->last_seq,
            held->bytes.n };
        code = take_records(s, held->message, &taken, e);
        t->held_first = held->next;
    }
    t->held_records -= log_records(s) - records;
    t->held_bytes -= s->bytes - bytes;
    t->held_last = t->held_first == 0 ? 0 : t->held_last;
    return code;
}

struct step_range {
    bool any;
    uint64_t least;
    uint64_t most;
};

static struct step_range steps_of(const struct records *r)
{
    struct step_range range = { .least = UINT64_MAX };
    for (size_t i = 0; i < r->n; i++) {
        if ((r->present[i] & 1) == 0) {
            continue;
        }
        uint64_t step = r->columns[0][i];
        range.any = true;
        range.least = step < range.least ? step : range.least;
        range.most = step > range.most ? step : range.most;
    }
    return range;
}

static int bind_steps(sqlite3_stmt *stmt, const struct records *r)
{
    struct step_range range = steps_of(r);
    if (!range.any) {
        return sqlite3_bind_null(stmt, 5) | sqlite3_bind_null(stmt, 6);
    }
    return db_bind_u64(stmt, 5, range.least) | db_bind_u64(stmt, 6, range.most);
}

static enum err_code add_chunk(
    struct sealing *s, const struct records *r, struct err *e)
{
    struct str summary = { 0 };
    struct str body = { 0 };
    enum err_code code = chunk_encode(&s->store->coder, r, &body, e);
    if (code == ERR_NONE) {
        code = pyramid_summary(
            s->store->pyramid, s->stream->state.stream, r, &summary, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_stmt *stmt = s->store->stmts[STMT_ADD_CHUNK];
    int rc = sqlite3_bind_int64(stmt, 1, s->stream->progress.stream);
    rc |= sqlite3_bind_int64(stmt, 2, r->kind);
    rc |= db_bind_u64(stmt, 3, r->seq[0]);
    rc |= db_bind_u64(stmt, 4, r->seq[r->n - 1]);
    rc |= bind_steps(stmt, r);
    rc |= db_bind_u64(stmt, 7, r->n);
    rc |= sqlite3_bind_blob64(stmt, 8, summary.n == 0 ? "" : summary.p,
        summary.n, SQLITE_STATIC); /* never NULL */
    rc |= sqlite3_bind_blob64(stmt, 9, body.p, body.n, SQLITE_STATIC);
    code = rc == SQLITE_OK ? db_run(stmt, "seal", e)
                           : db_fail(s->store->db, e, "seal");
    (void)sqlite3_clear_bindings(stmt); /* both were borrowed for the call */
    s->chunk_bytes += body.n;
    return code;
}

static enum err_code count_bytes(struct sealing *s, struct err *e)
{
    sqlite3_stmt *stmt = s->store->stmts[STMT_ADD_CHUNK_BYTES];
    int rc = sqlite3_bind_int64(stmt, 1, s->stream->progress.stream);
    rc |= db_bind_u64(stmt, 2, s->chunk_bytes);
    return rc == SQLITE_OK ? db_run(stmt, "seal", e)
                           : db_fail(s->store->db, e, "seal");
}

static enum err_code drop_rows(struct sealing *s, struct err *e)
{
    if (s->last_seq == 0) {
        return ERR_NONE;
    }
    sqlite3_stmt *stmt = s->store->stmts[STMT_DROP_LOG];
    int rc = sqlite3_bind_int64(stmt, 1, s->stream->progress.stream);
    rc |= db_bind_u64(stmt, 2, s->last_seq);
    return rc == SQLITE_OK ? db_run(stmt, "seal", e)
                           : db_fail(s->store->db, e, "seal");
}

static void count_sealed(struct sealing *s)
{
    struct progress *p = &s->stream->progress;
    p->log_bytes -= s->bytes;
    /* What an older version wrote has counted GROUP records too. */
    p->log_records = p->log_bytes == 0 ? 0 : p->log_records - log_records(s);
    s->stream->dirty = true; /* nothing that a reader sees has changed */
}

static enum err_code make_chunks(struct sealing *s, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (unsigned kind = 1; code == ERR_NONE && kind < WIRE_KINDS; kind++) {
        if (s->kinds[kind].n > 0) {
            code = add_chunk(s, &s->kinds[kind], e);
        }
        if (s->kinds[kind].n > 0 && code == ERR_NONE) {
            code = pyramid_grow(s->store->pyramid, s->stream->state.stream,
                (enum wire_kind)kind, e);
        }
    }
    code = code == ERR_NONE ? count_bytes(s, e) : code;
    return code == ERR_NONE ? drop_rows(s, e) : code;
}

static enum err_code seal(struct store *store, struct touched *stream,
    bool *ret_damaged, struct err *e)
{
    struct sealing s = {
        .store = store, .stream = stream, .kinds = store->unsealed
    };
    enum err_code code = take_rows(&s, e);
    code = code == ERR_NONE ? take_held(&s, e) : code;
    *ret_damaged = s.is_damaged;
    code = code == ERR_NONE ? make_chunks(&s, e) : code;
    if (code == ERR_NONE) {
        count_sealed(&s);
    }
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        records_clear(&s.kinds[kind]);
    }
    return code;
}

enum err_code store_seal(struct store *store, struct stream_id stream,
    bool everything, uint64_t *ret_bytes, struct err *e)
{
    struct touched *t = NULL;
    enum err_code code = store_require_transaction(store, e);
    if (code == ERR_NONE) {
        code = store_touch(store, stream, &t, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const struct progress *p = &t->progress;
    const uint64_t before = p->log_bytes;
    if (everything ? before > 0
                   : seal_is_enough(store, p->log_records, before)) {
        bool damaged = false;
        code = seal(store, t, &damaged, e);
    }
    if (code == ERR_NONE) {
        *ret_bytes = before - p->log_bytes;
    }
    return code;
}

/* ---- at once --------------------------------------------------------------
 */

/* Whether a chunk is to be made of what is held: at least half of it is, so
 * that a commit seldom waits for one. What is due in the log alone waits for
 * its time (threads/sealing.h). */
static bool seals_at_once(const struct store *store, const struct touched *t)
{
    const struct progress *p = &t->progress;
    return seal_is_enough(store, p->log_records, p->log_bytes) &&
           !seal_is_enough(store, p->log_records - t->held_records,
               p->log_bytes - t->held_bytes) &&
           seal_is_enough(store, 2 * t->held_records, 2 * t->held_bytes);
}

/* false with ERR_NONE: nothing more can be made of it. */
static enum err_code seal_at_once(
    struct store *store, struct touched *t, bool *ret_sealed, struct err *e)
{
    struct touched before = *t;
    bool damaged = false;
    enum err_code code = seal(store, t, &damaged, e);
    if (damaged) { /* sealing's trouble, and keeps nobody from storing */
        *t = before;
        code = ERR_NONE;
    }
    *ret_sealed = code == ERR_NONE && !damaged;
    return code;
}

enum err_code store_settle(
    struct store *store, uint64_t *ret_chunks, struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    uint64_t chunks = 0;
    for (size_t i = 0; code == ERR_NONE && i < store->touched_n; i++) {
        struct touched *t = &store->touched[i];
        bool sealed = true;
        while (code == ERR_NONE && sealed && seals_at_once(store, t)) {
            code = seal_at_once(store, t, &sealed, e);
            chunks += sealed;
        }
    }
    if (code == ERR_NONE) {
        *ret_chunks = chunks;
    }
    return code;
}

enum err_code store_rebuild_pyramid(
    struct store *store, struct stream_id stream, struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    return code == ERR_NONE ? pyramid_rebuild(store->pyramid, stream, e) : code;
}

/* ---- what is left ---------------------------------------------------------
 */

enum err_code store_find_unsealed(struct store *store, size_t max,
    struct store_unsealed *ret_found, size_t *ret_n, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_FIND_UNSEALED];
    int rc = sqlite3_bind_int64(stmt, 1, store->seal_records);
    rc |= db_bind_u64(stmt, 2, SEAL_BYTES);
    rc |= db_bind_u64(stmt, 3, max);
    if (rc != SQLITE_OK) {
        return db_fail(store->db, e, "unsealed");
    }
    size_t n = 0;
    for (;;) {
        bool row = false;
        enum err_code code = db_step(stmt, &row, "unsealed", e);
        if (code != ERR_NONE) {
            return code;
        }
        if (!row) {
            break;
        }
        ret_found[n++] = (struct store_unsealed){
            .stream = { sqlite3_column_int64(stmt, 0) },
            .log_bytes = db_u64(stmt, 1),
            .closed = sqlite3_column_int(stmt, 2) != 0,
        };
    }
    *ret_n = n;
    return ERR_NONE;
}

/*
 * seal.c: the oldest log rows of a stream become one chunk per kind, and the
 * pyramid over the chunks grows. Chunks in, rows out, in the caller's one
 * transaction, so that every record is in one of the two places whatever
 * happens. The writer thread.
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
 * texts would make a chunk that takes too much memory to read. */
#define SEAL_BYTES (4u << 20)

static_assert(SEAL_BYTES + WIRE_MESSAGE_MAX <= CHUNK_HEAP_MAX,
    "the texts of the frames of a chunk fit into it");

/* Records of any kind, one more frame of which a chunk can hold. */
#define SEAL_RECORDS_OF_ALL (CHUNK_RECORDS_MAX - WIRE_RECORDS_MAX)

struct sealing {
    struct store *store;
    struct touched *stream;
    uint64_t last_seq; /* of the rows taken */
    uint64_t records;
    uint64_t bytes;
    uint64_t chunk_bytes;  /* of the bodies made of them */
    struct records *kinds; /* WIRE_KINDS, the store's */
};

/* log_records: as in struct progress. */
static bool is_enough(
    const struct store *store, uint64_t log_records, uint64_t bytes)
{
    return log_records >= store->seal_records || bytes >= SEAL_BYTES;
}

/* Of the rows taken. */
static uint64_t log_records(const struct sealing *s)
{
    return s->records - s->kinds[WIRE_GROUP].n;
}

static enum err_code take_frame(
    struct sealing *s, struct str frame, uint64_t from_seq, struct err *e)
{
    struct message message;
    if (decode_message(frame.p, frame.n, &message) != DECODE_OK ||
        message.type != WIRE_DATA) {
        return err_set(e, ERR_STORE, "seal: a log row is damaged");
    }
    for (uint32_t i = 0; i < message.n_sections; i++) {
        const struct section *section = &message.sections[i];
        enum err_code code = records_append(
            &s->kinds[section->kind], section, message.first_seq, from_seq, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* Whole rows from the oldest on, until they are enough. */
static enum err_code take_rows(struct sealing *s, struct err *e)
{
    sqlite3_stmt *stmt = s->store->stmts[STMT_READ_LOG];
    if (sqlite3_bind_int64(stmt, 1, s->stream->progress.stream) != SQLITE_OK) {
        return db_fail(s->store->db, e, "seal");
    }
    enum err_code code = ERR_NONE;
    bool more = true;
    while (code == ERR_NONE && more && s->records < SEAL_RECORDS_OF_ALL &&
           !is_enough(s->store, log_records(s), s->bytes)) {
        code = db_step(stmt, &more, "seal", e);
        if (code != ERR_NONE || !more) {
            continue;
        }
        uint64_t first_seq = db_u64(stmt, 0);
        struct str frame = db_blob(stmt, 2);
        s->last_seq = db_u64(stmt, 1);
        s->records += s->last_seq - first_seq + 1;
        s->bytes += frame.n;
        code = take_frame(s, frame, first_seq, e);
    }
    (void)sqlite3_reset(stmt); /* the steps have told */
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
    sqlite3_stmt *stmt = s->store->stmts[STMT_DROP_LOG];
    int rc = sqlite3_bind_int64(stmt, 1, s->stream->progress.stream);
    rc |= db_bind_u64(stmt, 2, s->last_seq);
    if (rc != SQLITE_OK) {
        return db_fail(s->store->db, e, "seal");
    }
    enum err_code code = db_run(stmt, "seal", e);
    if (code == ERR_NONE) {
        struct progress *p = &s->stream->progress;
        p->log_bytes -= s->bytes;
        /* What an older version wrote has counted GROUP records too. */
        p->log_records =
            p->log_bytes == 0 ? 0 : p->log_records - log_records(s);
        s->stream->dirty = true; /* nothing that a reader sees has changed */
    }
    return code;
}

static enum err_code seal(struct sealing *s, struct err *e)
{
    enum err_code code = take_rows(s, e);
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

enum err_code store_seal(struct store *store, struct stream_id stream,
    bool everything, bool *ret_sealed, struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    struct sealing s = { .store = store, .kinds = store->unsealed };
    if (code == ERR_NONE) {
        code = store_touch(store, stream, &s.stream, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const struct progress *p = &s.stream->progress;
    bool due = everything ? p->log_bytes > 0
                          : is_enough(store, p->log_records, p->log_bytes);
    if (due) {
        code = seal(&s, e);
        for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
            records_clear(&s.kinds[kind]);
        }
    }
    if (code == ERR_NONE) {
        *ret_sealed = due;
    }
    return code;
}

enum err_code store_rebuild_pyramid(
    struct store *store, struct stream_id stream, struct err *e)
{
    enum err_code code = store_require_transaction(store, e);
    return code == ERR_NONE ? pyramid_rebuild(store->pyramid, stream, e) : code;
}

/* stream_read.c: the thread of the connection; owns a blob and a statement. */
#include "store/stream_read.h"

#include "store/db.h"

static const char sql_log[] =
    "SELECT id, first_seq, frame FROM log "
    "WHERE stream = ?1 AND last_seq > ?2 ORDER BY last_seq;";

enum err_code stream_read_init(
    struct stream_read *read, sqlite3 *db, struct err *e)
{
    *read = (struct stream_read){ .db = db };
    return db_prepare(db, sql_log, &read->log, e);
}

void stream_read_rest(struct stream_read *read)
{
    (void)sqlite3_blob_close(read->body); /* read only: nothing to fail */
    read->body = NULL;
    (void)sqlite3_reset(read->log); /* the steps have told */
}

void stream_read_done(struct stream_read *read)
{
    stream_read_rest(read);
    (void)sqlite3_finalize(read->log);
    chunk_coder_done(&read->coder);
    *read = (struct stream_read){ 0 };
}

/* ---- chunks -------------------------------------------------------------- */

static enum err_code read_body(
    void *context, void *to, size_t n, size_t offset, struct err *e)
{
    struct stream_read *read = context;
    if (sqlite3_blob_read(read->body, to, (int)n, (int)offset) != SQLITE_OK) {
        return db_fail(read->db, e, "chunk");
    }
    return ERR_NONE;
}

static enum err_code open_body(
    struct stream_read *read, int64_t id, struct err *e)
{
    int rc = read->body == NULL ? sqlite3_blob_open(read->db, "main", "chunk",
                                      "body", id, 0, &read->body)
                                : sqlite3_blob_reopen(read->body, id);
    if (rc == SQLITE_OK) {
        return ERR_NONE;
    }
    enum err_code code = db_fail(read->db, e, "chunk");
    (void)sqlite3_blob_close(read->body); /* after a failure good for no more */
    read->body = NULL;
    return code;
}

enum err_code stream_read_chunk(struct stream_read *read, int64_t chunk,
    enum chunk_body body, struct records *records, struct err *e)
{
    enum err_code code = open_body(read, chunk, e);
    if (code == ERR_NONE &&
        (body == CHUNK_BODY_WHOLE || sqlite3_blob_bytes(read->body) > 0)) {
        struct chunk_source source = { .context = read,
            .size = (size_t)sqlite3_blob_bytes(read->body),
            .read = read_body };
        code = chunk_read(&read->coder, &source, records, e);
    }
    if (code != ERR_NONE) {
        (void)err_prefix(e, "chunk %lld", (long long)chunk);
    }
    return code;
}

/* ---- the log ------------------------------------------------------------- */

enum err_code stream_read_log(
    struct stream_read *read, int64_t stream, uint64_t after_seq, struct err *e)
{
    (void)sqlite3_reset(read->log); /* of another stream, or at its end */
    read->after_seq = after_seq;
    int rc = sqlite3_bind_int64(read->log, 1, stream);
    rc |= db_bind_u64(read->log, 2, after_seq);
    return rc == SQLITE_OK ? ERR_NONE : db_fail(read->db, e, "scan");
}

/* The records of the current row, from its first_seq on. */
static enum err_code take_row(
    struct stream_read *read, struct records *records, struct err *e)
{
    long long id = sqlite3_column_int64(read->log, 0);
    uint64_t from_seq = db_u64(read->log, 1);
    from_seq = from_seq > read->after_seq ? from_seq : read->after_seq + 1;
    struct str frame = db_blob(read->log, 2);
    struct message message;
    if (decode_message(frame.p, frame.n, &message) != DECODE_OK ||
        message.type != WIRE_DATA) {
        return err_set(e, ERR_STORE, "log row %lld is damaged", id);
    }
    for (uint32_t i = 0; i < message.n_sections; i++) {
        const struct section *s = &message.sections[i];
        if (s->kind == records->kind) {
            return records_append(records, s, message.first_seq, from_seq, e);
        }
    }
    return ERR_NONE;
}

enum err_code stream_read_log_row(struct stream_read *read,
    struct records *records, bool *ret_more, struct err *e)
{
    bool more = false;
    enum err_code code = db_step(read->log, &more, "scan", e);
    if (code == ERR_NONE && more) {
        code = take_row(read, records, e);
    }
    if (code == ERR_NONE) {
        *ret_more = more;
    }
    return code;
}

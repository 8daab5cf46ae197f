/*
 * stream_read: the two places where the records of a stream lie, a chunk and a
 * row of the log, each read into struct records. The thread of the connection.
 */
#ifndef TRAJD_STREAM_READ_H
#define TRAJD_STREAM_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "store/chunk.h"
#include "store/records.h"

struct stream_read {
    sqlite3 *db;
    sqlite3_blob *body; /* of the chunk read last; moved from one to another */
    struct chunk_coder coder;
    sqlite3_stmt *log;
    uint64_t after_seq; /* of the log */
};

/* Zero is what stream_read_done needs at least. */
CHECK_RESULT enum err_code stream_read_init(
    struct stream_read *read, sqlite3 *db, struct err *e);
void stream_read_done(struct stream_read *read);
/* Lets go of what a transaction may wait for. */
void stream_read_rest(struct stream_read *read);

/* Retention empties chunks, up to thinned_seq of their stream. */
enum chunk_body { CHUNK_BODY_WHOLE, CHUNK_BODY_MAY_BE_EMPTY };

/*
 * The records of a chunk, into clear records, with the fields that these keep;
 * none of an empty one. ERR_STORE: it is damaged; the text says which.
 */
CHECK_RESULT enum err_code stream_read_chunk(struct stream_read *read,
    int64_t chunk, enum chunk_body body, struct records *records,
    struct err *e);

/* The log of a stream after a seq; then row by row, appended to the records. */
CHECK_RESULT enum err_code stream_read_log(struct stream_read *read,
    int64_t stream, uint64_t after_seq, struct err *e);
CHECK_RESULT enum err_code stream_read_log_row(struct stream_read *read,
    struct records *records, bool *ret_more, struct err *e);

#endif

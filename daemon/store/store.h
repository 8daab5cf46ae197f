/*
 * store: the one writer of the database. Frames are appended to a log as they
 * came and later sealed into compressed column chunks (chunk.h); readers
 * (scan.h, runs.h) see both as one.
 *
 * Thread: opened, used and closed by the writer thread alone.
 * All or nothing: what store_begin .. store_commit encloses is on disk when
 * store_commit returns ERR_NONE, or not at all (DURABILITY_RELAXED: on disk
 * when the log is synced next). After
 * an error other than ERR_INVALID and ERR_NOT_FOUND the transaction is only
 * good for store_rollback; after that every struct stream_state must be read
 * again with store_stream.
 */
#ifndef TRAJD_STORE_H
#define TRAJD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/durability.h"
#include "base/err.h"
#include "pure/decode.h"

struct store;

/* A run and a stream inside the database. */
struct run_id {
    int64_t v;
};
struct stream_id {
    int64_t v;
};

struct store_options {
    const char *path;
    enum durability durability;
    /* Records of a sealed chunk, those of GROUP not counted; 0 = 2048. */
    uint32_t seal_records;
};

/* Open or create, and migrate. Refuses a database of a newer version. */
CHECK_RESULT enum err_code store_open(const struct store_options *options,
    struct store **ret_store, struct err *e);
void store_close(struct store *store);

#define RUN_UID_MAX 64 /* bytes of a run's id outside: URLs, CLI */

/* What the writer needs to know of a stream; copied out. */
struct stream_state {
    struct stream_id stream;
    struct run_id run;
    char run_uid[RUN_UID_MAX + 1]; /* the HELLO's run_id */
    uint32_t attempt;
    uint32_t rank;
    uint32_t world; /* the HELLO's */
    uint64_t committed_seq;
    bool closed;        /* BYE seen */
    uint64_t log_bytes; /* of frames that are not sealed yet */
    bool fills_chunk;   /* these are enough for one */
};

CHECK_RESULT enum err_code store_begin(struct store *store, struct err *e);
/* For what need not be on disk before the next commit is, because it is there
 * in another form: sealing. What was committed before stays as it is, whatever
 * becomes of this one. */
CHECK_RESULT enum err_code store_begin_unsynced(
    struct store *store, struct err *e);
CHECK_RESULT enum err_code store_commit(struct store *store, struct err *e);
void store_rollback(struct store *store);
/* Whether a commit succeeds now: one that changes nothing. */
CHECK_RESULT enum err_code store_try_commit(struct store *store, struct err *e);

/* ERR_NOT_FOUND: unknown stream, it needs a HELLO. In a transaction or
 * without. */
CHECK_RESULT enum err_code store_stream(struct store *store,
    struct stream_uid uid, struct stream_state *ret_state, struct err *e);

/*
 * A HELLO's JSON (schema/wire.md): makes run and stream, or finds them.
 * ERR_INVALID: not JSON, or a field of it is out of bounds (the text says
 * which). The attempt asked for is given to the stream unless another stream
 * has it; then the next free one.
 */
CHECK_RESULT enum err_code store_hello(struct store *store,
    struct stream_uid uid, struct str json, int64_t now_wall_ns,
    struct stream_state *ret_state, struct err *e);

/*
 * Append a DATA message. Records up to state->committed_seq are left out
 * (*ret_new counts the others) and state->committed_seq rises to the last.
 * ERR_INVALID with a gap: first_seq is beyond committed_seq + 1 and the frame
 * has no WIRE_F_GAP; nothing has changed then. Updates the run's summary (last
 * step, finish event). A message without records is a sign of life, kept to
 * the disk every few seconds. message and bytes are
 * borrowed until the transaction ends.
 */
CHECK_RESULT enum err_code store_append(struct store *store,
    struct stream_state *state, const struct message *message,
    const void *bytes, size_t n, int64_t now_wall_ns, uint32_t *ret_new,
    struct err *e);

/* A BYE: the stream is closed (a later HELLO, or the writer's own DATA, opens
 * it again). ERR_INVALID with a gap, as store_append: records are missing. */
CHECK_RESULT enum err_code store_bye(struct store *store,
    struct stream_state *state, const struct message *message,
    int64_t now_wall_ns, struct err *e);

/*
 * Before store_commit: of a stream from which much has come in this transaction
 * that goes into chunks at once, which spares it being written twice.
 * *ret_chunks: how many ranges.
 */
CHECK_RESULT enum err_code store_settle(
    struct store *store, uint64_t *ret_chunks, struct err *e);
/* As it is in this transaction, if the stream has had to do with it. */
void store_refresh(const struct store *store, struct stream_state *state);

/* Seal at most one chunk range of the stream if it has enough in the log (or
 * anything, with everything), and let the pyramid grow over it. *ret_bytes: of
 * the log, that are sealed now; 0: there was not enough. In the caller's
 * transaction. */
CHECK_RESULT enum err_code store_seal(struct store *store,
    struct stream_id stream, bool everything, uint64_t *ret_bytes,
    struct err *e);

/* What store_thin has taken away. */
struct store_thinned {
    uint64_t looked_at; /* chunks; some may have to keep their body */
    uint64_t chunks;
    uint64_t records;
    uint64_t bytes;
};

/*
 * Empty the oldest chunks of the run's STEP, METRIC and GROUP records until
 * `bytes` are gone, or the few megabytes that one transaction may take; their
 * summaries and the pyramid stay. looked_at = 0: there are none left. In the
 * caller's transaction.
 */
CHECK_RESULT enum err_code store_thin(struct store *store, struct run_id run,
    uint64_t bytes, struct store_thinned *ret_thinned, struct err *e);

/* Makes the summaries and the pyramid of a stream anew: of a file that an older
 * version made. Reads all its sealed records. In the caller's transaction. */
CHECK_RESULT enum err_code store_rebuild_pyramid(
    struct store *store, struct stream_id stream, struct err *e);

/* Streams with a chunk's worth in the log, or with anything there and a BYE:
 * what a killed trajd left unsealed. Up to max of them; outside of a
 * transaction. */
struct store_unsealed {
    struct stream_id stream;
    uint64_t log_bytes;
    bool closed;
};
CHECK_RESULT enum err_code store_find_unsealed(struct store *store, size_t max,
    struct store_unsealed *ret_found, size_t *ret_n, struct err *e);

/* Pages in the write-ahead log by the last commit. */
uint32_t store_wal_pages(const struct store *store);

enum store_checkpoint {
    STORE_CHECKPOINT_PASSIVE, /* what can be done without waiting for readers */
    STORE_CHECKPOINT_TRUNCATE, /* all of it, and an empty log: at the end */
};

/* Move the write-ahead log into the database. Outside of a transaction.
 * ERR_BUSY: readers stood in the way of TRUNCATE; harmless. */
CHECK_RESULT enum err_code store_checkpoint(
    struct store *store, enum store_checkpoint mode, struct err *e);

/* Gives back the memory that is only there for speed. Outside of a
 * transaction. */
void store_shrink(struct store *store);

/* Delete a run and all it has. In the caller's transaction. */
CHECK_RESULT enum err_code store_delete_run(
    struct store *store, struct run_id run, struct err *e);

#endif

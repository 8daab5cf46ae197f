/*
 * store_impl: struct store, for the files that implement store.h: store.c
 * (open, transactions), hellos.c (who a stream is), append.c (its records),
 * seal.c (chunks), thin.c (chunks without a body), alerts.c.
 *
 * Invariants, in a transaction:
 * 1. `touched` has each stream at most once; what is there is newer than the
 *    row of stream_progress, which is written at commit.
 * 2. What was appended is held, in order, until COMMIT, before which it goes to
 *    the log; sealing takes it after the rows that there are.
 * 3. When SQLite has rolled back by itself (out of memory, disk full) every
 *    function fails until store_rollback: nothing runs outside a transaction.
 */
#ifndef TRAJD_STORE_IMPL_H
#define TRAJD_STORE_IMPL_H

#include <stddef.h>
#include <sqlite3.h>

#include "store/chunk.h"
#include "store/db.h"
#include "store/progress.h"
#include "store/pyramid.h"
#include "store/store.h"

/* STEP, METRIC and GROUP: charts show them from summaries and the pyramid. A
 * law is fitted to PROBEs, and EVENTs and SHARPNESS are few: these stay. */
#define STORE_THINNED_KINDS "(1, 3, 6)"

/* When a run, ?1, was last heard of, or had a commit: of all its attempts.
 * NULL: there is no such run. */
#define STORE_LAST_OF_RUN                                                      \
    "(SELECT max(r.updated_wall_ns, coalesce("                                 \
    "(SELECT max(p.heard_wall_ns) FROM stream AS s "                           \
    "JOIN stream_progress AS p ON p.stream = s.id WHERE s.run = r.run), 0)) "  \
    "FROM run_progress AS r WHERE r.run = ?1)"

/* X(id, SQL): prepared once at open. */
#define STORE_STATEMENTS(X)                                                    \
    X(BEGIN, "BEGIN IMMEDIATE;")                                               \
    X(COMMIT, "COMMIT;")                                                       \
    X(ROLLBACK, "ROLLBACK;")                                                   \
    X(FIND_STREAM,                                                             \
        "SELECT s.run, s.attempt, s.rank, r.uid, "                             \
        "s.world, " PROGRESS_COLUMNS                                           \
        " FROM stream AS s JOIN stream_progress AS p ON p.stream = s.id "      \
        "JOIN run AS r ON r.id = s.run WHERE s.uid = ?1;")                     \
    X(LOAD_STREAM,                                                             \
        "SELECT s.run, s.attempt, s.rank, r.uid, "                             \
        "s.world, " PROGRESS_COLUMNS                                           \
        " FROM stream AS s JOIN stream_progress AS p ON p.stream = s.id "      \
        "JOIN run AS r ON r.id = s.run WHERE s.id = ?1;")                      \
    X(SAVE_STREAM, PROGRESS_UPDATE)                                            \
    X(TOUCH_RUN, "UPDATE run_progress SET revision = revision + 1, "           \
                 "updated_wall_ns = max(updated_wall_ns, ?2) WHERE run = ?1;") \
    X(FIND_RUN, "SELECT id, created_wall_ns FROM run WHERE uid = ?1;")         \
    X(ADD_RUN,                                                                 \
        "INSERT INTO run (uid, created_wall_ns, project, name, tags, config, " \
        "fork_of, fork_step) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8);")        \
    X(ADD_RUN_PROGRESS,                                                        \
        "INSERT INTO run_progress (run, revision, updated_wall_ns) "           \
        "VALUES (?1, 0, ?2);")                                                 \
    X(DESCRIBE_RUN,                                                            \
        "UPDATE run SET project = ?2, name = ?3, tags = ?4, config = ?5 "      \
        "WHERE id = ?1;")                                                      \
    X(CLEAR_TAGS, "DELETE FROM run_tag WHERE run = ?1;")                       \
    X(ADD_TAG, "INSERT OR IGNORE INTO run_tag (tag, created_wall_ns, run) "    \
               "VALUES (?1, ?2, ?3);")                                         \
    X(ATTEMPTS_FROM,                                                           \
        "SELECT attempt FROM stream WHERE run = ?1 AND rank = ?2 "             \
        "AND attempt >= ?3 ORDER BY attempt;")                                 \
    X(BEFORE_NEWEST,                                                           \
        "SELECT 1 FROM stream WHERE run = ?1 AND "                             \
        "(attempt > ?2 OR (attempt = ?2 AND rank < ?3)) LIMIT 1;")             \
    X(ADD_STREAM,                                                              \
        "INSERT INTO stream (uid, run, attempt, rank, created_wall_ns, "       \
        "hello, world) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "                       \
        "coalesce(json_extract(?6, '$.world'), 1));")                          \
    X(ADD_PROGRESS, "INSERT INTO stream_progress (stream) VALUES (?1);")       \
    X(ADD_LOG, "INSERT INTO log (stream, first_seq, last_seq, frame) "         \
               "VALUES (?1, ?2, ?3, ?4);")                                     \
    X(READ_LOG, "SELECT first_seq, last_seq, frame FROM log "                  \
                "WHERE stream = ?1 ORDER BY last_seq;")                        \
    X(DROP_LOG, "DELETE FROM log WHERE stream = ?1 AND last_seq <= ?2;")       \
    X(ADD_CHUNK,                                                               \
        "INSERT INTO chunk (stream, kind, first_seq, last_seq, least_step, "   \
        "most_step, records, summary, body) "                                  \
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);")                        \
    X(ADD_CHUNK_BYTES,                                                         \
        "UPDATE stream_progress SET chunk_bytes = chunk_bytes + ?2 "           \
        "WHERE stream = ?1;")                                                  \
    X(FIND_THINNABLE,                                                          \
        "SELECT s.id, p.thinned_seq FROM stream AS s "                         \
        "JOIN stream_progress AS p ON p.stream = s.id "                        \
        "WHERE s.run = ?1 AND EXISTS (SELECT 1 FROM chunk AS c "               \
        "WHERE c.stream = s.id AND c.kind IN " STORE_THINNED_KINDS             \
        " AND c.last_seq > p.thinned_seq) "                                    \
        "ORDER BY s.attempt, p.thinned_seq, s.rank LIMIT 1;")                  \
    X(READ_THINNABLE,                                                          \
        "SELECT c.id, c.last_seq, c.records, length(c.body) "                  \
        "FROM (SELECT id, last_seq FROM chunk WHERE stream = ?1 "              \
        "AND kind IN " STORE_THINNED_KINDS                                     \
        " AND last_seq > ?2 ORDER BY last_seq LIMIT 64) AS o "                 \
        "JOIN chunk AS c ON c.id = o.id ORDER BY o.last_seq;")                 \
    X(THIN_CHUNK, "UPDATE chunk SET body = x'' WHERE id = ?1;")                \
    X(THIN_STREAM, "UPDATE stream_progress SET thinned_seq = ?2, "             \
                   "thinned_records = thinned_records + ?3, "                  \
                   "chunk_bytes = chunk_bytes - ?4 WHERE stream = ?1;")        \
    X(LAST_OF_RUN, "SELECT " STORE_LAST_OF_RUN ";")                            \
    X(ADD_ALERT,                                                               \
        "INSERT INTO alert (run, attempt, step, rule, severity, wall_ns, "     \
        "value, limit_value, sentence, rank) "                                 \
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "                    \
        "ON CONFLICT (run, rule, attempt, step) DO NOTHING;")                  \
    X(REWRITE_FIRST_PAGE, "PRAGMA application_id = 0x54524a31;")               \
    X(FIND_UNSEALED, "SELECT stream, log_bytes, closed FROM stream_progress "  \
                     "WHERE log_records >= ?1 OR log_bytes >= ?2 "             \
                     "OR (closed AND log_bytes > 0) LIMIT ?3;")                \
    X(DELETE_RUN, "DELETE FROM run WHERE id = ?1;")

#define STORE_STATEMENT_ENUM(id, sql) STMT_##id,
enum store_statement { STORE_STATEMENTS(STORE_STATEMENT_ENUM) STMT_COUNT };

/* A frame that was appended and is neither in a chunk nor in the log. */
struct held {
    const struct message *message; /* borrowed until the transaction ends */
    struct str bytes;              /* so; what was decoded */
    uint64_t first_seq;            /* of the records that were new */
    uint64_t last_seq;
    size_t next; /* of the same stream: 1 + index, 0 = none */
};

/* A stream in this transaction. */
struct touched {
    struct stream_state state; /* without committed_seq and closed */
    struct progress progress;  /* log_records and log_bytes: and what is held */
    size_t held_first, held_last; /* 1 + index, 0 = none */
    uint64_t held_records;        /* but those of GROUP */
    uint64_t held_bytes;
    bool dirty;       /* to be written at commit */
    bool run_changed; /* and the run's revision is to rise */
    int64_t now_wall_ns;
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT];
    enum db_sync commit_sync; /* of what is acknowledged */
    enum db_sync sync;        /* as the connection is set */
    uint32_t wal_pages;       /* in the write-ahead log, by the last commit */
    uint32_t seal_records;
    struct chunk_coder coder;
    struct records unsealed[WIRE_KINDS]; /* of one chunk; clear between two */
    struct pyramid *pyramid;
    struct touched *touched;
    size_t touched_n;
    size_t touched_capacity;
    struct held *held;
    size_t held_n;
    size_t held_capacity;
};

/* ERR_STORE outside a transaction. */
CHECK_RESULT enum err_code store_require_transaction(
    struct store *store, struct err *e);

/* The stream's entry of this transaction, loaded if need be; valid until the
 * next call. ERR_NOT_FOUND if there is no such stream. */
CHECK_RESULT enum err_code store_touch(struct store *store,
    struct stream_id stream, struct touched **ret_touched, struct err *e);

/* What is held, to the log. */
CHECK_RESULT enum err_code store_log_held(struct store *store, struct err *e);

/* What the callers of store.h see of it. */
struct stream_state store_state_of(
    const struct store *store, const struct touched *touched);

/* Of a stream's log, counted as in struct progress: is it worth a chunk? */
bool seal_is_enough(
    const struct store *store, uint64_t log_records, uint64_t log_bytes);

/* Marks it to be written; changed: the run's revision rises too. */
enum touch_kind { TOUCH_QUIET, TOUCH_RUN };
void store_mark(
    struct touched *touched, enum touch_kind kind, int64_t now_wall_ns);

#endif

/*
 * pyramid: rows over the chunks of one kind of one stream, each with the nodes
 * (pyramid_nodes.h) of those it covers: charts of any range of a run of any
 * length are made of a few thousand nodes (pyramid_read.h), exactly.
 *
 * Level 0 is chunk.summary; a row of level k is of PYRAMID_FAN rows, or chunks,
 * of level k - 1 that follow each other. It is written in the transaction that
 * seals the last of them, which the index tells: those after the newest row of
 * the level. So nothing is kept in memory, and after a crash nothing is amiss.
 *
 * - A body may be empty, or none that this version can read (chunks of older
 *   versions have other summaries): then its records say. A row of level 1
 *   above such chunks is made of their records, one with every chunk that is
 *   sealed, so that an old stream gets its pyramid as it goes on; a row above
 *   an empty row is empty.
 * - Derived metrics depend on who trains: on the HELLO of the stream, which
 *   never changes, and not of the run.
 * - Who removes or joins chunks of a stream builds its pyramid anew.
 *
 * Made, used and closed by one thread, that of its connection.
 */
#ifndef TRAJD_PYRAMID_H
#define TRAJD_PYRAMID_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"
#include "store/records.h"
#include "store/store.h"

#define PYRAMID_LEVELS_MAX 12 /* 16^12 chunks: more than there can be */

struct pyramid;

CHECK_RESULT enum err_code pyramid_open(
    sqlite3 *db, struct pyramid **ret_pyramid, struct err *e);
void pyramid_close(struct pyramid *pyramid);

/* What chunk.summary of these records, all fields kept, is to hold; empty where
 * it would not pay. Borrowed until the next call. */
CHECK_RESULT enum err_code pyramid_summary(struct pyramid *pyramid,
    struct stream_id stream, const struct records *records,
    struct str *ret_summary, struct err *e);

/* Writes the rows that are due, at most one of each level. In a transaction of
 * the caller's. */
CHECK_RESULT enum err_code pyramid_grow(struct pyramid *pyramid,
    struct stream_id stream, enum wire_kind kind, struct err *e);

/* Before retention empties a chunk: gives it a summary if it has none that is
 * of use, whether it pays or not. In a transaction of the caller's. */
CHECK_RESULT enum err_code pyramid_keep(
    struct pyramid *pyramid, int64_t chunk, struct err *e);

/* ---- for check and repair ------------------------------------------------ */

enum pyramid_state {
    PYRAMID_RIGHT,
    PYRAMID_EMPTY, /* or of another version: costs time, says nothing wrong */
    PYRAMID_WRONG,
};

/* Whether `stored` is the summary of these records, all fields kept. */
CHECK_RESULT enum err_code pyramid_check_summary(struct pyramid *pyramid,
    struct stream_id stream, const struct records *records, struct str stored,
    enum pyramid_state *ret_state, struct err *e);

struct pyramid_finding {
    enum wire_kind kind;
    unsigned level;
    uint64_t first_seq, last_seq;
    const char *what; /* constant text */
};
typedef void (*pyramid_found_fn)(
    void *context, const struct pyramid_finding *finding);

/* Whether each row of a stream is what the bodies below it give, and where it
 * should be. Summaries are taken as they are. */
CHECK_RESULT enum err_code pyramid_check_rows(struct pyramid *pyramid,
    struct stream_id stream, pyramid_found_fn found, void *context,
    struct err *e);

/* Makes all rows of a stream anew and, of chunks that have a body, the
 * summaries. In a transaction of the caller's. */
CHECK_RESULT enum err_code pyramid_rebuild(
    struct pyramid *pyramid, struct stream_id stream, struct err *e);

#endif

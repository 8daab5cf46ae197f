/*
 * progress: what changes at a stream with every message, kept in memory during
 * a transaction and written once at its end. Pure but for load and save.
 */
#ifndef TRAJD_PROGRESS_H
#define TRAJD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "pure/decode.h"
#include "wire.h"

/* A row of stream_progress; the schema says what the fields are. */
struct progress {
    int64_t stream;
    uint64_t committed_seq;
    uint64_t lost_records;
    uint64_t dropped_records;
    uint64_t repeated_records;
    uint64_t late_records;
    uint64_t records[WIRE_KINDS]; /* by enum wire_kind */
    uint64_t group_probes;        /* of the PROBE records */
    uint64_t first_step;
    uint64_t last_step;
    bool has_step; /* of the two above */
    int64_t heard_wall_ns;
    int64_t stepped_wall_ns;
    int64_t step_clock_ns;
    int64_t step_interval_ns;
    bool closed;
    bool writer_gone;
    bool finished;
    int64_t exit_code;
    uint64_t log_records; /* without those of GROUP: see seal.c */
    uint64_t log_bytes;
    /* Read only: store_seal and store_thin write them. */
    uint64_t thinned_seq;
    uint64_t thinned_records;
    uint64_t chunk_bytes;
};

/* The columns of stream_progress in the order of progress_read, for SELECT. */
#define PROGRESS_COLUMNS                                                       \
    "p.stream, p.committed_seq, p.lost_records, p.dropped_records, p.steps, "  \
    "p.probes, p.metrics, p.events, p.first_step, p.last_step, "               \
    "p.heard_wall_ns, p.stepped_wall_ns, p.step_clock_ns, "                    \
    "p.step_interval_ns, p.closed, p.writer_gone, p.finished, p.exit_code, "   \
    "p.log_records, p.log_bytes, p.sharpness, p.groups, p.thinned_seq, "       \
    "p.thinned_records, p.chunk_bytes, p.group_probes, "                       \
    "p.repeated_records, p.late_records"

/* From the current row of a SELECT; the first of the columns is at `at`. */
void progress_read(sqlite3_stmt *stmt, int at, struct progress *ret_progress);

#define PROGRESS_UPDATE                                                        \
    "UPDATE stream_progress SET committed_seq = ?2, lost_records = ?3, "       \
    "dropped_records = ?4, steps = ?5, probes = ?6, metrics = ?7, "            \
    "events = ?8, first_step = ?9, last_step = ?10, heard_wall_ns = ?11, "     \
    "stepped_wall_ns = ?12, step_clock_ns = ?13, step_interval_ns = ?14, "     \
    "closed = ?15, writer_gone = ?16, finished = ?17, exit_code = ?18, "       \
    "log_records = ?19, log_bytes = ?20, sharpness = ?21, groups = ?22, "      \
    "group_probes = ?23, repeated_records = ?24, late_records = ?25 "          \
    "WHERE stream = ?1;"

/* stmt: prepared from PROGRESS_UPDATE. */
CHECK_RESULT enum err_code progress_write(
    const struct progress *progress, sqlite3_stmt *stmt, struct err *e);

/* Take in the records of a DATA message from seq from_seq on; those before it
 * are repeats. The message has at least one. */
void progress_add(struct progress *progress, const struct message *message,
    uint64_t from_seq, int64_t now_wall_ns);

#endif

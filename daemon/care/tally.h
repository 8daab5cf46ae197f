/*
 * tally: the records of one stream, read from the first to the last: whether
 * each can be read, is there once, and what they come to. A check compares that
 * with what is kept beside them, a repair writes it there.
 */
#ifndef TRAJD_TALLY_H
#define TRAJD_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "care/finding.h"
#include "pure/decode.h"
#include "store/chunk.h"
#include "store/pyramid.h"
#include "store/records.h"
#include "wire.h"

/* Seqs that nobody has, in ranges: what lies within TALLY_GAP_NEAR records of
 * each other is one, for the records of one kind lie among those of others. */
#define TALLY_GAPS_MAX 64
#define TALLY_GAP_NEAR 65536u
struct tally_gap {
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t missing; /* of them */
};

struct tally {
    uint64_t records[WIRE_KINDS];
    uint64_t group_probes; /* of the PROBE records, in chunks with a body */
    uint64_t log_records;  /* but those of GROUP */
    uint64_t log_groups;
    uint64_t log_bytes;
    uint64_t chunk_bytes;     /* of their bodies */
    uint64_t thinned_records; /* in chunks without a body */
    uint64_t thinned_seq;     /* of the last of them */
    uint64_t last_seq;        /* that is there */
    uint64_t unread; /* chunks and log rows: the rest is of the others */
    bool has_step;
    uint64_t first_step;
    uint64_t last_step;
    uint64_t dropped_records;
    bool finished;
    int64_t exit_code;
    uint64_t missing; /* below last_seq, after thinned_seq */
    struct tally_gap gaps[TALLY_GAPS_MAX];
    size_t n_gaps; /* the last one takes what does not fit */
};

/* Seqs from..to are not there; they come in order. */
void tally_add_gap(struct tally *tally, uint64_t from, uint64_t to);
/* Counts records that are there: those of a kind come in order. Of their fields
 * those that mean something to a count are kept. */
void tally_take(struct tally *tally, const struct records *records);

enum tally_depth {
    TALLY_KEYS, /* of chunks: checksums of seqs and steps, and of events */
    TALLY_ALL,  /* every value, and the summaries */
};

struct tally_query {
    int64_t stream;
    struct stream_uid uid; /* the log's frames are of it */
    struct finding_stream name;
    uint64_t thinned_seq; /* chunks up to it may be empty */
    enum tally_depth depth;
    struct pyramid *pyramid; /* borrowed; NULL: summaries are not looked at */
    void (*progress)(void *context); /* after each chunk; may be NULL */
    void *context;
};

/*
 * In the caller's read transaction. What is wrong goes to findings; a failure
 * is one of memory alone. coder: the caller's, for many streams.
 */
CHECK_RESULT enum err_code tally_stream(sqlite3 *db,
    const struct tally_query *query, struct chunk_coder *coder,
    struct findings *findings, struct tally *ret_tally, struct err *e);

#endif

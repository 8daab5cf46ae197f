/*
 * scan: the records of one kind of one run, in order, from sealed chunks and
 * the log as if they were one table. Everything that reads records (steps,
 * series, scatter, probes, fits, export) reads through this.
 *
 * Order: attempt, then rank, then seq. The newest view leaves out a record of
 * an attempt whose step is at or after the first step of a later attempt of
 * the same rank: the trainer went back and did it again. The first step is that
 * of STEP records, in an attempt without any that of PROBE records.
 */
#ifndef TRAJD_SCAN_H
#define TRAJD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/reader.h"
#include "store/store.h"
#include "base/str.h"
#include "wire.h"

enum scan_attempts {
    SCAN_NEWEST = 0, /* without what a later attempt has done again */
    SCAN_ALL,
    SCAN_ONE, /* the attempt in scan_query.attempt */
};

#define SCAN_ALL_RANKS UINT32_MAX

struct scan_query {
    struct run_id run;
    enum wire_kind kind;
    uint64_t fields; /* mask of the columns wanted; fewer = faster */
    enum scan_attempts attempts;
    uint32_t attempt;
    uint32_t rank; /* or SCAN_ALL_RANKS */
    /* Inclusive; 0 and UINT64_MAX = all, records without a step too. */
    uint64_t from_step;
    uint64_t to_step;
    /* Rows strictly after this position: the cursor of paging and "since". */
    uint32_t after_attempt;
    uint32_t after_rank;
    uint64_t after_seq;
    uint64_t above_seq; /* of every stream only records above it; 0 = all */
    /* Or of each stream only those above what this says; UINT64_MAX: none.
     * NULL: nobody has an opinion. */
    uint64_t (*above)(const void *context, uint32_t attempt, uint32_t rank);
    const void *above_context;
};

/* Up to SCAN_BATCH_MAX records of one stream. Valid until the next call. */
#define SCAN_BATCH_MAX 4096
struct scan_batch {
    uint32_t attempt;
    uint32_t rank;
    size_t n;
    const uint64_t *seq;
    const uint64_t *present;                  /* per record */
    const uint64_t *columns[WIRE_FIELDS_MAX]; /* bits; NULL: nobody has it */
    const struct str *texts; /* of the kind's text or blob field, if wanted */
};

struct scan;

/* Opens; on success end with scan_close. Holds a read transaction. */
CHECK_RESULT enum err_code scan_open(struct reader *reader,
    const struct scan_query *query, struct scan **ret_scan, struct err *e);

/* The next batch; ret_batch->n = 0 at the end. ERR_STORE: a chunk or log row
 * is damaged (the text says which); another call goes on behind it. */
CHECK_RESULT enum err_code scan_next(
    struct scan *scan, struct scan_batch *ret_batch, struct err *e);
/*
 * Lets go of the database until the next scan_next, so that the write-ahead log
 * can begin again while a reader takes its time; the batch stays valid. The
 * scan gives what was there when it was opened all the same, since records are
 * only added; scan_next is ERR_NOT_FOUND when their run has been deleted. Not
 * after a call that failed.
 */
void scan_pause(struct scan *scan);
void scan_close(struct scan *scan);

/* Records of chunks that retention has emptied, which the scan has passed by:
 * of all that may be in its range. */
uint64_t scan_thinned(const struct scan *scan);

/* The bits of a column as a number; any WIRE_F64 column. */
static inline double scan_f64(const uint64_t *column, size_t i)
{
    double value = 0;
    __builtin_memcpy(&value, &column[i], sizeof value);
    return value;
}

#endif

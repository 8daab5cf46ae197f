/*
 * alert_watch: what the alert rules have seen of one run, rank by rank, and
 * reading on from there. The analysis thread's alone.
 *
 * Where more than ALERT_LOOK_RECORDS records have come since the last look
 * (after a start, or from very fast trainers), the newest of each rank are
 * looked at: so many of each that all of them together are no more. The others
 * are counted (alert_records_skipped).
 *
 * Memory is bounded over all runs (struct alert_pool). Of each run the first
 * ranks are watched, of a rank that finds no windows no spikes but flagged
 * ones, and no shares.
 */
#ifndef TRAJD_ALERT_WATCH_H
#define TRAJD_ALERT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/alert_cases.h"
#include "pure/alert_rules.h"
#include "pure/alert_silence.h"
#include "pure/alert_verdict.h"
#include "pure/run_verdict.h"
#include "store/reader.h"
#include "store/runs.h"

#define ALERT_LOOK_RECORDS 65536u /* of one run and look, of any kind */
#define ALERT_RANKS_MAX 1048576u  /* of all runs: 64 MiB */
#define ALERT_WINDOWS_MAX 4096u   /* of all runs, their ranks 0 aside: 18 MiB */

/* What the watches of all runs have. */
struct alert_pool {
    uint32_t ranks;
    uint32_t windows;
};

struct alert_watch_rank {
    struct alert_rules rules; /* with windows: owned, but those of rank 0 */
    struct alert_silence silence;
    /* Up to here the rules have seen its records. */
    uint32_t attempt;
    uint64_t seq;
    /* What the last look has found there to be. */
    uint32_t newest_attempt;
    uint64_t newest_seq;
    uint64_t waiting; /* records behind the place above */
};

struct alert_watch {
    struct alert_pool *pool; /* borrowed; NULL: nothing has been read */
    struct alert_limits limits;
    struct alert_cases cases;
    struct alert_gate lr;           /* of verdicts */
    struct alert_silence silence;   /* of the run */
    struct alert_windows windows;   /* of rank 0 */
    struct alert_watch_rank *ranks; /* of the world, as far as there is room */
    uint32_t n_ranks;
    uint32_t attempt;  /* the newest of all ranks */
    uint64_t left_out; /* records that the last look did not look at */
};

/* Reads on, within the caller's snapshot, of which row is part too. pool:
 * borrowed until alert_watch_done. */
CHECK_RESULT enum err_code alert_watch_read(struct alert_watch *watch,
    struct alert_pool *pool, struct reader *reader, const struct run_row *row,
    const struct alert_limits *limits, struct err *e);

/* What a new verdict says; nothing before the first alert_watch_read. */
void alert_watch_verdict(struct alert_watch *watch,
    const struct run_verdict *verdict, uint64_t last_step);

/* Nothing comes of the run for now: others may have its windows. */
void alert_watch_rest(struct alert_watch *watch);
void alert_watch_done(struct alert_watch *watch);

#endif

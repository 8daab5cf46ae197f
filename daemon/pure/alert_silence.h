/*
 * alert_silence: the rule `stall`: a run that makes no step or is not heard,
 * and a rank of it that does not while the others go on. Pure; one thread at a
 * time.
 */
#ifndef TRAJD_ALERT_SILENCE_H
#define TRAJD_ALERT_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/alert.h"
#include "pure/run_state.h"

/* A rank's silence is told when it was seen so often in a row: after a stall of
 * all, ranks come back one after the other. */
#define ALERT_SILENCE_LOOKS 3u

/* Of the run, or of one rank. */
struct alert_silence {
    bool seen_alive;
    uint8_t looks; /* in a row in which it was silent; no more than told */
};

/* Where the run is, or one process of it. */
struct alert_situation {
    const struct run_facts *facts;
    int64_t now_wall_ns;
    uint32_t attempt;
    uint64_t last_step; /* 0: none yet */
};

/* Processes that are not where the run is. */
struct alert_behind {
    uint32_t n;
    uint32_t world;
    uint32_t rank; /* the lowest of them, and its last step */
    uint64_t step;
};

/*
 * Stalled, or lost: that is news only of one that was seen alive; a run that is
 * synced later, or was lost before trajd started, is not. true: it is silent,
 * which it was not at the last look; *ret says so and, if it is fewer than half
 * of them, who is behind.
 */
bool alert_silence_of_run(struct alert_silence *silence,
    const struct alert_situation *now, const struct alert_behind *behind,
    struct alert *ret);

/* So of a process of a run that is live. It must have been seen live itself:
 * after a start they connect one after the other. */
bool alert_silence_of_rank(struct alert_silence *silence,
    const struct alert_situation *now, uint32_t rank, struct alert *ret);

#endif

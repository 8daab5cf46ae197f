/* run_state: where a run is, from what is known of it and the time. Pure. */
#ifndef TRAJD_RUN_STATE_H
#define TRAJD_RUN_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* What is known: all times by the daemon's clock. */
struct run_facts {
    bool finished;         /* the newest attempt has ended by itself: every rank
                              has a FINISH event, or one has with a failure */
    int64_t exit_code;     /* of it; the first that is not 0 */
    bool writer_gone;      /* a BYE says so, or the writer closed */
    int64_t heard_wall_ns; /* last sign of life of a writer; 0 = none */
    int64_t last_step_wall_ns; /* when the newest step came; 0 = none */
    int64_t step_interval_ns;  /* median of recent steps; 0 = unknown */
};

struct run_limits {
    int64_t lost_after_ns;  /* silence that means lost */
    int64_t stall_least_ns; /* shortest time without a step that is a stall */
    int64_t stall_factor;   /* or this many median step intervals, if longer */
};
#define RUN_LIMITS_DEFAULT                                                     \
    ((struct run_limits){ .lost_after_ns = INT64_C(30000000000),               \
        .stall_least_ns = INT64_C(30000000000),                                \
        .stall_factor = 10 })

/* The daemon's limits: one setting, as the log's level is, because what is lost
 * must be so in every list, event and count. Set before any thread starts. */
void run_limits_set(const struct run_limits *limits);
const struct run_limits *run_limits(void); /* RUN_LIMITS_DEFAULT until set */

enum run_state {
    RUN_LIVE,
    RUN_STALLED,  /* the writer is heard, but makes no step */
    RUN_LOST,     /* the writer is not heard, or gone without FINISH */
    RUN_FINISHED, /* exit code 0 */
    RUN_FAILED,   /* any other */
};

/*
 * A function of the facts and the time alone, so a run that is heard again is
 * live again. A run that has not made its first step is not stalled: loading
 * takes as long as it takes.
 */
enum run_state run_state_at(const struct run_facts *facts, int64_t now_wall_ns,
    const struct run_limits *limits);

/* How long a run may go without a step before it counts as stalled. */
int64_t run_state_stall_ns(
    const struct run_facts *facts, const struct run_limits *limits);

/* "live", "stalled", "lost", "finished", "failed". */
const char *run_state_name(enum run_state state);

/* Why a run is not complete: bits of a set. Of the records of a complete run,
 * every one is here, and none is to come. */
enum run_gap {
    RUN_GAP_LOST = 1,    /* lost at their source: a damaged spool, say */
    RUN_GAP_DROPPED = 2, /* the trainer's spool was full */
    RUN_GAP_OPEN = 4,    /* a stream has not ended: more may come */
    RUN_GAP_RANK = 8,    /* a rank of the world was never heard */
};
#define RUN_GAPS 4

/* Of gap 1 << i: "lost_records", "dropped_records", "stream_open",
 * "rank_missing". */
const char *run_gap_name(unsigned i);

#endif

/*
 * analysis_run: what the analysis thread remembers of one run: its pairs, of
 * all its ranks together, read as far as they are committed, and its last fit.
 * The analysis thread's alone, but for what is said below.
 */
#ifndef TRAJD_ANALYSIS_RUN_H
#define TRAJD_ANALYSIS_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "pure/run_fit.h"
#include "pure/run_state.h"
#include "pure/run_verdict.h"
#include "store/pair_follow.h"
#include "store/reader.h"
#include "store/runs.h"
#include "threads/alert_watch.h"

/* The law to advise a trainer by. */
struct run_law {
    uint32_t n; /* pairs behind it */
    struct fit_line line;
};

struct analysis_run {
    char uid[RUN_UID_MAX + 1]; /* constant */

    /* Guarded by analysis' lock: other threads read them. */
    bool has_fit;
    struct run_fit fit;
    uint64_t fit_records; /* PROBE records of the run that it is made of */
    bool has_law;         /* of which nothing speaks against advising by it */
    struct run_law law;

    /* What was last seen of the run. */
    bool seen;
    uint64_t revision;
    enum run_state state;
    struct run_facts facts;
    uint32_t attempts;
    uint64_t steps;     /* STEP records */
    uint64_t norms;     /* SHARPNESS records: a verdict hears them too */
    uint64_t last_step; /* 0: none */

    bool dirty;                /* changed since the last look */
    bool wants_fit;            /* there are pairs that no fit has seen */
    int64_t next_look_mono_ns; /* not before */
    int64_t changed_mono_ns;   /* the last change */
    int64_t fitted_mono_ns;
    bool wants_alerts; /* there is something that no rule has seen */
    int64_t judged_mono_ns;
    struct alert_watch watch;

    /* Void when the run's past changed. */
    struct pair_follow follow;
    uint64_t past; /* see read_past in analysis_run.c */
    bool has_pairs;
};

/* NULL: out of memory. */
struct analysis_run *analysis_run_new(const char *uid);
void analysis_run_free(struct analysis_run *run);

/* Brings the pairs up to what is committed, within the caller's snapshot, of
 * which row is part too. */
CHECK_RESULT enum err_code analysis_run_read(struct analysis_run *run,
    struct reader *reader, const struct run_row *row, struct err *e);

/* The fit of the pairs as read; where these are every so many-th of more, of
 * all of them, from the states that the store keeps (store/fit_read.h), which
 * takes as long however many they are. Of several ranks together there are no
 * states: then of the pairs. Within the same snapshot. */
CHECK_RESULT enum err_code analysis_run_fit(const struct analysis_run *run,
    struct reader *reader, const struct run_row *row, struct run_fit *ret,
    struct err *e);

/* The verdict on the pairs as read, within the same snapshot. On success the
 * caller ends *ret with run_verdict_done. */
CHECK_RESULT enum err_code analysis_run_judge(const struct analysis_run *run,
    struct reader *reader, const struct run_row *row, struct run_verdict *ret,
    struct err *e);
/* false: the verdict refuses advice. */
bool analysis_run_law(const struct run_verdict *verdict, struct run_law *ret);

/* Lets go of what a run can do without that nothing has come of for so long:
 * its pairs, which the next read reads again, and if it is over the windows of
 * its ranks. */
#define ANALYSIS_QUIET_NS (60 * NS_PER_S)
void analysis_run_rest(struct analysis_run *run, int64_t now_mono_ns);

#endif

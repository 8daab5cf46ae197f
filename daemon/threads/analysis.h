/*
 * analysis: a thread that keeps an eye on the runs: it refits a run when new
 * probes have been committed, tells live about new fits and about every change
 * of a run, also of one that changes by growing silent (live, stalled, lost),
 * remembers the last fit of each for HTTP and for advice to trainers, and
 * raises alerts.
 *
 * Both are rate-limited by what they cost: a run is refitted, and its new
 * records looked at for alerts, at most once a second, and all that takes at
 * most one twentieth of one core. Where that is too little they take turns.
 */
#ifndef TRAJD_ANALYSIS_H
#define TRAJD_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/alert.h"
#include "pure/run_fit.h"
#include "store/reader.h"
#include "store/runs.h"
#include "threads/analysis_run.h"
#include "threads/live.h"

#define ANALYSIS_RUNS_MAX 256 /* remembered; the longest unchanged one goes */

struct analysis;

struct analysis_options {
    const char *db_path;
    struct live *live; /* borrowed until analysis_stop returns */
    /* A run as one line of JSON, the data of a `run` event. A function of the
     * layer above, so that there is one way to write a run. Its thread: the
     * analysis thread. */
    void (*run_json)(
        struct buf *out, const struct run_row *run, int64_t now_wall_ns);
    struct alert_limits alert_limits;
    /* Stores an alert and passes it on if it is new; waits for the writer.
     * NULL: no alerts are raised. ERR_NOT_FOUND: the run is gone. After another
     * error it is called again. Its thread: the analysis thread. */
    enum err_code (*add_alert)(void *context, const char *run_uid,
        const struct alert *alert, bool *ret_new, struct err *e);
    void *context;
};

CHECK_RESULT enum err_code analysis_start(
    const struct analysis_options *options, struct analysis **ret_analysis,
    struct err *e);
/* NULL is allowed. */
void analysis_stop(struct analysis *analysis);

/* Any thread: the fit of all pairs of the run. false: none is known that is
 * made of so many PROBE records (run_row.records). */
bool analysis_fit(struct analysis *analysis, const char *run_uid,
    uint64_t probe_records, struct run_fit *ret_fit);

/* The law to advise a trainer by: the relative-error fit of the phase that the
 * verdict speaks of, if that does not refuse advice (pure/advice.h). Any
 * thread. */
bool analysis_advice(
    struct analysis *analysis, const char *run_uid, struct run_law *ret_law);

#endif

/* analysis_alerts: the alerts of a run, raised, stored and told. The analysis
 * thread. */
#ifndef TRAJD_ANALYSIS_ALERTS_H
#define TRAJD_ANALYSIS_ALERTS_H

#include "base/err.h"
#include "base/str.h"
#include "store/reader.h"
#include "threads/analysis.h"
#include "threads/analysis_run.h"

/*
 * Looks at what has come of the run since the last time and passes on what that
 * raises. run->wants_alerts tells afterwards whether there is more to do: after
 * an error, or when something waits for other ranks. text: for the JSON.
 */
CHECK_RESULT enum err_code analysis_alerts(struct analysis_run *run,
    struct alert_pool *pool, struct reader *reader,
    const struct analysis_options *options, struct buf *text, struct err *e);

#endif

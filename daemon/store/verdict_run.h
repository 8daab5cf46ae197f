/*
 * verdict_run: the verdict on pairs of a run, with what the store knows beside
 * them: operator norms and phases (verdict_read.h), and the states of all pairs
 * where these are every so many-th (fit_read_run.h). The thread of the reader.
 */
#ifndef TRAJD_VERDICT_RUN_H
#define TRAJD_VERDICT_RUN_H

#include <stdint.h>

#include "base/err.h"
#include "pure/run_verdict.h"
#include "store/pair_scan.h"
#include "store/reader.h"
#include "store/runs.h"

struct verdict_query {
    const struct pair_query *pairs; /* which pairs they are */
    uint32_t window;                /* of microbatch probes, in one of them */
    struct run_fit_query fit;
    struct figure grad_norm, target; /* as run_verdict_input's */
};

/* Within the caller's snapshot. On success *ret is for run_verdict_done. */
CHECK_RESULT enum err_code verdict_run(struct reader *reader,
    const struct run_row *run, const struct verdict_query *query,
    const struct pairs *pairs, struct run_verdict *ret, struct err *e);

#endif

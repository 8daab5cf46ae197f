/*
 * verdict_read: what a verdict needs of a run beside its pairs: the operator
 * norms, where an attempt began or the clip threshold changed, and how the last
 * step was made. The thread of the reader.
 */
#ifndef TRAJD_VERDICT_READ_H
#define TRAJD_VERDICT_READ_H

#include "base/err.h"
#include "pure/run_verdict.h"
#include "store/reader.h"
#include "store/runs.h"

#define VERDICT_KNOWN_MAX (4 * PHASES_MAX)
/* Operator norms that are looked at; of more every second, fourth, ... */
#define VERDICT_OPERATORS_MAX 65536u

struct verdict_read {
    struct operator_norms operators; /* owned */
    uint64_t operators_every;
    uint64_t operators_seen;
    struct phase_cut known[VERDICT_KNOWN_MAX];
    size_t n_known;
    enum optimizer optimizer;
    struct figure lr, momentum; /* of the last step */
};

/*
 * Of the newest attempts of rank 0; operator norms of all parameters that
 * converged, or whose residual is below a tenth of them (theory.md 4b). A
 * change of the clip threshold is found to within a 1,024th of the run. Within
 * the caller's snapshot. On success *ret is for verdict_read_done.
 */
CHECK_RESULT enum err_code verdict_read(struct reader *reader,
    const struct run_row *run, struct verdict_read *ret, struct err *e);
void verdict_read_done(struct verdict_read *read);

#endif

/*
 * fit_read_run: the fits of a range of a run from the states of its pairs,
 * where it has more of them than a fit of pairs would take. The thread of the
 * reader.
 */
#ifndef TRAJD_FIT_READ_RUN_H
#define TRAJD_FIT_READ_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/run_fit.h"
#include "pure/run_fit_states.h"
#include "store/fit_read.h"
#include "store/pair_scan.h"
#include "store/reader.h"
#include "store/runs.h"

/* Whether there are states of these pairs: of one rank's, with windows of the
 * default size. */
bool fit_read_run_can(const struct pair_query *pairs, uint32_t window);
/* And there may be more of these pairs of the run than a fit of pairs takes. */
bool fit_read_run_is_long(
    const struct pair_query *pairs, uint32_t window, const struct run_row *run);

/* What is to be read for the fits of these pairs, which are not global. */
struct fit_read_query fit_read_run_query(
    const struct pair_query *pairs, const struct run_fit_query *fit);

/* What fits from states are made of; borrows. */
struct run_fit_states fit_read_run_states(const struct fit_read *read);

/*
 * pairs: not global: which run, attempts, rank and group. fit: which steps,
 * class and regressor. *ret_more: there are more than `most` pairs, and
 * *ret_fit is made of them.
 */
CHECK_RESULT enum err_code fit_read_run(struct reader *reader,
    const struct pair_query *pairs, const struct run_fit_query *fit,
    uint64_t most, bool *ret_more, struct run_fit *ret_fit, struct err *e);

/* For run_verdict_input.fit_all: of the pairs of a reader, which is within a
 * snapshot. `code` is of the call that failed. */
struct fit_read_phase {
    struct reader *reader;
    const struct pair_query *pairs; /* not global */
    enum err_code code;
    struct err *e;
};
bool fit_read_phase(void *phase, const struct run_fit_query *query,
    bool *ret_more, struct run_fit *ret);

#endif

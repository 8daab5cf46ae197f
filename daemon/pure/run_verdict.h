/*
 * run_verdict: what can be said of each phase of a run: fits, intervals, tests,
 * the verdict and the advice that follows. Pure but for its memory; any thread.
 *
 * Figures are of the relative-error fit: the pairs are weighted as it weighs
 * them, 1/yhat^2, and the interval is of the weighted line, whose slope may be
 * negative. All draws are from one seed: the same pairs give the same verdict.
 */
#ifndef TRAJD_RUN_VERDICT_H
#define TRAJD_RUN_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit_absent.h"
#include "math/fit_tests.h"
#include "pure/advice.h"
#include "pure/intervals.h"
#include "pure/operators.h"
#include "pure/phases.h"
#include "pure/rank_tests.h"
#include "pure/run_fit.h"
#include "pure/verdict.h"

/* The fit of all pairs of the query, of whom the input's are a part. false: it
 * failed. *ret_more false: there is none. */
typedef bool (*run_verdict_fit_fn)(void *context,
    const struct run_fit_query *query, bool *ret_more, struct run_fit *ret);

struct run_verdict_input {
    const struct pairs *pairs;
    /* Asked for the fit of each phase, and its intervals, where pairs are every
     * so many-th; the tests stay those of the pairs. NULL: nobody knows more.
     */
    run_verdict_fit_fn fit_all;
    void *fit_context;
    struct run_fit_query query;
    const struct operator_norms *operators;
    const struct phase_cut *known; /* attempts, clip changes */
    size_t n_known;
    enum optimizer optimizer;
    bool of_layer;              /* pairs of a layer: of it there is no advice */
    struct figure lr, momentum; /* of the last step */
    /* Of the advice; those not given: the norm of the phase's last pair, and
     * what advice.h says. */
    struct figure grad_norm, target;
};

struct phase_verdict {
    struct phase phase;
    struct run_fit fit;
    struct intervals intervals;
    struct rank_tests ranks;
    enum fit_absent leverage_absent;
    struct fit_leverage leverage;
    struct verdict_facts facts;
    struct verdict verdict;
    struct advice advice;
};

struct run_verdict {
    struct phase_verdict *v; /* n >= 1; owned */
    size_t n;
    bool is_full; /* of phases */
    /* The one to speak of: the last with pairs enough for a fit, else the
     * last. */
    size_t main;
};

/* false: out of memory, or fit_all failed. Else *ret is for run_verdict_done.
 */
bool run_verdict_compute(
    const struct run_verdict_input *input, struct run_verdict *ret);
void run_verdict_done(struct run_verdict *verdict);

#endif

/*
 * run_fit_states: the fits of a run from states instead of pairs: of any number
 * of pairs, none left out for want of room. Pure but for its memory; any
 * thread.
 *
 * OLS and NNLS are those of the pairs to 1e-11; the relative fit, the quantile
 * lines and the envelope as near as math/fit_state.h says. What needs the pairs
 * one by one is absent: expectile, robust envelope, power, rivals, Theil-Sen,
 * rank correlations, median(y / ceiling). The frontier is that of the state's
 * hull. Warnings: near_ceiling is counted, so exact; of narrow_range the
 * quantiles are to a bin of x; monotone_in_time is said if the rows' mean x
 * does rank with time beyond FIT_TIME_RANK_MAX and the square of that of the
 * variance of x is between rows.
 */
#ifndef TRAJD_RUN_FIT_STATES_H
#define TRAJD_RUN_FIT_STATES_H

#include "pure/fit_part.h"
#include "pure/run_fit.h"

/* As store/fit_read.h gives it; borrowed. */
struct run_fit_states {
    enum fit_regressor regressor;
    unsigned estimator;
    uint64_t in_sight;
    const struct fit_part *part;
    /* Of consecutive pairs, in their order, with the relative fit's weights. */
    const struct fit_sums *rows;
    size_t n_rows;
};

/* false: out of memory. */
bool run_fit_of_states(const struct run_fit_states *states,
    const struct run_fit_query *query, struct run_fit *ret_fit);

/* The rank correlations, the ceiling's ratio, the power law and the rivals of a
 * fit of every so many-th pair, which the fit from states lacks. */
void run_fit_add_sample(struct run_fit *fit, const struct run_fit *of_sample);

/*
 * The integrated autocorrelation time of the residuals of a line, in pairs,
 * from the variance of the rows' means, by batch means: m rows of b pairs, tau
 * = b Var(mean)/Var(residual), at least 1 (Geyer 1992, section 3.2). Rows of
 * `samples` pairs, weighted by the inverse of their variance or not at all; not
 * longer than twice tau they are no blocks (fit_ci.h). n_rows > 2.
 */
double run_fit_batch_tau(const struct fit_sums *rows, size_t n_rows,
    double samples, struct fit_line line);

#endif

/*
 * run_fit: the fits of one run over one window of its pairs, with what makes
 * them doubtful. Pure, but for the memory that it allocates and frees.
 */
#ifndef TRAJD_RUN_FIT_H
#define TRAJD_RUN_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "pure/fit_sample.h"
#include "pure/intervals.h"
#include "pure/pairs.h"
#include "pure/run_frontier.h"

/* Pairs of one run that are fitted; of more, every second, fourth, ... */
#define RUN_FIT_PAIRS_MAX 65536

/* Honest doubts (math/fit_limits.h), as bits; names by run_fit_warning_name. */
enum run_fit_warning {
    /* Spearman(regressor, step) beyond FIT_TIME_RANK_MAX. */
    RUN_FIT_MONOTONE_IN_TIME = 1,
    /* median(y / ceiling) beyond FIT_CEILING_RATIO_MAX. */
    RUN_FIT_NEAR_CEILING = 2,
    /* The gradients of a pair are of different data: noise raises y. */
    RUN_FIT_DIFFERENT_DATA = 4,
    /* A probe's callback gave two gradients at one point. */
    RUN_FIT_NOT_IDEMPOTENT = 8,
    /* q95(x) / q05(x) below FIT_SPREAD_MIN. */
    RUN_FIT_NARROW_RANGE = 16,
    /* Only every 2nd, 4th, ... pair was fitted: see `every`. */
    RUN_FIT_THINNED = 32,
};
#define RUN_FIT_WARNINGS 6
const char *run_fit_warning_name(size_t bit);

struct run_fit {
    enum fit_regressor regressor;
    unsigned estimator;
    uint64_t from_step, to_step;    /* asked for */
    uint64_t first_step, last_step; /* of the pairs used; 0 if none */
    struct fit_report report;       /* n_excluded counts other classes too */
    uint64_t excluded[PAIR_USES];
    uint64_t every;
    uint32_t window; /* probes in one pair: pair_window.h; else 1 */
    struct run_frontier frontier; /* none below FIT_N_MIN pairs */
    /* Laws of the loss beside that of the gradient norm; or why there are none:
     * "too_few_pairs", "few_losses", "from_states". */
    const char *rivals_absent; /* static; NULL: they are there */
    struct fit_rivals rivals;
    bool has_spearman_step;
    double spearman_step; /* of the regressor against the step */
    bool has_ceiling_ratio;
    double ceiling_ratio; /* median of y / ceiling */
    bool has_spread;
    double spread; /* q95(x) / q05(x) */
    /* Of all pairs, from states (run_fit_states.h): `every` is then that of the
     * rank correlations, of ceiling_ratio, power and rivals, if they are there.
     */
    bool from_states;
    struct intervals intervals; /* from states only */
    unsigned warnings;          /* enum run_fit_warning */
    const char *reason;         /* why there are no fits, or NULL; static */
};

/* Its relative-error fit; (0, 0) if there is none. */
struct fit_line run_fit_law(const struct run_fit *fit);

/* By how many times the gradient norm predicts better than the better of the
 * laws without it: the quotient of their scores. */
struct figure run_fit_score_ratio(const struct run_fit *fit);

/* The warnings and the reason that follow from the rest; for whoever makes a
 * fit. */
void run_fit_conclude(struct run_fit *fit);

/* Of a sample that the query took of the pairs; reorders sample->ratio. false:
 * out of memory. */
bool run_fit_of_sample(const struct pairs *pairs,
    const struct run_fit_query *query, struct fit_sample *sample,
    struct run_fit *ret_fit);
/* The same, with the sample. */
bool run_fit_compute(const struct pairs *pairs,
    const struct run_fit_query *query, struct run_fit *ret_fit);

#endif

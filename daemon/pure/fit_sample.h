/*
 * fit_sample: the pairs of one run that a fit is made of, in columns, in the
 * order of the pairs, with what was left out and why. Pure but for its memory.
 */
#ifndef TRAJD_FIT_SAMPLE_H
#define TRAJD_FIT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "pure/pairs.h"

/* What is asked. */
struct run_fit_query {
    int regressor; /* enum fit_regressor, or PAIR_REGRESSOR_AUTO */
    int estimator; /* below PAIR_ESTIMATORS, or PAIR_ESTIMATOR_AUTO */
    uint64_t from_step;
    uint64_t to_step; /* inclusive */
};

/* All steps, the class and the regressor chosen from the pairs. */
static const struct run_fit_query run_fit_everything = {
    .regressor = PAIR_REGRESSOR_AUTO,
    .estimator = PAIR_ESTIMATOR_AUTO,
    .to_step = UINT64_MAX,
};

struct fit_sample {
    enum fit_regressor regressor;
    unsigned estimator;
    /* n each, owned; lr and loss, which is f where x is, NaN where it was not
     * said. */
    double *x, *y, *lr, *loss;
    uint64_t *step; /* n; owned */
    double *time;   /* n, what steps are beside x and y: see fit_sample_time */
    size_t n;
    double *ratio; /* y / ceiling, of the n_ratio pairs that have one */
    size_t n_ratio;
    uint64_t in_sight; /* pairs of the steps asked for, of every class */
    uint64_t excluded[PAIR_USES];   /* of them; PAIR_USED: 0 */
    uint64_t first_step, last_step; /* 0 if n is 0 */
    unsigned flags;                 /* TRAJ_PROBE_*, of any of the n */
    size_t n_noise;                 /* pairs whose noise floor is known */
    double *workspace;              /* 8n doubles, for whoever asks next */
};

/* false: out of memory. *ret is for fit_sample_done. */
bool fit_sample_take(const struct pairs *pairs,
    const struct run_fit_query *query, struct fit_sample *ret);
void fit_sample_done(struct fit_sample *sample);

/* Steps from the first pair's on: a double holds no step beyond 2^53. */
static inline double fit_sample_time(uint64_t first, uint64_t step)
{
    return step >= first ? (double)(step - first) : -(double)(first - step);
}

#endif

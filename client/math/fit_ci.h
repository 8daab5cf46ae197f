/*
 * fit_ci: how far (L0, L1) can be trusted, from the sums of blocks alone. Pure;
 * any thread.
 *
 * Samples along a trajectory are autocorrelated; an interval that takes them to
 * be independent covers 30 % where it says 95 % (theory.md, A7). Blocks longer
 * than 2 tau_int are nearly independent, so the blocks are what is counted:
 * cluster-robust covariance with the blocks as clusters (Liang and Zeger 1986),
 * and t with m - 2 degrees of freedom. Needs FIT_BLOCKS_MIN blocks whose mean
 * length is above 2 tau_int (fit_dependence.h); else it is absent, and says
 * why.
 */
#ifndef TRAJ_FIT_CI_H
#define TRAJ_FIT_CI_H

#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "math/fit_absent.h"
#include "math/fit_sums.h"

#define FIT_BLOCKS_MIN 20u

struct fit_interval {
    double estimate, se, low, high;
};

struct fit_ci {
    double dof;   /* m - 2 */
    double level; /* of the intervals: 0.95, say */
    double x_mean;
    struct fit_interval L0, L1;
    struct fit_interval centroid; /* L0 + L1 x_mean: the well-known value */
    double corr;        /* of the errors of L0 and L1, from the blocks */
    double corr_design; /* -x_mean / sqrt(mean x^2): for independent samples */
};

/*
 * Cluster-t intervals of the OLS line of all rows, which are of `samples`
 * samples. tau_int: of the residuals, in samples; NaN: FIT_ABSENT_LONG_MEMORY.
 * With u = x - x_mean, e the residuals and sums within block j, scores (sum e,
 * sum u e); covariance of (centroid, L1) is m/(m-2) times their sums of
 * products over (n, sum u^2). Rows of weighted sums give the weighted line.
 * level in (0, 1). On FIT_PRESENT *ret is written.
 */
enum fit_absent fit_ci(const struct fit_sums *rows, size_t m, double samples,
    double tau_int, double level, struct fit_ci *ret);

enum fit_kind {
    FIT_KIND_RELATIVE = 1, /* NNLS; see fit_bootstrap for its rows */
    FIT_KIND_OLS = 2,
    FIT_KIND_NNLS = 3,
};

#define FIT_DRAWS 400u
#define FIT_DRAWS_MAX 100000u

struct fit_bootstrap {
    size_t draws;                         /* refits that determined a line */
    struct fit_interval L0, L1, centroid; /* percentile intervals */
    double corr; /* of L0 and L1 over the draws; NaN if one is constant */
};

/*
 * Block bootstrap (Kuensch 1989, with disjoint blocks: Carlstein 1986): each
 * draw takes m of the m rows with replacement, adds them up and fits. se is the
 * standard deviation over the draws, low and high are percentiles (type 7 of
 * Hyndman and Fan 1996). Of RELATIVE the rows are weighted sums, with the
 * weights of the fit itself (fit_weights.h): its last round is redone.
 * The draws are a function of seed alone: splitmix64 of seed and a counter.
 * draws in 2 .. FIT_DRAWS_MAX; workspace: 3 draws doubles. The centroid is at
 * the x_mean of all rows.
 */
enum fit_absent fit_bootstrap(const struct fit_sums *rows, size_t m,
    double samples, double tau_int, enum fit_kind kind, double level,
    size_t draws, uint64_t seed, double *workspace, struct fit_bootstrap *ret);

#endif

/* fit_tests: whether y goes with x at all, and on how few samples it rests.
 * Pure; any thread. On FIT_PRESENT *ret is written. */
#ifndef TRAJ_FIT_TESTS_H
#define TRAJ_FIT_TESTS_H

#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "math/fit_absent.h"
#include "math/fit_ci.h"
#include "math/fit_sums.h"

struct fit_test {
    double statistic;
    double p; /* under the hypothesis that is tested */
};

/* H0: L1 <= 0, by the OLS slope over its cluster-robust error (fit_ci), one
 * side of t with m - 2 degrees of freedom. */
enum fit_absent fit_slope_test(const struct fit_sums *rows, size_t m,
    double samples, double tau_int, struct fit_test *ret);

/*
 * H0: L1 = 0 against L1 > 0, both with L0 >= 0: n_eff ln(SSE_0/SSE_1) of the
 * two NNLS fits, n_eff = n / tau_int in place of n for autocorrelated errors.
 * L1 = 0 is at the boundary, so half of the null's mass is at 0: 1/2 chi2_0 +
 * 1/2 chi2_1 (Chernoff 1954; Self and Liang 1987, case 5), L0 inside.
 * tau_int: NaN is FIT_ABSENT_LONG_MEMORY.
 */
enum fit_absent fit_boundary_test(
    const struct fit_sums *total, double tau_int, struct fit_test *ret);

#define FIT_COVARIATES_MAX 4u
#define FIT_SHIFTS_MAX 100000u

struct fit_partial {
    double rho;
    double p;            /* two-sided */
    double p_greater;    /* of rho > 0 */
    size_t n_covariates; /* used: a constant one, or one that the others tell,
                            says nothing and is left out */
};

/*
 * Spearman's correlation of x and y given covariates (step and lr, say): the
 * correlation of what is left of the mid-ranks after least squares on the
 * covariates' mid-ranks. Ranks of ln lr are those of lr.
 *
 * The null keeps the autocorrelation of both: what is left of y is shifted
 * around the circle by 1 .. n-1 places, drawn `shifts` times from seed;
 * p = (1 + #{as large})/(1 + shifts). shifts in 1 .. FIT_SHIFTS_MAX.
 *
 * FIT_ABSENT_NOT_SEPARABLE if the covariates explain more than
 * FIT_TIME_RANK_MAX^2 of the ranks of x or y: for one covariate, |Spearman|
 * above FIT_TIME_RANK_MAX; what is left is 0/0 or rounding.
 * FIT_ABSENT_FEW_SAMPLES below FIT_N_MIN; FIT_ABSENT_CONSTANT if x or y is.
 * workspace: (6 + n_covariates) n doubles.
 */
enum fit_absent fit_partial_spearman(const double *x, const double *y, size_t n,
    const double *const *covariates, size_t n_covariates, size_t shifts,
    uint64_t seed, double *workspace, struct fit_partial *ret);

/* The same, without covariates, of the first differences: a shared slow trend
 * is gone (theory.md, A6). workspace: 8 n doubles. */
enum fit_absent fit_difference_spearman(const double *x, const double *y,
    size_t n, size_t shifts, uint64_t seed, double *workspace,
    struct fit_partial *ret);

struct fit_leverage {
    size_t n_dropped; /* at most a hundredth, rounded up */
    double x_above;   /* those with x above this */
    struct fit_line all, rest;
};

/* The fit without the largest hundredth of x. Pairs finite; x of equal size
 * are kept or dropped together. FIT_ABSENT_UNDETERMINED if either fit is.
 * workspace: 4 n doubles. */
enum fit_absent fit_leverage(const double *x, const double *y, size_t n,
    enum fit_kind kind, double *workspace, struct fit_leverage *ret);

#endif

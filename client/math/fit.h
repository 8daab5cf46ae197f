/*
 * fit: estimators of (L0, L1) in y <= L0 + L1 x, with x a gradient norm and y
 * a local smoothness (Zhang et al. 2020, Definition 1). Pure functions on
 * arrays of finite numbers (fit_clean): no I/O, no clock; memory only where a
 * workspace is named. Exact for any scale of x and y. Reentrant; any thread.
 *
 * A fit that the data does not determine is absent (false, *ret as it was),
 * not a number: fewer than two pairs, or all x equal, which leaves L0 and L1
 * free to trade against each other.
 */
#ifndef TRAJ_FIT_H
#define TRAJ_FIT_H

#include <stdbool.h>
#include <stddef.h>

struct fit_line {
    double L0;
    double L1;
};

/* Copies the pairs whose x and y are both finite, in order; returns how many.
 * x_out, y_out may alias x, y. */
size_t fit_clean(
    const double *x, const double *y, size_t n, double *x_out, double *y_out);

/* Whether x has two different values. */
bool fit_determined(const double *x, size_t n);

/* Ordinary least squares, unconstrained. */
bool fit_ols(const double *x, const double *y, size_t n, struct fit_line *ret);

/* Least squares with L0, L1 >= 0 and weights w > 0 (NULL = 1). */
bool fit_nnls(const double *x, const double *y, const double *w, size_t n,
    struct fit_line *ret);

/* Relative-error NNLS (theory.md 4.4, method 1): three NNLS fits, the first
 * with weights 1, each other with the weights 1/yhat^2 of the one before,
 * yhat^2 no smaller than 1e-3 of its (lower) median. workspace: 2n doubles. */
#define FIT_RELATIVE_ROUNDS 3
bool fit_nnls_relative(const double *x, const double *y, size_t n,
    double *workspace, struct fit_line *ret);

/* Quantile regression with L0, L1 >= 0: a minimiser of the pinball loss at
 * tau in (0,1), exact to rounding (method 2), in O(n). workspace: 4n doubles.
 */
bool fit_quantile(const double *x, const double *y, size_t n, double tau,
    double *workspace, struct fit_line *ret);

/* The pinball loss: sum of r (tau - [r < 0]) over r = y - L0 - L1 x. */
double fit_pinball(const double *x, const double *y, size_t n, double tau,
    struct fit_line line);

/* Upper envelope: min sum(L0 + L1 x - y) subject to L0 + L1 x >= y and
 * L0, L1 >= 0 (method 4): a certificate for these samples, no estimate; it
 * holds for each of them in double arithmetic. */
bool fit_envelope(
    const double *x, const double *y, size_t n, struct fit_line *ret);

struct fit_loglog {
    size_t n;     /* pairs with x > 0 and y > 0: those that have logarithms */
    double slope; /* least squares of ln y on ln x */
    double intercept;
    double pearson_r; /* NaN if ln y is constant */
};
/* Absent if fewer than 3 such pairs or ln x constant. workspace: 2n doubles. */
bool fit_loglog(const double *x, const double *y, size_t n, double *workspace,
    struct fit_loglog *ret);

/* Spearman's rank correlation with mid-ranks for ties. workspace: 4n doubles.
 * Absent if n < 3 or one of them is constant. */
bool fit_spearman(
    const double *x, const double *y, size_t n, double *workspace, double *ret);

/*
 * Which of the probe's gradient norms stands on the x axis (theory.md 4.2).
 * TRAPEZOID and SIMPSON are means over the whole segment from x to x + d: they
 * belong with the smoothness at gamma = 1, ||dg|| / ||d||. With the maximum
 * over gamma, which on descent is that of the smallest gamma, Simpson gives
 * L1 = 0.82 on a law of 0.70 (S4 of theory.md, gammas 1/2 and 1).
 */
enum fit_regressor {
    FIT_REGRESSOR_START = 0,     /* G */
    FIT_REGRESSOR_TRAPEZOID = 1, /* (G + G')/2 */
    FIT_REGRESSOR_SIMPSON = 2,   /* (G + 4 Gmid + G')/6 */
};
/* NaN if a norm that it needs is NaN. Arguments are squares of norms. */
double fit_regressor(enum fit_regressor regressor, double grad_sq,
    double grad_mid_sq, double grad_end_sq);

/* All of it for one set of pairs: what the CLI and the daemon report. */
#define FIT_METHODS 6
struct fit_report {
    size_t n;          /* pairs used */
    size_t n_excluded; /* pairs left out: x or y missing or not finite */
    double x_min, x_max, y_min, y_max; /* NaN if n is 0 */
    struct {
        const char *method; /* "nnls_relative", "ols", "nnls", "quantile",
                               "quantile", "envelope" */
        double tau;         /* of quantile; else NaN */
        bool valid;
        struct fit_line line;
    } fits[FIT_METHODS];
    bool has_loglog;
    struct fit_loglog loglog;
    bool has_spearman;
    double spearman;
};
/* Below this many pairs nothing is estimated: n, n_excluded and the ranges
 * only. */
#define FIT_N_MIN 30
/* Pairs in any state; n_min: FIT_N_MIN, or less where a user asks for it.
 * false: out of memory. Allocates and frees its workspace. */
bool fit_report(const double *x, const double *y, size_t n, size_t n_min,
    struct fit_report *ret);

#endif

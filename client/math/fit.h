/*
 * fit: estimators of (L0, L1) in y <= L0 + L1 x, with x a gradient norm and y
 * a local smoothness (Zhang et al. 2020, Definition 1). Pure functions on
 * arrays: no I/O, no clock; memory only where a workspace is named.
 * Non-finite pairs must have been left out by the caller (fit_clean).
 * A fit without enough data is absent (false), not a number.
 */
#ifndef TRAJ_FIT_H
#define TRAJ_FIT_H

#include <stdbool.h>
#include <stddef.h>

struct fit_line {
    double L0;
    double L1;
};

/* Copies the pairs with finite x, y > 0 kept in order; returns how many.
 * x_out, y_out may alias x, y. */
size_t fit_clean(
    const double *x, const double *y, size_t n, double *x_out, double *y_out);

/* Ordinary least squares, unconstrained. Absent if n < 2 or all x equal. */
bool fit_ols(const double *x, const double *y, size_t n, struct fit_line *ret);

/* Least squares with L0, L1 >= 0 and weights w (NULL = 1). Absent if n < 2. */
bool fit_nnls(const double *x, const double *y, const double *w, size_t n,
    struct fit_line *ret);

/* Relative-error NNLS: weights 1/yhat^2, three rounds, floored at 1e-3 of
 * their median (theory.md 4.4, method 1). workspace: 2n doubles. */
bool fit_nnls_relative(const double *x, const double *y, size_t n,
    double *workspace, struct fit_line *ret);

/* Quantile regression with L0, L1 >= 0 of the pinball loss at tau, exact
 * (theory.md 4.4, method 2). workspace: 2n doubles. */
bool fit_quantile(const double *x, const double *y, size_t n, double tau,
    double *workspace, struct fit_line *ret);

/* Upper envelope: min sum(L0 + L1 x - y) subject to L0 + L1 x >= y and
 * L0, L1 >= 0 (method 4): a certificate for these samples, no estimate.
 * workspace: 2n doubles. */
bool fit_envelope(const double *x, const double *y, size_t n, double *workspace,
    struct fit_line *ret);

struct fit_loglog {
    double slope; /* least squares of log y on log x */
    double intercept;
    double pearson_r;
};
/* Absent if fewer than 3 pairs or log x constant. */
bool fit_loglog(
    const double *x, const double *y, size_t n, struct fit_loglog *ret);

/* Spearman's rank correlation with mid-ranks for ties. workspace: 4n doubles.
 * Absent if n < 3 or one of them is constant. */
bool fit_spearman(
    const double *x, const double *y, size_t n, double *workspace, double *ret);

/* Which of the probe's gradient norms stands on the x axis
 * (theory.md 4.2). */
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
    size_t n_excluded; /* pairs left out: missing, non-finite, y or x <= 0 */
    double x_min, x_max, y_min, y_max;
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
/* Below this many pairs, no L0 and L1 are reported. */
#define FIT_N_MIN 30
/* Pairs in any state; n_min: FIT_N_MIN, or less where a user asks for it.
 * false: out of memory. Allocates and frees its workspace. */
bool fit_report(const double *x, const double *y, size_t n, size_t n_min,
    struct fit_report *ret);

#endif

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

/* What costs more than O(n) is done with at most so many samples, evenly spaced
 * in the order given: those of fit_thin_index. */
#define FIT_THIN_MAX 4096
size_t fit_thin(size_t n);
size_t fit_thin_index(size_t n, size_t i); /* i < fit_thin(n) */

/* Doubles that are enough for the workspace of any function here. */
static inline size_t fit_workspace(size_t n)
{
    const size_t thin = n < FIT_THIN_MAX ? n : FIT_THIN_MAX;
    return 6 * n + 8 * thin + 8;
}

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

/* Expectile regression with L0, L1 >= 0 (method 3): the minimiser of
 *   sum (y - yhat)^2 + lambda sum max(0, y - yhat)^2,
 * the fit of 2505.13416, which is the tau-expectile, tau = (1 + lambda)/(2 +
 * lambda). Exact to rounding. Absent unless 0 <= lambda <= FIT_LAMBDA_MAX.
 * workspace: 3n doubles. */
#define FIT_LAMBDA_MAX 1e9
#define FIT_LAMBDA_DEFAULT 8.0 /* tau = 0.9 */
bool fit_expectile(const double *x, const double *y, size_t n, double lambda,
    double *workspace, struct fit_line *ret);

/* Upper envelope: min sum(L0 + L1 x - y) subject to L0 + L1 x >= y and
 * L0, L1 >= 0 (method 4): a certificate for these samples, no estimate; it
 * holds for each of them in double arithmetic. workspace: 2n + 2 doubles. */
bool fit_envelope(const double *x, const double *y, size_t n, double *workspace,
    struct fit_line *ret);

/* The one that is lowest at abscissa c instead of at the mean of x: min
 * L0 + L1 c. c = 3/2 eps minimises the bound K of 2410.10800 on the steps to
 * ||g|| <= eps, c = G is the tightest at the norm G. Absent if c is NaN. */
bool fit_envelope_at(const double *x, const double *y, size_t n, double c,
    double *workspace, struct fit_line *ret);

/* The envelope without the n/100 (rounded down) samples of the largest y/yhat,
 * yhat of the relative fit, fit_nnls_relative's; of samples that tie at the
 * limit none is dropped, so that their order does not matter. workspace:
 * 4n + 2 doubles. */
#define FIT_ROBUST_ONE_IN 100
bool fit_envelope_robust(const double *x, const double *y, size_t n,
    struct fit_line relative, double *workspace, struct fit_line *ret);

/* All valid pairs of these samples, x >= 0: the vertices of the frontier L0(b),
 * as fit_hull_frontier gives them, into ret (room for n + 1). Returns how many;
 * 0 for n = 0. workspace: 2n + 2 doubles. */
size_t fit_frontier(const double *x, const double *y, size_t n,
    double *workspace, struct fit_line *ret);

/* The methods that give a line, for callers that are told which. */
enum fit_method {
    FIT_NNLS_RELATIVE = 1,
    FIT_OLS = 2,
    FIT_NNLS = 3,
    FIT_QUANTILE = 4,
    FIT_EXPECTILE = 5,
    FIT_ENVELOPE = 6,
    FIT_ENVELOPE_ROBUST = 7,
};
struct fit_spec {
    enum fit_method method;
    double tau;    /* of QUANTILE */
    double lambda; /* of EXPECTILE */
    double c;      /* of ENVELOPE; NaN = the mean of x */
};
/* Absent also if there is no such method. */
bool fit_by(const struct fit_spec *spec, const double *x, const double *y,
    size_t n, double *workspace, struct fit_line *ret);

/* psi(z) = (e^z - 1)/z, 1 at 0: by how much a step of length r may raise the
 * smoothness of a law, z = L1 r (2410.10800; theory.md 4.1). */
double fit_psi(double z);

/*
 * The law behind samples of steps that are not short, for x = ||g|| at their
 * start (theory.md 4.2): (L0, L1)-smoothness bounds y by (L0 + L1 x) psi(L1 r),
 * r the length of the step, so the law is that of y/psi(L1 r), with its own
 * L1: the fixed point of fitting and correcting. With an envelope it is the
 * least law that these samples do not refute. Where a fit jumps across the
 * fixed point, as a quantile can, it is the one between the fits on both sides.
 * Absent if a fit is, or if FIT_CORRECTED_ROUNDS fits were not enough. r >= 0.
 * workspace: n more than spec's.
 */
#define FIT_CORRECTED_ROUNDS 100
struct fit_corrected {
    struct fit_line line;
    unsigned rounds; /* fits that were made */
};
bool fit_corrected(const struct fit_spec *spec, const double *x,
    const double *y, const double *r, size_t n, double *workspace,
    struct fit_corrected *ret);

/* ---- compared by what they predict ---------------------------------------
 */

#define FIT_FOLDS 5

/*
 * y = L0 + L1 x^rho (method 6), rho on the grid 0, 1/4, .., 2; each by
 * fit_nnls_relative, rho = 0 the constant. Chosen is the rho with the least
 * score: the root mean square of ln y - ln yhat, each of FIT_FOLDS contiguous
 * blocks predicted by a fit to the others (blocked cross-validation), on at
 * most FIT_THIN_MAX samples; the line is fitted to all. Samples must be in the
 * order of time; those with x < 0 or y <= 0 are left out. Absent for fewer
 * than FIT_FOLDS of them, or if no rho predicts each block.
 * workspace: fit_workspace(n).
 */
#define FIT_POWERS 9
#define FIT_POWER_STEP 0.25
struct fit_power {
    size_t n; /* samples with x >= 0 and y > 0 */
    double rho;
    struct fit_line line;
    double scores[FIT_POWERS]; /* Inf: a block's fit is undetermined or 0 */
};
bool fit_power(const double *x, const double *y, size_t n, double *workspace,
    struct fit_power *ret);

/* The same law for a given rho >= 0. workspace: 5n doubles. */
bool fit_power_at(const double *x, const double *y, size_t n, double rho,
    double *workspace, struct fit_line *ret);

/*
 * Rivals of the gradient norm (method 7): y = L0 + L1 x + H1 (f - f*) with some
 * of the terms left out, coefficients >= 0, by relative errors ((H0, H1) of
 * 2510.03164 is L0 and H1 without x). Scores as fit_power's. least_loss: f*, or
 * NaN for the least loss among the samples. Samples in the order of time, in
 * any state; those where x, y or loss is not finite, x < 0, y <= 0 or f < f*
 * are left out and counted. A rival is absent if its columns do not determine
 * it; all are (false) with fewer than FIT_FOLDS samples.
 * workspace: fit_workspace(n).
 */
#define FIT_RIVALS 4
enum fit_rival_law {
    FIT_RIVAL_CONSTANT = 0,
    FIT_RIVAL_GRADIENT = 1,
    FIT_RIVAL_GAP = 2,
    FIT_RIVAL_BOTH = 3,
};
struct fit_rival {
    bool valid;
    double L0, L1, H1; /* 0 where the term is left out */
    double score;      /* Inf: as of fit_power */
};
struct fit_rivals {
    size_t n, n_excluded;
    double least_loss;
    bool least_is_seen; /* it is the least of the samples, not told */
    struct fit_rival of[FIT_RIVALS];
    enum fit_rival_law best; /* of the least score */
};
bool fit_rivals(const double *x, const double *y, const double *loss, size_t n,
    double least_loss, double *workspace, struct fit_rivals *ret);

/* ---- without a law -------------------------------------------------------
 */

/* The median of the slopes of all pairs of two samples with different x (Theil
 * 1950, Sen 1968), of an even number the mean of the middle two; exact to
 * rounding, of at most FIT_THIN_MAX samples. Meant for logarithms: |x| and |y|
 * below 2^20. Absent if no two x differ. workspace: 8 fit_thin(n) doubles. */
bool fit_median_slope(
    const double *x, const double *y, size_t n, double *workspace, double *ret);

struct fit_loglog {
    size_t n;     /* pairs with x > 0 and y > 0: those that have logarithms */
    double slope; /* least squares of ln y on ln x */
    double intercept;
    double pearson_r; /* NaN if ln y is constant */
    double theil_sen; /* fit_median_slope of ln y on ln x */
};
/* The slope of a law L0 + L1 x is L1 x/(L0 + L1 x): below 1 it refutes no such
 * law (theory.md 4.4, 6). Absent if fewer than 3 such pairs or ln x constant.
 * workspace: fit_workspace(n). */
bool fit_loglog(const double *x, const double *y, size_t n, double *workspace,
    struct fit_loglog *ret);

/* Spearman's rank correlation with mid-ranks for ties. workspace: 6n doubles.
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
#define FIT_METHODS 10
struct fit_report {
    size_t n;          /* pairs used */
    size_t n_excluded; /* pairs left out: x or y missing or not finite */
    double x_min, x_max, y_min, y_max; /* NaN if n is 0 */
    struct {
        const char *method; /* "nnls_relative", "ols", "nnls", "quantile" (of
                               four tau), "expectile", "envelope",
                               "envelope_robust" */
        double tau;         /* of quantile and expectile; else NaN */
        bool valid;
        struct fit_line line;
    } fits[FIT_METHODS];
    bool has_power;
    struct fit_power power;
    bool has_loglog;
    struct fit_loglog loglog;
    bool has_spearman;
    double spearman;
};
/* What fits[i] is of, i < FIT_METHODS. */
enum fit_method fit_report_method(size_t i);
/* Below this many pairs nothing is estimated: n, n_excluded and the ranges
 * only. */
#define FIT_N_MIN 30
/* Pairs in any state, in the order of time; n_min: FIT_N_MIN, or less where a
 * user asks for it. false: out of memory. Allocates and frees its workspace. */
bool fit_report(const double *x, const double *y, size_t n, size_t n_min,
    struct fit_report *ret);

#endif

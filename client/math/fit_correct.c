/* fit_correct.c: any method by name, and the correction for finite steps.
 * Pure; any thread. */
#include "math/fit.h"

#include <math.h>

#define TOLERANCE 1e-13 /* of L1, between two rounds */

bool fit_by(const struct fit_spec *spec, const double *x, const double *y,
    size_t n, double *workspace, struct fit_line *ret)
{
    struct fit_line relative;
    switch (spec->method) {
    case FIT_NNLS_RELATIVE:
        return fit_nnls_relative(x, y, n, workspace, ret);
    case FIT_OLS:
        return fit_ols(x, y, n, ret);
    case FIT_NNLS:
        return fit_nnls(x, y, NULL, n, ret);
    case FIT_QUANTILE:
        return fit_quantile(x, y, n, spec->tau, workspace, ret);
    case FIT_EXPECTILE:
        return fit_expectile(x, y, n, spec->lambda, workspace, ret);
    case FIT_ENVELOPE:
        return isnan(spec->c)
                   ? fit_envelope(x, y, n, workspace, ret)
                   : fit_envelope_at(x, y, n, spec->c, workspace, ret);
    case FIT_ENVELOPE_ROBUST:
        return fit_nnls_relative(x, y, n, workspace, &relative) &&
               fit_envelope_robust(x, y, n, relative, workspace, ret);
    }
    return false;
}

double fit_psi(double z)
{
    return z > 0 || z < 0 ? expm1(z) / z : 1 + z; /* NaN stays NaN */
}

/* The fit to y/psi(L1 r). */
static bool fit_at(const struct fit_spec *spec, const double *x,
    const double *y, const double *r, size_t n, double L1, double *workspace,
    struct fit_line *ret)
{
    double *corrected = workspace;
    for (size_t i = 0; i < n; i++) {
        corrected[i] = y[i] / fit_psi(L1 * r[i]);
    }
    return fit_by(spec, x, corrected, n, workspace + n, ret);
}

/* An L1 that was tried, and the fit to what it corrects. */
struct trial {
    bool is;
    double L1;
    struct fit_line line;
};

static double excess(const struct trial *trial)
{
    return trial->line.L1 - trial->L1;
}

/* Between two fits, the one whose slope is what both were corrected with but
 * for rounding. */
static struct fit_line mix(const struct trial *lo, const struct trial *hi)
{
    const double part = excess(lo) / (excess(lo) - excess(hi));
    return (struct fit_line){
        .L0 = lo->line.L0 + part * (hi->line.L0 - lo->line.L0),
        .L1 = lo->line.L1 + part * (hi->line.L1 - lo->line.L1),
    };
}

/* Where the line through the last two trials says, inside the bracket; its
 * middle where that does not close in. */
static double next_L1(const struct trial *lo, const struct trial *hi,
    const struct trial *last, const struct trial *now)
{
    if (!lo->is || !hi->is) {
        return now->line.L1; /* the plain round */
    }
    const double rise = excess(now) - excess(last);
    const double secant = now->L1 - excess(now) * (now->L1 - last->L1) / rise;
    const bool slow = fabs(excess(now)) > fabs(excess(last)) / 2;
    return secant > lo->L1 && secant < hi->L1 && !slow
               ? secant
               : lo->L1 + (hi->L1 - lo->L1) / 2;
}

/*
 * A larger L1 corrects more and so gets a smaller one back: the rounds step
 * over the fixed point and back. Two of them on either side of it are a
 * bracket, which secants close.
 */
bool fit_corrected(const struct fit_spec *spec, const double *x,
    const double *y, const double *r, size_t n, double *workspace,
    struct fit_corrected *ret)
{
    struct trial lo = { .is = false };
    struct trial hi = { .is = false };
    struct trial last = { .is = false };
    struct trial now = { .is = true };
    for (unsigned round = 1; round <= FIT_CORRECTED_ROUNDS; round++) {
        if (!fit_at(spec, x, y, r, n, now.L1, workspace, &now.line)) {
            return false;
        }
        const double tolerance = TOLERANCE * fabs(now.line.L1);
        if (fabs(excess(&now)) <= tolerance) {
            *ret = (struct fit_corrected){ .line = now.line, .rounds = round };
            return true;
        }
        *(excess(&now) > 0 ? &lo : &hi) = now;
        if (lo.is && hi.is && hi.L1 - lo.L1 <= TOLERANCE * fabs(hi.L1)) {
            const struct fit_line line = mix(&lo, &hi);
            *ret = (struct fit_corrected){ .line = line, .rounds = round };
            return true;
        }
        const double next = next_L1(&lo, &hi, &last, &now);
        last = now;
        now.L1 = next;
    }
    return false;
}

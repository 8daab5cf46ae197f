/* fit_correct.c: any method by name, and the correction for finite steps.
 * Pure; any thread. */
#include "math/fit.h"

#include <math.h>

#define TOLERANCE 1e-13 /* of L1, between two rounds */

bool fit_by(const struct fit_spec *spec, const double *x, const double *y,
    size_t n, double *workspace, struct fit_line *ret)
{
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
        return fit_envelope_robust(x, y, n, workspace, ret);
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

/*
 * A larger L1 corrects more, and so gives a smaller one back: the rounds step
 * over the fixed point and back. Where they do not come closer, L1 goes only a
 * part of the way.
 */
bool fit_corrected(const struct fit_spec *spec, const double *x,
    const double *y, const double *r, size_t n, double *workspace,
    struct fit_corrected *ret)
{
    double L1 = 0;
    double part = 1;
    double last = 0;
    for (unsigned round = 1; round <= FIT_CORRECTED_ROUNDS; round++) {
        struct fit_line line;
        if (!fit_at(spec, x, y, r, n, L1, workspace, &line)) {
            return false;
        }
        const double step = line.L1 - L1;
        if (fabs(step) <= TOLERANCE * fabs(line.L1)) {
            *ret = (struct fit_corrected){ .line = line, .rounds = round };
            return true;
        }
        if (round > 2 && fabs(step) > fabs(last) / 2) {
            part /= 2;
        }
        last = step;
        L1 += part * step;
    }
    return false;
}

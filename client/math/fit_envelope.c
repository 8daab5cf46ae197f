/*
 * fit_envelope.c: the lowest line above all samples, or above most of them.
 * Pure; any thread.
 *
 * sum(L0 + L1 x_i - y_i) = n (L0 + L1 xbar) - const, so the envelope is the
 * line through the edge of the upper convex hull that spans xbar; another
 * abscissa c in its place asks for the line that is lowest there. L0 >= 0 is
 * the constraint of one more sample, (0,0).
 */
#include "math/fit.h"
#include <math.h>

#include "math/fit_hull.h"
#include "math/order.h"
#include "math/scale.h"
#include "sum.h"

/* The least intercept for which the line holds for every sample as doubles
 * compute it: the bound is a certificate, so rounding must not break it. */
static double certify(
    const double *x, const double *y, size_t n, double intercept, double slope)
{
    double a = intercept;
    for (size_t i = 0; i < n; i++) {
        while (a + slope * x[i] < y[i]) {
            double missing = y[i] - (a + slope * x[i]);
            a = nextafter(a + missing, (double)INFINITY);
        }
    }
    return a;
}

bool fit_envelope_at(const double *x, const double *y, size_t n, double c,
    double *workspace, struct fit_line *ret)
{
    if (!fit_determined(x, n) || isnan(c)) {
        return false;
    }
    struct xy *hull = (struct xy *)workspace;
    const size_t in_hull = fit_hull_build(x, y, n, FIT_HULL_WITH_ORIGIN, hull);
    const struct fit_line line = fit_hull_support(hull, in_hull, c);
    *ret = (struct fit_line){
        .L0 = certify(x, y, n, line.L0, line.L1),
        .L1 = line.L1,
    };
    return true;
}

/* xbar, kept below the largest x, so that both sides have a sample. */
static double mean_inside(const double *x, size_t n)
{
    const int exponent = scale_exponent_of(x, n);
    const double factor = scale_factor(exponent);
    struct sum total = { 0 };
    double least = (double)INFINITY;
    double most = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        sum_add(&total, x[i] * factor);
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    const double mean = ldexp(sum_value(&total) / (double)n, exponent);
    return fmin(fmax(mean, least), nextafter(most, least));
}

bool fit_envelope(const double *x, const double *y, size_t n, double *workspace,
    struct fit_line *ret)
{
    return fit_determined(x, n) &&
           fit_envelope_at(x, y, n, mean_inside(x, n), workspace, ret);
}

bool fit_envelope_robust(const double *x, const double *y, size_t n,
    struct fit_line relative, double *workspace, struct fit_line *ret)
{
    double *ratio = workspace + 2 * n;
    if (!fit_determined(x, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const double yhat = relative.L0 + relative.L1 * x[i];
        ratio[i] = yhat > 0 ? y[i] / yhat : y[i] > 0 ? (double)INFINITY : 0;
        workspace[i] = ratio[i];
    }
    const size_t dropped = n / FIT_ROBUST_ONE_IN;
    const double most = order_select(workspace, n, n - 1 - dropped);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (ratio[i] <= most) {
            workspace[kept] = x[i];
            workspace[n + kept] = y[i];
            kept++;
        }
    }
    return fit_envelope(workspace, workspace + n, kept, workspace + 2 * n, ret);
}

size_t fit_frontier(const double *x, const double *y, size_t n,
    double *workspace, struct fit_line *ret)
{
    if (n == 0) {
        return 0;
    }
    struct xy *hull = (struct xy *)workspace;
    const size_t in_hull = fit_hull_build(x, y, n, FIT_HULL_WITH_ORIGIN, hull);
    return fit_hull_frontier(hull, in_hull, ret);
}

/*
 * fit_expectile.c: least squares with the weight 1 + lambda on the samples
 * above the line. Pure; any thread.
 *
 * The loss is convex with a continuous gradient, and quadratic wherever the
 * set of samples above the line is the same. So each pass of reweighting is a
 * step of Newton's method, exact as soon as the set is that of the optimum. A
 * step that would raise the loss ends at the lowest line on its way, which
 * makes the method converge from anywhere.
 */
#include "math/fit.h"

#include <math.h>

#include "math/scale.h"
#include "sum.h"

#define PASSES_MAX 100
#define HALVINGS 50
#define ROUNDING 1e-13 /* of the loss, a sum with compensation */
#define STALE_MAX 4    /* passes that do not lower it */

struct problem {
    const double *x, *y;
    size_t n;
    double fy; /* a power of two that brings y near 1 */
    double lambda;
};

static bool is_above(const struct problem *p, size_t i, struct fit_line line)
{
    return p->y[i] > line.L0 + line.L1 * p->x[i];
}

/* The weights for a line; whether one of them is another than before. */
static bool reweigh(const struct problem *p, struct fit_line line, double *w)
{
    bool changed = false;
    for (size_t i = 0; i < p->n; i++) {
        const double weight = is_above(p, i, line) ? 1 + p->lambda : 1;
        changed |= w[i] < weight || w[i] > weight;
        w[i] = weight;
    }
    return changed;
}

static double loss(const struct problem *p, struct fit_line line)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < p->n; i++) {
        const double yhat = line.L0 + line.L1 * p->x[i];
        const double r = p->y[i] * p->fy - yhat * p->fy;
        sum_add(&total, r > 0 ? (1 + p->lambda) * r * r : r * r);
    }
    return sum_value(&total);
}

static struct fit_line along(struct fit_line a, struct fit_line b, double t)
{
    return (struct fit_line){
        .L0 = a.L0 + t * (b.L0 - a.L0),
        .L1 = a.L1 + t * (b.L1 - a.L1),
    };
}

/* The derivative of the loss at `at` in the direction from a to b, less a
 * positive factor. */
static double slope(const struct problem *p, struct fit_line a,
    struct fit_line b, struct fit_line at)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < p->n; i++) {
        const double r = p->y[i] - at.L0 - at.L1 * p->x[i];
        const double step = b.L0 - a.L0 + (b.L1 - a.L1) * p->x[i];
        const double w = r > 0 ? 1 + p->lambda : 1;
        sum_add(&total, -w * (r * p->fy) * (step * p->fy));
    }
    return sum_value(&total);
}

/* The lowest line between a and b, by bisection; just beyond it, where the set
 * of samples above is another than a's. */
static struct fit_line search(
    const struct problem *p, struct fit_line a, struct fit_line b)
{
    double lo = 0;
    double hi = 1;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (lo + hi) / 2;
        if (slope(p, a, b, along(a, b, middle)) < 0) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    return along(a, b, hi);
}

/* From a line to the best one; w: n doubles. */
static bool descend(const struct problem *p, double *w, struct fit_line start,
    struct fit_line *ret)
{
    struct fit_line line = start;
    double least = loss(p, line);
    int stale = 0;
    for (size_t i = 0; i < p->n; i++) {
        w[i] = 0;
    }
    for (int pass = 0; pass < PASSES_MAX && reweigh(p, line, w); pass++) {
        struct fit_line next;
        if (!fit_nnls(p->x, p->y, w, p->n, &next)) {
            return false;
        }
        double value = loss(p, next);
        if (value > least * (1 + ROUNDING)) {
            next = search(p, line, next);
            value = loss(p, next);
        }
        /* Near the optimum the loss is flat: the next line is the better one
         * though the loss does not see it. But not for ever. */
        stale += !(value < least);
        if (stale > STALE_MAX || value > least * (1 + ROUNDING)) {
            break;
        }
        line = next;
        least = fmin(least, value);
    }
    *ret = line;
    return true;
}

/* The best line of FIT_THIN_MAX samples: near that of all. */
static bool start_thin(
    const struct problem *p, double *workspace, struct fit_line *ret)
{
    const size_t n = fit_thin(p->n);
    double *x = workspace;
    double *y = workspace + n;
    for (size_t i = 0; i < n; i++) {
        const size_t from = fit_thin_index(p->n, i);
        x[i] = p->x[from];
        y[i] = p->y[from];
    }
    struct problem thin = *p;
    thin.x = x;
    thin.y = y;
    thin.n = n;
    return fit_nnls(x, y, NULL, n, ret) &&
           descend(&thin, workspace + 2 * n, *ret, ret);
}

bool fit_expectile(const double *x, const double *y, size_t n, double lambda,
    double *workspace, struct fit_line *ret)
{
    const struct problem p = {
        .x = x,
        .y = y,
        .n = n,
        .fy = scale_factor(scale_exponent_of(y, n)),
        .lambda = lambda,
    };
    struct fit_line start;
    if (!(lambda >= 0 && lambda <= FIT_LAMBDA_MAX)) {
        return false;
    }
    const bool many = n > FIT_THIN_MAX;
    if (!(many && start_thin(&p, workspace, &start)) &&
        !fit_nnls(x, y, NULL, n, &start)) {
        return false;
    }
    return descend(&p, workspace, start, ret);
}

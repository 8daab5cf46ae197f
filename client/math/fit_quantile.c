/*
 * fit_quantile.c: quantile regression of a line with L0, L1 >= 0, exactly.
 * Pure; any thread.
 *
 * For a slope b the best intercept is a(b) = max(0, tau-quantile of y - b x),
 * and the loss at (a(b), b) is convex in b. So b is found by bisection on the
 * sign of the subgradient. The bisection halves the *bit patterns* of doubles,
 * which are ordered like the doubles themselves when these are >= 0: 63
 * halvings reach two neighbours, whether b is 1e-30 or 1e30. The optimum lies
 * between the two; it is a line through two data points (or the origin), so
 * the nearest such line is tried last, and the best of the three is kept.
 */
#include "math/fit.h"
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "math/order.h"
#include "math/scale.h"
#include "sum.h"

struct problem {
    const double *x, *y;
    double fx, fy; /* powers of two that bring x and y near 1 */
    size_t n;
    double tau;
    double *rest;    /* y - b x, by index */
    double *scratch; /* the same, reordered */
};

static double px(const struct problem *p, size_t i)
{
    return p->x[i] * p->fx;
}

static double py(const struct problem *p, size_t i)
{
    return p->y[i] * p->fy;
}

/* a(b); leaves y - b x in p->rest. */
static double best_intercept(const struct problem *p, double b)
{
    for (size_t i = 0; i < p->n; i++) {
        p->rest[i] = py(p, i) - b * px(p, i);
    }
    memcpy(p->scratch, p->rest, p->n * sizeof *p->rest);
    double rank = ceil(p->tau * (double)p->n);
    size_t k = rank < 1 ? 0 : (size_t)rank - 1;
    return fmax(0, order_select(p->scratch, p->n, k < p->n ? k : p->n - 1));
}

/*
 * A subgradient of the loss along b at (a(b), b). Residuals that are zero may
 * pull with anything in [tau-1, tau]: with a > 0 all pulls sum to zero, so
 * they share what is missing; at a = 0 nothing has to be missing.
 */
static double slope_gradient(const struct problem *p, double b)
{
    const double a = best_intercept(p, b);
    struct sum pull_x = { 0 };
    struct sum zero_x = { 0 };
    double pull = 0;
    size_t zeros = 0;
    for (size_t i = 0; i < p->n; i++) {
        double x = px(p, i);
        if (p->rest[i] > a) {
            sum_add(&pull_x, p->tau * x);
            pull += p->tau;
        } else if (p->rest[i] < a) {
            sum_add(&pull_x, (p->tau - 1) * x);
            pull += p->tau - 1;
        } else {
            sum_add(&zero_x, x);
            zeros++;
        }
    }
    double share = 0;
    if (a > 0 && zeros > 0) {
        share = -pull / (double)zeros;
    }
    return -sum_value(&pull_x) - share * sum_value(&zero_x);
}

static double between(double lo, double hi)
{
    uint64_t lo_bits = 0;
    uint64_t hi_bits = 0;
    memcpy(&lo_bits, &lo, sizeof lo);
    memcpy(&hi_bits, &hi, sizeof hi);
    const uint64_t bits = lo_bits + (hi_bits - lo_bits) / 2;
    double middle = 0;
    memcpy(&middle, &bits, sizeof bits);
    return middle;
}

/* Neighbouring slopes around the optimum; both 0 if it is at 0. */
static void bisect(const struct problem *p, double *ret_lo, double *ret_hi)
{
    double lo = 0;
    double hi = slope_gradient(p, 0) < 0 ? 0x1p900 : 0;
    for (;;) {
        double middle = between(lo, hi);
        if (middle <= lo) {
            break;
        }
        if (slope_gradient(p, middle) < 0) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    *ret_lo = lo;
    *ret_hi = hi;
}

/* The line through the point that the optimum at slope b touches (the origin
 * if a = 0) and the second point whose line is closest to that slope. */
static struct fit_line snap(const struct problem *p, double b)
{
    const double a = best_intercept(p, b);
    double at_x = 0;
    double at_y = 0;
    for (size_t i = 0; a > 0 && i < p->n; i++) {
        if (!(p->rest[i] < a) && !(p->rest[i] > a)) {
            at_x = px(p, i);
            at_y = py(p, i);
            break;
        }
    }
    double nearest = b;
    double distance = (double)INFINITY;
    for (size_t i = 0; i < p->n; i++) {
        double slope = (py(p, i) - at_y) / (px(p, i) - at_x);
        if (isfinite(slope) && fabs(slope - b) < distance) {
            distance = fabs(slope - b);
            nearest = slope;
        }
    }
    double snapped = fmax(0, nearest);
    /* A line through the origin: what rounding leaves of 0 is no intercept. */
    double left = at_y - snapped * at_x;
    bool rounding = fabs(left) <= 4 * DBL_EPSILON * fabs(at_y);
    return (
        struct fit_line){ .L0 = rounding ? 0 : fmax(0, left), .L1 = snapped };
}

double fit_pinball(const double *x, const double *y, size_t n, double tau,
    struct fit_line line)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        double r = y[i] - line.L0 - line.L1 * x[i];
        sum_add(&total, r * (r < 0 ? tau - 1 : tau));
    }
    return sum_value(&total);
}

static double scaled_loss(const struct problem *p, struct fit_line line)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < p->n; i++) {
        double r = py(p, i) - line.L0 - line.L1 * px(p, i);
        sum_add(&total, r * (r < 0 ? p->tau - 1 : p->tau));
    }
    return sum_value(&total);
}

static struct fit_line solve(const struct problem *p)
{
    double lo = 0;
    double hi = 0;
    bisect(p, &lo, &hi);
    const struct fit_line candidates[] = {
        snap(p, lo),
        { .L0 = best_intercept(p, lo), .L1 = lo },
        { .L0 = best_intercept(p, hi), .L1 = hi },
    };
    struct fit_line best = candidates[0];
    double least = scaled_loss(p, best);
    for (size_t i = 1; i < sizeof candidates / sizeof candidates[0]; i++) {
        double loss = scaled_loss(p, candidates[i]);
        if (loss < least) {
            least = loss;
            best = candidates[i];
        }
    }
    return best;
}

bool fit_quantile(const double *x, const double *y, size_t n, double tau,
    double *workspace, struct fit_line *ret)
{
    if (!fit_determined(x, n) || !(tau > 0 && tau < 1)) {
        return false;
    }
    const int x_exponent = scale_exponent_of(x, n);
    const int y_exponent = scale_exponent_of(y, n);
    const struct problem problem = {
        .x = x,
        .y = y,
        .fx = scale_factor(x_exponent),
        .fy = scale_factor(y_exponent),
        .n = n,
        .tau = tau,
        .rest = workspace,
        .scratch = workspace + n,
    };
    struct fit_line line = solve(&problem);
    *ret = (struct fit_line){
        .L0 = ldexp(line.L0, y_exponent),
        .L1 = ldexp(line.L1, y_exponent - x_exponent),
    };
    return true;
}

/*
 * fit_envelope.c: the lowest line above all samples. Pure; any thread.
 *
 * sum(L0 + L1 x_i - y_i) = n (L0 + L1 xbar) - const, so the envelope is the
 * line through the edge of the upper convex hull that spans xbar. L0 >= 0 is
 * the constraint of one more sample, (0,0). The edge is found without the
 * rest of the hull: from any two points that span xbar, take the sample that
 * is farthest above their line instead of the one on its side, until none is
 * above. The height at xbar rises each time, so this ends; each round costs
 * one pass, and few are needed (it is Newton's method on the dual).
 */
#include "math/fit.h"
#include <math.h>

#include "math/scale.h"
#include "sum.h"

struct point {
    double x, y;
};

struct samples {
    const double *x, *y;
    double fx, fy; /* powers of two that bring x and y near 1 */
    size_t n;
};

/* The samples, and the origin as number n. */
static struct point at(const struct samples *s, size_t i)
{
    if (i == s->n) {
        return (struct point){ 0, 0 };
    }
    return (struct point){ s->x[i] * s->fx, s->y[i] * s->fy };
}

/* xbar, kept below the largest x, so that both sides have a sample. */
static double query(const struct samples *s)
{
    struct sum total = { 0 };
    double least = at(s, 0).x;
    double most = at(s, 0).x;
    for (size_t i = 0; i < s->n; i++) {
        double x = at(s, i).x;
        sum_add(&total, x);
        least = fmin(least, x);
        most = fmax(most, x);
    }
    double mean = sum_value(&total) / (double)s->n;
    return fmin(fmax(mean, least), nextafter(most, least));
}

static struct point farthest_above(const struct samples *s, double slope)
{
    struct point best = at(s, s->n);
    double height = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct point p = at(s, i);
        if (p.y - slope * p.x > height) {
            height = p.y - slope * p.x;
            best = p;
        }
    }
    return best;
}

static double height_at(struct point left, struct point right, double x)
{
    double slope = (right.y - left.y) / (right.x - left.x);
    return left.y + slope * (x - left.x);
}

/* Slope of the hull's edge that spans c. */
static double edge_slope(const struct samples *s, double c)
{
    struct point left = { (double)INFINITY, 0 };
    struct point right = { -(double)INFINITY, 0 };
    for (size_t i = 0; i < s->n; i++) {
        struct point p = at(s, i);
        if (p.x <= c && p.x < left.x) {
            left = p;
        } else if (p.x > c && p.x > right.x) {
            right = p;
        }
    }
    double height = height_at(left, right, c);
    for (;;) {
        double slope = (right.y - left.y) / (right.x - left.x);
        struct point p = farthest_above(s, slope);
        struct point new_left = p.x <= c ? p : left;
        struct point new_right = p.x <= c ? right : p;
        double new_height = height_at(new_left, new_right, c);
        if (!(new_height > height)) {
            return slope;
        }
        left = new_left;
        right = new_right;
        height = new_height;
    }
}

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

bool fit_envelope(
    const double *x, const double *y, size_t n, struct fit_line *ret)
{
    if (!fit_determined(x, n)) {
        return false;
    }
    const int x_exponent = scale_exponent_of(x, n);
    const int y_exponent = scale_exponent_of(y, n);
    const struct samples s = {
        .x = x,
        .y = y,
        .fx = scale_factor(x_exponent),
        .fy = scale_factor(y_exponent),
        .n = n,
    };
    double slope = fmax(0, edge_slope(&s, query(&s)));
    struct point top = farthest_above(&s, slope);
    double L0 = ldexp(fmax(0, top.y - slope * top.x), y_exponent);
    double L1 = ldexp(slope, y_exponent - x_exponent);
    *ret = (struct fit_line){ .L0 = certify(x, y, n, L0, L1), .L1 = L1 };
    return true;
}

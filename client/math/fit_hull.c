/*
 * fit_hull.c: Andrew's monotone chain (1979), with exact orientation. Pure;
 * any thread.
 *
 * The sign of the area of a triangle is that of a difference of products,
 * and doubles know it unless it is as small as their rounding (Shewchuk 1997,
 * the filter of orient2d). Then it is taken from six products, each exact as
 * the sum of two doubles, and their exact sum.
 */
#include "math/fit_hull.h"

#include <math.h>
#include <string.h>

#include "math/scale.h"

/* Shewchuk's (3 + 16 e) e, e = 2^-53. */
#define FILTER 3.3306690738754716e-16
/* Products below it may have lost bits to underflow. */
#define UNDERFLOW 1e-250

/* Adds a value exactly to a sum of n doubles that do not overlap, smallest
 * first; there are n + 1 then. */
static size_t grow(double *terms, size_t n, double value)
{
    double total = value;
    for (size_t i = 0; i < n; i++) {
        const double sum = total + terms[i];
        const double part = sum - total;
        terms[i] = (total - (sum - part)) + (terms[i] - part);
        total = sum;
    }
    terms[n] = total;
    return n + 1;
}

static size_t grow_product(double *terms, size_t n, double a, double b)
{
    const double product = a * b;
    n = grow(terms, n, fma(a, b, -product));
    return grow(terms, n, product);
}

static struct xy scaled(struct xy p, double fx, double fy)
{
    return (struct xy){ p.x * fx, p.y * fy };
}

static double largest3(double a, double b, double c)
{
    return fmax(fabs(a), fmax(fabs(b), fabs(c)));
}

static int exact_turn(struct xy a, struct xy b, struct xy c)
{
    const double fx = scale_factor(scale_exponent(largest3(a.x, b.x, c.x)));
    const double fy = scale_factor(scale_exponent(largest3(a.y, b.y, c.y)));
    a = scaled(a, fx, fy);
    b = scaled(b, fx, fy);
    c = scaled(c, fx, fy);
    double terms[12];
    size_t n = grow_product(terms, 0, a.x, b.y);
    n = grow_product(terms, n, -a.y, b.x);
    n = grow_product(terms, n, b.x, c.y);
    n = grow_product(terms, n, -b.y, c.x);
    n = grow_product(terms, n, c.x, a.y);
    n = grow_product(terms, n, -c.y, a.x);
    while (n > 0) {
        n--;
        if (terms[n] > 0 || terms[n] < 0) {
            return terms[n] > 0 ? 1 : -1;
        }
    }
    return 0;
}

/* 1: c is to the left of the way from a to b; -1: to the right; 0: on it. */
static int turn(struct xy a, struct xy b, struct xy c)
{
    const double left = (b.x - a.x) * (c.y - a.y);
    const double right = (b.y - a.y) * (c.x - a.x);
    const double area = left - right;
    const double size = fabs(left) + fabs(right);
    if (size > UNDERFLOW && fabs(area) > FILTER * size && isfinite(area)) {
        return area > 0 ? 1 : -1;
    }
    return exact_turn(a, b, c);
}

size_t fit_hull_reduce(struct xy *points, size_t n)
{
    order_sort(points, n);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct xy p = points[i];
        if (kept > 0 && points[kept - 1].x >= p.x) {
            kept--; /* sorted, so it is as far right and not higher */
        }
        while (kept >= 2 && turn(points[kept - 2], p, points[kept - 1]) <= 0) {
            kept--;
        }
        points[kept++] = p;
    }
    return kept;
}

/* The first point of the hull with an x above, from 0 to n. */
static size_t first_right_of(const struct xy *hull, size_t n, double x)
{
    size_t lo = 0;
    size_t hi = n;
    while (lo < hi) {
        const size_t middle = lo + (hi - lo) / 2;
        if (hull[middle].x > x) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    return lo;
}

bool fit_hull_covers(const struct xy *hull, size_t n, struct xy point)
{
    const size_t right = first_right_of(hull, n, point.x);
    if (right == 0) {
        return false;
    }
    if (hull[right - 1].x >= point.x) {
        return hull[right - 1].y >= point.y;
    }
    return right < n && turn(hull[right - 1], hull[right], point) <= 0;
}

size_t fit_hull_insert(struct xy *hull, size_t n, struct xy point)
{
    if (fit_hull_covers(hull, n, point)) {
        return n;
    }
    /* hull[0 .. left) stays, hull[right .. n) stays, the point is between. */
    size_t right = first_right_of(hull, n, point.x);
    size_t left = right;
    if (left > 0 && hull[left - 1].x >= point.x) {
        left--;
    }
    while (left >= 2 && turn(hull[left - 2], point, hull[left - 1]) <= 0) {
        left--;
    }
    while (right + 2 <= n && turn(point, hull[right + 1], hull[right]) <= 0) {
        right++;
    }
    memmove(hull + left + 1, hull + right, (n - right) * sizeof *hull);
    hull[left] = point;
    return left + 1 + (n - right);
}

/* Points that the hull so far does not cover are put behind it; when there are
 * as many as it has, it is made anew, so that this is seldom. */
size_t fit_hull_build(const double *x, const double *y, size_t n,
    enum fit_hull_origin origin, struct xy *hull)
{
    const size_t waiting_max = 256;
    size_t in_hull = 0;
    size_t waiting = 0;
    if (origin == FIT_HULL_WITH_ORIGIN) {
        hull[waiting++] = (struct xy){ 0, 0 };
    }
    for (size_t i = 0; i < n; i++) {
        const struct xy point = { x[i], y[i] };
        if (fit_hull_covers(hull, in_hull, point)) {
            continue;
        }
        hull[in_hull + waiting++] = point;
        if (waiting >= waiting_max && waiting >= in_hull) {
            in_hull = fit_hull_reduce(hull, in_hull + waiting);
            waiting = 0;
        }
    }
    return fit_hull_reduce(hull, in_hull + waiting);
}

static double largest_y(const struct xy *hull, size_t n)
{
    double most = hull[0].y;
    for (size_t i = 1; i < n; i++) {
        most = fmax(most, hull[i].y);
    }
    return most;
}

/* The slope is that of scaled points, so that 1e200 over 1e-200 is one. */
static double edge_slope(struct xy left, struct xy right, int ex, int ey)
{
    left = scaled(left, scale_factor(ex), scale_factor(ey));
    right = scaled(right, scale_factor(ex), scale_factor(ey));
    return ldexp((right.y - left.y) / (right.x - left.x), ey - ex);
}

static int exponent_of_x(const struct xy *hull, size_t n)
{
    return scale_exponent(fmax(fabs(hull[0].x), fabs(hull[n - 1].x)));
}

static int exponent_of_y(const struct xy *hull, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(hull[i].y));
    }
    return scale_exponent(most);
}

struct fit_line fit_hull_support(const struct xy *hull, size_t n, double c)
{
    const size_t right = first_right_of(hull, n, c);
    double slope = 0;
    if (right > 0 && right < n) {
        slope = edge_slope(hull[right - 1], hull[right], exponent_of_x(hull, n),
            exponent_of_y(hull, n));
    }
    slope = fmax(0, slope);
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, hull[i].y - slope * hull[i].x);
    }
    return (struct fit_line){ .L0 = most, .L1 = slope };
}

size_t fit_hull_frontier(const struct xy *hull, size_t n, struct fit_line *ret)
{
    const double top = largest_y(hull, n);
    const int ex = exponent_of_x(hull, n);
    const int ey = exponent_of_y(hull, n);
    size_t kept = 0;
    ret[kept++] = (struct fit_line){ .L0 = fmax(0, top), .L1 = 0 };
    size_t at = 0;
    while (hull[at].y < top) {
        at++;
    }
    for (; at > 0; at--) {
        const double slope = edge_slope(hull[at - 1], hull[at], ex, ey);
        const struct xy p = hull[at - 1];
        ret[kept++] =
            (struct fit_line){ .L0 = fmax(0, p.y - slope * p.x), .L1 = slope };
    }
    return kept;
}

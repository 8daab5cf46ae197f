/*
 * fit_hull: the upper convex hull of points (x, y): all that an upper envelope
 * needs to know of them, usually a few dozen points of a million. It is the
 * same, bit for bit, in whatever order the points come and however they are
 * cut into parts, because orientation is decided exactly: points inside an
 * edge are no part of it, of equal x only the highest is. So hulls can be
 * kept per block and merged. Pure; the caller's memory; any thread.
 *
 * A hull is an array of points with ascending x and falling slopes; empty for
 * no points. Coordinates are finite. Orientation is exact unless coordinates
 * that meet differ by a factor above 2^400.
 */
#ifndef TRAJ_FIT_HULL_H
#define TRAJ_FIT_HULL_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit.h"
#include "math/order.h"

/* From points in any order, in place; returns how many are the hull. Merges,
 * too: the hull of several hulls, one after the other, is that of all their
 * points. O(n log n). */
size_t fit_hull_reduce(struct xy *points, size_t n);

/* The hull of n pairs, and of the origin if with_origin, into hull, which has
 * room for n + 1 points. O(n log h) and a little for a hull of h points. */
enum fit_hull_origin { FIT_HULL_PLAIN = 0, FIT_HULL_WITH_ORIGIN = 1 };
size_t fit_hull_build(const double *x, const double *y, size_t n,
    enum fit_hull_origin origin, struct xy *hull);

/* Adds a point to a hull of n with room for n + 1; returns how many there are
 * then. O(log n) where the hull covers the point already, else O(n). */
size_t fit_hull_insert(struct xy *hull, size_t n, struct xy point);

/* Whether the point is on the hull or below it. O(log n). */
bool fit_hull_covers(const struct xy *hull, size_t n, struct xy point);

/*
 * Of a hull with the origin: the line above it with L0, L1 >= 0 that is lowest
 * at abscissa c >= 0 (theory.md 4b). To rounding; fit_envelope makes of it one
 * that holds for each sample in double arithmetic. n > 0; the largest x is > 0,
 * else L1 = 0.
 */
struct fit_line fit_hull_support(const struct xy *hull, size_t n, double c);

/*
 * Of a hull with the origin, with x >= 0: the frontier
 *   L0(b) = max(0, max_i (y_i - b x_i)),   b >= 0,
 * below which no pair (L0, b) is valid: convex, falling, piecewise linear. Its
 * vertices, from (max y, 0) on, with rising L1, into ret, which has room for
 * n; returns how many, at least 1. Right of the last, L0 stays what it is
 * there: 0, or the largest y at x = 0. To rounding.
 */
size_t fit_hull_frontier(const struct xy *hull, size_t n, struct fit_line *ret);

#endif

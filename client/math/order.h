/* order: sorting and selecting, in place and without memory of their own. */
#ifndef TRAJ_ORDER_H
#define TRAJ_ORDER_H

#include <stddef.h>

/* A point; or a value x and what goes with it, such as where it came from. */
struct xy {
    double x, y;
};

/* Ascending by x, and by y where x is equal. No NaN. O(n log n). */
void order_sort(struct xy *points, size_t n);

/* Ascending by x, of equal x in the order that they had; room for n more points
 * is what makes it O(n). -0 comes before 0. No NaN. */
void order_sort_by_x(struct xy *points, size_t n, struct xy *room);

/* The k-th smallest of n values, k from 0; reorders them. 0 <= k < n, no NaN.
 * Expected n + min(k, n - k) comparisons and a little; also with many equal
 * values O(n). */
double order_select(double *values, size_t n, size_t k);

/* Lower median; reorders. n > 0. */
double order_median(double *values, size_t n);

/* The q-quantile, linear between order statistics (type 7 of Hyndman and Fan
 * 1996); reorders. n > 0, 0 <= q <= 1. */
double order_quantile(double *values, size_t n, double q);

#endif

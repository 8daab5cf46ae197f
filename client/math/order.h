/* order: sorting and selecting, in place and without memory of their own. */
#ifndef TRAJ_ORDER_H
#define TRAJ_ORDER_H

#include <stddef.h>

struct ranked {
    double value;
    double index; /* where it came from; exact below 2^53 */
};

/* Ascending by value; the order of equal values is not defined. No NaN. */
void order_sort(struct ranked *items, size_t n);

/* The k-th smallest of n values, k from 0; reorders them. 0 <= k < n, no NaN.
 * Expected O(n), also with many equal values. */
double order_select(double *values, size_t n, size_t k);

/* Lower median; reorders. n > 0. */
double order_median(double *values, size_t n);

#endif

/* sum: sums whose error does not grow with their length (Neumaier 1974: what
 * each addition rounds away is kept and added at the end). Inf and NaN come
 * out as a plain sum has them. */
#ifndef TRAJ_SUM_H
#define TRAJ_SUM_H

#include <math.h>

struct sum {
    double high;
    double low;
};

static inline void sum_add(struct sum *sum, double value)
{
    double total = sum->high + value;
    sum->low += fabs(sum->high) >= fabs(value) ? (sum->high - total) + value
                                               : (value - total) + sum->high;
    sum->high = total;
}

static inline double sum_value(const struct sum *sum)
{
    return isfinite(sum->high) ? sum->high + sum->low : sum->high;
}

#endif

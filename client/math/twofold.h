/*
 * twofold: numbers of 106 bits as the unevaluated sum of two doubles, |low| <=
 * half an ulp of high. For sums that are later taken from each other: with
 * x = 1e6 + noise, sum x^2 - (sum x)^2/n keeps 19 of its 31 digits.
 * Relative error of each operation below 2^-103 (Joldes, Muller, Popescu,
 * ACM TOMS 44(2), 2017: algorithms 1, 3, 4, 6, 9 and 12). Rounding to nearest;
 * products neither overflow nor fall below 2^-900.
 */
#ifndef TRAJ_TWOFOLD_H
#define TRAJ_TWOFOLD_H

#include <math.h>

struct twofold {
    double high;
    double low;
};

static inline struct twofold twofold_fast_sum(double large, double small)
{
    const double high = large + small;
    return (struct twofold){ high, small - (high - large) };
}

static inline struct twofold twofold_sum(double a, double b)
{
    const double high = a + b;
    const double part = high - a;
    return (struct twofold){ high, (a - (high - part)) + (b - part) };
}

static inline struct twofold twofold_product(double a, double b)
{
    const double high = a * b;
    return (struct twofold){ high, fma(a, b, -high) };
}

static inline struct twofold twofold_plus(struct twofold a, double b)
{
    const struct twofold s = twofold_sum(a.high, b);
    return twofold_fast_sum(s.high, a.low + s.low);
}

static inline struct twofold twofold_add(struct twofold a, struct twofold b)
{
    const struct twofold s = twofold_sum(a.high, b.high);
    const struct twofold t = twofold_sum(a.low, b.low);
    const struct twofold v = twofold_fast_sum(s.high, s.low + t.high);
    return twofold_fast_sum(v.high, t.low + v.low);
}

static inline struct twofold twofold_times(struct twofold a, double b)
{
    const struct twofold p = twofold_product(a.high, b);
    return twofold_fast_sum(p.high, fma(a.low, b, p.low));
}

static inline struct twofold twofold_mul(struct twofold a, struct twofold b)
{
    const struct twofold p = twofold_product(a.high, b.high);
    const double cross = fma(a.high, b.low, a.low * b.high);
    return twofold_fast_sum(p.high, p.low + (a.low * b.low + cross));
}

static inline struct twofold twofold_over(struct twofold a, double b)
{
    const double high = a.high / b;
    const struct twofold back = twofold_product(high, b);
    const double rest = (a.high - back.high) - back.low + a.low;
    return twofold_fast_sum(high, rest / b);
}

static inline struct twofold twofold_minus(struct twofold a, struct twofold b)
{
    return twofold_add(a, (struct twofold){ -b.high, -b.low });
}

static inline double twofold_value(struct twofold a)
{
    return a.high + a.low;
}

#endif

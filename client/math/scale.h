/* scale: powers of two that bring data near 1, so that squares of 1e-200 or
 * 1e200 neither vanish nor overflow. Scaling by them rounds nothing. */
#ifndef TRAJ_SCALE_H
#define TRAJ_SCALE_H

#include <math.h>
#include <stddef.h>

/* The exponent e for which |largest| * 2^-e is in [0.5, 1); 0 for 0. Kept
 * within 1000, so that 2^-e is a normal number. */
static inline int scale_exponent(double largest)
{
    int exponent = 0;
    (void)frexp(largest, &exponent);
    return exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : exponent;
}

static inline int scale_exponent_of(const double *v, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(v[i]));
    }
    return scale_exponent(largest);
}

static inline double scale_factor(int exponent)
{
    return ldexp(1, -exponent);
}

#endif

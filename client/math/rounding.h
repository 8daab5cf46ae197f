/* rounding: what is lost to it, for all that compares two gradients. */
#ifndef TRAJ_ROUNDING_H
#define TRAJ_ROUNDING_H

#include <math.h>

#define ROUNDING_TINY_STEP 1e-12 /* ||d||/||x|| below which d is rounding */
#define ROUNDING_FACTOR 10 /* times u: differences below it are rounding */

/* The norm of the errors of rounding to nearest of arrays whose squared norms,
 * times u^2 each, add up to u_sq: (8 ln 2)^(-1/2) is the RMS relative error in
 * units of u when mantissas are spread as 1/m. */
static inline double rounding_norm(double u_sq)
{
    return sqrt(u_sq / (8 * log(2)));
}

#endif

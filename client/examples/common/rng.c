/* rng: the caller owns the state; one thread at a time for each. */
#include "examples/common/rng.h"

#include <math.h>

#define TURN 6.283185307179586 /* 2 pi */

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double rng_uniform(struct rng *rng, double low, double high)
{
    double unit = (double)(rng_next(rng) >> 11) * 0x1p-53;
    return low + (high - low) * unit;
}

double rng_normal(struct rng *rng)
{
    double radius = sqrt(-2 * log(1 - rng_uniform(rng, 0, 1)));
    return radius * cos(rng_uniform(rng, 0, TURN));
}

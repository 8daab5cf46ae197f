/* rng: the caller owns the state; one thread at a time for each. */
#include "examples/lstm/rng.h"

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

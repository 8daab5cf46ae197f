/* random: draws that are a function of a seed and their number, so that results
 * repeat whatever the thread or the order. splitmix64 (Steele, Lea and Flood
 * 2014), whose state is a counter. */
#ifndef TRAJ_RANDOM_H
#define TRAJ_RANDOM_H

#include <stdint.h>

static inline uint64_t random_bits(uint64_t seed, uint64_t number)
{
    uint64_t z = seed + (number + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Of 0 .. n-1, each as likely to within n 2^-64; 0 < n < 2^32. */
static inline uint64_t random_below(uint64_t seed, uint64_t number, uint64_t n)
{
    const uint64_t bits = random_bits(seed, number);
    return ((bits >> 32) * n + ((bits & 0xffffffffu) * n >> 32)) >> 32;
}

#endif

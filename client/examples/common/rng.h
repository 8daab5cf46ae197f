/*
 * rng: a small random stream of the trainer's own (splitmix64, Steele, Lea
 * and Flood 2014), so that a seed means the same run on every machine and
 * nothing else can draw from it.
 */
#ifndef EXAMPLES_RNG_H
#define EXAMPLES_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state; /* the seed is the first state; any value is good */
};

uint64_t rng_next(struct rng *rng);

/* Uniform in [low, high). */
double rng_uniform(struct rng *rng, double low, double high);

/* Standard normal, by Box and Muller: two uniform draws for each. */
double rng_normal(struct rng *rng);

#endif

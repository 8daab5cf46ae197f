/*
 * pairs: made-up measurements (x, y) = (gradient norm, smoothness), for what
 * no function gives: N3, where both only drift with time, and N4, where
 * y = 1 + x/2 + e and both x and e have a long memory. Drawn in order.
 */
#ifndef ANALYTIC_PAIRS_H
#define ANALYTIC_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "examples/common/rng.h"

struct pairs {
    bool remember; /* N4, else N3 */
    uint64_t n;    /* that will be drawn */
    uint64_t drawn;
    struct rng rng;
    double x, e; /* N4: what is remembered */
};

/* false: no such pairs. */
bool pairs_init(
    const char *name, uint64_t seed, uint64_t n, struct pairs *ret_pairs);
void pairs_next(struct pairs *pairs, double *ret_x, double *ret_y);

/* The i-th name and what it is, or NULL after the last one. */
const char *pairs_at(size_t i, const char **ret_formula);

#endif

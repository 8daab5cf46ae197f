/*
 * buckets: a series as buckets of 2^j steps, aligned to multiples of 2^j, each
 * with what a chart must not lose: extremes and where they are, the last
 * value, how many, how many not finite.
 *
 * j is the smallest that needs at most `max` non-empty buckets: it depends on
 * which steps there are and not on their order, and it only grows. For one j
 * a bucket depends on its own records alone, so a closed one never changes.
 */
#ifndef TRAJD_BUCKETS_H
#define TRAJD_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket {
    uint64_t key; /* step >> j */
    uint64_t step_first, step_last;
    double min, max;         /* of the finite values; NaN if there are none */
    uint64_t argmin, argmax; /* steps; the first of equals */
    double last;             /* value at step_last; the later of equals */
    uint64_t count;          /* values, the non-finite ones included */
    uint64_t nonfinite;
};

struct buckets {
    struct bucket *v; /* owned; ascending key */
    size_t n;
    size_t capacity;
    size_t max;
    size_t at;      /* where the last value went: the next one is near */
    unsigned shift; /* j */
    uint64_t rows;
};

/* max: at least 1. No allocation yet. */
void buckets_init(struct buckets *buckets, size_t max);
void buckets_done(struct buckets *buckets);

/* Steps may come in any order; ascending is fast. false: out of memory, and
 * nothing has changed. */
bool buckets_add(struct buckets *buckets, uint64_t step, double value);

/* Merge to buckets of 2^shift steps, so that several series share one j.
 * A smaller shift than there is does nothing. */
void buckets_coarsen(struct buckets *buckets, unsigned shift);

#endif

/*
 * buckets: a series as buckets of 2^j steps, aligned to multiples of 2^j, each
 * with what a chart must not lose: extremes and where they are, the last
 * value, how many, how many not finite.
 *
 * j is the smallest that needs at most `max` non-empty buckets: it depends on
 * which steps there are and not on their order, and it only grows. For one j
 * a bucket depends on its own records alone, so a closed one never changes.
 *
 * Values may also come merged, as buckets that others made of them in order
 * (the nodes of the pyramid): the result is the same bit for bit as of the
 * values one by one, but for j, which may have to be larger: `least` says so.
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
    /* The j that values alone ask for; shift is larger where a merged bucket
     * fits into no smaller one. */
    unsigned least;
    uint64_t rows;
};

/* max: at least 1. No allocation yet. */
void buckets_init(struct buckets *buckets, size_t max);
void buckets_done(struct buckets *buckets);
void buckets_clear(struct buckets *buckets); /* as at first; keeps its memory */

/* Steps may come in any order; ascending is fast. false: out of memory, and
 * nothing has changed. */
bool buckets_add(struct buckets *buckets, uint64_t step, double value);

/* n of them, in order. false: out of memory; some of them may be in. */
bool buckets_add_many(struct buckets *buckets, const uint64_t *steps,
    const double *values, size_t n);

/* Values merged into one, as a bucket has them; its key does not count. All
 * buckets become as wide as it needs. false: out of memory; it is not in. */
bool buckets_add_merged(struct buckets *buckets, const struct bucket *merged);

/* The shift at which the steps of a bucket fall into one. */
unsigned bucket_shift(const struct bucket *bucket);

/* Merge to buckets of 2^shift steps, so that several series share one j.
 * A smaller shift than there is does nothing. */
void buckets_coarsen(struct buckets *buckets, unsigned shift);

/* Each value becomes its square root: for sums of squares, none negative. The
 * steps of extremes stay those of the squares. */
void buckets_take_roots(struct buckets *buckets);

#endif

/*
 * fit_sums: what a block of samples leaves behind: sums of pairs from which
 * lines are fitted and intervals made, and which add up. Pure; any thread.
 *
 * Kept are n and the sums of x, y, x^2, xy, y^2 in 106 bits (twofold.h):
 * merging is adding, and the means and centred sums come out at the end. Chan's
 * merge of centred sums in doubles was the other way; it leaves 1e-13 or so
 * that depends on the order. Here any order, split and tree gives the same to
 * 1e-12 of each centred sum while mean/sd of x and y is below 1e6 and n below
 * 1e6 (the error grows as n 2^-103 (mean/sd)^2).
 *
 * Samples: |x| and |y| are 0 or within 2^-400 .. 2^400, so that squares and
 * their remainders are normal numbers. Others, NaN and Inf among them, are in
 * no sum and counted as excluded.
 */
#ifndef TRAJ_FIT_SUMS_H
#define TRAJ_FIT_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "math/twofold.h"

/* Samples of one block where nobody says otherwise; fit_dependence.h says how
 * long a block has to be. */
#define FIT_BLOCK 256u

/* All zero: of no sample. */
struct fit_sums {
    double n; /* the count; of weighted samples the sum of the weights */
    struct twofold x, y, xx, xy, yy;
};

/* Whether a sample with this x or y is taken. */
bool fit_sums_takes(double value);

/* Adds a pair that is taken. */
void fit_sums_add(struct fit_sums *sums, double x, double y);
/* Adds it w > 0 times. */
void fit_sums_add_weighted(struct fit_sums *sums, double x, double y, double w);
/* Adds w >= 0 times the sums of others. */
void fit_sums_merge(struct fit_sums *sums, const struct fit_sums *of, double w);
/* All of n, added up. */
struct fit_sums fit_sums_total(const struct fit_sums *rows, size_t n);

/* Sums about the point (x0, y0): of u = x - x0 and v = y - y0. */
struct fit_about {
    double u, v, uu, uv, vv;
};
struct fit_about fit_sums_about(
    const struct fit_sums *sums, struct twofold x0, struct twofold y0);

struct fit_centred {
    double n;
    struct twofold x_mean, y_mean;
    double xx, xy, yy; /* about the means */
};
/* NaN for n = 0. */
struct fit_centred fit_sums_centred(const struct fit_sums *sums);

/* As fit_ols and fit_nnls of the samples, to 1e-12. False: fewer than two, or
 * the standard deviation of x is below 1e-13 of its root mean square, which no
 * sum of 106 bits can tell from 0. */
bool fit_sums_determined(const struct fit_sums *sums);
bool fit_sums_ols(const struct fit_sums *sums, struct fit_line *ret);
bool fit_sums_nnls(const struct fit_sums *sums, struct fit_line *ret);
/* sum (y - L0 - L1 x)^2, never below 0. */
double fit_sums_sse(const struct fit_sums *sums, struct fit_line line);

/* A block of consecutive samples. All zero: of no sample. */
struct fit_block {
    struct fit_sums plain;
    struct fit_sums logs; /* of ln x, ln y, of the pairs with both > 0 */
    uint64_t n_excluded;
    uint64_t step_first, step_last;    /* smallest and largest; n = 0: both 0 */
    double x_min, x_max, y_min, y_max; /* n = 0: all 0 */
};

void fit_block_add(struct fit_block *block, uint64_t step, double x, double y);
void fit_block_merge(struct fit_block *block, const struct fit_block *of);

/* The sums of consecutive blocks of `length` > 0 pairs; the last block takes
 * what is left over as well, if it is less than half a block. w: weights > 0,
 * or NULL. ret_rows: room for n/length + 1. Returns how many. */
size_t fit_rows(const double *x, const double *y, const double *w, size_t n,
    size_t length, struct fit_sums *ret_rows);

#endif

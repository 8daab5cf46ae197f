/*
 * fit_sketch: a histogram of y > 0 by its logarithm, from which quantiles come
 * with a bounded relative error: DDSketch (Masson, Rim, Lee, VLDB 2019), with
 * fixed gamma. Any thread; owns memory.
 *
 * Cell i counts gamma^(i-1) < y <= gamma^i with gamma = (1 + a)/(1 - a), a =
 * FIT_SKETCH_ERROR, and stands for 2 gamma^i/(gamma + 1), which is within a of
 * each y in it. Cells are kept from the highest down to FIT_SKETCH_CELLS below
 * it, a factor of 28,000; what is smaller is counted in the lowest one. That
 * rule depends on the largest y alone, so counts add up to the same cells in
 * any order, split and tree, exactly.
 *
 * Invariants: either n = 0 or the first and the last cell are not 0; n <=
 * FIT_SKETCH_CELLS.
 */
#ifndef TRAJ_FIT_SKETCH_H
#define TRAJ_FIT_SKETCH_H

#include <stdbool.h>
#include <stdint.h>

#define FIT_SKETCH_ERROR 0.01
#define FIT_SKETCH_CELLS 512u
/* Of the y that fit_sums_takes: |ln y| <= 400 ln 2, and ln gamma = 0.02. */
#define FIT_SKETCH_INDEX_MAX 13864

struct fit_sketch {
    uint64_t zeros; /* y = 0 */
    int32_t first;  /* index of the lowest cell */
    uint32_t n;     /* cells */
    uint32_t room;
    uint64_t *cells; /* owned */
};

/* The cell of a y with this logarithm. */
int32_t fit_sketch_index(double log_y);

/* Makes room for cells first .. last, so that the next fit_sketch_count within
 * them cannot fail. false: out of memory; the sketch is as it was. */
bool fit_sketch_reserve(struct fit_sketch *sketch, int32_t first, int32_t last);

/* Adds to a cell; within what was reserved. */
void fit_sketch_count(struct fit_sketch *sketch, int32_t index, uint64_t count);

/* Adds all of another. false: out of memory; the sketch is as it was. */
bool fit_sketch_merge(struct fit_sketch *sketch, const struct fit_sketch *of);

/* All samples in it. */
uint64_t fit_sketch_total(const struct fit_sketch *sketch);

/* The tau-quantile by the inverse of the distribution function: the
 * ceil(tau total)-th smallest y, to FIT_SKETCH_ERROR. total > 0. */
double fit_sketch_quantile(const struct fit_sketch *sketch, double tau);

void fit_sketch_done(struct fit_sketch *sketch);

#endif

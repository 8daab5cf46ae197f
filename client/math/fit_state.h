/*
 * fit_state: all that later fits need of any number of samples, in bounded
 * memory, and such that states add up: the state of a union is the merge of the
 * states, whatever the order, the split or the tree. Any thread, one at a time;
 * owns memory.
 *
 * Held are
 * - the sums, ranges and counts of all samples (fit_block): OLS and NNLS to
 *   1e-12 of the samples' own;
 * - bins of x on a fixed grid, FIT_BINS_OCTAVE an octave, each with its sums
 *   and a sketch of y (fit_sketch): fits that weight or rank samples. Of
 *   samples with x, y >= 0, as norms are; others are counted as unbinned. Bins
 *   are kept from the highest down to FIT_BINS below it (32 octaves); smaller
 * x, and x = 0, are in the lowest one. That depends on the largest x alone, so
 *   it is the same in any order, too;
 * - the upper hull of what is in bins (fit_hull.h), for the envelope: exact,
 *   whatever the order, up to FIT_HULL_KEPT points. Of more (samples on a
 *   concave curve without noise) every second edge goes and its neighbours are
 *   drawn out to where they meet: still above all samples, by 1e-4 of y at
 *   most for a smooth curve.
 *
 * Accuracy of the fits from bins, in what they predict for x within 1/32 of the
 * median and above: the relative fit has the exact sums and takes the weights
 * at each bin's mean x; it is within 0.003 times the relative noise of y of the
 * fit of the samples, a quarter of the error that 6000 samples leave to both.
 * The quantile line is within 1 % (the sketch's) plus the width of a bin's x,
 * which counts as noise of 2.5 %, plus its sampling error.
 *
 * At most FIT_BINS (128 + 8 FIT_SKETCH_CELLS) bytes = 1.1 MB; a run's are some
 * tens of kilobytes.
 */
#ifndef TRAJ_FIT_STATE_H
#define TRAJ_FIT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit_sketch.h"
#include "math/fit_sums.h"
#include "math/order.h"

#define FIT_BINS_OCTAVE 8
#define FIT_BINS 256u
#define FIT_BIN_MAX 3200   /* of the x that fit_sums_takes */
#define FIT_HULL_MAX 4096u /* of bytes; a state of our own has fewer: */
#define FIT_HULL_KEPT 256u

struct fit_bin {
    int32_t key; /* 2^(key/8) <= x < 2^((key+1)/8) */
    struct fit_sums sums;
    struct fit_sketch sketch; /* of y */
};

/* All zero: of no sample. */
struct fit_state {
    struct fit_block total;
    uint64_t n_unbinned;
    struct fit_bin *bins; /* owned; ascending by key */
    uint32_t n_bins, room_bins;
    uint32_t n_hull, room_hull;
    struct xy *hull; /* owned; ascending by x */
};

/* Adds a sample. false: out of memory; the state is as it was. */
bool fit_state_add(struct fit_state *state, uint64_t step, double x, double y);

/* Adds all of another. false: out of memory; the state is as it was. */
bool fit_state_merge(struct fit_state *state, const struct fit_state *of);

/* OLS and NNLS: fit_sums_ols and fit_sums_nnls of state->total.plain. */

/* Relative-error NNLS, as fit_nnls_relative: the weights of a bin are those of
 * its mean x, the median is that over samples. Absent (false) as there, and if
 * there are no bins. */
bool fit_state_relative(const struct fit_state *state, struct fit_line *ret);

/* What that fit's line gives a sample: 1/yhat^2, yhat^2 no smaller than 1e-3 of
 * its median over the samples in bins, times a constant. */
struct fit_weight {
    struct fit_line line;
    double factor; /* of yhat, so that squares are numbers */
    double least;  /* of (factor yhat)^2 */
};
/* false: there is no such fit, or the median is 0. */
bool fit_state_weight(const struct fit_state *state, struct fit_weight *ret);
double fit_weight_at(const struct fit_weight *weight, double x);
/* Adds the sums of the bins, each with the weight of its mean x. */
void fit_state_add_weighted(const struct fit_state *state,
    const struct fit_weight *weight, struct fit_sums *sums);

/* The tau-quantile line: relative-error NNLS through (mean x, tau-quantile of
 * y) of the bins, each as often as it has samples. (With the weights
 * n/quantile^2 of theory.md, 4b, it is low by up to 15 %: a bin whose quantile
 * comes out low counts for more.) Absent unless 0 < tau < 1 and two bins have
 * different mean x. */
bool fit_state_quantile(
    const struct fit_state *state, double tau, struct fit_line *ret);

/* The line above all samples that is lowest at abscissa c, or, if c is NaN, at
 * their mean, as fit_envelope_at but to rounding. Absent if there are no bins.
 * false with *ret_nomem: no memory. */
bool fit_state_envelope(const struct fit_state *state, double c,
    struct fit_line *ret, bool *ret_nomem);

/* All pairs (L0, L1) that hold for what is in bins: the vertices of the
 * frontier as fit_frontier has them (of a hull that was drawn out, above it),
 * into ret, which has room for n_hull + 1. *ret_n: how many, 0 if there are no
 * bins. false: no memory. */
bool fit_state_frontier(
    const struct fit_state *state, struct fit_line *ret, size_t *ret_n);

/* The q-quantile of x over the samples in bins: the mean x of the bin that has
 * the ceil(q n)-th, so within 9 %. NaN if there are no bins. */
double fit_state_x_quantile(const struct fit_state *state, double q);

/* NULL is not allowed; all zero afterwards. */
void fit_state_done(struct fit_state *state);

/* ---- as bytes -------------------------------------------------------------
 * Little-endian: "TFS1"; a u32 of bins, a u32 of hull points; the block; the
 * u64 of unbinned; the bins; the hull. A block is the two sums, then three u64
 * (excluded, first step, last step) and four doubles (ranges). Sums are
 * eleven doubles. A bin: key (i32), first (i32), cells (u32), zeros (u64), the
 * sums, then each cell as LEB128, shortest form. No checksum: what holds it has
 * one. */

#define FIT_STATE_BYTES_MAX                                                    \
    (512u + FIT_BINS * (108u + 10u * FIT_SKETCH_CELLS) + 16u * FIT_HULL_MAX)

/* Bytes of the form; writes it if it fits in room (out may be NULL for 0). */
size_t fit_state_encode(
    const struct fit_state *state, uint8_t *out, size_t room);

/* The block alone of any bytes: what fit_state_decode would give of it, had
 * the rest been looked at. false: no such state. */
bool fit_state_peek(const uint8_t *bytes, size_t n, struct fit_block *ret);

enum fit_decode {
    FIT_DECODE_OK = 0,
    FIT_DECODE_BAD = 1, /* no such state, another version, or bytes left over */
    FIT_DECODE_NOMEM = 2,
};
/* Any bytes. *ret is written on OK, and is then the caller's to be done. */
enum fit_decode fit_state_decode(
    const uint8_t *bytes, size_t n, struct fit_state *ret);

#endif

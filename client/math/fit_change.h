/*
 * fit_change: where along a trajectory one line stops describing it and another
 * begins: penalised binary segmentation (Scott and Knott 1974; theory.md 4.7)
 * on the sums of blocks, each cost being the residual sum of squares of a
 * segment's own line; then to the sample. Pure; any thread.
 */
#ifndef TRAJ_FIT_CHANGE_H
#define TRAJ_FIT_CHANGE_H

#include <stddef.h>

#include "math/fit_sums.h"

#define FIT_CHANGE_BLOCKS_MIN 8u /* of each side of a cut */
#define FIT_CHANGE_PENALTY 3.0   /* times variance times ln(blocks) */

struct fit_change_query {
    const double *x, *y, *w; /* n each; w: weights above 0, or NULL */
    size_t n;
    size_t length;  /* of a block, samples; at least 3 */
    double tau_int; /* of the residuals, samples (fit_dependence.h) */
    size_t most;    /* cuts; below n / length */
};

/* Rows of workspace for a query. */
size_t fit_change_room(const struct fit_change_query *query);

/*
 * Of all segments the cut that gains most is made, while it gains more than
 * FIT_CHANGE_PENALTY variance ln(m), leaves FIT_CHANGE_BLOCKS_MIN of the m
 * blocks on both sides, and there are fewer than `most`. The variance is what
 * is left of the samples within blocks, each with its own line, times tau_int:
 * dependent errors gain by chance in proportion. Each cut is then moved to its
 * best place within a block, and dropped if it no longer gains enough: a block
 * with a change in it is well described by neither side.
 *
 * ret_cuts: room for `most`; a cut c is before sample c; ascending. Returns how
 * many.
 */
size_t fit_changes(const struct fit_change_query *query,
    struct fit_sums *workspace, size_t *ret_cuts);

#endif

/*
 * run_frontier: all pairs (L0, L1) that hold for the samples of a fit, as the
 * vertices of their lower edge: L0(b) = max(0, max(y - b x)) at L1 = b >= 0
 * (math/fit.h). Pure but for its workspace; any thread.
 */
#ifndef TRAJD_RUN_FRONTIER_H
#define TRAJD_RUN_FRONTIER_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit.h"
#include "math/fit_state.h"

/* Of more vertices (samples without noise on a curve have one each) so many
 * stay, the first and the last among them. The edge is convex, so that what is
 * drawn through those is above it: its pairs hold as well. */
#define RUN_FRONTIER_MAX 64u

struct run_frontier {
    size_t n;                            /* 0: of no sample */
    struct fit_line v[RUN_FRONTIER_MAX]; /* by rising L1 */
};

/* x >= 0. false: out of memory. */
bool run_frontier_of_samples(
    const double *x, const double *y, size_t n, struct run_frontier *ret);
bool run_frontier_of_state(
    const struct fit_state *state, struct run_frontier *ret);

#endif

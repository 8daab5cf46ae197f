/*
 * diag_noise: the gradient noise scale of McCandlish et al. 2018 (1812.06162,
 * appendix A.1), from the microbatches of each step. Pure.
 */
#ifndef TRAJD_DIAG_NOISE_H
#define TRAJD_DIAG_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/diag_step.h"

/*
 * Of steps with K >= 2 microbatches of b samples, B = K b behind g:
 *   signal = (K ||g||^2 - mean ||g_micro||^2)/(K - 1), ~ ||E g||^2
 *   noise  = (mean ||g_micro||^2 - ||g||^2) B/(K - 1), ~ tr Sigma
 * Means over the steps, each for itself: single values may be negative, and so
 * may be their ratio's.
 */
struct noise_window {
    uint64_t n;
    double signal, noise; /* means */
    double ss, sn, nn;    /* sums of products about the means */
};

struct diag_noise {
    struct noise_window windows[DIAG_WINDOWS];
};

/* world: K is that of one process, so there are K * world behind g, unless g
 * is this rank's alone (TRAJ_STAGE_LOCAL). Nothing is measured of
 * shards, nor of their sum: whose microbatches theirs are is not said. */
void diag_noise_add(struct diag_noise *noise, const struct diag_step *step,
    uint32_t world, uint64_t last_step);

/* noise/signal in samples; false unless the signal is positive. */
bool noise_scale(const struct noise_window *window, double *ret);
/* Its standard error to first order, steps taken as independent; false with
 * fewer than 2 steps or without a scale. */
bool noise_scale_error(const struct noise_window *window, double *ret);

#endif

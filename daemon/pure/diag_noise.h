/*
 * diag_noise: the gradient noise scale of McCandlish et al. 2018 (1812.06162,
 * appendix A.1), from the norms of gradients of a part of each step's data: of
 * microbatches, or of the ranks of a data-parallel trainer before their
 * gradients are reduced. Pure.
 */
#ifndef TRAJD_DIAG_NOISE_H
#define TRAJD_DIAG_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/diag_step.h"

/*
 * Of steps with K >= 2 parts of b samples, B_small = b, B_big = B = K b behind
 * g:
 *   signal = (K ||g||^2 - mean ||g_part||^2)/(K - 1), ~ ||E g||^2
 *   noise  = (mean ||g_part||^2 - ||g||^2) B/(K - 1), ~ tr Sigma
 * which are (B_big ||g||^2 - B_small mean ||g_part||^2)/(B_big - B_small) and
 * (mean ||g_part||^2 - ||g||^2)/(1/B_small - 1/B_big) of the paper. Means over
 * the steps, each for itself: single values may be negative, and so may be
 * their ratio's.
 */
struct noise_window {
    uint64_t n;
    double signal, noise; /* means */
    double ss, sn, nn;    /* sums of products about the means */
};

/* Why a record says nothing of the noise; the first that holds. */
enum noise_absent {
    NOISE_OF_FOLD,      /* several steps in one record */
    NOISE_OF_SHARDS,    /* whose microbatches theirs are is not said */
    NOISE_OF_MICRO,     /* stage MICRO: ||g|| is of one microbatch itself */
    NOISE_NO_PART_NORM, /* no micro_grad_sq: nothing of a part of the data */
    NOISE_NO_GRADIENT,  /* no ||g|| of all the data: of LOCAL norms the reduced
                           one is missing */
    NOISE_ONE_PART,     /* fewer than 2 gradients behind g, as far as is said */
    NOISE_NO_SAMPLES,   /* no batch_samples */
    NOISE_NO_FACTOR,    /* what g was multiplied by is not known */
    NOISE_NONFINITE,    /* an event and no sample */
    NOISE_ABSENT,
};
/* "fold", "shards", ... */
const char *noise_absent_name(enum noise_absent why);
/* One sentence of English. */
const char *noise_absent_text(enum noise_absent why);

struct diag_noise {
    struct noise_window windows[DIAG_WINDOWS];
    uint64_t absent[NOISE_ABSENT]; /* records, by why */
};

/* The most frequent reason. false: every record said something, or there was
 * none. */
bool noise_absent_most(
    const struct diag_noise *noise, enum noise_absent *ret_why);

/* world: K is that of one process, so there are K * world behind g, unless g
 * is this rank's alone (TRAJ_STAGE_LOCAL). With K = 1 the parts are the ranks'
 * own gradients. */
void diag_noise_add(struct diag_noise *noise, const struct diag_step *step,
    uint32_t world, uint64_t last_step);

/* noise/signal in samples; false unless the signal is positive. */
bool noise_scale(const struct noise_window *window, double *ret);
/* Its standard error to first order, steps taken as independent; false with
 * fewer than 2 steps or without a scale. */
bool noise_scale_error(const struct noise_window *window, double *ret);

#endif

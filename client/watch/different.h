/* different: the probe of two consecutive steps, whose gradients are of
 * different data: free, biased upwards, marked. Pure. */
#ifndef TRAJ_WATCH_DIFFERENT_H
#define TRAJ_WATCH_DIFFERENT_H

#include <stdbool.h>

#include "traj.h"
#include "watch/arrays.h"

/* What does not change from step to step. */
struct different {
    enum traj_dtype dtype; /* of all arrays; 0: they differ */
    double roundoff;       /* the largest of theirs */
    uint64_t batch_samples;
    bool from_delta;
};

/* What a step leaves for the next one. */
struct different_previous {
    uint64_t step;
    double grad_sq, param_sq, delta_sq, grad_delta, loss, lr;
    double momentum; /* of an optimizer that has it; else 0 */
    double noise_sq; /* E||g - E g||^2, from its microbatches; or unset */
    double divisor;  /* see units.h; 0: unknown */
};

struct different different_of(
    const struct traj_watch_options *options, const struct arrays *arrays);

void different_remember(const struct traj_step *step,
    enum traj_optimizer optimizer, struct different_previous *ret_previous);

/*
 * back: the sums that look back from step k+1, whose divisor is given (0 =
 * unknown). noise_sq comes from the microbatches of step k, if they were said.
 * false: not measured, or the two gradients are not in the same units.
 */
bool different_probe(const struct different *different,
    const struct different_previous *previous, const struct traj_moments *back,
    double divisor, double loss_end, struct traj_probe *ret_probe);

#endif

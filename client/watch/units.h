/*
 * units: gradients as the trainer has them, scaled or summed, and as the loss
 * has them. A probe and an operator norm are recorded in the units of the loss,
 * since their records do not say the stage of a gradient; a STEP says it and
 * has the sums as they are. Pure.
 */
#ifndef TRAJ_WATCH_UNITS_H
#define TRAJ_WATCH_UNITS_H

#include "traj.h"

/* What step->stage says the gradient is a multiple of. TRAJ_EINVAL: the factor
 * is not in the step (or is the number of ranks, which a watch does not know).
 */
TRAJ_CHECK enum traj_status units_divisor(
    const struct traj_step *step, double *ret_divisor);

/* Divide all that is made of gradients. Any floating-point environment. */
void units_divide_probe(struct traj_probe *probe, double divisor);
void units_divide_sharpness(struct traj_sharpness *sharpness, double divisor);

#endif

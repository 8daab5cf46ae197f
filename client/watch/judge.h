/* judge: what two sets of sums tell about a step: clipping, skipping. Pure. */
#ifndef TRAJ_WATCH_JUDGE_H
#define TRAJ_WATCH_JUDGE_H

#include "traj.h"

/*
 * after: of x_{k+1} and the gradient array as it is then, against x_k and g_k.
 * Sets delta_sq and grad_delta; clip_scale and grad_clipped_sq where the
 * caller left them unset and the array tells; and flags. roundoff: the largest
 * of the gradient's dtypes. In the caller's floating-point environment: hold it
 * (held_env.h).
 */
void judge_update(
    const struct traj_moments *after, double roundoff, struct traj_step *step);

#endif

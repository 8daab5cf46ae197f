/* judge.c: see judge.h. */
#include "watch/judge.h"

#include <math.h>

#include "held_env.h"

/* Of ||g||^2: what rounding to float32 (2^-48) and our own subtractions leave
 * between two gradients that are the same. */
#define SAME_SQ 0x1p-46

/*
 * now: ||g||^2 of the array as it is, its product with and distance from the g
 * of before. It was clipped in place if it is s g for one factor s: then
 * ||now - s g||^2 = ||now||^2 - s <now,g> is what rounding leaves of it. Zeros
 * are no factor: the trainer has cleared its gradients for the next step.
 */
static void measure_clip(const struct traj_moments *now, struct traj_step *step)
{
    if (!isfinite(step->grad_sq) || !(step->grad_sq > 0) ||
        !(now->grad_sq > 0)) {
        return;
    }
    if (now->dgrad_sq <= SAME_SQ * step->grad_sq) {
        if (sqrt(step->grad_sq) > step->clip_threshold) {
            return; /* it clips elsewhere: in the step size, perhaps */
        }
        step->clip_scale = 1;
        step->grad_clipped_sq = now->grad_sq;
        return;
    }
    const double scale = now->grad_prev / step->grad_sq;
    const double rest_sq = now->grad_sq - scale * now->grad_prev;
    if (scale > 0 && rest_sq <= SAME_SQ * now->grad_sq) {
        step->clip_scale = scale;
        step->grad_clipped_sq = now->grad_sq;
    }
}

HELD_ENV_NOINLINE void judge_update(
    const struct traj_moments *after, struct traj_step *step)
{
    step->delta_sq = after->delta_sq;
    step->grad_delta = after->grad_delta;
    if (traj_is_unset(step->clip_scale) && !traj_is_unset(after->grad_sq)) {
        measure_clip(after, step);
    }
    uint64_t flags = step->flags == TRAJ_UNSET_COUNT ? 0 : step->flags;
    if (step->clip_scale < 1) {
        flags |= TRAJ_STEP_CLIPPED;
    }
    if (step->delta_sq <= 0 && !(step->grad_sq <= 0)) {
        flags |= TRAJ_STEP_SKIPPED;
    }
    step->flags = flags;
}

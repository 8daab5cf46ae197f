/* judge.c: see judge.h. */
#include "watch/judge.h"

#include <math.h>
#include <stdbool.h>

#include "held_env.h"
#include "watch/units.h"

/* Of ||g||^2: what our own sums leave of nothing; and what must stand out of
 * rounding to be told. */
#define SAME_SQ 0x1p-46
#define CLEAR_SQ 16

/* ||g|| in the units of clip_threshold, which are the loss's: is it above?
 * divisor 0: nobody knows. */
static bool may_be_above(const struct traj_step *step, double divisor)
{
    return !traj_is_unset(step->clip_threshold) &&
           !(sqrt(step->grad_sq) <= step->clip_threshold * divisor);
}

/*
 * Is now s g but for rounding? ||now - s g||^2 = ||now||^2 - s <now,g> is what
 * rounding leaves, at most (2 u)^2 ||now||^2; and ||now - g|| stands out of
 * that, for what else a trainer adds to g may be as small (weight decay, to
 * gradients of 16 bits).
 */
static bool is_multiple(const struct traj_moments *now, double grad_sq,
    double scale, double roundoff)
{
    const double rounding_sq = fmax(SAME_SQ, 4 * roundoff * roundoff);
    const double rest_sq = now->grad_sq - scale * now->grad_prev;
    const double change_sq = (1 - scale) * (1 - scale) * grad_sq;
    return scale > 0 && rest_sq <= rounding_sq * now->grad_sq &&
           change_sq > CLEAR_SQ * rest_sq;
}

/* A g that its stage calls a multiple of the loss's may have been divided in
 * place: a factor as small as that, or smaller, does not tell of clipping; by
 * what nobody knows (0), any. */
static bool may_be_divided(double scale, double divisor, double roundoff)
{
    return (divisor < 1 || divisor > 1) && scale * divisor <= 1 + 4 * roundoff;
}

/*
 * now: ||g||^2 of the array as it is, its product with and distance from the g
 * of before. It was clipped in place if it is s g for one factor s. Zeros are
 * no factor: the trainer has cleared its gradients for the next step.
 */
static void measure_clip(
    const struct traj_moments *now, double roundoff, struct traj_step *step)
{
    double divisor = 0; /* unknown */
    (void)!units_divisor(step, &divisor);
    if (!isfinite(step->grad_sq) || !(step->grad_sq > 0) ||
        !(now->grad_sq > 0)) {
        return;
    }
    if (now->dgrad_sq <= SAME_SQ * step->grad_sq) {
        if (may_be_above(step, divisor)) {
            return; /* it clips elsewhere: in the step size, perhaps */
        }
        step->clip_scale = 1;
        step->grad_clipped_sq = now->grad_sq;
        return;
    }
    const double scale = now->grad_prev / step->grad_sq;
    if (is_multiple(now, step->grad_sq, scale, roundoff) &&
        !may_be_divided(scale, divisor, roundoff)) {
        step->clip_scale = scale;
        step->grad_clipped_sq = now->grad_sq;
    }
}

HELD_ENV_NOINLINE void judge_update(
    const struct traj_moments *after, double roundoff, struct traj_step *step)
{
    step->delta_sq = after->delta_sq;
    step->grad_delta = after->grad_delta;
    if (traj_is_unset(step->clip_scale) && !traj_is_unset(after->grad_sq)) {
        measure_clip(after, roundoff, step);
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

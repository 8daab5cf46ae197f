/* measure.c: see measure.h. */
#include "watch/measure.h"

#include <math.h>
#include <stdint.h>

#include "held_env.h"
#include "watch/delta.h"
#include "watch/judge.h"
#include "watch/watch_impl.h"

/* ---- before the update -------------------------------------------------- */

/* What looks at x_k and g_k, and back from there. */
static void fill_before(const struct traj_moments *m, struct traj_step *step)
{
    step->grad_sq = m->grad_sq;
    step->param_sq = m->param_sq;
    step->grad_prev = m->grad_prev;
    step->dgrad_sq = m->dgrad_sq;
    step->dgrad_delta = m->dgrad_delta;
    step->grad_max_abs = m->grad_max_abs;
    step->grad_nan = m->grad_nan;
    step->grad_inf = m->grad_inf;
    step->param_nan = m->param_nan;
    step->param_inf = m->param_inf;
}

enum traj_status measure_before(traj_watch *watch, struct traj_step *step)
{
    if (!watch->measured) {
        return TRAJ_OK;
    }
    if (watch->options.delta_only) {
        arrays_keep_param(&watch->arrays, KEPT_PARAM);
        return TRAJ_OK;
    }
    const enum operand before =
        watch->has_previous ? OPERAND_COPY : OPERAND_NONE;
    enum traj_status status = arrays_moments_and_keep(&watch->arrays, before,
        watch->options.threads, &watch->back, watch->groups.before);
    if (status == TRAJ_OK) {
        fill_before(&watch->back, step);
    }
    return status;
}

/* ---- after the update --------------------------------------------------- */

static void judge(
    traj_watch *watch, const struct traj_moments *after, struct traj_step *step)
{
    struct held_env held;
    held_env_take(&held);
    judge_update(after, watch->different.roundoff, step);
    held_env_give_back(&held);
}

enum traj_status measure_update(traj_watch *watch, struct traj_step *step)
{
    static const struct operands of_both = { OPERAND_TRAINER, OPERAND_TRAINER,
        OPERAND_COPY, OPERAND_COPY };
    static const struct operands of_d = { OPERAND_TRAINER, OPERAND_NONE,
        OPERAND_COPY, OPERAND_COPY };
    /* The gradient as it is now tells only how it was clipped. */
    const bool told = !traj_is_unset(step->clip_scale);
    struct traj_moments after;
    enum traj_status status =
        arrays_moments(&watch->arrays, told ? of_d : of_both,
            watch->options.threads, &after, watch->groups.after);
    if (status != TRAJ_OK) {
        return status;
    }
    judge(watch, &after, step);
    return TRAJ_OK;
}

void measure_looked_back(traj_watch *watch, struct traj_step *step)
{
    judge(watch, &watch->back, step);
}

/* ---- the same without a gradient ------------------------------------------
 */

HELD_ENV_NOINLINE static bool gives_gradient(
    const traj_watch *watch, const struct traj_step *step)
{
    const bool momentum =
        watch->options.optimizer != TRAJ_OPTIMIZER_HEAVY_BALL ||
        isfinite(step->momentum);
    const bool skipped = step->flags != TRAJ_UNSET_COUNT &&
                         (step->flags & TRAJ_STEP_SKIPPED) != 0;
    return isfinite(step->lr) && fabs(step->lr) > 0 && momentum && !skipped &&
           step->delta_sq > 0;
}

/* <g_k - g_{k-1}, d_{k-1}> of plain SGD, whose d_{k-1} = -lr g_{k-1}. */
HELD_ENV_NOINLINE static void look_back(
    const traj_watch *watch, struct traj_moments *m)
{
    if (watch->options.optimizer == TRAJ_OPTIMIZER_SGD) {
        m->dgrad_delta =
            -watch->previous.lr * (m->grad_prev - watch->previous.grad_sq);
    }
    m->delta_sq = watch->previous.delta_sq;
    m->grad_delta = watch->previous.grad_delta;
}

/* Sums over g_k, now in KEPT_OWN_GRAD. */
static enum traj_status measure_own(traj_watch *watch, struct traj_step *step)
{
    const enum operand before =
        watch->has_previous ? OPERAND_COPY : OPERAND_NONE;
    const struct operands of_g = { OPERAND_COPY, OPERAND_OWN, OPERAND_NONE,
        before };
    static const struct operands of_d = { OPERAND_TRAINER, OPERAND_NONE,
        OPERAND_COPY, OPERAND_OWN };
    struct traj_moments after;
    enum traj_status status = arrays_moments(&watch->arrays, of_g,
        watch->options.threads, &watch->back, watch->groups.before);
    if (status == TRAJ_OK) {
        status = arrays_moments(&watch->arrays, of_d, watch->options.threads,
            &after, watch->groups.after);
    }
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    if (watch->has_previous) {
        look_back(watch, &watch->back);
    }
    held_env_give_back(&held);
    fill_before(&watch->back, step);
    step->grad_delta = after.grad_delta;
    step->flags |= TRAJ_STEP_FROM_DELTA;
    return TRAJ_OK;
}

/* All there is to say of x_k when g_k is not known. */
static enum traj_status measure_param(traj_watch *watch, struct traj_step *step)
{
    static const struct operands of_x = { OPERAND_COPY, OPERAND_NONE,
        OPERAND_NONE, OPERAND_NONE };
    struct traj_moments m;
    enum traj_status status = arrays_moments(
        &watch->arrays, of_x, watch->options.threads, &m, watch->groups.before);
    if (status == TRAJ_OK) {
        step->param_sq = m.param_sq;
        step->param_nan = m.param_nan;
        step->param_inf = m.param_inf;
    }
    return status;
}

/* d first: whether it gives the gradient away depends on it. */
enum traj_status measure_delta_only(
    traj_watch *watch, struct traj_step *step, bool *ret_known)
{
    static const struct operands of_d = { OPERAND_TRAINER, OPERAND_NONE,
        OPERAND_COPY, OPERAND_NONE };
    struct traj_moments m;
    enum traj_status status = arrays_moments(
        &watch->arrays, of_d, watch->options.threads, &m, watch->groups.after);
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    judge_update(&m, watch->different.roundoff, step);
    const bool gives = gives_gradient(watch, step);
    held_env_give_back(&held);
    const bool known =
        gives && (watch->velocity_known ||
                     watch->options.optimizer == TRAJ_OPTIMIZER_SGD);
    if (gives) {
        delta_gradient(
            &watch->arrays, watch->options.optimizer, step->lr, step->momentum);
    }
    watch->velocity_known = gives;
    *ret_known = known;
    return known ? measure_own(watch, step) : measure_param(watch, step);
}

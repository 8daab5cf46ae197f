/* units.c: see units.h. */
#include "watch/units.h"

#include <math.h>
#include <stdbool.h>

#include "error.h"
#include "held_env.h"

HELD_ENV_NOINLINE static bool is_scale(double scale)
{
    return isfinite(scale) && scale > 0;
}

enum traj_status units_divisor(
    const struct traj_step *step, double *ret_divisor)
{
    const bool counted =
        step->micro_batches > 0 && step->micro_batches != TRAJ_UNSET_COUNT;
    struct held_env held;
    held_env_take(&held);
    const bool scaled = is_scale(step->loss_scale);
    held_env_give_back(&held);
    if ((step->stage & TRAJ_STAGE_SCALED) != 0 && !scaled) {
        return error_set(TRAJ_EINVAL,
            "watch: the gradient is scaled and step->loss_scale is not set");
    }
    if ((step->stage & TRAJ_STAGE_ACCUMULATED) != 0 && !counted) {
        return error_set(TRAJ_EINVAL,
            "watch: the gradient is a sum and step->micro_batches is not set");
    }
    if ((step->stage & TRAJ_STAGE_REDUCED) != 0) {
        return error_set(TRAJ_EINVAL,
            "watch: no probe of a gradient that is summed over ranks");
    }
    double divisor = 1;
    if ((step->stage & TRAJ_STAGE_SCALED) != 0) {
        divisor = step->loss_scale;
    }
    if ((step->stage & TRAJ_STAGE_ACCUMULATED) != 0) {
        divisor *= (double)step->micro_batches;
    }
    *ret_divisor = divisor;
    return TRAJ_OK;
}

static void divide(double *value, double divisor)
{
    if (!traj_is_unset(*value)) {
        *value /= divisor;
    }
}

HELD_ENV_NOINLINE static void divide_norms(struct traj_probe *p, double s)
{
    double *const linear[] = { &p->smoothness, &p->noise_floor,
        &p->rounding_floor, &p->ceiling, &p->grad_delta, &p->dgrad_delta,
        &p->grad_dual, &p->dgrad_dual };
    double *const squares[] = { &p->grad_sq, &p->grad_mid_sq, &p->grad_end_sq,
        &p->dgrad_sq, &p->grad_grad_end, &p->micro_grad_sq, &p->micro_dgrad_sq,
        &p->noise_sq };
    for (size_t i = 0; i < sizeof linear / sizeof linear[0]; i++) {
        divide(linear[i], s);
    }
    for (size_t i = 0; i < sizeof squares / sizeof squares[0]; i++) {
        divide(squares[i], s * s);
    }
    for (uint32_t i = 0; i < p->n_points; i++) {
        divide(&p->points[i].grad_sq, s * s);
        divide(&p->points[i].dgrad_sq, s * s);
    }
}

void units_divide_probe(struct traj_probe *probe, double divisor)
{
    struct held_env held;
    held_env_take(&held);
    divide_norms(probe, divisor);
    held_env_give_back(&held);
}

HELD_ENV_NOINLINE static void divide_ends(
    struct traj_sharpness *sharp, double s)
{
    double *const linear[] = { &sharp->value, &sharp->residual,
        &sharp->lambda_min, &sharp->lambda_max, &sharp->residual_min,
        &sharp->residual_max };
    for (size_t i = 0; i < sizeof linear / sizeof linear[0]; i++) {
        divide(linear[i], s);
    }
    divide(&sharp->grad_sq, s * s);
}

void units_divide_sharpness(struct traj_sharpness *sharpness, double divisor)
{
    struct held_env held;
    held_env_take(&held);
    divide_ends(sharpness, divisor);
    held_env_give_back(&held);
}

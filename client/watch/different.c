/* different.c: see different.h. */
#include "watch/different.h"

#include <math.h>

#include "held_env.h"
#include "math/element.h"
#include "math/noise.h"
#include "math/rounding.h"
#include "watch/delta.h"
#include "watch/units.h"

struct different different_of(
    const struct traj_watch_options *options, const struct arrays *arrays)
{
    struct different d = { .dtype = arrays->segment[0].dtype,
        .batch_samples = options->batch_samples,
        .from_delta = options->delta_only != 0 };
    for (size_t i = 0; i < arrays->n; i++) {
        const enum traj_dtype dtype = arrays->segment[i].dtype;
        const double u = element_roundoff(dtype);
        d.roundoff = u > d.roundoff ? u : d.roundoff;
        d.dtype = dtype == d.dtype ? dtype : 0;
    }
    return d;
}

/* From ||g||^2 and the mean of the squares of K microbatches, of which g is the
 * mean or, by its stage, the sum. */
HELD_ENV_NOINLINE static double noise_of(const struct traj_step *step)
{
    const uint64_t K = step->micro_batches;
    if (traj_is_unset(step->micro_grad_sq) || K == TRAJ_UNSET_COUNT || K < 2) {
        return traj_unset();
    }
    const double factor =
        (step->stage & TRAJ_STAGE_ACCUMULATED) != 0 ? (double)K : 1;
    return noise_of_mean(
        (double)K, factor * factor * step->micro_grad_sq, step->grad_sq);
}

void different_remember(const struct traj_step *step,
    enum traj_optimizer optimizer, struct different_previous *ret_previous)
{
    struct held_env held;
    held_env_take(&held);
    const double noise_sq = noise_of(step);
    held_env_give_back(&held);
    double divisor = 0;
    const bool known = units_divisor(step, &divisor) == TRAJ_OK;
    *ret_previous = (struct different_previous){
        .step = step->step,
        .grad_sq = step->grad_sq,
        .param_sq = step->param_sq,
        .delta_sq = step->delta_sq,
        .grad_delta = step->grad_delta,
        .loss = step->loss,
        .lr = step->lr,
        .momentum = optimizer == TRAJ_OPTIMIZER_HEAVY_BALL ? step->momentum : 0,
        .noise_sq = noise_sq,
        .divisor = known ? divisor : 0,
    };
}

static bool is_measured(const struct traj_moments *m, double grad_sq)
{
    return isfinite(m->grad_sq) && isfinite(grad_sq) && isfinite(m->dgrad_sq) &&
           isfinite(m->delta_sq) && m->delta_sq > 0;
}

/* Is the difference of the gradients what rounding leaves? */
static bool is_rounding(const struct traj_probe *q, double u)
{
    if ((q->flags & TRAJ_PROBE_FROM_DELTA) != 0) {
        return q->smoothness < 2 * q->rounding_floor;
    }
    return !(sqrt(q->dgrad_sq) > ROUNDING_FACTOR * u * sqrt(q->grad_sq));
}

/* From the sums in *q. */
static void judge(
    struct traj_probe *q, const struct different_previous *previous, double u)
{
    const double r = sqrt(q->delta_sq);
    q->ceiling = (sqrt(q->grad_sq) + sqrt(q->grad_end_sq)) / r;
    q->rounding_floor =
        (q->flags & TRAJ_PROBE_FROM_DELTA) != 0
            ? delta_rounding_floor(
                  u, q->param_sq, q->delta_sq, previous->lr, previous->momentum)
            : rounding_norm(u * u * (q->grad_sq + q->grad_end_sq)) / r;
    q->flags |= is_rounding(q, u) ? TRAJ_PROBE_ROUNDING : 0;
    if (!(r > ROUNDING_TINY_STEP * sqrt(q->param_sq))) {
        q->flags |= TRAJ_PROBE_TINY_STEP;
    }
    if (q->noise_sq > 0) {
        q->noise_floor = sqrt(2 * q->noise_sq) / r;
        q->flags |=
            q->smoothness < 2 * q->noise_floor ? TRAJ_PROBE_NOISE_LIMITED : 0;
    }
}

HELD_ENV_NOINLINE static bool fill(const struct different_previous *previous,
    const struct traj_moments *back, double divisor, double u,
    struct traj_probe *q)
{
    const bool same_units = divisor > 0 && !(divisor < previous->divisor) &&
                            !(divisor > previous->divisor);
    if (!same_units || !is_measured(back, previous->grad_sq)) {
        return false;
    }
    q->smoothness = sqrt(back->dgrad_sq) / sqrt(back->delta_sq);
    q->smoothness_gamma = 1;
    q->grad_sq = previous->grad_sq;
    q->grad_end_sq = back->grad_sq;
    q->delta_sq = back->delta_sq;
    q->dgrad_sq = back->dgrad_sq;
    q->grad_delta = back->grad_delta;
    q->dgrad_delta = back->dgrad_delta;
    q->grad_grad_end = back->grad_prev;
    judge(q, previous, u);
    return true;
}

bool different_probe(const struct different *different,
    const struct different_previous *previous, const struct traj_moments *back,
    double divisor, double loss_end, struct traj_probe *ret_probe)
{
    struct traj_probe *q = ret_probe;
    traj_probe_init(q);
    q->step = previous->step;
    q->estimator = TRAJ_ESTIMATOR_DIFFERENT;
    q->dtype = different->dtype;
    q->lr = previous->lr;
    q->loss = previous->loss;
    q->loss_end = loss_end;
    q->param_sq = previous->param_sq;
    q->noise_sq = previous->noise_sq;
    q->cost_ns = q->grad_evals = 0;
    if (different->batch_samples > 0) {
        q->batch_samples = different->batch_samples;
    }
    q->flags = different->from_delta ? TRAJ_PROBE_FROM_DELTA : 0;
    struct held_env held;
    held_env_take(&held);
    const bool measured = fill(previous, back, divisor, different->roundoff, q);
    held_env_give_back(&held);
    if (measured) {
        units_divide_probe(q, divisor);
    }
    return measured;
}

/*
 * probe_measure.c: passes, and from their sums to the fields of the results.
 * Pure but for the probe's own workspace; its arithmetic is in the default
 * floating-point environment, whatever the caller's.
 */
#include "math/probe.h"
#include <math.h>

#include "held_env.h"
#include "math/rounding.h"

static bool in_other_norm(const struct probe_part *part)
{
    return part->norm != TRAJ_NORM_L2;
}

/* ---- at x --------------------------------------------------------------- */

/* False if there is nothing to measure. */
static bool start_update(struct probe_part *part)
{
    const struct traj_moments *m = &part->sums;
    struct traj_probe *result = &part->result;
    result->param_sq = m->param_sq;
    result->delta_sq = m->delta_sq;
    if (!isfinite(m->param_sq) || !isfinite(m->delta_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
        return false;
    }
    if (!(sqrt(m->delta_sq) > ROUNDING_TINY_STEP * sqrt(m->param_sq))) {
        result->flags |= TRAJ_PROBE_TINY_STEP;
        return false;
    }
    return true;
}

static bool start_gradient(struct probe_part *part)
{
    const struct traj_moments *m = &part->sums;
    struct traj_probe *result = &part->result;
    result->grad_sq = m->grad_sq;
    /* d comes out with the other sign: x and x + d have changed places, so
     * that one pass also gives ||x||. */
    result->grad_delta = -m->grad_delta;
    part->start_round_sq = part->round_g_sq;
    if (in_other_norm(part)) {
        result->grad_dual = part->norm_g;
    }
    if (!isfinite(m->grad_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
        return false;
    }
    return true;
}

HELD_ENV_NOINLINE static enum traj_status start(
    const struct probe_run *run, enum probe_array g)
{
    enum traj_status status = probe_sum(run,
        (struct probe_pass){ .x = PROBE_START, .g = g, .x0 = PROBE_SAVED });
    if (status == TRAJ_OK && g != PROBE_NONE) {
        status = probe_norms(run, (struct probe_pass){ .g = g });
    }
    for (size_t k = 0; status == TRAJ_OK && k < run->n_parts; k++) {
        struct probe_part *part = &run->parts[k];
        part->goes_on = start_update(part);
        if (g != PROBE_NONE) {
            const bool finite = start_gradient(part);
            part->goes_on = part->goes_on && finite;
        }
    }
    return status;
}

enum traj_status probe_measure_start(
    const struct probe_run *run, enum probe_array g, bool *ret_goes_on)
{
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = start(run, g);
    held_env_give_back(&held);
    if (status == TRAJ_OK) {
        *ret_goes_on = run->parts[0].goes_on;
    }
    return status;
}

/* The sums are those of g(x) and of its distance from the repetition. */
static void repetition(struct probe_part *part)
{
    const struct traj_moments *m = &part->sums;
    struct traj_probe *result = &part->result;
    const double difference = sqrt(m->dgrad_sq);
    result->idempotence =
        difference > 0 ? difference / sqrt(m->grad_sq) : difference;
    part->repeat = in_other_norm(part) ? part->norm_g : difference;
    if (!isfinite(m->dgrad_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
    }
    if (difference > ROUNDING_FACTOR * sqrt(part->round_g_sq)) {
        result->flags |= TRAJ_PROBE_NOT_IDEMPOTENT;
    }
}

HELD_ENV_NOINLINE static enum traj_status repeat(
    const struct probe_run *run, struct probe_pass pass)
{
    enum traj_status status = probe_sum(run, pass);
    if (status == TRAJ_OK) {
        status = probe_norms(run, pass);
    }
    for (size_t k = 0; status == TRAJ_OK && k < run->n_parts; k++) {
        repetition(&run->parts[k]);
    }
    return status;
}

enum traj_status probe_measure_repetition(
    const struct probe_run *run, enum probe_array g, enum probe_array again)
{
    struct held_env held;
    held_env_take(&held);
    enum traj_status status =
        repeat(run, (struct probe_pass){ .g = g, .g0 = again });
    held_env_give_back(&held);
    return status;
}

void probe_loss_if_unset(const struct probe_run *run, double loss)
{
    for (size_t k = 0; k < run->n_parts; k++) {
        if (traj_is_unset(run->parts[k].result.loss)) {
            run->parts[k].result.loss = loss;
        }
    }
}

/* ---- at x_gamma --------------------------------------------------------- */

/* gamma is compared exactly: 1/2 and 1 are what a caller writes. */
static void keep_named_points(
    struct probe_part *part, double gamma, double loss)
{
    const struct traj_moments *m = &part->sums;
    struct traj_probe *result = &part->result;
    if (!(gamma < 0.5) && !(gamma > 0.5)) {
        result->grad_mid_sq = m->grad_sq;
    }
    if (!(gamma < 1)) {
        result->grad_end_sq = m->grad_sq;
        result->dgrad_sq = m->dgrad_sq;
        result->dgrad_delta = m->dgrad_delta;
        result->grad_grad_end = m->grad_prev;
        result->loss_end = loss;
    }
}

/* An error that is round_sq^(1/2) where ||g||^2 is sq, as it is in the norm
 * where ||g||_* is dual. Exact for RMS; for the others as if an error were
 * shaped like g. */
static double rounding_sq(double round_sq, double sq, double dual)
{
    return sq > 0 ? round_sq * (dual * dual / sq) : 0;
}

/*
 * The noise of the callback: its repetition at x is the difference of two
 * draws, and so is g_gamma - g. No factor comes in between.
 */
static struct probe_estimate estimate(const struct probe_part *part)
{
    const struct traj_moments *m = &part->sums;
    const struct traj_probe *result = &part->result;
    const double *start = &part->start_round_sq;
    if (!in_other_norm(part)) {
        return (struct probe_estimate){
            .dgrad = sqrt(m->dgrad_sq),
            .noise = part->repeat,
            .round_sq = *start + part->round_g_sq,
        };
    }
    return (struct probe_estimate){
        .dgrad = part->norm_g,
        .noise = part->repeat,
        .round_sq = rounding_sq(*start, result->grad_sq, result->grad_dual) +
                    rounding_sq(part->round_g_sq, m->grad_sq, part->end_dual),
    };
}

static void keep_maximum(struct probe_part *part, double gamma,
    const struct probe_estimate *estimated)
{
    struct traj_probe *result = &part->result;
    const struct traj_moments *m = &part->sums;
    const bool other = in_other_norm(part);
    const double delta = other ? part->norm_x : sqrt(m->delta_sq);
    const double smoothness = estimated->dgrad / delta;
    if (!(smoothness > part->best) || !isfinite(smoothness)) {
        return;
    }
    part->best = smoothness;
    result->smoothness = smoothness;
    result->smoothness_gamma = gamma;
    result->rounding_floor = rounding_norm(estimated->round_sq) / delta;
    if (!traj_is_unset(estimated->noise)) {
        result->noise_floor = estimated->noise / delta;
    }
    if (other) {
        result->dgrad_dual = part->norm_g;
        result->delta_norm = delta;
        result->ceiling = (result->grad_dual + part->end_dual) / delta;
    } else {
        result->ceiling = (sqrt(result->grad_sq) + sqrt(m->grad_sq)) / delta;
    }
    result->flags &=
        ~(uint64_t)(TRAJ_PROBE_ROUNDING | TRAJ_PROBE_NOISE_LIMITED);
    if (sqrt(m->dgrad_sq) <= ROUNDING_FACTOR * sqrt(part->start_round_sq)) {
        result->flags |= TRAJ_PROBE_ROUNDING;
    }
    /* Unset, it is a NaN: no number is below it. */
    if (smoothness < 2 * result->noise_floor) {
        result->flags |= TRAJ_PROBE_NOISE_LIMITED;
    }
}

static void measure_point(
    const struct probe_run *run, struct probe_part *part, double gamma)
{
    const struct traj_moments *m = &part->sums;
    struct traj_probe *result = &part->result;
    result->points[result->n_points++] = (struct traj_probe_point){
        .gamma = gamma,
        .grad_sq = m->grad_sq,
        .dgrad_sq = m->dgrad_sq,
        .delta_sq = m->delta_sq,
    };
    keep_named_points(part, gamma, run->loss);
    const struct probe_estimate estimated =
        run->input.micro_gradient == NULL
            ? estimate(part)
            : probe_micro_estimate(part, run->input.micro_batches);
    if (!isfinite(m->grad_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
        return;
    }
    keep_maximum(part, gamma, &estimated);
}

HELD_ENV_NOINLINE static enum traj_status point(const struct probe_run *run,
    enum probe_array g, enum probe_array g0, double gamma)
{
    const struct probe_pass pass = {
        .x = PROBE_PARAM, .g = g, .x0 = PROBE_START, .g0 = g0
    };
    enum traj_status status = probe_sum(run, pass);
    if (status == TRAJ_OK) {
        status = probe_norms(run, (struct probe_pass){ .g = g });
    }
    for (size_t k = 0; status == TRAJ_OK && k < run->n_parts; k++) {
        run->parts[k].end_dual = run->parts[k].norm_g;
    }
    if (status == TRAJ_OK) {
        status = probe_norms(run, pass);
    }
    for (size_t k = 0; status == TRAJ_OK && k < run->n_parts; k++) {
        if (run->parts[k].goes_on) {
            measure_point(run, &run->parts[k], gamma);
        }
    }
    return status;
}

enum traj_status probe_measure_point(const struct probe_run *run,
    enum probe_array g, enum probe_array g0, double gamma)
{
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = point(run, g, g0, gamma);
    held_env_give_back(&held);
    return status;
}

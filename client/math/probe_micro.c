/*
 * probe_micro.c: the microbatch estimator of a probe. Pure but for the probe's
 * own workspace.
 *
 * K microbatches of independent data, each evaluated at x and at x_gamma:
 * D_k = g'_k - g_k with mean Dbar. U(D) = (K ||Dbar||^2 - mean ||D_k||^2)/(K-1)
 * is unbiased for ||E D||^2, so what noise adds to ||Dbar|| is taken out.
 *
 * The noise: mean ||D_k||^2 - ||Dbar||^2 = mean ||D_k - Dbar||^2 has the
 * expectation (K - 1)/K tr Cov(D). Divided by K - 1 it is unbiased for
 * tr Cov(D)/K = E||Dbar - E D||^2, the square of the error of Dbar; the same
 * for g. U(D) scatters less than that where the noise has many directions.
 */
#include "math/probe.h"
#include <math.h>
#include <string.h>

#include "math/element.h"
#include "held_env.h"
#include "math/isa.h"
#include "math/noise.h"

/* Sums over the microbatches, then their means; known: no loss was unset. */
struct losses {
    double start, end;
    bool known, known_end;
};

/* ---- means -------------------------------------------------------------- */

ISA_CLONES static void add_to(
    double *restrict sums, const double *restrict values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sums[i] += values[i];
    }
}

static void add_all(
    enum traj_dtype dtype, const void *grad, size_t n, double *sums)
{
    double values[ELEMENT_BLOCK];
    for (size_t i = 0; i < n; i += ELEMENT_BLOCK) {
        const size_t block = n - i < ELEMENT_BLOCK ? n - i : ELEMENT_BLOCK;
        element_widen(dtype, grad, i, block, values);
        add_to(sums + i, values, block);
    }
}

/* One pass gives all three norms: x is g_k, g is g'_k. */
HELD_ENV_NOINLINE static enum traj_status add_batch(const struct probe_run *run)
{
    enum traj_status status = probe_sum(
        run, (struct probe_pass){
                 .x = PROBE_GRAD, .g = PROBE_GRAD_END, .g0 = PROBE_GRAD });
    if (status != TRAJ_OK) {
        return status;
    }
    for (size_t k = 0; k < run->n_parts; k++) {
        struct probe_part *part = &run->parts[k];
        sum_add(&part->micro_grad_sq, part->sums.param_sq);
        sum_add(&part->micro_dgrad_sq, part->sums.dgrad_sq);
        sum_add(&part->micro_round_sq, part->round_x_sq + part->round_g_sq);
    }
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        const struct traj_probe_segment *given = s->given;
        add_all(given->dtype, s->grad, given->n, s->mean);
        add_all(given->dtype, s->grad_end, given->n, s->mean_end);
    }
    return TRAJ_OK;
}

ISA_CLONES static void divide(double *values, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) {
        values[i] /= by;
    }
}

/* Sums over the microbatches become means. */
HELD_ENV_NOINLINE static void take_means(
    const struct probe_run *run, struct losses *losses)
{
    const double K = run->input.micro_batches;
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        divide(s->mean, s->given->n, K);
        divide(s->mean_end, s->given->n, K);
    }
    losses->start = losses->known ? losses->start / K : traj_unset();
    losses->end = losses->known_end ? losses->end / K : traj_unset();
}

/* ---- the flow ----------------------------------------------------------- */

HELD_ENV_NOINLINE static void add_loss(double loss, double *sum, bool *known)
{
    *known = *known && !traj_is_unset(loss);
    *sum += loss;
}

static enum traj_status take_batch(
    struct probe_run *run, uint32_t k, struct losses *losses)
{
    const double gamma = run->input.gammas[0];
    struct held_env held;
    probe_place_start(run);
    enum traj_status status = probe_call(run, k, run->grads, 0);
    const double loss = run->loss;
    if (status == TRAJ_OK && k == 0 && run->input.check_idempotence) {
        status = probe_call(run, k, run->grads_end, 0);
        if (status == TRAJ_OK) {
            status = probe_measure_repetition(run, PROBE_GRAD, PROBE_GRAD_END);
        }
    }
    if (status == TRAJ_OK) {
        probe_place(run, gamma);
        status = probe_call(run, k, run->grads_end, gamma);
    }
    if (status == TRAJ_OK) {
        held_env_take(&held);
        add_loss(loss, &losses->start, &losses->known);
        add_loss(run->loss, &losses->end, &losses->known_end);
        status = add_batch(run);
        held_env_give_back(&held);
    }
    return status;
}

static void clear_means(const struct probe_run *run)
{
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        memset(s->mean, 0, s->given->n * sizeof *s->mean);
        memset(s->mean_end, 0, s->given->n * sizeof *s->mean_end);
    }
}

enum traj_status probe_micro(struct probe_run *run)
{
    struct losses losses = { .known = true, .known_end = true };
    enum traj_status status = TRAJ_OK;
    clear_means(run);
    for (uint32_t k = 0; status == TRAJ_OK && k < run->input.micro_batches;
         k++) {
        status = take_batch(run, k, &losses);
    }
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    take_means(run, &losses);
    held_env_give_back(&held);
    probe_loss_if_unset(run, losses.start);
    run->loss = losses.end;
    bool goes_on = false;
    status = probe_measure_start(run, PROBE_MEAN, &goes_on);
    if (status == TRAJ_OK && goes_on) {
        status = probe_measure_point(
            run, PROBE_MEAN_END, PROBE_MEAN, run->input.gammas[0]);
    }
    return status;
}

/* ---- the estimate ------------------------------------------------------- */

struct probe_estimate probe_micro_estimate(
    struct probe_part *part, uint32_t micro_batches)
{
    const double K = micro_batches;
    const double unit = part->norm == TRAJ_NORM_RMS ? sqrt((double)part->n) : 1;
    const double dgrad_sq = part->sums.dgrad_sq;
    struct traj_probe *result = &part->result;
    result->estimator = TRAJ_ESTIMATOR_MICROBATCH;
    result->micro_batches = micro_batches;
    result->micro_grad_sq = sum_value(&part->micro_grad_sq) / K;
    result->micro_dgrad_sq = sum_value(&part->micro_dgrad_sq) / K;
    result->dgrad_sq = dgrad_sq;
    /* Below 0 by rounding only. */
    result->noise_sq =
        fmax(0, noise_of_mean(K, result->micro_grad_sq, result->grad_sq));
    const double noise_sq =
        fmax(0, noise_of_mean(K, result->micro_dgrad_sq, dgrad_sq));
    const double unbiased_sq =
        traj_unbiased_sq(micro_batches, result->micro_dgrad_sq, dgrad_sq);
    if (unbiased_sq < 0) {
        result->flags |= TRAJ_PROBE_NEGATIVE;
    }
    return (struct probe_estimate){
        .dgrad = unit * (unbiased_sq > 0 ? sqrt(unbiased_sq) : 0),
        .noise = unit * sqrt(noise_sq),
        /* Each was rounded by itself; a mean has 1/K^2 of their squares. */
        .round_sq = unit * unit * sum_value(&part->micro_round_sq) / (K * K),
    };
}

/*
 * probe.c: traj_smoothness_probe. Any thread; no memory of its own; the
 * trainer's parameters are borrowed and always given back as they were.
 *
 * Invariants:
 * P1. From save_params on, every way out goes through restore_params.
 * P2. The callback runs in the caller's floating-point environment; all
 *     arithmetic is in held functions, in the default environment.
 * P3. The caller's results are written when all has succeeded, and only then.
 */
#include "math/probe.h"
#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/element.h"
#include "math/isa.h"

/* ---- the trainer's parameters ------------------------------------------- */

static void save_params(const struct probe_run *run)
{
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        if (s->bytes > 0) {
            memcpy(s->saved, s->given->param, s->bytes);
        }
    }
}

static void restore_params(const struct probe_run *run)
{
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        if (s->bytes > 0) {
            memcpy(s->given->param, s->saved, s->bytes);
        }
    }
}

void probe_place_start(const struct probe_run *run)
{
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        if (s->bytes > 0) {
            memcpy(s->given->param, s->given->param_start, s->bytes);
        }
    }
}

ISA_CLONES static void go_along(
    double *restrict x, const double *restrict end, size_t n, double gamma)
{
    for (size_t i = 0; i < n; i++) {
        x[i] += gamma * (end[i] - x[i]);
    }
}

HELD_ENV_NOINLINE static void place_between(
    const struct probe_run *run, double gamma)
{
    double x[ELEMENT_BLOCK];
    double end[ELEMENT_BLOCK];
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *s = &run->segments[i];
        const enum traj_dtype dtype = s->given->dtype;
        const size_t n = s->given->n;
        for (size_t k = 0; k < n; k += ELEMENT_BLOCK) {
            const size_t block = n - k < ELEMENT_BLOCK ? n - k : ELEMENT_BLOCK;
            element_widen(dtype, s->given->param_start, k, block, x);
            element_widen(dtype, s->saved, k, block, end);
            go_along(x, end, block, gamma);
            element_narrow(dtype, x, block, s->given->param, k);
        }
    }
}

void probe_place(const struct probe_run *run, double gamma)
{
    if (!(gamma < 1)) {
        restore_params(run);
        return;
    }
    struct held_env held;
    held_env_take(&held);
    place_between(run, gamma);
    held_env_give_back(&held);
}

/* ---- the callback ------------------------------------------------------- */

enum traj_status probe_call(
    struct probe_run *run, uint32_t k, void **arrays, double gamma)
{
    const struct traj_probe_input *input = &run->input;
    void *ret_grad = input->n_segments > 0 ? (void *)arrays : arrays[0];
    run->loss = traj_unset();
    int answer =
        input->micro_gradient == NULL
            ? input->gradient(input->context, ret_grad, &run->loss)
            : input->micro_gradient(input->context, k, ret_grad, &run->loss);
    if (answer != 0) {
        return error_set(TRAJ_ECALLBACK,
            "probe: the gradient callback returned %d at gamma %g", answer,
            gamma);
    }
    run->grad_evals++;
    return TRAJ_OK;
}

static enum traj_status check_idempotence(struct probe_run *run)
{
    probe_place_start(run);
    enum traj_status status = probe_call(run, 0, run->grads, 0);
    if (status == TRAJ_OK) {
        status = probe_measure_repetition(run, PROBE_GRAD_START, PROBE_GRAD);
        probe_loss_if_unset(run, run->loss);
    }
    return status;
}

static enum traj_status probe_gammas(struct probe_run *run)
{
    const struct traj_probe_input *input = &run->input;
    enum traj_status status = TRAJ_OK;
    if (input->check_idempotence) {
        status = check_idempotence(run);
    }
    for (uint32_t i = 0; status == TRAJ_OK && i < input->n_gammas; i++) {
        const double gamma = input->gammas[i];
        probe_place(run, gamma);
        status = probe_call(run, 0, run->grads, gamma);
        if (status == TRAJ_OK) {
            status =
                probe_measure_point(run, PROBE_GRAD, PROBE_GRAD_START, gamma);
        }
    }
    return status;
}

static enum traj_status probe_all(struct probe_run *run)
{
    const bool micro = run->input.micro_gradient != NULL;
    bool goes_on = false;
    enum traj_status status = probe_measure_start(
        run, micro ? PROBE_NONE : PROBE_GRAD_START, &goes_on);
    if (status != TRAJ_OK || !goes_on) {
        return status;
    }
    return micro ? probe_micro(run) : probe_gammas(run);
}

/* ---- results ------------------------------------------------------------ */

/* What is the caller's stays; what we measure starts unset. */
static void clear_result(const struct probe_run *run, struct traj_probe *result)
{
    const struct traj_probe_input *input = &run->input;
    const double unset = traj_unset();
    result->smoothness = result->smoothness_gamma = unset;
    result->grad_sq = result->grad_mid_sq = result->grad_end_sq = unset;
    result->delta_sq = result->dgrad_sq = unset;
    result->grad_delta = result->dgrad_delta = result->grad_grad_end = unset;
    result->param_sq = result->loss_end = unset;
    result->rounding_floor = result->ceiling = result->idempotence = unset;
    result->grad_dual = result->dgrad_dual = result->delta_norm = unset;
    result->loss = input->loss_start;
    result->grad_evals = 0;
    result->flags = 0;
    result->n_points = 0;
    if (input->check_idempotence || input->micro_gradient != NULL) {
        result->noise_floor = unset;
    }
    if (input->micro_gradient != NULL) {
        result->micro_grad_sq = result->micro_dgrad_sq = unset;
        result->noise_sq = unset;
    }
}

static size_t known_size(const struct traj_probe *probe)
{
    return probe->size < sizeof *probe ? probe->size : sizeof *probe;
}

/* The elements of ret_groups are as far apart as the caller's struct is large;
 * the result of part 0 is not among them. */
static struct traj_probe *group_result(const struct probe_run *run, size_t k)
{
    char *first = (char *)run->input.ret_groups;
    return (struct traj_probe *)(first + (k - 1) * run->input.ret_groups->size);
}

static void init_part(
    const struct probe_run *run, size_t k, const struct traj_probe *given)
{
    struct probe_part *part = &run->parts[k];
    *part = (struct probe_part){ .best = -1, .repeat = traj_unset() };
    traj_probe_init(&part->result);
    memcpy(&part->result, given, known_size(given));
    clear_result(run, &part->result);
    if (k == 0) {
        return;
    }
    const bool micro = run->input.micro_gradient != NULL;
    part->group = &run->input.groups[k - 1];
    part->norm = part->group->norm;
    if (micro && part->norm != TRAJ_NORM_RMS) {
        part->norm = TRAJ_NORM_L2; /* U is made of inner products */
    }
    part->result.group = (uint32_t)k;
    part->result.norm = part->norm;
    if (part->group->combine != TRAJ_COMBINE_NONE) {
        part->result.combine = part->group->combine;
    }
}

/* The dtype of a part is the coarsest of its segments: that of most rounding.
 */
static void count_segment(
    struct probe_part *part, const struct probe_segment *segment)
{
    const enum traj_dtype dtype = segment->given->dtype;
    if (part->n == 0 || segment->u > element_roundoff(part->result.dtype)) {
        part->result.dtype = dtype;
    }
    part->n += segment->given->n;
}

HELD_ENV_NOINLINE static void init_parts(
    const struct probe_run *run, const struct traj_probe *given)
{
    for (size_t k = 0; k < run->n_parts; k++) {
        init_part(run, k, k == 0 ? given : group_result(run, k));
    }
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *segment = &run->segments[i];
        count_segment(&run->parts[0], segment);
        if (segment->given->group > 0) {
            count_segment(&run->parts[segment->given->group], segment);
        }
    }
}

static void give_results(
    const struct probe_run *run, struct traj_probe *ret_probe)
{
    for (size_t k = 0; k < run->n_parts; k++) {
        struct traj_probe *given = k == 0 ? ret_probe : group_result(run, k);
        run->parts[k].result.grad_evals = run->grad_evals;
        memcpy(given, &run->parts[k].result, known_size(given));
    }
}

enum traj_status traj_smoothness_probe(
    const struct traj_probe_input *input, struct traj_probe *ret_probe)
{
    struct probe_run run;
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = probe_check(input, ret_probe, &run);
    if (status == TRAJ_OK) {
        init_parts(&run, ret_probe);
    }
    held_env_give_back(&held);
    if (status != TRAJ_OK) {
        return status;
    }
    save_params(&run);
    status = probe_all(&run);
    restore_params(&run);
    if (status == TRAJ_OK) {
        give_results(&run, ret_probe);
    }
    return status;
}

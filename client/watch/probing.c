/*
 * probing.c: see probing.h.
 *
 * Invariant: whatever a callback answers, the trainer's parameters are its
 * own again when a function returns; traj_smoothness_probe and
 * traj_sharpness_measure see to theirs, measure_at_start to its own.
 */
#include "watch/probing.h"

#include "error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "held_env.h"
#include "math/element.h"
#include "watch/delta.h"

#define ALIGNMENT 64u
#define IDEMPOTENCE_EVERY 100u /* probes */
#define SHARPNESS_EVERY 8u     /* probes, by budget */

static uint64_t mono_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* this clock cannot fail */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- opening ---------------------------------------------------------------
 */

bool probing_has_callback(const struct probing *probing)
{
    const struct traj_watch_options *o = &probing->options;
    return o->gradient != NULL || o->micro_gradient != NULL;
}

static void copy_options(
    struct probing *p, const struct traj_watch_options *options)
{
    static const double usual[] = { 0.5, 1 };
    struct traj_watch_options *own = &p->options;
    *own = *options;
    if (own->estimator == 0) {
        own->estimator = own->micro_gradient != NULL
                             ? TRAJ_ESTIMATOR_MICROBATCH
                             : TRAJ_ESTIMATOR_SAME_BATCH;
    }
    if (own->n_gammas == 0) {
        /* Microbatches: the whole update, whose differences are largest. */
        const bool whole = own->estimator == TRAJ_ESTIMATOR_MICROBATCH;
        own->gammas = whole ? usual + 1 : usual;
        own->n_gammas = whole ? 1 : 2;
    }
    memcpy(p->gammas, own->gammas, own->n_gammas * sizeof *own->gammas);
    own->gammas = NULL; /* the copy is in p, which moves */
}

static void look_at_dtypes(struct probing *p, const struct arrays *arrays)
{
    p->dtype = arrays->segment[0].dtype;
    for (size_t i = 0; i < arrays->n; i++) {
        const enum traj_dtype dtype = arrays->segment[i].dtype;
        const double u = element_roundoff(dtype);
        p->roundoff = u > p->roundoff ? u : p->roundoff;
        p->dtype = dtype == p->dtype ? dtype : 0;
    }
}

static void choose_intervals(struct probing *p)
{
    const struct traj_watch_options *o = &p->options;
    const bool callback = probing_has_callback(p);
    p->sharpness_every = o->sharpness_every;
    if (o->sharpness_every == 0) {
        p->sharpness_every = o->probe_every == 0 ? SHARPNESS_EVERY : UINT32_MAX;
    }
    if (o->gradient == NULL && o->hvp == NULL) {
        p->sharpness_every = UINT32_MAX;
    }
    p->different_every = o->different_every;
    if (o->different_every == 0) {
        p->different_every = callback ? UINT32_MAX : 1;
    }
}

/* The input of every probe, but for what is of the step. */
static struct traj_probe_input input_of(const struct probing *p)
{
    const struct traj_watch_options *o = &p->options;
    const bool micro = o->estimator == TRAJ_ESTIMATOR_MICROBATCH;
    return (struct traj_probe_input){
        .size = sizeof(struct traj_probe_input),
        .dtype = o->dtype,
        .n = o->n,
        .param = o->param,
        .gammas = p->gammas,
        .n_gammas = o->n_gammas,
        .gradient = micro ? NULL : o->gradient,
        .micro_gradient = micro ? o->micro_gradient : NULL,
        .micro_batches = o->micro_batches,
        .context = o->context,
        .workspace = p->workspace,
        .segments = p->segment,
        .n_segments = o->n_segments,
        .groups = p->group,
        .n_groups = o->n_groups,
        .ret_groups = p->group_probe,
        .threads = o->threads,
    };
}

static bool take_tables(struct probing *p, const struct arrays *arrays)
{
    const struct traj_watch_options *o = &p->options;
    if (o->n_segments > 0) {
        p->segment = calloc(o->n_segments, sizeof *p->segment);
        if (p->segment == NULL) {
            return false;
        }
        for (size_t i = 0; i < o->n_segments; i++) {
            p->segment[i] = (struct traj_probe_segment){
                .dtype = arrays->segment[i].dtype,
                .n = arrays->segment[i].n,
                .param = arrays->segment[i].param,
                .group = arrays->segment[i].group,
            };
        }
    }
    if (o->n_groups == 0) {
        return true;
    }
    p->group = calloc(o->n_groups, sizeof *p->group);
    p->group_probe = calloc(o->n_groups, sizeof *p->group_probe);
    if (p->group == NULL || p->group_probe == NULL) {
        return false;
    }
    memcpy(p->group, o->groups, o->n_groups * sizeof *p->group);
    return true;
}

static bool take_workspace(struct probing *p)
{
    const struct traj_probe_input input = input_of(p);
    const size_t bytes = traj_probe_workspace(&input);
    if (bytes == 0) {
        return false;
    }
    const size_t whole = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    p->workspace = aligned_alloc(ALIGNMENT, whole);
    return p->workspace != NULL;
}

static enum traj_status open_meter(struct probing *p)
{
    const struct traj_watch_options *o = &p->options;
    const struct traj_sharpness_options options = {
        .size = sizeof options,
        .dtype = o->dtype,
        .n = o->n,
        .param = o->param,
        .segments = p->segment,
        .n_segments = o->n_segments,
        .gradient = o->hvp == NULL ? o->gradient : NULL,
        .hvp = o->hvp,
        .context = o->context,
        .max_hvps = o->sharpness_hvps,
    };
    return traj_sharpness_open(&options, &p->meter);
}

enum traj_status probing_init(struct probing *probing,
    const struct traj_watch_options *options, const struct arrays *arrays)
{
    struct probing p = { .probes = 0 };
    copy_options(&p, options);
    choose_intervals(&p);
    look_at_dtypes(&p, arrays);
    enum traj_status status = TRAJ_OK;
    if (!take_tables(&p, arrays) ||
        (probing_has_callback(&p) && !take_workspace(&p))) {
        status = error_set(TRAJ_ENOMEM, "watch: no memory for probes");
    } else if (p.sharpness_every != UINT32_MAX) {
        status = open_meter(&p);
    }
    if (status != TRAJ_OK) {
        probing_done(&p);
        return status;
    }
    *probing = p;
    return TRAJ_OK;
}

void probing_done(struct probing *probing)
{
    free(probing->segment);
    free(probing->group);
    free(probing->group_probe);
    free(probing->workspace);
    traj_sharpness_close(probing->meter);
}

/* ---- along the update ------------------------------------------------------
 */

static void label(const struct probing *p, const struct traj_step *step,
    bool burst, struct traj_probe *probe)
{
    const struct traj_watch_options *o = &p->options;
    traj_probe_init(probe);
    probe->step = step->step;
    probe->estimator = o->estimator;
    probe->combine = step->combine;
    probe->lr = step->lr;
    if (o->batch_samples > 0) {
        probe->batch_samples = o->batch_samples;
    }
    if (o->subset_fraction > 0) {
        probe->subset_fraction = o->subset_fraction;
    }
    probe->flags = burst ? TRAJ_PROBE_BURST : 0;
}

static void point_at_copies(struct probing *p, const struct arrays *arrays,
    struct traj_probe_input *input)
{
    if (p->segment == NULL) {
        input->param_start = arrays->copy[KEPT_PARAM][0];
        input->grad_start = arrays->copy[KEPT_GRAD][0];
        return;
    }
    for (size_t i = 0; i < arrays->n; i++) {
        p->segment[i].param_start = arrays->copy[KEPT_PARAM][i];
        p->segment[i].grad_start = arrays->copy[KEPT_GRAD][i];
    }
}

static void finish_group_probes(
    struct probing *p, const struct traj_step *step, bool burst, uint64_t cost)
{
    for (uint32_t k = 0; k < p->options.n_groups; k++) {
        struct traj_probe *probe = &p->group_probe[k];
        if (p->group[k].combine != TRAJ_COMBINE_NONE) {
            probe->combine = p->group[k].combine;
        }
        probe->step = step->step;
        probe->cost_ns = cost;
        probe->flags |= burst ? TRAJ_PROBE_BURST : 0;
    }
}

/* Into p->last, which stays the last good one if it fails. */
static enum traj_status take_probe(struct probing *p,
    const struct arrays *arrays, const struct traj_step *step, bool burst)
{
    struct traj_probe probe;
    struct traj_probe_input input = input_of(p);
    label(p, step, burst, &probe);
    for (uint32_t k = 0; k < p->options.n_groups; k++) {
        label(p, step, burst, &p->group_probe[k]);
    }
    point_at_copies(p, arrays, &input);
    input.loss_start = step->loss;
    input.check_idempotence =
        p->options.check_idempotence && p->probes % IDEMPOTENCE_EVERY == 0;
    const uint64_t started_ns = mono_ns();
    enum traj_status status = traj_smoothness_probe(&input, &probe);
    if (status != TRAJ_OK) {
        return status;
    }
    probe.cost_ns = mono_ns() - started_ns;
    probe.flags |= burst ? TRAJ_PROBE_BURST : 0;
    finish_group_probes(p, step, burst, probe.cost_ns);
    p->last = probe;
    p->probes++;
    return TRAJ_OK;
}

static enum traj_status record_probes(const struct probing *p, traj_run *run)
{
    if (run == NULL) {
        return TRAJ_OK;
    }
    enum traj_status first = traj_log_probe(run, &p->last);
    for (uint32_t k = 0; k < p->options.n_groups; k++) {
        enum traj_status status = traj_log_probe(run, &p->group_probe[k]);
        first = first != TRAJ_OK ? first : status;
    }
    return first;
}

/* ---- the operator norm -----------------------------------------------------
 */

/* H at x_k, where the gradient of the step was taken. */
static enum traj_status measure_at_start(struct probing *p,
    const struct arrays *arrays, struct traj_sharpness *sharpness)
{
    arrays_keep_param(arrays, KEPT_SAVED);
    arrays_put_param(arrays, KEPT_PARAM);
    enum traj_status status = traj_sharpness_measure(p->meter, sharpness);
    arrays_put_param(arrays, KEPT_SAVED);
    return status;
}

static enum traj_status take_sharpness(struct probing *p,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step)
{
    struct traj_sharpness sharpness;
    traj_sharpness_init(&sharpness);
    sharpness.step = step->step;
    sharpness.estimator = p->options.estimator;
    sharpness.grad_sq = step->grad_sq;
    sharpness.loss = step->loss;
    sharpness.lr = step->lr;
    sharpness.batch_samples = p->last.batch_samples;
    sharpness.subset_fraction = p->last.subset_fraction;
    const uint64_t started_ns = mono_ns();
    enum traj_status status = measure_at_start(p, arrays, &sharpness);
    if (status != TRAJ_OK || run == NULL) {
        return status;
    }
    sharpness.cost_ns = mono_ns() - started_ns;
    return traj_log_sharpness(run, &sharpness);
}

enum traj_status probing_take(struct probing *probing,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step,
    bool burst)
{
    struct probing *p = probing;
    enum traj_status status = take_probe(p, arrays, step, burst);
    if (status != TRAJ_OK) {
        return status;
    }
    status = record_probes(p, run);
    if (p->meter != NULL && (p->probes - 1) % p->sharpness_every == 0) {
        enum traj_status sharp = take_sharpness(p, arrays, run, step);
        status = status != TRAJ_OK ? status : sharp;
    }
    return status;
}

/* ---- different batches -----------------------------------------------------
 */

/* ||g||^2 of the mean of K microbatches, and the mean of theirs. */
HELD_ENV_NOINLINE static double noise_of(const struct traj_step *step)
{
    const uint64_t K = step->micro_batches;
    if (traj_is_unset(step->micro_grad_sq) || K == TRAJ_UNSET_COUNT || K < 2) {
        return traj_unset();
    }
    return (step->micro_grad_sq - step->grad_sq) / (double)(K - 1);
}

void probing_remember(
    const struct traj_step *step, struct probing_previous *ret_previous)
{
    struct held_env held;
    held_env_take(&held);
    const double noise_sq = noise_of(step);
    held_env_give_back(&held);
    *ret_previous = (struct probing_previous){
        .step = step->step,
        .grad_sq = step->grad_sq,
        .param_sq = step->param_sq,
        .delta_sq = step->delta_sq,
        .grad_delta = step->grad_delta,
        .loss = step->loss,
        .lr = step->lr,
        .noise_sq = noise_sq,
    };
}

static bool is_measured(const struct traj_moments *m, double grad_sq)
{
    return isfinite(m->grad_sq) && isfinite(grad_sq) && isfinite(m->dgrad_sq) &&
           isfinite(m->delta_sq) && m->delta_sq > 0;
}

/* From what is in *q already; u: the unit roundoff, r = ||d||. */
static void floors_of(struct traj_probe *q, double u, double r)
{
    q->ceiling = (sqrt(q->grad_sq) + sqrt(q->grad_end_sq)) / r;
    q->rounding_floor =
        q->flags & TRAJ_PROBE_FROM_DELTA
            ? delta_rounding_floor(u, q->param_sq, q->delta_sq, q->lr)
            : u * sqrt((q->grad_sq + q->grad_end_sq) / (8 * log(2))) / r;
    if (!(q->noise_sq > 0)) {
        return;
    }
    q->noise_floor = sqrt(2 * q->noise_sq) / r;
    if (q->smoothness * q->smoothness < 4 * q->noise_floor * q->noise_floor) {
        q->flags |= TRAJ_PROBE_NOISE_LIMITED;
    }
}

HELD_ENV_NOINLINE static bool fill_different(const struct traj_moments *back,
    double previous_grad_sq, double u, struct traj_probe *q)
{
    if (!is_measured(back, previous_grad_sq)) {
        return false;
    }
    const double r = sqrt(back->delta_sq);
    q->smoothness = sqrt(back->dgrad_sq) / r;
    q->smoothness_gamma = 1;
    q->grad_sq = previous_grad_sq;
    q->grad_end_sq = back->grad_sq;
    q->delta_sq = back->delta_sq;
    q->dgrad_sq = back->dgrad_sq;
    q->grad_delta = back->grad_delta;
    q->dgrad_delta = back->dgrad_delta;
    q->grad_grad_end = back->grad_prev;
    floors_of(q, u, r);
    return true;
}

bool probing_different(const struct probing *probing,
    const struct probing_previous *previous, const struct traj_moments *back,
    double loss_end, struct traj_probe *ret_probe)
{
    struct traj_probe *q = ret_probe;
    traj_probe_init(q);
    q->step = previous->step;
    q->estimator = TRAJ_ESTIMATOR_DIFFERENT;
    q->dtype = probing->dtype;
    q->lr = previous->lr;
    q->loss = previous->loss;
    q->loss_end = loss_end;
    q->param_sq = previous->param_sq;
    q->noise_sq = previous->noise_sq;
    q->cost_ns = q->grad_evals = 0;
    if (probing->options.batch_samples > 0) {
        q->batch_samples = probing->options.batch_samples;
    }
    if (probing->options.delta_only) {
        q->flags |= TRAJ_PROBE_FROM_DELTA;
    }
    struct held_env held;
    held_env_take(&held);
    const bool measured =
        fill_different(back, previous->grad_sq, probing->roundoff, q);
    held_env_give_back(&held);
    return measured;
}

/*
 * probing.c: see probing.h.
 *
 * Invariant: whatever a callback answers, the trainer's parameters are its
 * own again when a function returns; traj_smoothness_probe and
 * traj_sharpness_measure see to theirs, measure_at_start to its own.
 */
#include "watch/probing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "watch/units.h"
#include "watch/watch_options.h"

#define ALIGNMENT 64u
#define IDEMPOTENCE_EVERY 100u /* probes */

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
    struct traj_watch_options *own = &p->options;
    *own = *options;
    memcpy(p->gammas, own->gammas, own->n_gammas * sizeof *own->gammas);
    own->gammas = NULL; /* the copy is in p, which moves */
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
    enum traj_status status = TRAJ_OK;
    if (!take_tables(&p, arrays) ||
        (probing_has_callback(&p) && !take_workspace(&p))) {
        status = error_set(TRAJ_ENOMEM, "watch: no memory for probes");
    } else if (watch_options_sharpness(&p.options)) {
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
    struct traj_probe *probe)
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

static void finish(
    struct traj_probe *probe, bool burst, uint64_t cost_ns, double divisor)
{
    probe->cost_ns = cost_ns;
    probe->flags |= burst ? TRAJ_PROBE_BURST : 0;
    units_divide_probe(probe, divisor);
}

/* Into p->last, which stays the last good one if it fails. */
static enum traj_status take_probe(struct probing *p,
    const struct arrays *arrays, const struct traj_step *step, bool burst)
{
    struct traj_probe probe;
    double divisor = 1;
    enum traj_status status = units_divisor(step, &divisor);
    if (status != TRAJ_OK) {
        return status;
    }
    struct traj_probe_input input = input_of(p);
    label(p, step, &probe);
    for (uint32_t k = 0; k < p->options.n_groups; k++) {
        label(p, step, &p->group_probe[k]);
        if (p->group[k].combine != TRAJ_COMBINE_NONE) {
            p->group_probe[k].combine = p->group[k].combine;
        }
    }
    point_at_copies(p, arrays, &input);
    input.loss_start = step->loss;
    input.check_idempotence =
        p->options.check_idempotence && p->probes % IDEMPOTENCE_EVERY == 0;
    const int64_t started_ns = ns_of_clock(CLOCK_MONOTONIC);
    status = traj_smoothness_probe(&input, &probe);
    if (status != TRAJ_OK) {
        return status;
    }
    const uint64_t cost_ns =
        (uint64_t)(ns_of_clock(CLOCK_MONOTONIC) - started_ns);
    finish(&probe, burst, cost_ns, divisor);
    for (uint32_t k = 0; k < p->options.n_groups; k++) {
        finish(&p->group_probe[k], burst, cost_ns, divisor);
    }
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
    double divisor = 1;
    enum traj_status status = units_divisor(step, &divisor);
    if (status != TRAJ_OK) {
        return status;
    }
    traj_sharpness_init(&sharpness);
    sharpness.step = step->step;
    /* The products are of gradient, whose data is the step's batch then. */
    sharpness.estimator = p->options.estimator == TRAJ_ESTIMATOR_MICROBATCH
                              ? TRAJ_ESTIMATOR_SAME_BATCH
                              : p->options.estimator;
    sharpness.grad_sq = step->grad_sq;
    sharpness.loss = step->loss;
    sharpness.lr = step->lr;
    sharpness.batch_samples = p->last.batch_samples;
    sharpness.subset_fraction = p->last.subset_fraction;
    const int64_t started_ns = ns_of_clock(CLOCK_MONOTONIC);
    status = measure_at_start(p, arrays, &sharpness);
    if (status != TRAJ_OK || run == NULL) {
        return status;
    }
    sharpness.cost_ns = (uint64_t)(ns_of_clock(CLOCK_MONOTONIC) - started_ns);
    units_divide_sharpness(&sharpness, divisor);
    return traj_log_sharpness(run, &sharpness);
}

bool probing_norm_is_next(const struct probing *probing)
{
    return probing->meter != NULL &&
           probing->probes % probing->options.sharpness_every == 0;
}

enum traj_status probing_take(struct probing *probing,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step,
    bool burst)
{
    struct probing *p = probing;
    const bool with_norm = probing_norm_is_next(p);
    enum traj_status status = take_probe(p, arrays, step, burst);
    if (status != TRAJ_OK) {
        return status;
    }
    status = record_probes(p, run);
    if (with_norm) {
        enum traj_status sharp = take_sharpness(p, arrays, run, step);
        status = status != TRAJ_OK ? status : sharp;
    }
    return status;
}

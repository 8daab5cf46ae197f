/*
 * watch.c: measures and records the steps of a trainer that has its parameters
 * in one flat array. The only file of the library that knows both halves.
 * Runs in the trainer's thread; the trainer's arrays are borrowed and only
 * read, but for param during a probe, which gives it back as it was.
 *
 * Invariants:
 * W1. From traj_before_update to traj_after_update (open_step) kept_param and
 *     kept_grad hold x_k and g_k.
 * W2. has_previous: between the two calls of different steps they hold
 *     x_{k-1} and g_{k-1}, and nothing was skipped in between.
 */
#include "error.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "held_env.h"

#define ALIGNMENT 64u
#define IDEMPOTENCE_EVERY 100u /* probes */
/* Of ||g||^2: what rounding to float32 (2^-48) and our own subtractions leave
 * between two gradients that are the same. */
#define SAME_SQ 0x1p-46

struct traj_watch {
    traj_run *run; /* borrowed; may be NULL */
    struct traj_watch_options options;
    double gammas[TRAJ_GAMMAS_MAX];
    size_t array_bytes;
    void *memory; /* owned: all arrays below */
    void *kept_param, *kept_grad;
    void *workspace; /* of the probe; NULL without a callback */
    bool open_step;
    bool has_previous;
    uint64_t updates, probes;
    struct traj_probe probe; /* the last, if probes > 0 */
};

static size_t width(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? sizeof(double) : sizeof(float);
}

/* ---- opening ------------------------------------------------------------ */

static enum traj_status check_options(const struct traj_watch_options *o)
{
    if (o == NULL || o->size < sizeof *o) {
        return error_set(TRAJ_EINVAL, "watch: options->size is not set");
    }
    if (o->dtype != TRAJ_F32 && o->dtype != TRAJ_F64) {
        return error_set(TRAJ_EINVAL, "watch: unknown dtype %d", (int)o->dtype);
    }
    if (o->param == NULL || o->grad == NULL) {
        return error_set(TRAJ_ENOGRAD,
            "watch: %s is NULL (is the array allocated yet?)",
            o->param == NULL ? "param" : "grad");
    }
    if (o->n == 0 || o->n > SIZE_MAX / 8 / width(o->dtype)) {
        return error_set(TRAJ_EINVAL, "watch: n is 0 or too large");
    }
    if (o->n_gammas > TRAJ_GAMMAS_MAX ||
        (o->n_gammas > 0 && o->gammas == NULL)) {
        return error_set(TRAJ_EINVAL, "watch: gammas is NULL or more than %d",
            TRAJ_GAMMAS_MAX);
    }
    return TRAJ_OK;
}

static void copy_options(
    struct traj_watch *watch, const struct traj_watch_options *options)
{
    static const double usual[] = { 0.5, 1 };
    struct traj_watch_options *own = &watch->options;
    *own = *options;
    if (own->n_gammas == 0) {
        own->gammas = usual;
        own->n_gammas = 2;
    }
    memcpy(watch->gammas, own->gammas, own->n_gammas * sizeof *own->gammas);
    own->gammas = watch->gammas;
    own->probe_every = own->probe_every > 0 ? own->probe_every : 1;
    own->estimator =
        own->estimator != 0 ? own->estimator : TRAJ_ESTIMATOR_SAME_BATCH;
}

static bool take_memory(struct traj_watch *watch)
{
    const struct traj_watch_options *o = &watch->options;
    const size_t bytes = o->n * width(o->dtype);
    const size_t stride = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const struct traj_probe_input input = {
        .size = sizeof input, .dtype = o->dtype, .n = o->n
    };
    const size_t workspace =
        o->gradient != NULL ? traj_probe_workspace(&input) : 0;
    char *memory = aligned_alloc(ALIGNMENT, 2 * stride + workspace);
    if (memory == NULL) {
        return false;
    }
    watch->memory = memory;
    watch->array_bytes = bytes;
    watch->kept_param = memory;
    watch->kept_grad = memory + stride;
    watch->workspace = workspace > 0 ? memory + 2 * stride : NULL;
    return true;
}

enum traj_status traj_watch_open(traj_run *run,
    const struct traj_watch_options *options, traj_watch **ret_watch)
{
    enum traj_status status = check_options(options);
    if (status != TRAJ_OK) {
        return status;
    }
    struct traj_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return error_set(TRAJ_ENOMEM, "watch: out of memory");
    }
    watch->run = run;
    copy_options(watch, options);
    if (!take_memory(watch)) {
        free(watch);
        return error_set(
            TRAJ_ENOMEM, "watch: no memory for %zu elements", options->n);
    }
    *ret_watch = watch;
    return TRAJ_OK;
}

void traj_watch_close(traj_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    free(watch->memory);
    free(watch);
}

const struct traj_probe *traj_watch_probe(const traj_watch *watch)
{
    return watch->probes > 0 ? &watch->probe : NULL;
}

/* ---- before the update -------------------------------------------------- */

static enum traj_status check_step(
    const traj_watch *watch, const struct traj_step *step)
{
    if (watch == NULL) {
        return error_set(TRAJ_EINVAL, "watch: watch is NULL");
    }
    if (step == NULL || step->size < sizeof *step) {
        return error_set(
            TRAJ_EINVAL, "watch: step has not been through traj_step_init");
    }
    return TRAJ_OK;
}

enum traj_status traj_before_update(traj_watch *watch, struct traj_step *step)
{
    enum traj_status status = check_step(watch, step);
    if (status != TRAJ_OK) {
        return status;
    }
    const struct traj_watch_options *o = &watch->options;
    const bool back = watch->has_previous;
    struct traj_moments m;
    status = traj_moments(o->dtype, o->n, o->param, o->grad,
        back ? watch->kept_param : NULL, back ? watch->kept_grad : NULL, &m);
    if (status != TRAJ_OK) {
        return status;
    }
    memcpy(watch->kept_param, o->param, watch->array_bytes);
    memcpy(watch->kept_grad, o->grad, watch->array_bytes);
    watch->open_step = true;
    watch->has_previous = false;

    step->grad_sq = m.grad_sq;
    step->param_sq = m.param_sq;
    step->grad_prev = m.grad_prev;
    step->dgrad_sq = m.dgrad_sq;
    step->dgrad_delta = m.dgrad_delta;
    step->grad_max_abs = m.grad_max_abs;
    step->grad_nan = m.grad_nan;
    step->grad_inf = m.grad_inf;
    step->param_nan = m.param_nan;
    step->param_inf = m.param_inf;
    return TRAJ_OK;
}

/* ---- after the update --------------------------------------------------- */

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

HELD_ENV_NOINLINE static void judge(const struct traj_moments *delta,
    const struct traj_moments *now, struct traj_step *step)
{
    step->delta_sq = delta->delta_sq;
    step->grad_delta = delta->grad_delta;
    if (traj_is_unset(step->clip_scale)) {
        measure_clip(now, step);
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

static enum traj_status measure_update(
    const traj_watch *watch, struct traj_step *step)
{
    const struct traj_watch_options *o = &watch->options;
    struct traj_moments delta;
    struct traj_moments now;
    enum traj_status status = traj_moments(o->dtype, o->n, o->param, NULL,
        watch->kept_param, watch->kept_grad, &delta);
    if (status == TRAJ_OK) {
        status = traj_moments(
            o->dtype, o->n, NULL, o->grad, NULL, watch->kept_grad, &now);
    }
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    judge(&delta, &now, step);
    held_env_give_back(&held);
    return TRAJ_OK;
}

static uint64_t mono_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* this clock cannot fail */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Into watch->probe, which stays the last good one if it fails. */
static enum traj_status take_probe(
    traj_watch *watch, const struct traj_step *step)
{
    const struct traj_watch_options *o = &watch->options;
    struct traj_probe probe;
    traj_probe_init(&probe);
    probe.step = step->step;
    probe.estimator = o->estimator;
    probe.lr = step->lr;
    if (o->batch_samples > 0) {
        probe.batch_samples = o->batch_samples;
    }
    if (o->subset_fraction > 0) {
        probe.subset_fraction = o->subset_fraction;
    }
    const struct traj_probe_input input = {
        .size = sizeof input,
        .dtype = o->dtype,
        .n = o->n,
        .param = o->param,
        .param_start = watch->kept_param,
        .grad_start = watch->kept_grad,
        .loss_start = step->loss,
        .gammas = o->gammas,
        .n_gammas = o->n_gammas,
        .check_idempotence =
            o->check_idempotence && watch->probes % IDEMPOTENCE_EVERY == 0,
        .gradient = o->gradient,
        .context = o->context,
        .workspace = watch->workspace,
    };
    const uint64_t started_ns = mono_ns();
    enum traj_status status = traj_smoothness_probe(&input, &probe);
    if (status != TRAJ_OK) {
        return status;
    }
    probe.cost_ns = mono_ns() - started_ns;
    watch->probe = probe;
    watch->probes++;
    return TRAJ_OK;
}

static bool probe_is_due(const traj_watch *watch)
{
    const struct traj_watch_options *o = &watch->options;
    return o->gradient != NULL && o->probe_every != UINT32_MAX &&
           (watch->updates - 1) % o->probe_every == 0;
}

static enum traj_status probe_and_record(
    traj_watch *watch, const struct traj_step *step)
{
    enum traj_status status = take_probe(watch, step);
    if (status == TRAJ_OK && watch->run != NULL) {
        status = traj_log_probe(watch->run, &watch->probe);
    }
    return status;
}

enum traj_status traj_after_update(traj_watch *watch, struct traj_step *step)
{
    enum traj_status status = check_step(watch, step);
    if (status != TRAJ_OK) {
        return status;
    }
    if (!watch->open_step) {
        return error_set(
            TRAJ_EINVAL, "watch: traj_after_update without traj_before_update");
    }
    status = measure_update(watch, step);
    if (status != TRAJ_OK) {
        return status;
    }
    watch->open_step = false;
    watch->has_previous = true;
    watch->updates++;
    /* The step first: what a failing probe leaves is then complete. */
    if (watch->run != NULL) {
        status = traj_step(watch->run, step);
    }
    if (probe_is_due(watch)) {
        enum traj_status probe_status = probe_and_record(watch, step);
        status = status != TRAJ_OK ? status : probe_status;
    }
    return status;
}

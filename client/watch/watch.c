/*
 * watch.c: measures and records the steps of a trainer: the two calls around
 * its update. The folder watch/ is the part of the library that knows both
 * halves, by what traj.h says of them. Runs in the trainer's thread; the
 * trainer's arrays are borrowed and only read, but for param during a probe,
 * which gives it back as it was.
 *
 * Invariants:
 * W1. From traj_before_update to traj_after_update (open_step) of an update
 *     that is measured KEPT_PARAM holds x_k and, unless delta_only, KEPT_GRAD
 *     g_k.
 * W2. has_previous: between the two calls of different steps they hold
 *     x_{k-1} and g_{k-1}, and nothing was skipped in between.
 * W3. An update that is not measured leaves neither behind it.
 * W4. With delta_only g_k is known only after the update: it is made in
 *     KEPT_OWN_GRAD, which then changes places with KEPT_GRAD.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "held_env.h"
#include "math/spike.h"
#include "unit.h"
#include "watch/arrays.h"
#include "watch/delta.h"
#include "watch/different.h"
#include "watch/failures.h"
#include "watch/groups.h"
#include "watch/interval.h"
#include "watch/judge.h"
#include "watch/probing.h"
#include "watch/schedule.h"
#include "watch/units.h"
#include "watch/watch_options.h"

struct traj_watch {
    traj_run *run; /* borrowed; may be NULL */
    struct traj_watch_options options;
    struct arrays arrays;
    struct groups groups;
    struct probing probing;
    struct different different;
    struct failures failures;
    struct schedule schedule;
    struct interval different_turn; /* of pairs of steps */
    struct spike loss_spike, grad_spike;
    struct traj_moments back; /* of x and g of the open step, looking back */
    struct different_previous previous;
    struct unit previous_unit; /* of g_{k-1} */
    bool open_step;
    bool measured; /* the open step is */
    bool has_previous;
    bool velocity_known; /* delta_only, HEAVY_BALL: KEPT_VELOCITY is v_{k-1} */
    uint64_t updates;
};

/* ---- opening ------------------------------------------------------------ */

static unsigned kinds_of(const struct traj_watch_options *o)
{
    unsigned kinds = 1u << KEPT_PARAM | 1u << KEPT_GRAD;
    if (o->delta_only) {
        kinds |= 1u << KEPT_OWN_GRAD;
    }
    if (o->delta_only && o->optimizer == TRAJ_OPTIMIZER_HEAVY_BALL) {
        kinds |= 1u << KEPT_VELOCITY;
    }
    if (watch_options_sharpness(o)) {
        kinds |= 1u << KEPT_SAVED;
    }
    return kinds;
}

/* Where a trainer has NULL for an array of no elements: nothing is read or
 * written there, but memcpy takes no NULL, and a NULL operand is "not there".
 */
static void stand_in_for_empty(
    const struct arrays *arrays, const struct traj_watch_options *o)
{
    static _Alignas(double) char nothing[sizeof(double)];
    for (size_t i = 0; i < arrays->n; i++) {
        if (arrays->segment[i].n == 0) {
            arrays->segment[i].param = nothing;
            arrays->segment[i].grad = o->delta_only ? NULL : nothing;
        }
    }
}

static enum traj_status open_parts(
    struct traj_watch *w, const struct traj_watch_options *o, bool is_flat)
{
    enum traj_status status = groups_init(&w->groups, o);
    if (status != TRAJ_OK) {
        return status;
    }
    if (!arrays_init(&w->arrays, o->segments, o->n_segments, kinds_of(o))) {
        groups_done(&w->groups);
        return error_set(
            TRAJ_ENOMEM, "watch: no memory for %zu segments", o->n_segments);
    }
    stand_in_for_empty(&w->arrays, o);
    struct traj_watch_options probing = *o;
    if (is_flat) {
        probing.segments = NULL;
        probing.n_segments = 0;
    }
    status = probing_init(&w->probing, &probing, &w->arrays);
    if (status != TRAJ_OK) {
        arrays_done(&w->arrays);
        groups_done(&w->groups);
    }
    return status;
}

enum traj_status traj_watch_open(traj_run *run,
    const struct traj_watch_options *options, traj_watch **ret_watch)
{
    if (ret_watch == NULL) {
        return error_set(TRAJ_EINVAL, "watch: ret_watch is NULL");
    }
    struct traj_watch_segment flat;
    struct traj_watch_options o;
    enum traj_status status = watch_options_read(options, &flat, &o);
    if (status != TRAJ_OK) {
        return status;
    }
    struct traj_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return error_set(TRAJ_ENOMEM, "watch: out of memory");
    }
    watch->run = run;
    status = open_parts(watch, &o, o.segments == &flat);
    if (status != TRAJ_OK) {
        free(watch);
        return status;
    }
    watch->options = o;
    watch->options.segments = NULL; /* the copy is in arrays */
    watch->options.groups = NULL;   /* and in groups */
    schedule_init(
        &watch->schedule, o.probe_every, o.probe_budget, o.burst_probes);
    spike_init(&watch->loss_spike, 0);
    spike_init(&watch->grad_spike, SPIKE_LOG_FLOOR);
    watch->different = different_of(&o, &watch->arrays);
    watch->different_turn.every = o.different_every;
    *ret_watch = watch;
    return TRAJ_OK;
}

void traj_watch_close(traj_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    failures_sum_up(&watch->failures, watch->run);
    probing_done(&watch->probing);
    arrays_done(&watch->arrays);
    groups_done(&watch->groups);
    free(watch);
}

const struct traj_probe *traj_watch_probe(const traj_watch *watch)
{
    return watch != NULL && watch->probing.probes > 0 ? &watch->probing.last
                                                      : NULL;
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

/* Two in a row, of which the second looks back; of heavy ball the third, for
 * the first gives no gradient away. */
static bool is_measured(const struct traj_watch *watch)
{
    const struct traj_watch_options *o = &watch->options;
    const uint64_t row =
        o->delta_only && o->optimizer == TRAJ_OPTIMIZER_HEAVY_BALL ? 3 : 2;
    return o->measure_every <= row || watch->updates % o->measure_every < row ||
           watch->schedule.burst_left > 0;
}

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

static enum traj_status measure_before(
    traj_watch *watch, struct traj_step *step)
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

enum traj_status traj_before_update(traj_watch *watch, struct traj_step *step)
{
    enum traj_status status = check_step(watch, step);
    if (status != TRAJ_OK) {
        return status;
    }
    schedule_start(&watch->schedule, ns_of_clock(CLOCK_MONOTONIC));
    if (watch->open_step) { /* its update was not told */
        watch->has_previous = false;
        watch->velocity_known = false;
    }
    watch->measured = is_measured(watch);
    status = measure_before(watch, step);
    watch->open_step = watch->open_step || status == TRAJ_OK;
    return status;
}

/* ---- after the update --------------------------------------------------- */

static enum traj_status measure_update(
    traj_watch *watch, struct traj_step *step)
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
    struct held_env held;
    held_env_take(&held);
    judge_update(&after, watch->different.roundoff, step);
    held_env_give_back(&held);
    return TRAJ_OK;
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
static enum traj_status measure_delta_only(
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

/* ---- recording ------------------------------------------------------------
 */

/* g_k - g_{k-1} of two units is a difference of nothing. */
static void forget_back(struct traj_step *step)
{
    step->grad_prev = step->dgrad_sq = step->dgrad_delta = traj_unset();
}

/* A loss scaler finds its scale by such a gradient, which it sees and leaves
 * out. */
HELD_ENV_NOINLINE static bool is_handled_overflow(const struct traj_step *step)
{
    const uint64_t handled = TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED;
    return (step->flags & handled) == handled && !isfinite(step->grad_sq);
}

/* Of the loss and of log||g||. A norm of 0 has no logarithm and is no spike. */
HELD_ENV_NOINLINE static void add_to_spikes(
    traj_watch *watch, const struct traj_step *step, double divisor)
{
    if (!traj_is_unset(step->loss)) {
        (void)spike_add(&watch->loss_spike, step->loss);
    }
    if (!traj_is_unset(step->grad_sq) && !(step->grad_sq <= 0) &&
        !is_handled_overflow(step)) {
        (void)spike_add(
            &watch->grad_spike, log(step->grad_sq) / 2 - log(divisor));
    }
}

/* true: one has begun with this step. */
static bool note_spike(traj_watch *watch, struct traj_step *step)
{
    /* Of a gradient that was not measured nothing is known. */
    const bool has_grad = !traj_is_unset(step->grad_sq);
    const bool before =
        watch->loss_spike.active || (has_grad && watch->grad_spike.active);
    double divisor = 1; /* unknown: a change of it looks like a spike */
    (void)!units_divisor(step, &divisor);
    struct held_env held;
    held_env_take(&held);
    add_to_spikes(watch, step, divisor);
    held_env_give_back(&held);
    const bool now =
        watch->loss_spike.active || (has_grad && watch->grad_spike.active);
    step->flags |= now ? TRAJ_STEP_SPIKE : 0;
    return now && !before;
}

/* Of this step and the one before. */
static enum traj_status record_different(
    traj_watch *watch, const struct traj_step *step)
{
    if (!interval_comes(&watch->different_turn, watch->updates - 2)) {
        return TRAJ_OK;
    }
    struct traj_probe probe;
    double divisor = 0;
    if (units_divisor(step, &divisor) != TRAJ_OK ||
        !different_probe(&watch->different, &watch->previous, &watch->back,
            divisor, step->loss, &probe)) {
        return TRAJ_OK;
    }
    return watch->run != NULL ? traj_log_probe(watch->run, &probe) : TRAJ_OK;
}

static enum traj_status probe(
    traj_watch *watch, const struct traj_step *step, bool spike)
{
    if (!probing_has_callback(&watch->probing)) {
        return TRAJ_OK;
    }
    if (watch->options.remote_rate && watch->run != NULL) {
        watch->schedule.remote = traj_wanted_probe_every(watch->run);
    }
    const enum schedule_kind kind = probing_norm_is_next(&watch->probing)
                                        ? SCHEDULE_WITH_NORM
                                        : SCHEDULE_PLAIN;
    const int64_t started_ns = ns_of_clock(CLOCK_MONOTONIC);
    const enum schedule_reason reason =
        schedule_update(&watch->schedule, started_ns,
            (struct schedule_step){
                .measured = watch->measured, .spike = spike, .next = kind });
    if (reason == SCHEDULE_NOT) {
        return TRAJ_OK;
    }
    enum traj_status status = probing_take(&watch->probing, &watch->arrays,
        watch->run, step, reason == SCHEDULE_BURST);
    schedule_probed(
        &watch->schedule, kind, ns_of_clock(CLOCK_MONOTONIC) - started_ns);
    failures_note(&watch->failures, watch->run, status, step->step);
    return status;
}

static enum traj_status first_failure(
    enum traj_status first, enum traj_status next)
{
    return first != TRAJ_OK ? first : next;
}

/* The step first: what a failing probe leaves is then complete. back: the sums
 * of before looked back. known: there is a gradient. */
static enum traj_status record_all(
    traj_watch *watch, struct traj_step *step, bool back, bool known)
{
    const bool spike = note_spike(watch, step);
    enum traj_status status = TRAJ_OK;
    watch->updates++;
    if (watch->run != NULL) {
        status = traj_step(watch->run, step);
    }
    if (watch->run != NULL && known) {
        status =
            first_failure(status, groups_record(&watch->groups, &watch->arrays,
                                      watch->run, step, watch->updates - 1));
    }
    if (back && known) {
        status = first_failure(status, record_different(watch, step));
    }
    return first_failure(status, probe(watch, step, spike));
}

/* known: there is a gradient. */
static enum traj_status measure_after(
    traj_watch *watch, struct traj_step *step, bool *ret_known)
{
    if (!watch->measured) {
        const bool told = step->flags != TRAJ_UNSET_COUNT;
        step->flags = (told ? step->flags : 0) | TRAJ_STEP_NOT_MEASURED;
        watch->velocity_known = false;
        *ret_known = false;
        return TRAJ_OK;
    }
    if (watch->options.delta_only) {
        return measure_delta_only(watch, step, ret_known);
    }
    *ret_known = true;
    return measure_update(watch, step);
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
    const bool back = watch->has_previous;
    bool known = false;
    status = measure_after(watch, step, &known);
    if (status != TRAJ_OK) {
        return status;
    }
    watch->open_step = false;
    watch->has_previous = known;
    if (watch->options.delta_only && known) {
        arrays_swap(&watch->arrays, KEPT_OWN_GRAD, KEPT_GRAD);
    }
    if (!unit_equal(watch->previous_unit, unit_of(step))) {
        forget_back(step);
    }
    status = record_all(watch, step, back, known);
    different_remember(step, watch->options.optimizer, &watch->previous);
    watch->previous_unit = unit_of(step);
    return status;
}

/*
 * watch.c: measures and records the steps of a trainer: the two calls around
 * its update. The folder watch/ is the part of the library that knows both
 * halves, by what traj.h says of them, and drafts of steps. Runs in the
 * trainer's thread; the trainer's arrays are borrowed and only read, but for
 * param during a probe, which gives it back as it was.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "held_env.h"
#include "math/spike.h"
#include "transport/run_draft.h"
#include "unit.h"
#include "watch/measure.h"
#include "watch/units.h"
#include "watch/watch_impl.h"
#include "watch/watch_options.h"

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

const struct traj_probe *traj_watch_probe(const traj_watch *watch)
{
    return watch != NULL && watch->probing.probes > 0 ? &watch->probing.last
                                                      : NULL;
}

static enum traj_status first_failure(
    enum traj_status first, enum traj_status next)
{
    return first != TRAJ_OK ? first : next;
}

/* ---- a record that waits for its d --------------------------------------- */

HELD_ENV_NOINLINE static bool has_finite_norm(const struct traj_step *step)
{
    return isfinite(step->grad_sq);
}

/* So far nothing has to know d: what the gradient's array tells of clipping it
 * tells now, and whether a gradient that is not finite is a spike depends on
 * whether it was left out. */
static bool may_wait(const traj_watch *watch, const struct traj_step *step)
{
    if (!watch->options.one_pass || watch->run == NULL || !watch->measured ||
        traj_is_unset(step->clip_scale) ||
        groups_are_due(&watch->groups, watch->updates)) {
        return false;
    }
    struct held_env held;
    held_env_take(&held);
    const bool finite = has_finite_norm(step);
    held_env_give_back(&held);
    return finite;
}

/* Its d is measured. */
static enum traj_status record_late(traj_watch *watch)
{
    watch->waiting = false;
    different_remember(
        &watch->late, watch->options.optimizer, &watch->previous);
    return run_finish_step(watch->run, watch, &watch->late);
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
    if (status != TRAJ_OK) {
        return status;
    }
    watch->open_step = true;
    if (!watch->waiting) {
        return TRAJ_OK;
    }
    measure_looked_back(watch, &watch->late);
    return record_late(watch);
}

/* ---- after the update --------------------------------------------------- */

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

/* What is to be probed after this update. */
struct plan {
    enum schedule_reason reason;
    enum schedule_kind kind;
};

static struct plan plan_probe(traj_watch *watch, bool spike)
{
    struct plan plan = { SCHEDULE_NOT, SCHEDULE_PLAIN };
    if (!probing_has_callback(&watch->probing)) {
        return plan;
    }
    if (watch->options.remote_rate && watch->run != NULL) {
        watch->schedule.remote = traj_wanted_probe_every(watch->run);
    }
    if (probing_norm_is_next(&watch->probing)) {
        plan.kind = SCHEDULE_WITH_NORM;
    }
    plan.reason = schedule_update(&watch->schedule,
        ns_of_clock(CLOCK_MONOTONIC),
        (struct schedule_step){
            .measured = watch->measured, .spike = spike, .next = plan.kind });
    return plan;
}

static enum traj_status probe(
    traj_watch *watch, const struct traj_step *step, struct plan plan)
{
    if (plan.reason == SCHEDULE_NOT) {
        return TRAJ_OK;
    }
    const int64_t started_ns = ns_of_clock(CLOCK_MONOTONIC);
    enum traj_status status = probing_take(&watch->probing, &watch->arrays,
        watch->run, step, plan.reason == SCHEDULE_BURST);
    schedule_probed(
        &watch->schedule, plan.kind, ns_of_clock(CLOCK_MONOTONIC) - started_ns);
    failures_note(&watch->failures, watch->run, status, step->step);
    return status;
}

/* known: there is a gradient. */
static enum traj_status record_now(
    traj_watch *watch, const struct traj_step *step, bool known)
{
    enum traj_status status = TRAJ_OK;
    if (watch->run != NULL) {
        status = traj_step(watch->run, step);
    }
    if (watch->run != NULL && known) {
        status =
            first_failure(status, groups_record(&watch->groups, &watch->arrays,
                                      watch->run, step, watch->updates - 1));
    }
    return status;
}

static uint64_t told_flags(const struct traj_step *step)
{
    return step->flags != TRAJ_UNSET_COUNT ? step->flags : 0;
}

/* known: there is a gradient. */
static enum traj_status measure_after(
    traj_watch *watch, struct traj_step *step, bool *ret_known)
{
    if (!watch->measured) {
        step->flags = told_flags(step) | TRAJ_STEP_NOT_MEASURED;
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

/* Still nothing asks for d: the step waits. */
static bool leave_to_next_pass(
    traj_watch *watch, const struct traj_step *step, struct plan plan)
{
    watch->waiting = plan.reason == SCHEDULE_NOT && is_measured(watch) &&
                     run_draft_step(watch->run, watch, step) == TRAJ_OK;
    watch->late = *step;
    return watch->waiting;
}

/* How the open step was measured. */
struct measured {
    bool back;  /* the sums of before looked back */
    bool known; /* there is a gradient */
    bool waits; /* without d, so far */
};

/* The step first: what a failing probe leaves is then complete. */
static enum traj_status record_all(
    traj_watch *watch, struct traj_step *step, struct measured m)
{
    const struct plan plan = plan_probe(watch, note_spike(watch, step));
    watch->updates++;
    enum traj_status status = TRAJ_OK;
    if (m.waits && !leave_to_next_pass(watch, step, plan)) {
        status = measure_update(watch, step);
    }
    if (status == TRAJ_OK && !watch->waiting) {
        status = record_now(watch, step, m.known);
    }
    if (m.back && m.known) {
        status = first_failure(status, record_different(watch, step));
    }
    return watch->waiting ? status
                          : first_failure(status, probe(watch, step, plan));
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
    struct measured m = { .back = watch->has_previous,
        .known = true,
        .waits = may_wait(watch, step) };
    if (m.waits) {
        step->flags = told_flags(step);
        step->delta_sq = step->grad_delta = traj_unset();
    } else {
        status = measure_after(watch, step, &m.known);
    }
    if (status != TRAJ_OK) {
        return status;
    }
    watch->open_step = false;
    watch->has_previous = m.known;
    if (watch->options.delta_only && m.known) {
        arrays_swap(&watch->arrays, KEPT_OWN_GRAD, KEPT_GRAD);
    }
    if (!unit_equal(watch->previous_unit, unit_of(step))) {
        forget_back(step);
    }
    status = record_all(watch, step, m);
    if (!watch->waiting) {
        different_remember(step, watch->options.optimizer, &watch->previous);
    }
    watch->previous_unit = unit_of(step);
    return status;
}

/* ---- closing ------------------------------------------------------------ */

void traj_watch_close(traj_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->waiting && measure_update(watch, &watch->late) == TRAJ_OK) {
        (void)record_late(watch); /* if dropped, that is counted */
    }
    failures_sum_up(&watch->failures, watch->run);
    probing_done(&watch->probing);
    arrays_done(&watch->arrays);
    groups_done(&watch->groups);
    free(watch);
}

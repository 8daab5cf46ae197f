/* record: runs in the appender; keeps no state. */
#include "transport/record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "values.h"
#include "wire.h"

/* Values are written in ascending order of field id, each to the next slot;
 * an absent one is overwritten by its follower. No branch, so nothing to
 * mispredict when what is measured changes from step to step. */
struct packer {
    uint64_t *values;
    size_t n;
    uint64_t present;
};

static inline void pack(
    struct packer *p, unsigned field, uint64_t bits, uint64_t unset)
{
    uint64_t there = bits != unset;
    p->values[p->n] = bits;
    p->n += there;
    p->present |= there << field;
}

static inline uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline void pack_f64(struct packer *p, unsigned field, double value)
{
    pack(p, field, bits_of(value), TRAJ_UNSET_BITS);
}

static inline void pack_u64(struct packer *p, unsigned field, uint64_t value)
{
    pack(p, field, value, TRAJ_UNSET_COUNT);
}

/* Of an enum or number whose 0 says nothing. */
static inline void pack_enum(struct packer *p, unsigned field, unsigned value)
{
    pack(p, field, value, 0);
}

/* A value that is always there. */
static inline void pack_always(struct packer *p, unsigned field, uint64_t bits)
{
    p->values[p->n++] = bits;
    p->present |= UINT64_C(1) << field;
}

struct times times_now(void)
{
    return (struct times){ .wall_ns = ns_of_clock(CLOCK_REALTIME),
        .mono_ns = ns_of_clock(CLOCK_MONOTONIC) };
}

static void pack_step(
    struct packer *p, const struct traj_step *s, struct times at)
{
    pack_u64(p, STEP_step, s->step);
    pack_always(p, STEP_wall_ns, (uint64_t)at.wall_ns);
    pack_always(p, STEP_mono_ns, (uint64_t)at.mono_ns);
    pack_f64(p, STEP_loss, s->loss);
    pack_f64(p, STEP_lr, s->lr);
    pack_f64(p, STEP_grad_sq, s->grad_sq);
    pack_f64(p, STEP_param_sq, s->param_sq);
    pack_f64(p, STEP_delta_sq, s->delta_sq);
    pack_f64(p, STEP_grad_delta, s->grad_delta);
    pack_f64(p, STEP_dgrad_sq, s->dgrad_sq);
    pack_f64(p, STEP_dgrad_delta, s->dgrad_delta);
    pack_f64(p, STEP_grad_prev, s->grad_prev);
    pack_f64(p, STEP_grad_max_abs, s->grad_max_abs);
    pack_u64(p, STEP_grad_nan, s->grad_nan);
    pack_u64(p, STEP_grad_inf, s->grad_inf);
    pack_u64(p, STEP_param_nan, s->param_nan);
    pack_u64(p, STEP_param_inf, s->param_inf);
    pack_f64(p, STEP_clip_threshold, s->clip_threshold);
    pack_f64(p, STEP_clip_scale, s->clip_scale);
    pack_f64(p, STEP_grad_clipped_sq, s->grad_clipped_sq);
    pack_f64(p, STEP_loss_scale, s->loss_scale);
    pack_enum(p, STEP_stage, s->stage);
    pack_u64(p, STEP_flags, s->flags);
    pack_u64(p, STEP_micro_batches, s->micro_batches);
    pack_f64(p, STEP_momentum, s->momentum);
    pack_u64(p, STEP_tokens, s->tokens);
    pack_u64(p, STEP_samples, s->samples);
    pack_f64(p, STEP_epoch, s->epoch);
    pack_f64(p, STEP_micro_grad_sq, s->micro_grad_sq);
    pack_u64(p, STEP_batch_samples, s->batch_samples);
    pack_enum(p, STEP_combine, s->combine);
}

static void pack_fold(struct packer *p, const struct fold_result *f)
{
    pack_u64(p, STEP_fold_count, f->count);
    pack_u64(p, STEP_fold_first_step, f->first_step);
    pack_f64(p, STEP_fold_loss_sum, f->loss.total);
    pack_f64(p, STEP_fold_loss_min, f->loss.min);
    pack_u64(p, STEP_fold_loss_min_step, f->loss.min_step);
    pack_f64(p, STEP_fold_loss_max, f->loss.max);
    pack_u64(p, STEP_fold_loss_max_step, f->loss.max_step);
    pack_f64(p, STEP_fold_grad_sq_sum, f->grad_sq.total);
    pack_f64(p, STEP_fold_grad_sq_min, f->grad_sq.min);
    pack_u64(p, STEP_fold_grad_sq_min_step, f->grad_sq.min_step);
    pack_f64(p, STEP_fold_grad_sq_max, f->grad_sq.max);
    pack_u64(p, STEP_fold_grad_sq_max_step, f->grad_sq.max_step);
    pack_f64(p, STEP_fold_delta_sq_sum, f->delta_sq.total);
    pack_u64(p, STEP_fold_nonfinite, f->nonfinite);
    pack_u64(p, STEP_fold_clipped, f->clipped);
}

static enum traj_status fill_step(struct spool *spool,
    const struct traj_step *step, enum spool_urgency urgency,
    int64_t now_mono_ns, struct times at, struct packer *ret)
{
    enum traj_status status = TRAJ_OK;
    *ret =
        (struct packer){ .values = spool_reserve(spool, (STEP_FIELDS + 1) * 8,
                             urgency, now_mono_ns, &status) };
    if (ret->values != NULL) {
        pack_step(ret, step, at);
    }
    return status;
}

enum traj_status record_step(struct spool *spool, const struct traj_step *step,
    enum spool_urgency urgency, int64_t now_mono_ns, struct times at)
{
    struct packer p;
    enum traj_status status =
        fill_step(spool, step, urgency, now_mono_ns, at, &p);
    if (status == TRAJ_OK) {
        spool_commit(spool, WIRE_STEP, p.present, p.n, NULL, 0);
    }
    return status;
}

void record_draft(
    struct spool *spool, const struct traj_step *step, struct times at)
{
    struct packer p;
    if (fill_step(spool, step, SPOOL_ORDINARY, at.mono_ns, at, &p) == TRAJ_OK) {
        spool_draft(spool, WIRE_STEP, p.present, p.n);
    }
}

enum traj_status record_fold(struct spool *spool,
    const struct fold_result *fold, enum spool_urgency urgency,
    struct times now)
{
    enum traj_status status = TRAJ_OK;
    struct packer p = { .values = spool_reserve(spool, (STEP_FIELDS + 1) * 8,
                            urgency, now.mono_ns, &status) };
    if (p.values == NULL) {
        return status;
    }
    const struct times at = { .wall_ns =
                                  now.wall_ns - (now.mono_ns - fold->mono_ns),
        .mono_ns = fold->mono_ns };
    pack_step(&p, &fold->last, at);
    pack_fold(&p, fold);
    spool_commit(spool, WIRE_STEP, p.present, p.n, NULL, 0);
    return TRAJ_OK;
}

static void pack_probe(
    struct packer *p, const struct traj_probe *s, struct times now)
{
    pack_u64(p, PROBE_step, s->step);
    pack_always(p, PROBE_wall_ns, (uint64_t)now.wall_ns);
    pack_enum(p, PROBE_estimator, s->estimator);
    pack_enum(p, PROBE_group, s->group);
    pack_enum(p, PROBE_norm, s->norm);
    pack_enum(p, PROBE_dtype, s->dtype);
    pack_f64(p, PROBE_smoothness, s->smoothness);
    pack_f64(p, PROBE_smoothness_gamma, s->smoothness_gamma);
    pack_f64(p, PROBE_grad_sq, s->grad_sq);
    pack_f64(p, PROBE_grad_mid_sq, s->grad_mid_sq);
    pack_f64(p, PROBE_grad_end_sq, s->grad_end_sq);
    pack_f64(p, PROBE_delta_sq, s->delta_sq);
    pack_f64(p, PROBE_dgrad_sq, s->dgrad_sq);
    pack_f64(p, PROBE_grad_delta, s->grad_delta);
    pack_f64(p, PROBE_dgrad_delta, s->dgrad_delta);
    pack_f64(p, PROBE_grad_grad_end, s->grad_grad_end);
    pack_f64(p, PROBE_param_sq, s->param_sq);
    pack_f64(p, PROBE_loss, s->loss);
    pack_f64(p, PROBE_loss_end, s->loss_end);
    pack_f64(p, PROBE_lr, s->lr);
    pack_f64(p, PROBE_noise_floor, s->noise_floor);
    pack_f64(p, PROBE_rounding_floor, s->rounding_floor);
    pack_f64(p, PROBE_idempotence, s->idempotence);
    pack_u64(p, PROBE_cost_ns, s->cost_ns);
    pack_u64(p, PROBE_grad_evals, s->grad_evals);
    pack_u64(p, PROBE_micro_batches, s->micro_batches);
    pack_u64(p, PROBE_batch_samples, s->batch_samples);
    pack_f64(p, PROBE_micro_grad_sq, s->micro_grad_sq);
    pack_f64(p, PROBE_micro_dgrad_sq, s->micro_dgrad_sq);
    pack_u64(p, PROBE_flags, s->flags);
    pack_enum(p, PROBE_combine, s->combine);
    pack_f64(p, PROBE_subset_fraction, s->subset_fraction);
    pack_f64(p, PROBE_ceiling, s->ceiling);
    pack_f64(p, PROBE_noise_sq, s->noise_sq);
    pack_f64(p, PROBE_grad_dual, s->grad_dual);
    pack_f64(p, PROBE_dgrad_dual, s->dgrad_dual);
    pack_f64(p, PROBE_delta_norm, s->delta_norm);
}

/* traj_probe_point is the blob's layout: four doubles a point. */
static_assert(sizeof(struct traj_probe_point) == 32, "gammas: 4 F64 a point");
static_assert(TRAJ_GAMMAS_MAX == WIRE_GAMMAS_MAX, "as many as the wire takes");

enum traj_status record_probe(
    struct spool *spool, const struct traj_probe *probe, struct times now)
{
    assert(probe->n_points <= TRAJ_GAMMAS_MAX);
    uint32_t text_bytes = probe->n_points * (uint32_t)sizeof probe->points[0];
    enum traj_status status = TRAJ_OK;
    struct packer p = { .values = spool_reserve(spool,
                            (PROBE_FIELDS + 1) * 8 + text_bytes, SPOOL_ORDINARY,
                            now.mono_ns, &status) };
    if (p.values == NULL) {
        return status;
    }
    pack_probe(&p, probe, now);
    if (probe->n_points > 0) {
        p.present |= UINT64_C(1) << PROBE_gammas;
    }
    spool_commit(spool, WIRE_PROBE, p.present, p.n, probe->points, text_bytes);
    return TRAJ_OK;
}

enum traj_status record_group(
    struct spool *spool, const struct traj_group_step *s, struct times now)
{
    const struct traj_moments *m = &s->moments;
    enum traj_status status = TRAJ_OK;
    struct packer p = { .values = spool_reserve(spool, (GROUP_FIELDS + 1) * 8,
                            SPOOL_ORDINARY, now.mono_ns, &status) };
    if (p.values == NULL) {
        return status;
    }
    pack_u64(&p, GROUP_step, s->step);
    pack_always(&p, GROUP_wall_ns, (uint64_t)now.wall_ns);
    pack_enum(&p, GROUP_group, s->group);
    pack_f64(&p, GROUP_grad_sq, m->grad_sq);
    pack_f64(&p, GROUP_param_sq, m->param_sq);
    pack_f64(&p, GROUP_delta_sq, m->delta_sq);
    pack_f64(&p, GROUP_grad_delta, m->grad_delta);
    pack_f64(&p, GROUP_dgrad_sq, m->dgrad_sq);
    pack_f64(&p, GROUP_dgrad_delta, m->dgrad_delta);
    pack_f64(&p, GROUP_grad_prev, m->grad_prev);
    pack_f64(&p, GROUP_grad_max_abs, m->grad_max_abs);
    pack_u64(&p, GROUP_grad_nan, m->grad_nan);
    pack_u64(&p, GROUP_grad_inf, m->grad_inf);
    pack_u64(&p, GROUP_param_nan, m->param_nan);
    pack_u64(&p, GROUP_param_inf, m->param_inf);
    pack_enum(&p, GROUP_norm, s->norm);
    pack_f64(&p, GROUP_grad_dual, s->grad_dual);
    pack_f64(&p, GROUP_delta_norm, s->delta_norm);
    pack_enum(&p, GROUP_combine, s->combine);
    pack_enum(&p, GROUP_stage, s->stage);
    spool_commit(spool, WIRE_GROUP, p.present, p.n, NULL, 0);
    return TRAJ_OK;
}

enum traj_status record_sharpness(
    struct spool *spool, const struct traj_sharpness *s, struct times now)
{
    enum traj_status status = TRAJ_OK;
    struct packer p = { .values =
                            spool_reserve(spool, (SHARPNESS_FIELDS + 1) * 8,
                                SPOOL_ORDINARY, now.mono_ns, &status) };
    if (p.values == NULL) {
        return status;
    }
    pack_u64(&p, SHARPNESS_step, s->step);
    pack_always(&p, SHARPNESS_wall_ns, (uint64_t)now.wall_ns);
    pack_enum(&p, SHARPNESS_group, s->group);
    pack_enum(&p, SHARPNESS_method, s->method);
    pack_enum(&p, SHARPNESS_estimator, s->estimator);
    pack_enum(&p, SHARPNESS_dtype, s->dtype);
    pack_f64(&p, SHARPNESS_value, s->value);
    pack_f64(&p, SHARPNESS_residual, s->residual);
    pack_f64(&p, SHARPNESS_lambda_min, s->lambda_min);
    pack_f64(&p, SHARPNESS_lambda_max, s->lambda_max);
    pack_u64(&p, SHARPNESS_hvps, s->hvps);
    pack_u64(&p, SHARPNESS_converged, s->converged);
    pack_u64(&p, SHARPNESS_grad_evals, s->grad_evals);
    pack_u64(&p, SHARPNESS_cost_ns, s->cost_ns);
    pack_f64(&p, SHARPNESS_epsilon, s->epsilon);
    pack_f64(&p, SHARPNESS_grad_sq, s->grad_sq);
    pack_f64(&p, SHARPNESS_loss, s->loss);
    pack_f64(&p, SHARPNESS_lr, s->lr);
    pack_u64(&p, SHARPNESS_batch_samples, s->batch_samples);
    pack_f64(&p, SHARPNESS_subset_fraction, s->subset_fraction);
    pack_u64(&p, SHARPNESS_flags, s->flags);
    pack_f64(&p, SHARPNESS_residual_min, s->residual_min);
    pack_f64(&p, SHARPNESS_residual_max, s->residual_max);
    spool_commit(spool, WIRE_SHARPNESS, p.present, p.n, NULL, 0);
    return TRAJ_OK;
}

enum traj_status record_metric(struct spool *spool, const char *name,
    uint32_t name_bytes, uint64_t step, double value, struct times now)
{
    enum traj_status status = TRAJ_OK;
    struct packer p = { .values = spool_reserve(spool,
                            (METRIC_FIELDS + 1) * 8 + name_bytes,
                            SPOOL_ORDINARY, now.mono_ns, &status) };
    if (p.values == NULL) {
        return status;
    }
    pack_u64(&p, METRIC_step, step);
    pack_always(&p, METRIC_wall_ns, (uint64_t)now.wall_ns);
    p.present |= UINT64_C(1) << METRIC_name;
    /* Always: who logs the marker has logged a NaN. */
    pack_always(&p, METRIC_value, bits_of(value));
    spool_commit(spool, WIRE_METRIC, p.present, p.n, name, name_bytes);
    return TRAJ_OK;
}

enum traj_status record_event(
    struct spool *spool, const struct event *event, struct times now)
{
    /* That there is room again is told when there is room for a step too:
     * else the last bytes of a segment would go to the first drop alone. At
     * the end of a run (urgent) those bytes are the last chance to tell. */
    bool again =
        event->kind == TRAJ_EVENT_DROPPED && event->urgency == SPOOL_ORDINARY;
    size_t behind = again ? 64 * 8 : 0;
    enum traj_status status = TRAJ_OK;
    struct packer p = { .values = spool_reserve(spool,
                            (EVENT_FIELDS + 1) * 8 + event->text_bytes + behind,
                            event->urgency, now.mono_ns, &status) };
    if (p.values == NULL) {
        return status;
    }
    pack_u64(&p, EVENT_step, event->step);
    pack_always(&p, EVENT_wall_ns, (uint64_t)now.wall_ns);
    pack_always(&p, EVENT_event, (uint64_t)event->kind);
    pack_always(&p, EVENT_severity, (uint64_t)event->severity);
    if (event->text != NULL) {
        p.present |= UINT64_C(1) << EVENT_text;
    }
    if (event->kind == TRAJ_EVENT_DROPPED) {
        pack_always(&p, EVENT_value, bits_of((double)event->dropped));
    }
    if (event->kind == TRAJ_EVENT_FINISH) {
        pack_always(&p, EVENT_exit_code, (uint64_t)event->exit_code);
    }
    spool_commit(spool, WIRE_EVENT, p.present, p.n, event->text,
        event->text != NULL ? event->text_bytes : 0);
    return TRAJ_OK;
}

uint64_t record_untold_drops(const struct spool *spool)
{
    /* Relaxed: the appender's own numbers, or those of a dead one. */
    return atomic_load_explicit(&spool->state->dropped, memory_order_relaxed) -
           atomic_load_explicit(
               &spool->state->dropped_told, memory_order_relaxed);
}

enum traj_status record_drops(
    struct spool *spool, enum spool_urgency urgency, struct times now)
{
    uint64_t drops = record_untold_drops(spool);
    char text[80];
    int n = snprintf(text, sizeof text,
        "%" PRIu64 " records were dropped here: the spool was full", drops);
    struct event event = { .kind = TRAJ_EVENT_DROPPED,
        .severity = TRAJ_WARNING,
        .urgency = urgency,
        .step = TRAJ_UNSET_COUNT,
        .text = text,
        .text_bytes = (uint32_t)n,
        .dropped = drops };
    enum traj_status status = record_event(spool, &event, now);
    if (status != TRAJ_OK && urgency == SPOOL_URGENT) {
        event.text = NULL; /* the count alone takes less room */
        event.text_bytes = 0;
        status = record_event(spool, &event, now);
    }
    if (status == TRAJ_OK) {
        (void)atomic_fetch_add_explicit(
            &spool->state->dropped_told, drops, memory_order_relaxed);
    }
    return status;
}

void record_lost_tail(struct spool *spool, uint64_t lost)
{
    char text[96];
    int n = snprintf(text, sizeof text,
        "the spool was damaged: its last %" PRIu64 " records or more are lost",
        lost);
    struct event event = { .kind = TRAJ_EVENT_TEXT,
        .severity = TRAJ_ERROR,
        .step = TRAJ_UNSET_COUNT,
        .text = text,
        .text_bytes = (uint32_t)n };
    /* Into a segment of its own, made for it: there is room. */
    (void)record_event(spool, &event, times_now());
}

/* probe_sums.c: passes over the segments of a probe, added up by part. Pure but
 * for the probe's own workspace. */
#include "math/probe.h"
#include <math.h>

#include "held_env.h"

static const void *array_of(
    const struct probe_segment *segment, enum probe_array array)
{
    switch (array) {
    case PROBE_NONE:
        return NULL;
    case PROBE_PARAM:
        return segment->given->param;
    case PROBE_START:
        return segment->given->param_start;
    case PROBE_SAVED:
        return segment->saved;
    case PROBE_GRAD_START:
        return segment->given->grad_start;
    case PROBE_GRAD:
        return segment->grad;
    case PROBE_GRAD_END:
        return segment->grad_end;
    case PROBE_MEAN:
        return segment->mean;
    case PROBE_MEAN_END:
        return segment->mean_end;
    }
    return NULL;
}

static bool is_mean(enum probe_array array)
{
    return array == PROBE_MEAN || array == PROBE_MEAN_END;
}

static void add_segment(struct probe_adding *adding,
    const struct traj_moments *m, const struct probe_segment *segment)
{
    const double u_sq = segment->u * segment->u;
    sum_add(&adding->grad_sq, m->grad_sq);
    sum_add(&adding->param_sq, m->param_sq);
    sum_add(&adding->delta_sq, m->delta_sq);
    sum_add(&adding->dgrad_sq, m->dgrad_sq);
    sum_add(&adding->grad_delta, m->grad_delta);
    sum_add(&adding->dgrad_delta, m->dgrad_delta);
    sum_add(&adding->grad_prev, m->grad_prev);
    sum_add(&adding->round_g_sq, u_sq * m->grad_sq);
    sum_add(&adding->round_x_sq, u_sq * m->param_sq);
}

static void take_sums(struct probe_part *part)
{
    const struct probe_adding *adding = &part->adding;
    part->sums = (struct traj_moments){
        .grad_sq = sum_value(&adding->grad_sq),
        .param_sq = sum_value(&adding->param_sq),
        .delta_sq = sum_value(&adding->delta_sq),
        .dgrad_sq = sum_value(&adding->dgrad_sq),
        .grad_delta = sum_value(&adding->grad_delta),
        .dgrad_delta = sum_value(&adding->dgrad_delta),
        .grad_prev = sum_value(&adding->grad_prev),
    };
    part->round_g_sq = sum_value(&adding->round_g_sq);
    part->round_x_sq = sum_value(&adding->round_x_sq);
}

static struct probe_part *part_of(
    const struct probe_run *run, const struct probe_segment *segment)
{
    return &run->parts[segment->given->group];
}

static void fill_pass(const struct probe_run *run, struct probe_pass pass)
{
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *segment = &run->segments[i];
        const enum traj_dtype dtype = segment->given->dtype;
        run->pass[i] = (struct traj_segment){
            .dtype = dtype,
            .grad_dtype = is_mean(pass.g) ? TRAJ_F64 : dtype,
            .n = segment->given->n,
            .x = array_of(segment, pass.x),
            .g = array_of(segment, pass.g),
            .x0 = array_of(segment, pass.x0),
            .g0 = array_of(segment, pass.g0),
        };
    }
}

HELD_ENV_NOINLINE enum traj_status probe_sum(
    const struct probe_run *run, struct probe_pass pass)
{
    fill_pass(run, pass);
    struct traj_moments total;
    enum traj_status status = traj_moments_of(
        run->pass, run->n_segments, run->input.threads, &total, run->each);
    if (status != TRAJ_OK) {
        return status;
    }
    for (size_t k = 0; k < run->n_parts; k++) {
        run->parts[k].adding = (struct probe_adding){ .grad_sq = { 0 } };
    }
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct probe_segment *segment = &run->segments[i];
        struct probe_part *part = part_of(run, segment);
        add_segment(&run->parts[0].adding, &run->each[i], segment);
        if (part != run->parts) {
            add_segment(&part->adding, &run->each[i], segment);
        }
    }
    for (size_t k = 0; k < run->n_parts; k++) {
        take_sums(&run->parts[k]);
    }
    return TRAJ_OK;
}

/* ---- norms that are no sums --------------------------------------------- */

/* ||x - x0|| and ||g - g0||_* of one segment: over several the largest of the
 * former and the sum of the latter, as LINF and its dual have it; SPECTRAL has
 * one. */
static enum traj_status add_norms(const struct traj_segment *s,
    const struct traj_group *group, struct probe_part *part)
{
    const bool matrix = group->norm == TRAJ_NORM_SPECTRAL;
    const uint64_t rows = matrix ? group->rows : 1;
    const uint64_t cols = matrix ? group->cols : s->n;
    double norm = 0;
    double dual = 0;
    enum traj_status status = TRAJ_OK;
    if (s->x != NULL && s->x0 != NULL) {
        status =
            traj_norm(group->norm, s->dtype, rows, cols, s->x, s->x0, &norm);
    }
    if (status == TRAJ_OK) {
        status = traj_dual_norm(
            group->norm, s->grad_dtype, rows, cols, s->g, s->g0, &dual);
    }
    /* A NaN stays: fmax would drop it. */
    part->norm_x = norm > part->norm_x || isnan(norm) ? norm : part->norm_x;
    part->norm_g += dual;
    return status;
}

HELD_ENV_NOINLINE enum traj_status probe_norms(
    const struct probe_run *run, struct probe_pass pass)
{
    for (size_t k = 0; k < run->n_parts; k++) {
        struct probe_part *part = &run->parts[k];
        /* RMS is the L2 norm in other units. */
        const bool is_rms = part->norm == TRAJ_NORM_RMS;
        const double root = sqrt((double)part->n);
        const double g_sq =
            pass.g0 == PROBE_NONE ? part->sums.grad_sq : part->sums.dgrad_sq;
        part->norm_x = is_rms ? sqrt(part->sums.delta_sq) / root : 0;
        part->norm_g = is_rms ? sqrt(g_sq) * root : 0;
    }
    fill_pass(run, pass);
    enum traj_status status = TRAJ_OK;
    for (size_t i = 0; status == TRAJ_OK && i < run->n_segments; i++) {
        struct probe_part *part = part_of(run, &run->segments[i]);
        if (run->pass[i].n > 0 && (part->norm == TRAJ_NORM_LINF ||
                                      part->norm == TRAJ_NORM_SPECTRAL)) {
            status = add_norms(&run->pass[i], part->group, part);
        }
    }
    return status;
}

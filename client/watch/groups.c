/*
 * groups.c: see groups.h.
 *
 * The sums of a group are those of its segments, which the one pass over all
 * arrays has left in `before` and `after`. Norms other than L2 take a further
 * pass, but only at the steps that are recorded.
 */
#include "watch/groups.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/spectral.h"
#include "sum.h"

#define EVERY_DEFAULT 16u

/* ---- opening ---------------------------------------------------------------
 */

/* A counting sort. order and from have room for n_segments and n_groups + 3. */
static void sort_segments(
    const struct traj_watch_options *o, size_t *order, size_t *from)
{
    for (size_t i = 0; i < o->n_segments; i++) {
        from[o->segments[i].group + 2]++;
    }
    for (uint32_t k = 1; k <= o->n_groups + 2; k++) {
        from[k] += from[k - 1];
    }
    for (size_t i = 0; i < o->n_segments; i++) {
        order[from[o->segments[i].group + 1]++] = i;
    }
}

static enum traj_status check_shape(
    const struct groups *g, const struct traj_watch_options *o, uint32_t number)
{
    const struct traj_group *group = &o->groups[number - 1];
    const size_t segments = g->from[number + 1] - g->from[number];
    uint64_t elements = 0;
    for (size_t i = 0; i < segments; i++) {
        elements += o->segments[g->order[g->from[number] + i]].n;
    }
    if (elements != group->size) {
        return error_set(TRAJ_EINVAL,
            "watch: group %u has %llu elements, its segments %llu",
            (unsigned)number, (unsigned long long)group->size,
            (unsigned long long)elements);
    }
    if (group->norm == TRAJ_NORM_SPECTRAL &&
        (segments != 1 || (uint64_t)group->rows * group->cols != elements)) {
        return error_set(TRAJ_EINVAL,
            "watch: group %u has the spectral norm, but is no matrix of one "
            "segment",
            (unsigned)number);
    }
    if (group->norm == TRAJ_NORM_SPECTRAL && group->rows > SPECTRAL_MAX &&
        group->cols > SPECTRAL_MAX) {
        return error_set(TRAJ_EINVAL,
            "watch: group %u is too large for the spectral norm: one side is "
            "at most %u",
            (unsigned)number, SPECTRAL_MAX);
    }
    return TRAJ_OK;
}

static enum traj_status check_groups(const struct traj_watch_options *o)
{
    if (o->n_groups > TRAJ_GROUPS_MAX ||
        (o->n_groups > 0) != (o->groups != NULL)) {
        return error_set(TRAJ_EINVAL, "watch: groups is NULL or more than %d",
            TRAJ_GROUPS_MAX);
    }
    for (size_t i = 0; i < o->n_segments; i++) {
        if (o->segments[i].group > o->n_groups) {
            return error_set(TRAJ_EINVAL,
                "watch: segment %zu is of group %u, there are %u", i,
                (unsigned)o->segments[i].group, (unsigned)o->n_groups);
        }
    }
    for (uint32_t k = 1; k <= o->n_groups; k++) {
        if ((unsigned)o->groups[k - 1].norm > TRAJ_NORM_SPECTRAL ||
            o->groups[k - 1].size == 0) {
            return error_set(TRAJ_EINVAL,
                "watch: group %u has no such norm or no elements", (unsigned)k);
        }
    }
    return TRAJ_OK;
}

static enum traj_status take_memory(
    struct groups *g, const struct traj_watch_options *o)
{
    g->group = calloc(g->n, sizeof *g->group);
    g->before = calloc(o->n_segments, sizeof *g->before);
    g->after = calloc(o->n_segments, sizeof *g->after);
    g->order = calloc(o->n_segments, sizeof *g->order);
    g->from = calloc((size_t)g->n + 3, sizeof *g->from);
    if (g->group == NULL || g->before == NULL || g->after == NULL ||
        g->order == NULL || g->from == NULL) {
        return error_set(TRAJ_ENOMEM, "watch: out of memory for the groups");
    }
    return TRAJ_OK;
}

enum traj_status groups_init(
    struct groups *groups, const struct traj_watch_options *options)
{
    enum traj_status status = check_groups(options);
    *groups = (struct groups){ 0 };
    if (status != TRAJ_OK || options->n_groups == 0) {
        return status;
    }
    struct groups g = { .n = options->n_groups,
        .interval.every =
            options->group_every != 0 ? options->group_every : EVERY_DEFAULT };
    status = take_memory(&g, options);
    if (status == TRAJ_OK) {
        memcpy(g.group, options->groups, g.n * sizeof *g.group);
        sort_segments(options, g.order, g.from);
    }
    for (uint32_t k = 1; status == TRAJ_OK && k <= g.n; k++) {
        status = check_shape(&g, options, k);
    }
    if (status != TRAJ_OK) {
        groups_done(&g);
        return status;
    }
    *groups = g;
    return TRAJ_OK;
}

void groups_done(struct groups *groups)
{
    free(groups->group);
    free(groups->before);
    free(groups->after);
    free(groups->order);
    free(groups->from);
}

/* ---- recording -------------------------------------------------------------
 */

struct totals {
    struct sum grad_sq, param_sq, delta_sq, grad_delta;
    struct sum dgrad_sq, dgrad_delta, grad_prev;
};

static void add_segment(struct totals *t, struct traj_moments *m,
    const struct traj_moments *before, const struct traj_moments *after)
{
    sum_add(&t->grad_sq, before->grad_sq);
    sum_add(&t->param_sq, before->param_sq);
    sum_add(&t->delta_sq, after->delta_sq);
    sum_add(&t->grad_delta, after->grad_delta);
    m->grad_nan += before->grad_nan;
    m->grad_inf += before->grad_inf;
    m->param_nan += before->param_nan;
    m->param_inf += before->param_inf;
    if (before->grad_max_abs > m->grad_max_abs) {
        m->grad_max_abs = before->grad_max_abs;
    }
    if (!traj_is_unset(before->dgrad_sq)) {
        sum_add(&t->dgrad_sq, before->dgrad_sq);
        sum_add(&t->grad_prev, before->grad_prev);
    }
    if (!traj_is_unset(before->dgrad_delta)) {
        sum_add(&t->dgrad_delta, before->dgrad_delta);
    }
}

/* back: the sums that look back to the step before were taken. */
static void total(const struct totals *t, const struct traj_moments *sample,
    struct traj_moments *m)
{
    m->grad_sq = sum_value(&t->grad_sq);
    m->param_sq = sum_value(&t->param_sq);
    m->delta_sq = sum_value(&t->delta_sq);
    m->grad_delta = sum_value(&t->grad_delta);
    const double unset = traj_unset();
    const bool back = !traj_is_unset(sample->dgrad_sq);
    const bool both = !traj_is_unset(sample->dgrad_delta);
    m->dgrad_sq = back ? sum_value(&t->dgrad_sq) : unset;
    m->grad_prev = back ? sum_value(&t->grad_prev) : unset;
    m->dgrad_delta = both ? sum_value(&t->dgrad_delta) : unset;
}

/* A group has a segment: its size is at least 1. */
HELD_ENV_NOINLINE static void add_up(
    const struct groups *g, uint32_t number, struct traj_moments *ret)
{
    struct totals t = { .grad_sq = { 0 } };
    struct traj_moments m = { .grad_sq = 0 };
    for (size_t i = g->from[number]; i < g->from[number + 1]; i++) {
        add_segment(&t, &m, &g->before[g->order[i]], &g->after[g->order[i]]);
    }
    total(&t, &g->before[g->order[g->from[number]]], &m);
    *ret = m;
}

/* Of one segment: rows and cols are the group's where it is a matrix. */
static enum traj_status measure_norms(const struct traj_group *group,
    const struct arrays *a, size_t i, double *ret_dual, double *ret_norm)
{
    const struct traj_watch_segment *s = &a->segment[i];
    const bool matrix = group->norm == TRAJ_NORM_SPECTRAL;
    const uint64_t rows = matrix ? group->rows : 1;
    const uint64_t cols = matrix ? group->cols : s->n;
    enum traj_status status = traj_dual_norm(group->norm, s->dtype, rows, cols,
        a->copy[KEPT_GRAD][i], NULL, ret_dual);
    return status != TRAJ_OK ? status
                             : traj_norm(group->norm, s->dtype, rows, cols,
                                   s->param, a->copy[KEPT_PARAM][i], ret_norm);
}

HELD_ENV_NOINLINE static void add_norms(enum traj_norm norm, double dual,
    double primal, struct traj_group_step *record)
{
    if (norm == TRAJ_NORM_LINF) {
        record->grad_dual += dual;
        /* fmax would drop a NaN. */
        if (primal > record->delta_norm || isnan(primal)) {
            record->delta_norm = primal;
        }
    } else {
        record->grad_dual = dual;
        record->delta_norm = primal;
    }
}

/* RMS follows from the sums; the others are of the elements. */
HELD_ENV_NOINLINE static void rms_norms(
    uint64_t n, struct traj_group_step *record)
{
    const double root = sqrt((double)n);
    record->grad_dual = root * sqrt(record->moments.grad_sq);
    record->delta_norm = sqrt(record->moments.delta_sq) / root;
}

static enum traj_status other_norms(const struct groups *g,
    const struct arrays *a, struct traj_group_step *record)
{
    const struct traj_group *group = &g->group[record->group - 1];
    record->grad_dual = record->delta_norm = 0;
    for (size_t i = g->from[record->group]; i < g->from[record->group + 1];
         i++) {
        double dual = 0;
        double primal = 0;
        enum traj_status status =
            measure_norms(group, a, g->order[i], &dual, &primal);
        if (status != TRAJ_OK) {
            return status;
        }
        add_norms(group->norm, dual, primal, record);
    }
    return TRAJ_OK;
}

static enum traj_status record_one(const struct groups *g,
    const struct arrays *a, traj_run *run, const struct traj_step *step,
    uint32_t number)
{
    const struct traj_group *group = &g->group[number - 1];
    struct traj_group_step record;
    traj_group_step_init(&record);
    record.step = step->step;
    record.group = number;
    record.norm = group->norm;
    record.combine =
        group->combine != TRAJ_COMBINE_NONE ? group->combine : step->combine;
    record.stage = step->stage;
    enum traj_status status = TRAJ_OK;
    struct held_env held;
    held_env_take(&held);
    add_up(g, number, &record.moments);
    if (traj_is_unset(step->dgrad_sq)) { /* g is in another unit than before */
        record.moments.grad_prev = record.moments.dgrad_sq =
            record.moments.dgrad_delta = traj_unset();
    }
    if (group->norm == TRAJ_NORM_RMS) {
        rms_norms(group->size, &record);
    } else if (group->norm != TRAJ_NORM_L2) {
        status = other_norms(g, a, &record);
    }
    held_env_give_back(&held);
    return status != TRAJ_OK ? status : traj_log_group(run, &record);
}

bool groups_are_due(const struct groups *groups, uint64_t update)
{
    return groups->n > 0 && interval_has_come(&groups->interval, update);
}

enum traj_status groups_record(struct groups *groups,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step,
    uint64_t update)
{
    if (groups->n == 0 || !interval_comes(&groups->interval, update)) {
        return TRAJ_OK;
    }
    enum traj_status first = TRAJ_OK;
    for (uint32_t k = 1; k <= groups->n; k++) {
        enum traj_status status = record_one(groups, arrays, run, step, k);
        first = first != TRAJ_OK ? first : status;
    }
    return first;
}

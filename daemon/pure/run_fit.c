/* run_fit.c: pure but for its workspace; any thread. */
#include "pure/run_fit.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/fit_limits.h"
#include "math/order.h"
#include "pure/fit_part.h"
#include "traj.h"

const char *run_fit_warning_name(size_t bit)
{
    static const char *const names[] = {
        "monotone_in_time",
        "near_ceiling",
        "different_data",
        "not_idempotent",
        "narrow_range",
        "thinned",
    };
    static_assert(
        sizeof names / sizeof names[0] == RUN_FIT_WARNINGS, "all named");
    return names[bit];
}

static void count_waiting(const struct pairs *pairs, struct run_fit *fit)
{
    const bool ours = fit->estimator == TRAJ_ESTIMATOR_MICROBATCH;
    fit->excluded[ours ? PAIR_WINDOW_OPEN : PAIR_OTHER_ESTIMATOR] +=
        pairs->waiting;
    fit->window = ours && pairs->window > 0 ? pairs->window : 1;
}

/* Reorders sample->ratio. */
static void doubt(const struct fit_sample *sample, struct run_fit *fit)
{
    if (sample->n_ratio > 0) {
        fit->has_ceiling_ratio = true;
        fit->ceiling_ratio =
            order_quantile(sample->ratio, sample->n_ratio, 0.5);
    }
    if (sample->n > 0) {
        double *x = sample->workspace;
        memcpy(x, sample->x, sample->n * sizeof *x);
        fit->has_spread = true;
        fit->spread = order_quantile(x, sample->n, 0.95);
        fit->spread /= order_quantile(x, sample->n, 0.05);
    }
    if ((sample->flags & TRAJ_PROBE_NOT_IDEMPOTENT) != 0) {
        fit->warnings |= RUN_FIT_NOT_IDEMPOTENT;
    }
}

static void warn(struct run_fit *fit)
{
    if (fit->has_spread && fit->spread < FIT_SPREAD_MIN) {
        fit->warnings |= RUN_FIT_NARROW_RANGE;
    }
    if (fit->has_spearman_step &&
        fabs(fit->spearman_step) > FIT_TIME_RANK_MAX) {
        fit->warnings |= RUN_FIT_MONOTONE_IN_TIME;
    }
    if (fit->has_ceiling_ratio && fit->ceiling_ratio > FIT_CEILING_RATIO_MAX) {
        fit->warnings |= RUN_FIT_NEAR_CEILING;
    }
    if (fit->estimator == TRAJ_ESTIMATOR_DIFFERENT) {
        fit->warnings |= RUN_FIT_DIFFERENT_DATA;
    }
    if (fit->every > 1 && !fit->from_states) {
        fit->warnings |= RUN_FIT_THINNED;
    }
}

static const char *reason_for(const struct run_fit *fit)
{
    const struct fit_report *report = &fit->report;
    if (report->n == 0) {
        return report->n_excluded == 0 ? "no_probes" : "all_excluded";
    }
    if (report->n < FIT_N_MIN) {
        return "too_few_pairs";
    }
    for (size_t i = 0; i < FIT_METHODS; i++) {
        if (report->fits[i].valid) {
            return NULL;
        }
    }
    return "not_identifiable";
}

void run_fit_conclude(struct run_fit *fit)
{
    warn(fit);
    fit->reason = reason_for(fit);
}

struct fit_line run_fit_law(const struct run_fit *fit)
{
    for (size_t i = 0; i < FIT_METHODS; i++) {
        if (fit->report.fits[i].valid &&
            strcmp(fit->report.fits[i].method, "nnls_relative") == 0) {
            return fit->report.fits[i].line;
        }
    }
    return (struct fit_line){ 0 };
}

struct figure run_fit_score_ratio(const struct run_fit *fit)
{
    const struct fit_rival *of = fit->rivals.of;
    const double without =
        fmin(of[FIT_RIVAL_CONSTANT].score, of[FIT_RIVAL_GAP].score);
    const double ratio = without / of[FIT_RIVAL_GRADIENT].score;
    return (
        struct figure){ fit->rivals_absent == NULL && !isnan(ratio), ratio };
}

/* false: out of memory. */
static bool put_rivals(const struct fit_sample *sample, struct run_fit *fit)
{
    fit->rivals_absent = "too_few_pairs";
    if (sample->n < FIT_N_MIN) {
        return true;
    }
    double *workspace = malloc(fit_workspace(sample->n) * sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    const bool found = fit_rivals(sample->x, sample->y, sample->loss, sample->n,
        (double)NAN, workspace, &fit->rivals);
    fit->rivals_absent =
        found && fit->rivals.n >= FIT_N_MIN ? NULL : "few_losses";
    free(workspace);
    return true;
}

/* false: out of memory. */
static bool put_frontier(const struct fit_sample *sample, struct run_fit *fit)
{
    return sample->n < FIT_N_MIN || run_frontier_of_samples(sample->x,
                                        sample->y, sample->n, &fit->frontier);
}

bool run_fit_of_sample(const struct pairs *pairs,
    const struct run_fit_query *query, struct fit_sample *sample,
    struct run_fit *ret_fit)
{
    struct run_fit fit = {
        .regressor = sample->regressor,
        .estimator = sample->estimator,
        .from_step = query->from_step,
        .to_step = query->to_step,
        .first_step = sample->first_step,
        .last_step = sample->last_step,
        .every = pairs->every,
    };
    memcpy(fit.excluded, sample->excluded, sizeof fit.excluded);
    count_waiting(pairs, &fit);
    if (!fit_report(sample->x, sample->y, sample->n, FIT_N_MIN, &fit.report) ||
        !put_frontier(sample, &fit) || !put_rivals(sample, &fit)) {
        return false;
    }
    fit.report.n_excluded = sample->in_sight - sample->n + pairs->waiting;
    fit.has_spearman_step = fit_spearman(sample->x, sample->time, sample->n,
        sample->workspace, &fit.spearman_step);
    doubt(sample, &fit);
    run_fit_conclude(&fit);
    *ret_fit = fit;
    return true;
}

bool run_fit_compute(const struct pairs *pairs,
    const struct run_fit_query *query, struct run_fit *ret_fit)
{
    struct fit_sample sample;
    bool ok = fit_sample_take(pairs, query, &sample) &&
              run_fit_of_sample(pairs, query, &sample, ret_fit);
    fit_sample_done(&sample);
    return ok;
}

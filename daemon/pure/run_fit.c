/* run_fit.c: pure but for its workspace; any thread. */
#include "pure/run_fit.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* The pairs that are fitted, in columns, and room for what is computed. */
struct sample {
    double *x, *y, *step, *ratio; /* n each; ratio: y / ceiling */
    double *workspace;            /* 6n */
    size_t n;
    size_t n_ratio;
};

static bool sample_init(struct sample *sample, size_t n)
{
    size_t width = n == 0 ? 1 : n;
    double *block = calloc(width * 10, sizeof *block);
    *sample = (struct sample){ .x = block };
    if (block == NULL) {
        return false;
    }
    sample->y = block + width;
    sample->step = block + 2 * width;
    sample->ratio = block + 3 * width;
    sample->workspace = block + 4 * width;
    return true;
}

static void sample_done(struct sample *sample)
{
    free(sample->x);
}

static bool in_window(
    const struct pair *pair, const struct run_fit_query *query)
{
    return pair->step >= query->from_step && pair->step <= query->to_step;
}

static size_t choose(const struct pairs *pairs,
    const struct run_fit_query *query, struct run_fit *fit)
{
    struct pair_census census = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        if (in_window(&pairs->v[i], query)) {
            pair_census_add(&census, &pairs->v[i]);
            n++;
        }
    }
    fit->estimator = query->estimator >= 0 ? (unsigned)query->estimator
                                           : pair_census_estimator(&census);
    fit->regressor = query->regressor >= 0
                         ? (enum fit_regressor)query->regressor
                         : pair_census_regressor(&census, fit->estimator);
    return n;
}

static void take(
    struct sample *sample, struct run_fit *fit, const struct pair *pair)
{
    size_t i = sample->n++;
    sample->x[i] = pair->x[fit->regressor];
    sample->y[i] = pair->y[fit->regressor];
    sample->step[i] = (double)pair->step;
    double ceiling = pair->ceiling[fit->regressor];
    if (ceiling > 0 && isfinite(ceiling)) {
        sample->ratio[sample->n_ratio++] = sample->y[i] / ceiling;
    }
    if (i == 0 || pair->step < fit->first_step) {
        fit->first_step = pair->step;
    }
    if (i == 0 || pair->step > fit->last_step) {
        fit->last_step = pair->step;
    }
    if ((pair->flags & TRAJ_PROBE_NOT_IDEMPOTENT) != 0) {
        fit->warnings |= RUN_FIT_NOT_IDEMPOTENT;
    }
}

static void collect(const struct pairs *pairs,
    const struct run_fit_query *query, struct sample *sample,
    struct run_fit *fit)
{
    for (size_t i = 0; i < pairs->n; i++) {
        const struct pair *pair = &pairs->v[i];
        if (!in_window(pair, query)) {
            continue;
        }
        enum pair_use use = pair->estimator == fit->estimator
                                ? pair_use(pair, fit->regressor)
                                : PAIR_OTHER_ESTIMATOR;
        fit->excluded[use]++;
        if (use == PAIR_USED) {
            take(sample, fit, pair);
        }
    }
    fit->excluded[PAIR_USED] = 0;
    const bool ours = fit->estimator == TRAJ_ESTIMATOR_MICROBATCH;
    fit->excluded[ours ? PAIR_WINDOW_OPEN : PAIR_OTHER_ESTIMATOR] +=
        pairs->waiting;
    fit->window = ours && pairs->window > 0 ? pairs->window : 1;
}

static int compare(const void *a, const void *b)
{
    double x = 0;
    double y = 0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The quantile of n sorted values by linear interpolation; n > 0. */
static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t low = (size_t)at;
    size_t high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

/* Sorts sample->ratio and a copy of x: call it last. */
static void doubt(struct sample *sample, struct run_fit *fit)
{
    if (sample->n_ratio > 0) {
        qsort(sample->ratio, sample->n_ratio, sizeof(double), compare);
        fit->has_ceiling_ratio = true;
        fit->ceiling_ratio = quantile(sample->ratio, sample->n_ratio, 0.5);
    }
    if (sample->n > 0) {
        double *x = sample->workspace;
        memcpy(x, sample->x, sample->n * sizeof *x);
        qsort(x, sample->n, sizeof *x, compare);
        if (quantile(x, sample->n, 0.95) < 2 * quantile(x, sample->n, 0.05)) {
            fit->warnings |= RUN_FIT_NARROW_RANGE;
        }
    }
    if (fit->has_spearman_step && fabs(fit->spearman_step) > 0.98) {
        fit->warnings |= RUN_FIT_MONOTONE_IN_TIME;
    }
    if (fit->has_ceiling_ratio && fit->ceiling_ratio > 0.6) {
        fit->warnings |= RUN_FIT_NEAR_CEILING;
    }
    if (fit->estimator == TRAJ_ESTIMATOR_DIFFERENT) {
        fit->warnings |= RUN_FIT_DIFFERENT_DATA;
    }
    if (fit->every > 1) {
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

bool run_fit_compute(const struct pairs *pairs,
    const struct run_fit_query *query, struct run_fit *ret_fit)
{
    struct run_fit fit = {
        .from_step = query->from_step,
        .to_step = query->to_step,
        .every = pairs->every,
    };
    size_t in_sight = choose(pairs, query, &fit);
    struct sample sample;
    if (!sample_init(&sample, in_sight)) {
        return false;
    }
    collect(pairs, query, &sample, &fit);
    bool ok = fit_report(sample.x, sample.y, sample.n, FIT_N_MIN, &fit.report);
    if (ok) {
        fit.report.n_excluded = in_sight - sample.n + pairs->waiting;
        fit.has_spearman_step = fit_spearman(sample.x, sample.step, sample.n,
            sample.workspace, &fit.spearman_step);
        doubt(&sample, &fit);
        fit.reason = reason_for(&fit);
        *ret_fit = fit;
    }
    sample_done(&sample);
    return ok;
}

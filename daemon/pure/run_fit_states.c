/* run_fit_states.c: pure but for its memory; any thread. */
#include "pure/run_fit_states.h"

#include <math.h>
#include <stdlib.h>

#include "math/fit_limits.h"
#include "math/fit_tests.h"
#include "pure/pair_window.h"
#include "traj.h"

/* ---- lines ----------------------------------------------------------------
 */

struct line_found {
    bool valid, nomem;
    struct fit_line line;
};

static struct line_found find_line(
    const struct fit_state *state, enum fit_method method, double tau)
{
    struct line_found found = { 0 };
    switch (method) {
    case FIT_NNLS_RELATIVE:
        found.valid = fit_state_relative(state, &found.line);
        break;
    case FIT_OLS:
        found.valid = fit_sums_ols(&state->total.plain, &found.line);
        break;
    case FIT_NNLS:
        found.valid = fit_sums_nnls(&state->total.plain, &found.line);
        break;
    case FIT_QUANTILE:
        found.valid = fit_state_quantile(state, tau, &found.line);
        break;
    case FIT_ENVELOPE:
        found.valid =
            fit_state_envelope(state, (double)NAN, &found.line, &found.nomem);
        break;
    case FIT_EXPECTILE:
    case FIT_ENVELOPE_ROBUST:
        break; /* of pairs only */
    }
    return found;
}

/* Exact, from the sums of logarithms; without Theil and Sen's. */
static void put_loglog(const struct fit_sums *logs, struct fit_report *report)
{
    struct fit_line line;
    if (logs->n < 3 || !fit_sums_ols(logs, &line)) {
        return;
    }
    const struct fit_centred c = fit_sums_centred(logs);
    report->has_loglog = true;
    report->loglog = (struct fit_loglog){
        .n = (size_t)logs->n,
        .slope = line.L1,
        .intercept = line.L0,
        .pearson_r = c.yy > 0 ? c.xy / sqrt(c.xx) / sqrt(c.yy) : (double)NAN,
        .theil_sen = (double)NAN,
    };
}

/* false: out of memory. */
static bool put_lines(const struct fit_state *state, struct fit_report *report)
{
    for (size_t i = 0; i < FIT_METHODS; i++) {
        const struct line_found found =
            find_line(state, fit_report_method(i), report->fits[i].tau);
        if (found.nomem) {
            return false;
        }
        report->fits[i].valid = found.valid;
        report->fits[i].line = found.line;
    }
    put_loglog(&state->total.logs, report);
    return true;
}

/* ---- intervals ------------------------------------------------------------
 */

double run_fit_batch_tau(const struct fit_sums *rows, size_t n_rows,
    double samples, struct fit_line line)
{
    const struct fit_sums total = fit_sums_total(rows, n_rows);
    const double within = fit_sums_sse(&total, line) / samples;
    double between = 0;
    for (size_t i = 0; i < n_rows; i++) {
        const double x = twofold_value(rows[i].x) / rows[i].n;
        const double y = twofold_value(rows[i].y) / rows[i].n;
        const double mean = y - line.L0 - line.L1 * x;
        between += rows[i].n * mean * mean / (double)(n_rows - 1);
    }
    return within > 0 ? fmax(1, between / within) : 1;
}

static void put_intervals(
    const struct run_fit_states *states, struct intervals *ret)
{
    const double n = states->part->state.total.plain.n;
    const struct fit_sums total = fit_sums_total(states->rows, states->n_rows);
    struct fit_line line;
    struct fit_test test;
    *ret = (struct intervals){ .absent = FIT_ABSENT_FEW_BLOCKS,
        .dependence_absent = FIT_ABSENT_FEW_BLOCKS };
    if (states->n_rows < FIT_BLOCKS_MIN) {
        return;
    }
    ret->absent = ret->dependence_absent = FIT_ABSENT_UNDETERMINED;
    if (!fit_sums_ols(&total, &line)) {
        return;
    }
    const double tau = run_fit_batch_tau(states->rows, states->n_rows, n, line);
    ret->dependence_absent = FIT_PRESENT;
    ret->dependence =
        (struct fit_dependence){ .tau_int = tau, .n_eff = n / tau };
    ret->length = (size_t)(n / (double)states->n_rows);
    ret->absent =
        fit_ci(states->rows, states->n_rows, n, tau, INTERVALS_LEVEL, &ret->ci);
    if (ret->absent == FIT_PRESENT &&
        fit_slope_test(states->rows, states->n_rows, n, tau, &test) ==
            FIT_PRESENT) {
        ret->slope_p = (struct figure){ true, test.p };
    }
}

/* ---- doubts ---------------------------------------------------------------
 */

/* The share of the variance of x that is between rows. */
static double share_between(const struct fit_sums *rows, size_t n)
{
    const struct fit_sums total = fit_sums_total(rows, n);
    const struct fit_centred c = fit_sums_centred(&total);
    const double mean = twofold_value(c.x_mean);
    double between = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = twofold_value(rows[i].x) / rows[i].n - mean;
        between += rows[i].n * off * off;
    }
    return c.xx > 0 ? between / c.xx : 0;
}

/* false: out of memory. */
static bool is_monotone(const struct run_fit_states *states, bool *ret)
{
    const size_t n = states->n_rows;
    double rho = 0;
    double *memory = malloc((8 * n + 1) * sizeof *memory);
    if (memory == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        memory[i] = twofold_value(states->rows[i].x) / states->rows[i].n;
        memory[n + i] = (double)i;
    }
    *ret =
        n >= FIT_BLOCKS_MIN &&
        fit_spearman(memory, memory + n, n, memory + 2 * n, &rho) &&
        fabs(rho) > FIT_TIME_RANK_MAX &&
        share_between(states->rows, n) > FIT_TIME_RANK_MAX * FIT_TIME_RANK_MAX;
    free(memory);
    return true;
}

/* false: out of memory. */
static bool doubt(const struct run_fit_states *states, struct run_fit *fit)
{
    const struct fit_facts *facts = &states->part->facts;
    const struct fit_state *state = &states->part->state;
    bool monotone = false;
    if (!is_monotone(states, &monotone)) {
        return false;
    }
    fit->has_spread = state->n_bins > 0;
    fit->spread =
        fit_state_x_quantile(state, 0.95) / fit_state_x_quantile(state, 0.05);
    fit->warnings |= monotone ? RUN_FIT_MONOTONE_IN_TIME : 0;
    fit->warnings |= (facts->flags & TRAJ_PROBE_NOT_IDEMPOTENT) != 0
                         ? RUN_FIT_NOT_IDEMPOTENT
                         : 0;
    fit->warnings |=
        2 * facts->near_ceiling > facts->ceilings ? RUN_FIT_NEAR_CEILING : 0;
    return true;
}

/* ---- all of it ------------------------------------------------------------
 */

static void put_counts(const struct run_fit_states *states,
    const struct run_fit_query *query, struct run_fit *fit)
{
    const struct fit_facts *facts = &states->part->facts;
    const struct fit_block *total = &states->part->state.total;
    const double none = (double)NAN;
    const bool any = total->plain.n > 0;
    fit->regressor = states->regressor;
    fit->estimator = states->estimator;
    fit->from_step = query->from_step;
    fit->to_step = query->to_step;
    fit->first_step = facts->first_step;
    fit->last_step = facts->last_step;
    fit->every = 1;
    fit->window = states->estimator == TRAJ_ESTIMATOR_MICROBATCH
                      ? PAIR_WINDOW_DEFAULT
                      : 1;
    for (unsigned use = PAIR_USED + 1; use < PAIR_USES; use++) {
        fit->excluded[use] = facts->uses[use];
    }
    fit->report.n = (size_t)total->plain.n;
    fit->report.n_excluded = (size_t)states->in_sight - fit->report.n;
    fit->report.x_min = any ? total->x_min : none;
    fit->report.x_max = any ? total->x_max : none;
    fit->report.y_min = any ? total->y_min : none;
    fit->report.y_max = any ? total->y_max : none;
}

bool run_fit_of_states(const struct run_fit_states *states,
    const struct run_fit_query *query, struct run_fit *ret_fit)
{
    struct run_fit fit = { .from_states = true,
        .rivals_absent = "from_states" };
    if (!fit_report(NULL, NULL, 0, FIT_N_MIN, &fit.report)) { /* names, tau */
        return false;
    }
    put_counts(states, query, &fit);
    if (fit.report.n >= FIT_N_MIN &&
        (!put_lines(&states->part->state, &fit.report) ||
            !run_frontier_of_state(&states->part->state, &fit.frontier))) {
        return false;
    }
    put_intervals(states, &fit.intervals);
    if (!doubt(states, &fit)) {
        return false;
    }
    run_fit_conclude(&fit);
    *ret_fit = fit;
    return true;
}

void run_fit_add_sample(struct run_fit *fit, const struct run_fit *of_sample)
{
    fit->every = of_sample->every;
    fit->report.has_spearman = of_sample->report.has_spearman;
    fit->report.spearman = of_sample->report.spearman;
    fit->report.has_power = of_sample->report.has_power;
    fit->report.power = of_sample->report.power;
    fit->rivals_absent = of_sample->rivals_absent;
    fit->rivals = of_sample->rivals;
    fit->has_spearman_step = of_sample->has_spearman_step;
    fit->spearman_step = of_sample->spearman_step;
    fit->has_ceiling_ratio = of_sample->has_ceiling_ratio;
    fit->ceiling_ratio = of_sample->ceiling_ratio;
    fit->warnings |= of_sample->warnings & RUN_FIT_MONOTONE_IN_TIME;
}

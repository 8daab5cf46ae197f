/* run_verdict.c: pure but for its memory; any thread. */
#include "pure/run_verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pure/run_fit_states.h"
#include "traj.h"

#define SEED 1

/* ---- operator norms ------------------------------------------------------ */

static bool make_room(struct operator_norms *norms)
{
    if (norms->n < norms->capacity) {
        return true;
    }
    const size_t capacity = norms->capacity == 0 ? 64 : 2 * norms->capacity;
    double *block = malloc(3 * capacity * sizeof *block);
    if (block == NULL) {
        return false;
    }
    if (norms->n > 0) {
        memcpy(block, norms->step, norms->n * sizeof *block);
        memcpy(block + capacity, norms->grad_norm, norms->n * sizeof *block);
        memcpy(block + 2 * capacity, norms->value, norms->n * sizeof *block);
    }
    free(norms->step);
    *norms = (struct operator_norms){ block, block + capacity,
        block + 2 * capacity, norms->n, capacity };
    return true;
}

bool operator_norms_add(
    struct operator_norms *norms, uint64_t step, double grad_norm, double value)
{
    if (!make_room(norms)) {
        return false;
    }
    norms->step[norms->n] = (double)step;
    norms->grad_norm[norms->n] = grad_norm;
    norms->value[norms->n] = value;
    norms->n++;
    return true;
}

void operator_norms_done(struct operator_norms *norms)
{
    free(norms->step);
    *norms = (struct operator_norms){ .n = 0 };
}

/* Those of the phase: [*ret_from, the returned). */
static size_t operators_of(const struct operator_norms *norms,
    const struct phase *phase, size_t *ret_from)
{
    size_t from = 0;
    while (from < norms->n && norms->step[from] < (double)phase->from_step) {
        from++;
    }
    size_t to = from;
    while (to < norms->n && norms->step[to] <= (double)phase->to_step) {
        to++;
    }
    *ret_from = from;
    return to;
}

/* A norm that hardly varies does not grow, however it is ordered. */
static double spread_of(const double *v, size_t n, double *workspace)
{
    memcpy(workspace, v, n * sizeof *v);
    const double high = fit_sample_quantile(workspace, n, 0.95);
    return high / fit_sample_quantile(workspace, n, 0.05);
}

static bool judge_operators(const struct operator_norms *norms,
    const struct phase *phase, struct verdict_facts *facts)
{
    size_t from = 0;
    const size_t n = operators_of(norms, phase, &from) - from;
    facts->operator_n = n;
    if (n < VERDICT_OPERATOR_MIN) {
        return true;
    }
    double *workspace = malloc(7 * n * sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    const double *x = norms->grad_norm + from;
    const double *y = norms->value + from;
    const double *step = norms->step + from;
    struct fit_partial partial;
    facts->operator_spread =
        (struct figure){ true, spread_of(y, n, workspace) };
    facts->operator_rank.has =
        fit_spearman(x, y, n, workspace, &facts->operator_rank.v);
    if (fit_partial_spearman(x, y, n, &step, 1, RUN_VERDICT_SHIFTS, SEED,
            workspace, &partial) == FIT_PRESENT) {
        facts->operator_p = (struct figure){ true, partial.p_greater };
    }
    free(workspace);
    return true;
}

/* ---- one phase ----------------------------------------------------------- */

/* Of the pairs; where there is a fit of more, it brings its own. */
static bool depend(const struct fit_sample *sample, struct phase_verdict *v)
{
    if (v->fit.from_states) {
        v->intervals = v->fit.intervals;
    } else if (!intervals_of(sample, RUN_VERDICT_LEVEL, &v->intervals)) {
        return false;
    }
    v->facts.slope_p = v->intervals.slope_p;
    if (v->intervals.dependence_absent == FIT_PRESENT) {
        v->facts.n_eff = (struct figure){ true, v->intervals.dependence.n_eff };
    }
    return true;
}

static bool has_rates(const struct fit_sample *sample)
{
    for (size_t i = 0; i < sample->n; i++) {
        if (!isfinite(sample->lr[i])) {
            return false;
        }
    }
    return true;
}

static void rank(
    const struct fit_sample *s, double *workspace, struct phase_verdict *v)
{
    const double *covariates[] = { s->step, s->lr };
    v->partial_absent = fit_partial_spearman(s->x, s->y, s->n, covariates,
        has_rates(s) ? 2 : 1, RUN_VERDICT_SHIFTS, SEED, workspace, &v->partial);
    if (v->partial_absent == FIT_PRESENT) {
        v->facts.partial_rank = (struct figure){ true, v->partial.rho };
        v->facts.partial_p = (struct figure){ true, v->partial.p_greater };
    }
    v->difference_absent = fit_difference_spearman(
        s->x, s->y, s->n, RUN_VERDICT_SHIFTS, SEED, workspace, &v->difference);
    v->leverage_absent =
        fit_leverage(s->x, s->y, s->n, FIT_KIND_NNLS, workspace, &v->leverage);
}

static struct figure ratio_of_means(const struct fit_sample *s)
{
    double x = 0;
    double y = 0;
    for (size_t i = 0; i < s->n; i++) {
        x += s->x[i];
        y += s->y[i];
    }
    return (struct figure){ s->n > 0, s->n > 0 ? y / x : 0 };
}

static void gather(const struct fit_sample *sample, struct phase_verdict *v)
{
    const struct run_fit *fit = &v->fit;
    struct verdict_facts *f = &v->facts;
    f->n = fit->report.n;
    f->probes = fit->report.n + fit->report.n_excluded;
    f->noise = fit->excluded[PAIR_NOISE_LIMITED];
    f->rounding = fit->excluded[PAIR_ROUNDING] + fit->excluded[PAIR_TINY_STEP];
    f->noise_unknown = fit->estimator == TRAJ_ESTIMATOR_DIFFERENT &&
                       2 * sample->n_noise < sample->n;
    f->ceiling_ratio =
        (struct figure){ fit->has_ceiling_ratio, fit->ceiling_ratio };
    f->x_spread = (struct figure){ fit->has_spread, fit->spread };
    f->step_rank =
        (struct figure){ fit->has_spearman_step, fit->spearman_step };
    f->rank = (struct figure){ fit->report.has_spearman, fit->report.spearman };
    f->proportional = ratio_of_means(sample);
    f->level = RUN_VERDICT_LEVEL;
    if (v->intervals.absent == FIT_PRESENT) {
        f->slope = (struct figure){ true, v->intervals.ci.L1.estimate };
        f->slope_low = (struct figure){ true, v->intervals.ci.L1.low };
        f->slope_high = (struct figure){ true, v->intervals.ci.L1.high };
    }
}

static bool advise(const struct run_verdict_input *in,
    const struct fit_sample *sample, struct phase_verdict *v)
{
    const struct figure last = { sample->n > 0,
        sample->n > 0 ? sample->x[sample->n - 1] : 0 };
    const struct advice_input input = {
        .verdict = v->verdict.kind,
        .law = run_fit_law(&v->fit),
        .x = sample->x,
        .y = sample->y,
        .n = sample->n,
        .optimizer = in->optimizer,
        .grad_norm = in->grad_norm.has ? in->grad_norm : last,
        .lr = in->lr,
        .momentum = in->momentum,
        .target = in->target,
    };
    return advice_compute(&input, &v->advice);
}

static bool fit_phase(const struct run_verdict_input *in,
    const struct run_fit_query *query, struct fit_sample *sample,
    struct run_fit *ret)
{
    struct run_fit all;
    bool more = false;
    if (!run_fit_of_sample(in->pairs, query, sample, ret)) {
        return false;
    }
    if (in->pairs->every == 1 || in->fit_all == NULL) {
        return true;
    }
    if (!in->fit_all(in->fit_context, query, &more, &all)) {
        return false;
    }
    if (more) {
        run_fit_add_sample(&all, ret);
        *ret = all;
    }
    return true;
}

static bool judge_sample(const struct run_verdict_input *in,
    const struct run_fit_query *query, struct fit_sample *sample,
    struct phase_verdict *v)
{
    rank(sample, sample->workspace, v);
    if (!fit_phase(in, query, sample, &v->fit) || !depend(sample, v) ||
        !judge_operators(in->operators, &v->phase, &v->facts)) {
        return false;
    }
    gather(sample, v);
    verdict_decide(&v->facts, &v->verdict);
    return advise(in, sample, v);
}

/* Of the class and with the regressor of the whole run: a phase of others
 * would be no part of it. */
static bool judge(const struct run_verdict_input *in,
    const struct fit_sample *whole, const struct phase *phase, unsigned phases,
    struct phase_verdict *ret)
{
    *ret = (struct phase_verdict){ .phase = *phase };
    ret->facts.phases = phases;
    const struct run_fit_query query = {
        .regressor = (int)whole->regressor,
        .estimator = (int)whole->estimator,
        .from_step = phase->from_step,
        .to_step = phase->to_step,
    };
    struct fit_sample sample;
    const bool ok = fit_sample_take(in->pairs, &query, &sample) &&
                    judge_sample(in, &query, &sample, ret);
    fit_sample_done(&sample);
    return ok;
}

/* ---- all of them --------------------------------------------------------- */

static size_t choose_main(const struct run_verdict *verdict)
{
    for (size_t i = verdict->n; i > 0; i--) {
        if (verdict->v[i - 1].fit.report.n >= FIT_N_MIN) {
            return i - 1;
        }
    }
    return verdict->n - 1;
}

static bool judge_all(const struct run_verdict_input *in,
    const struct fit_sample *whole, struct run_verdict *ret)
{
    struct phases phases;
    if (!phases_find(whole, in->query.from_step, in->query.to_step, in->known,
            in->n_known, &phases)) {
        return false;
    }
    ret->v = calloc(phases.n, sizeof *ret->v);
    bool ok = ret->v != NULL;
    for (size_t i = 0; ok && i < phases.n; i++) {
        ok = judge(in, whole, &phases.v[i], (unsigned)phases.n, &ret->v[i]);
        ret->n++;
    }
    ret->is_full = phases.is_full;
    return ok;
}

bool run_verdict_compute(
    const struct run_verdict_input *input, struct run_verdict *ret)
{
    *ret = (struct run_verdict){ .n = 0 };
    struct fit_sample whole;
    const bool ok = fit_sample_take(input->pairs, &input->query, &whole) &&
                    judge_all(input, &whole, ret);
    fit_sample_done(&whole);
    if (!ok) {
        run_verdict_done(ret);
        return false;
    }
    ret->main = choose_main(ret);
    return true;
}

void run_verdict_done(struct run_verdict *verdict)
{
    free(verdict->v);
    *verdict = (struct run_verdict){ .n = 0 };
}

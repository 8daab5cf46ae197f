/* run_verdict.c: pure but for its memory; any thread. */
#include "pure/run_verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/order.h"
#include "pure/run_fit_states.h"
#include "traj.h"

/* ---- one phase ----------------------------------------------------------- */

/* Of the pairs; where there is a fit of more, it brings its own. */
static bool depend(const struct fit_sample *sample, struct phase_verdict *v)
{
    if (v->fit.from_states) {
        v->intervals = v->fit.intervals;
    } else if (!intervals_of(sample, INTERVALS_LEVEL, &v->intervals)) {
        return false;
    }
    v->facts.slope_p = v->intervals.slope_p;
    if (v->intervals.dependence_absent == FIT_PRESENT) {
        v->facts.n_eff = (struct figure){ true, v->intervals.dependence.n_eff };
    }
    return true;
}

static void rank(
    const struct fit_sample *s, double *workspace, struct phase_verdict *v)
{
    rank_tests_of(s, workspace, &v->ranks);
    if (v->ranks.partial_absent == FIT_PRESENT) {
        const struct fit_partial *partial = &v->ranks.partial;
        v->facts.partial_rank = (struct figure){ true, partial->rho };
        v->facts.partial_p = (struct figure){ true, partial->p_greater };
        v->facts.partial_p_any = (struct figure){ true, partial->p };
    }
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

/* Why most of those were left out that neither noise nor rounding explains. */
static const char *left_out_most(const struct run_fit *fit)
{
    enum pair_use most = PAIR_USED;
    for (unsigned use = PAIR_USED + 1; use < PAIR_USES; use++) {
        const bool told = use == PAIR_NOISE_LIMITED || use == PAIR_ROUNDING ||
                          use == PAIR_TINY_STEP;
        if (!told && fit->excluded[use] > fit->excluded[most]) {
            most = (enum pair_use)use;
        }
    }
    return 2 * fit->excluded[most] > fit->report.n_excluded
               ? pair_use_name(most)
               : NULL;
}

static void gather(const struct fit_sample *sample, struct phase_verdict *v)
{
    const struct run_fit *fit = &v->fit;
    struct verdict_facts *f = &v->facts;
    f->n = fit->report.n;
    f->probes = fit->report.n + fit->report.n_excluded;
    f->noise = fit->excluded[PAIR_NOISE_LIMITED];
    f->rounding = fit->excluded[PAIR_ROUNDING] + fit->excluded[PAIR_TINY_STEP];
    f->still = fit->excluded[PAIR_TINY_STEP];
    f->left_out = left_out_most(fit);
    f->constant = f->n > 0 && !(fit->report.y_max > fit->report.y_min);
    f->growth =
        (struct figure){ fit->report.has_loglog, fit->report.loglog.slope };
    f->noise_unknown = fit->estimator == TRAJ_ESTIMATOR_DIFFERENT &&
                       2 * sample->n_noise < sample->n;
    f->ceiling_ratio =
        (struct figure){ fit->has_ceiling_ratio, fit->ceiling_ratio };
    f->x_spread = (struct figure){ fit->has_spread, fit->spread };
    f->step_rank =
        (struct figure){ fit->has_spearman_step, fit->spearman_step };
    f->proportional = ratio_of_means(sample);
    f->level = INTERVALS_LEVEL;
    if (v->intervals.absent == FIT_PRESENT) {
        f->slope = (struct figure){ true, v->intervals.ci.L1.estimate };
        f->slope_low = (struct figure){ true, v->intervals.ci.L1.low };
        f->slope_high = (struct figure){ true, v->intervals.ci.L1.high };
    }
}

/* Where nothing grows the law is its level. */
static struct fit_line law_of(
    const struct fit_sample *sample, const struct phase_verdict *v)
{
    if (v->verdict.kind != VERDICT_FLAT) {
        return run_fit_law(&v->fit);
    }
    return (struct fit_line){ .L0 = v->intervals.absent == FIT_PRESENT
                                        ? v->intervals.ci.centroid.estimate
                                        : sample->y[0] };
}

/* That of the phase's own pairs, if they say it; the run's last may be of
 * another phase. */
static struct figure rate_of(
    const struct run_verdict_input *in, const struct fit_sample *sample)
{
    const double lr = sample->n > 0 ? sample->lr[sample->n - 1] : (double)NAN;
    return isfinite(lr) ? (struct figure){ true, lr } : in->lr;
}

static bool advise(const struct run_verdict_input *in,
    const struct fit_sample *sample, struct phase_verdict *v)
{
    const struct figure last = { sample->n > 0,
        sample->n > 0 ? sample->x[sample->n - 1] : 0 };
    const struct advice_input input = {
        .verdict = v->verdict.kind,
        .law = law_of(sample, v),
        .x = sample->x,
        .y = sample->y,
        .n = sample->n,
        .of_layer = in->of_layer,
        .optimizer = in->optimizer,
        .grad_norm = in->grad_norm.has ? in->grad_norm : last,
        .lr = rate_of(in, sample),
        .momentum = in->momentum,
        .target = in->target,
        .operator_high = v->facts.operator_high,
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

static double median_of(const double *v, size_t n, double *workspace)
{
    if (n == 0) {
        return (double)NAN;
    }
    memcpy(workspace, v, n * sizeof *v);
    return order_quantile(workspace, n, 0.5);
}

static bool judge_sample(const struct run_verdict_input *in,
    const struct run_fit_query *query, struct fit_sample *sample,
    struct phase_verdict *v)
{
    rank(sample, sample->workspace, v);
    const double y_median = median_of(sample->y, sample->n, sample->workspace);
    if (!fit_phase(in, query, sample, &v->fit) || !depend(sample, v) ||
        !operators_judge(in->operators, &v->phase, y_median, &v->facts)) {
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
    const struct phases_query query = {
        .from_step = in->query.from_step,
        .to_step = in->query.to_step,
        /* Steps that somebody chose are taken together as far as may be. */
        .changes = in->query.from_step == 0 && in->query.to_step == UINT64_MAX,
        .known = in->known,
        .n_known = in->n_known,
    };
    if (!phases_find(whole, &query, &phases)) {
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

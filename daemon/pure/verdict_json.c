/* verdict_json.c: pure; any thread. */
#include "pure/verdict_json.h"

#include <math.h>

#include "pure/fit_json.h"
#include "pure/interval_json.h"
#include "pure/member_json.h"

static void put_sentence(struct buf *out, const struct phase_verdict *v)
{
    struct buf sentence = { 0 };
    verdict_sentence(&v->verdict, &v->facts, &sentence);
    buf_text(out, ",\"sentence\":");
    buf_json_text(out, (struct str){ sentence.p, sentence.n });
    out->failed = out->failed || sentence.failed;
    buf_done(&sentence);
}

static void put_reasons(struct buf *out, const struct verdict *verdict)
{
    buf_text(out, ",\"reasons\":[");
    for (size_t i = 0; i < verdict->n_reasons; i++) {
        const struct verdict_reason *r = &verdict->reasons[i];
        buf_comma(out, i);
        buf_printf(out, "{\"name\":\"%s\"", r->name);
        member_json_double(out, "value", r->value);
        member_json_figure(
            out, "limit", (struct figure){ !isnan(r->limit), r->limit });
        buf_printf(out, ",\"decides\":%s}", r->speaks_for ? "true" : "false");
    }
    buf_char(out, ']');
}

static void put_intervals(struct buf *out, const struct phase_verdict *v)
{
    interval_json(out, v->intervals.absent, &v->intervals.ci);
}

static void put_memory(struct buf *out, const struct phase_verdict *v)
{
    const struct fit_dependence *d = &v->intervals.dependence;
    const bool has = v->intervals.dependence_absent == FIT_PRESENT;
    member_json_figure(out, "tau_int", (struct figure){ has, d->tau_int });
    member_json_figure(out, "n_eff", (struct figure){ has, d->n_eff });
}

static void put_ranks(struct buf *out, const struct phase_verdict *v)
{
    member_json_name(
        out, "partial_absent", interval_absent_name(v->ranks.partial_absent));
    member_json_figure(out, "partial_spearman", v->facts.partial_rank);
    member_json_figure(out, "partial_p", v->facts.partial_p);
    const bool differs = v->ranks.difference_absent == FIT_PRESENT;
    member_json_figure(out, "difference_spearman",
        (struct figure){ differs, v->ranks.difference.rho });
    member_json_figure(out, "difference_p",
        (struct figure){ differs, v->ranks.difference.p_greater });
    member_json_figure(out, "slope_p", v->facts.slope_p);
}

static void put_leverage(struct buf *out, const struct phase_verdict *v)
{
    if (v->leverage_absent != FIT_PRESENT) {
        buf_text(out, ",\"leverage\":null");
        return;
    }
    buf_text(out, ",\"leverage\":{\"dropped\":");
    buf_u64(out, v->leverage.n_dropped);
    member_json_double(out, "x_above", v->leverage.x_above);
    member_json_double(out, "L0", v->leverage.rest.L0);
    member_json_double(out, "L1", v->leverage.rest.L1);
    buf_char(out, '}');
}

static void put_operator(struct buf *out, const struct verdict_facts *f)
{
    buf_text(out, ",\"operator_norm\":{\"n\":");
    buf_json_u64(out, f->operator_n);
    member_json_figure(out, "spread", f->operator_spread);
    member_json_figure(out, "spearman", f->operator_rank);
    member_json_figure(out, "p", f->operator_p);
    member_json_figure(out, "growth", f->operator_growth);
    member_json_figure(out, "growth_se", f->operator_growth_se);
    member_json_figure(out, "share", f->operator_share);
    member_json_figure(out, "high", f->operator_high);
    buf_char(out, '}');
}

/* ---- advice -------------------------------------------------------------- */

static void put_steps(struct buf *out, const struct advice *a)
{
    buf_text(out, ",\"steps\":{");
    for (unsigned rule = 1; rule <= ADVICE_RULES; rule++) {
        buf_comma(out, rule - 1);
        buf_printf(out, "\"%s\":", advice_rule_name((enum traj_rule)rule));
        buf_json_optional(out, a->steps[rule].has, a->steps[rule].v);
    }
    buf_char(out, '}');
}

static void put_recipes(struct buf *out, const struct advice *a)
{
    buf_text(out, ",\"recipes\":[");
    for (size_t i = 0; i < ADVICE_RECIPES; i++) {
        buf_comma(out, i);
        buf_printf(out, "{\"name\":\"%s\"", a->recipes[i].name);
        member_json_double(out, "lr", a->recipes[i].lr);
        member_json_double(out, "threshold", a->recipes[i].threshold);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

static void put_law_of_advice(struct buf *out, const struct advice *a)
{
    buf_printf(out, ",\"unconfirmed\":%s", a->unconfirmed ? "true" : "false");
    member_json_double(out, "L0", a->law.L0);
    member_json_double(out, "L1", a->law.L1);
    member_json_double(out, "knee", a->knee);
    member_json_double(out, "share_above_knee", a->share_above);
}

static void put_refusal(struct buf *out, const struct advice *a)
{
    buf_printf(out, "\"%s\"", a->refusal);
    if (a->of_layer) {
        put_law_of_advice(out, a);
        member_json_figure(out, "grad_norm", a->grad_norm);
        member_json_figure(out, "radius", a->radius);
    }
    buf_char(out, '}');
}

static void put_advice(struct buf *out, const struct phase_verdict *v)
{
    const struct advice *a = &v->advice;
    buf_text(out, "{\"refusal\":");
    if (a->refusal != NULL) {
        put_refusal(out, a);
        return;
    }
    buf_text(out, "null");
    put_law_of_advice(out, a);
    member_json_double(out, "grad_norm_most", a->most);
    member_json_double(out, "target", a->target);
    put_steps(out, a);
    put_recipes(out, a);
    member_json_figure(out, "own_threshold", a->own_threshold);
    member_json_figure(out, "lr_limit", a->lr_limit);
    member_json_figure(out, "lr_over_limit", a->lr_over_limit);
    member_json_double(out, "bound_ratio", a->bound_ratio);
    member_json_double(out, "adaptivity", a->adaptivity);
    buf_char(out, '}');
}

/* ---- all of it ----------------------------------------------------------- */

static void put_steps_of(struct buf *out, const struct phase *phase)
{
    buf_text(out, "{\"from_step\":");
    buf_json_u64(out, phase->from_step);
    buf_text(out, ",\"to_step\":");
    if (phase->to_step == UINT64_MAX) {
        buf_text(out, "null");
    } else {
        buf_json_u64(out, phase->to_step);
    }
    member_json_name(out, "cause", phase_cause_name(phase->cause));
}

static void put_phase(struct buf *out, const struct phase_verdict *v)
{
    put_steps_of(out, &v->phase);
    member_json_name(out, "verdict", verdict_name(v->verdict.kind));
    put_sentence(out, v);
    put_reasons(out, &v->verdict);
    put_intervals(out, v);
    put_memory(out, v);
    put_ranks(out, v);
    put_leverage(out, v);
    put_operator(out, &v->facts);
    buf_text(out, ",\"fit\":");
    fit_json(out, &v->fit, NULL);
    buf_text(out, ",\"advice\":");
    put_advice(out, v);
    buf_char(out, '}');
}

static void put_main(struct buf *out, const struct run_verdict *verdict)
{
    const struct phase_verdict *main = &verdict->v[verdict->main];
    buf_printf(out, "\"verdict\":\"%s\"", verdict_name(main->verdict.kind));
    put_sentence(out, main);
}

void verdict_json(struct buf *out, const struct run_verdict *verdict)
{
    buf_char(out, '{');
    put_main(out, verdict);
    buf_printf(out, ",\"main_phase\":%zu,\"more_phases\":%s,\"phases\":[",
        verdict->main, verdict->is_full ? "true" : "false");
    for (size_t i = 0; i < verdict->n; i++) {
        buf_comma(out, i);
        put_phase(out, &verdict->v[i]);
    }
    buf_text(out, "]}");
}

void verdict_event_json(
    struct buf *out, const struct run_verdict *verdict, const char *run_uid)
{
    buf_text(out, "{\"run\":");
    buf_json_text(out, str_of(run_uid));
    buf_char(out, ',');
    put_main(out, verdict);
    buf_char(out, '}');
}

void verdict_advice_json(struct buf *out, const struct run_verdict *verdict)
{
    const struct phase_verdict *main = &verdict->v[verdict->main];
    put_steps_of(out, &main->phase);
    member_json_name(out, "verdict", verdict_name(main->verdict.kind));
    put_sentence(out, main);
    buf_text(out, ",\"advice\":");
    put_advice(out, main);
    buf_char(out, '}');
}

/* fit_json.c: pure; any thread. */
#include "pure/fit_json.h"

#include "pure/interval_json.h"
#include "pure/member_json.h"

static void put_range(
    struct buf *out, const char *name, bool has, double low, double high)
{
    buf_printf(out, ",\"%s\":", name);
    if (!has) {
        buf_text(out, "null");
        return;
    }
    buf_char(out, '[');
    buf_json_double(out, low);
    buf_char(out, ',');
    buf_json_double(out, high);
    buf_char(out, ']');
}

static void put_excluded(struct buf *out, const struct run_fit *fit)
{
    buf_text(out, ",\"excluded\":{");
    for (unsigned use = PAIR_USED + 1; use < PAIR_USES; use++) {
        buf_printf(out, "%s\"%s\":", use == PAIR_USED + 1 ? "" : ",",
            pair_use_name((enum pair_use)use));
        buf_json_u64(out, fit->excluded[use]);
    }
    buf_char(out, '}');
}

static void put_fits(struct buf *out, const struct fit_report *report)
{
    const char *comma = "";
    buf_text(out, ",\"fits\":[");
    for (size_t i = 0; i < FIT_METHODS; i++) {
        if (!report->fits[i].valid) {
            continue;
        }
        double tau = report->fits[i].tau;
        buf_printf(out, "%s{\"method\":\"%s\"", comma, report->fits[i].method);
        member_json_optional(out, "tau", tau == tau, tau);
        member_json_double(out, "L0", report->fits[i].line.L0);
        member_json_double(out, "L1", report->fits[i].line.L1);
        buf_char(out, '}');
        comma = ",";
    }
    buf_char(out, ']');
}

static void put_loglog(struct buf *out, const struct fit_report *report)
{
    if (!report->has_loglog) {
        buf_text(out, ",\"loglog\":null");
        return;
    }
    buf_text(out, ",\"loglog\":{\"slope\":");
    buf_json_double(out, report->loglog.slope);
    member_json_double(out, "intercept", report->loglog.intercept);
    member_json_double(out, "pearson_r", report->loglog.pearson_r);
    const double theil_sen = report->loglog.theil_sen;
    member_json_optional(out, "theil_sen", theil_sen == theil_sen, theil_sen);
    buf_char(out, '}');
}

void fit_json_scores(struct buf *out, const struct fit_power *power)
{
    buf_char(out, '[');
    for (size_t k = 0; k < FIT_POWERS; k++) {
        buf_comma(out, k);
        buf_json_double(out, power->scores[k]);
    }
    buf_char(out, ']');
}

static void put_power(struct buf *out, const struct fit_report *report)
{
    const struct fit_power *power = &report->power;
    if (!report->has_power) {
        buf_text(out, ",\"power\":null");
        return;
    }
    buf_text(out, ",\"power\":{\"rho\":");
    buf_json_double(out, power->rho);
    member_json_double(out, "L0", power->line.L0);
    member_json_double(out, "L1", power->line.L1);
    buf_text(out, ",\"scores\":");
    fit_json_scores(out, power);
    buf_char(out, '}');
}

void fit_json_frontier(struct buf *out, const struct run_frontier *frontier)
{
    if (frontier->n == 0) {
        buf_text(out, "null");
        return;
    }
    buf_char(out, '[');
    for (size_t i = 0; i < frontier->n; i++) {
        buf_comma(out, i);
        buf_char(out, '[');
        buf_json_double(out, frontier->v[i].L0);
        buf_char(out, ',');
        buf_json_double(out, frontier->v[i].L1);
        buf_char(out, ']');
    }
    buf_char(out, ']');
}

static const char *rival_name(enum fit_rival_law law)
{
    static const char *const names[FIT_RIVALS] = {
        [FIT_RIVAL_CONSTANT] = "constant",
        [FIT_RIVAL_GRADIENT] = "gradient",
        [FIT_RIVAL_GAP] = "gap",
        [FIT_RIVAL_BOTH] = "both",
    };
    return names[law];
}

static void put_rival(struct buf *out, const struct fit_rival *rival)
{
    if (!rival->valid) {
        buf_text(out, "null");
        return;
    }
    buf_text(out, "{\"L0\":");
    buf_json_double(out, rival->L0);
    member_json_double(out, "L1", rival->L1);
    member_json_double(out, "H1", rival->H1);
    member_json_double(out, "score", rival->score);
    buf_char(out, '}');
}

void fit_json_rivals(struct buf *out, const struct run_fit *fit)
{
    const struct fit_rivals *rivals = &fit->rivals;
    if (fit->rivals_absent != NULL) {
        buf_text(out, "null");
        return;
    }
    buf_text(out, "{\"n\":");
    buf_json_u64(out, rivals->n);
    buf_text(out, ",\"n_excluded\":");
    buf_json_u64(out, rivals->n_excluded);
    member_json_double(out, "f_star", rivals->least_loss);
    member_json_name(out, "best", rival_name(rivals->best));
    member_json_figure(out, "score_ratio", run_fit_score_ratio(fit));
    for (unsigned law = 0; law < FIT_RIVALS; law++) {
        buf_printf(out, ",\"%s\":", rival_name((enum fit_rival_law)law));
        put_rival(out, &rivals->of[law]);
    }
    buf_char(out, '}');
}

void fit_json_warnings(struct buf *out, unsigned warnings)
{
    const char *comma = "";
    buf_char(out, '[');
    for (size_t bit = 0; bit < RUN_FIT_WARNINGS; bit++) {
        if ((warnings >> bit & 1) != 0) {
            buf_printf(out, "%s\"%s\"", comma, run_fit_warning_name(bit));
            comma = ",";
        }
    }
    buf_char(out, ']');
}

static void put_steps(struct buf *out, const struct run_fit *fit)
{
    if (fit->report.n == 0) {
        buf_text(out, ",\"step_range\":null");
        return;
    }
    buf_text(out, ",\"step_range\":[");
    buf_json_u64(out, fit->first_step);
    buf_char(out, ',');
    buf_json_u64(out, fit->last_step);
    buf_char(out, ']');
}

void fit_json(struct buf *out, const struct run_fit *fit, const char *run_uid)
{
    const struct fit_report *report = &fit->report;
    bool any = report->n > 0;
    buf_char(out, '{');
    if (run_uid != NULL) {
        buf_text(out, "\"run\":");
        buf_json_text(out, str_of(run_uid));
        buf_char(out, ',');
    }
    buf_printf(out, "\"regressor\":\"%s\",\"estimator\":\"%s\",\"n\":",
        pair_regressor_name(fit->regressor),
        pair_estimator_name(fit->estimator));
    buf_json_u64(out, report->n);
    buf_text(out, ",\"n_excluded\":");
    buf_json_u64(out, report->n_excluded);
    put_excluded(out, fit);
    buf_text(out, ",\"every\":");
    buf_json_u64(out, fit->every);
    buf_printf(out, ",\"window\":%u,\"from_states\":%s", (unsigned)fit->window,
        fit->from_states ? "true" : "false");
    if (fit->from_states) {
        interval_json(out, fit->intervals.absent, &fit->intervals.ci);
    }
    put_steps(out, fit);
    put_range(out, "x_range", any, report->x_min, report->x_max);
    put_range(out, "y_range", any, report->y_min, report->y_max);
    put_fits(out, report);
    put_power(out, report);
    put_loglog(out, report);
    buf_text(out, ",\"frontier\":");
    fit_json_frontier(out, &fit->frontier);
    member_json_name(out, "rivals_absent", fit->rivals_absent);
    buf_text(out, ",\"rivals\":");
    fit_json_rivals(out, fit);
    member_json_optional(
        out, "spearman", report->has_spearman, report->spearman);
    member_json_optional(
        out, "spearman_step_x", fit->has_spearman_step, fit->spearman_step);
    member_json_optional(
        out, "ceiling_ratio", fit->has_ceiling_ratio, fit->ceiling_ratio);
    buf_text(out, ",\"warnings\":");
    fit_json_warnings(out, fit->warnings);
    member_json_name(out, "reason", fit->reason);
    buf_char(out, '}');
}

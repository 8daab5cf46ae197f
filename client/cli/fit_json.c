/* fit_json.c: the answer of `traj fit` as JSON. One thread. */
#include <math.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "cli/fit_answer.h"

/* cJSON prints 15 digits where they are "close": these read back exactly. */
static cJSON *json_double(double value)
{
    if (isnan(value)) {
        return cJSON_CreateNull();
    }
    if (isinf(value)) {
        return cJSON_CreateString(value > 0 ? "Infinity" : "-Infinity");
    }
    char text[32];
    (void)snprintf(text, sizeof text, "%.17g", value);
    return cJSON_CreateRaw(text);
}

static void add_double(cJSON *object, const char *name, double value)
{
    (void)cJSON_AddItemToObject(object, name, json_double(value));
}

static cJSON *json_pair(double a, double b)
{
    cJSON *pair = cJSON_CreateArray();
    (void)cJSON_AddItemToArray(pair, json_double(a));
    (void)cJSON_AddItemToArray(pair, json_double(b));
    return pair;
}

static void add_line(cJSON *object, double L0, double L1)
{
    add_double(object, "L0", L0);
    add_double(object, "L1", L1);
}

static cJSON *json_fits(const struct fit_answer *answer)
{
    cJSON *fits = cJSON_CreateArray();
    for (size_t i = 0; i < answer->n_fits; i++) {
        const struct fit_estimate *fit = &answer->fits[i];
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(object, "method", fit->method);
        add_double(object, "tau", fit->tau);
        add_line(object, fit->line.L0, fit->line.L1);
        (void)cJSON_AddItemToArray(fits, object);
    }
    return fits;
}

static cJSON *json_interval(const struct traj_interval *of)
{
    cJSON *interval = cJSON_CreateObject();
    add_double(interval, "estimate", of->estimate);
    add_double(interval, "se", of->se);
    add_double(interval, "low", of->low);
    add_double(interval, "high", of->high);
    return interval;
}

static void add_absent(cJSON *object, enum traj_absent absent)
{
    if (absent == TRAJ_PRESENT) {
        (void)cJSON_AddNullToObject(object, "absent");
    } else {
        (void)cJSON_AddStringToObject(
            object, "absent", traj_absent_text(absent));
    }
}

static cJSON *json_uncertainty(const struct traj_fit_uncertainty *u)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *boot = cJSON_AddObjectToObject(object, "bootstrap");
    add_absent(object, u->absent);
    add_absent(boot, u->boot_absent);
    if (u->absent == TRAJ_PRESENT) {
        add_double(object, "level", u->level);
        add_double(object, "tau_int", u->tau_int);
        add_double(object, "n_eff", u->n_eff);
        add_double(object, "blocks", (double)u->blocks);
        (void)cJSON_AddItemToObject(object, "L0", json_interval(&u->L0));
        (void)cJSON_AddItemToObject(object, "L1", json_interval(&u->L1));
        add_double(object, "x_mean", u->x_mean);
        (void)cJSON_AddItemToObject(
            object, "centroid", json_interval(&u->centroid));
    }
    if (u->boot_absent == TRAJ_PRESENT) {
        (void)cJSON_AddItemToObject(boot, "L0", json_interval(&u->boot_L0));
        (void)cJSON_AddItemToObject(boot, "L1", json_interval(&u->boot_L1));
    }
    return object;
}

static void add_uncertainty(cJSON *root, const struct fit_answer *answer)
{
    const struct traj_fit_tests *t = &answer->tests;
    cJSON *all = cJSON_AddObjectToObject(root, "uncertainty");
    cJSON *p = cJSON_AddObjectToObject(root, "p_of_growth");
    for (size_t i = 0; i < FIT_UNCERTAIN; i++) {
        (void)cJSON_AddItemToObject(all, fit_uncertain_name(i),
            json_uncertainty(&answer->uncertainty[i]));
    }
    add_double(
        p, "slope", t->slope_absent == TRAJ_PRESENT ? t->slope_p : (double)NAN);
    add_double(p, "boundary",
        t->boundary_absent == TRAJ_PRESENT ? t->boundary_p : (double)NAN);
    add_double(p, "spearman",
        t->spearman.absent == TRAJ_PRESENT ? t->spearman.p_greater
                                           : (double)NAN);
    add_double(p, "differences",
        t->differences.absent == TRAJ_PRESENT ? t->differences.p_greater
                                              : (double)NAN);
}

static cJSON *json_loglog(const struct fit_report *report)
{
    if (!report->has_loglog) {
        return cJSON_CreateNull();
    }
    cJSON *object = cJSON_CreateObject();
    add_double(object, "n", (double)report->loglog.n);
    add_double(object, "slope", report->loglog.slope);
    add_double(object, "intercept", report->loglog.intercept);
    add_double(object, "pearson_r", report->loglog.pearson_r);
    add_double(object, "theil_sen", report->loglog.theil_sen);
    return object;
}

static cJSON *json_power(const struct fit_report *report)
{
    if (!report->has_power) {
        return cJSON_CreateNull();
    }
    cJSON *object = cJSON_CreateObject();
    add_double(object, "rho", report->power.rho);
    add_line(object, report->power.line.L0, report->power.line.L1);
    cJSON *scores = cJSON_AddArrayToObject(object, "scores");
    for (size_t k = 0; k < FIT_POWERS; k++) {
        (void)cJSON_AddItemToArray(
            scores, json_double(report->power.scores[k]));
    }
    return object;
}

static cJSON *json_frontier(const struct fit_answer *answer)
{
    cJSON *vertices = cJSON_CreateArray();
    for (size_t i = 0; i < answer->n_frontier; i++) {
        (void)cJSON_AddItemToArray(vertices,
            json_pair(answer->frontier_L0[i], answer->frontier_L1[i]));
    }
    return vertices;
}

static cJSON *json_correction(const struct traj_fit *fit)
{
    cJSON *object = cJSON_CreateObject();
    add_double(object, "n", (double)fit->n);
    add_line(object, fit->L0, fit->L1);
    add_double(object, "rounds", (double)fit->rounds);
    return object;
}

static cJSON *json_rivals(const struct traj_fit_rivals *rivals)
{
    cJSON *object = cJSON_CreateObject();
    add_double(object, "n", (double)rivals->n);
    add_double(object, "n_excluded", (double)rivals->n_excluded);
    add_double(object, "f_star", rivals->least_loss);
    (void)cJSON_AddBoolToObject(
        object, "f_star_is_least_seen", rivals->least_is_seen != 0);
    (void)cJSON_AddStringToObject(
        object, "best", fit_rival_name((size_t)rivals->best));
    for (size_t k = 0; k < TRAJ_FIT_RIVALS; k++) {
        cJSON *law = cJSON_AddObjectToObject(object, fit_rival_name(k));
        add_line(law, rivals->of[k].L0, rivals->of[k].L1);
        add_double(law, "H1", rivals->of[k].H1);
        add_double(law, "score", rivals->of[k].score);
    }
    return object;
}

/* What is there only where it was asked for. */
static void add_asked(cJSON *root, const struct fit_request *request,
    const struct fit_answer *answer)
{
    if (answer->at.method != NULL) {
        cJSON *at = cJSON_AddObjectToObject(root, "envelope_at");
        add_double(at, "c", request->at);
        add_line(at, answer->at.line.L0, answer->at.line.L1);
    }
    if (answer->has_power_at) {
        cJSON *power = cJSON_AddObjectToObject(root, "power_at");
        add_double(power, "rho", request->rho);
        add_line(power, answer->power_at.L0, answer->power_at.L1);
    }
    if (request->names[FIT_COLUMN_LENGTH] != NULL) {
        cJSON *corrected = cJSON_AddObjectToObject(root, "corrected");
        (void)cJSON_AddItemToObject(corrected, "nnls_relative",
            json_correction(&answer->corrected.relative));
        (void)cJSON_AddItemToObject(corrected, "envelope",
            json_correction(&answer->corrected.envelope));
    }
    if (request->names[FIT_COLUMN_LOSS] != NULL) {
        (void)cJSON_AddItemToObject(
            root, "rivals", json_rivals(&answer->rivals));
    }
}

/* cJSON's adding to NULL does nothing, so one look at the text is enough. */
bool fit_answer_print_json(
    const struct fit_request *request, const struct fit_answer *answer)
{
    const struct fit_report *report = &answer->report;
    cJSON *root = cJSON_CreateObject();
    add_double(root, "n", (double)report->n);
    add_double(root, "n_excluded", (double)report->n_excluded);
    (void)cJSON_AddItemToObject(
        root, "x_range", json_pair(report->x_min, report->x_max));
    (void)cJSON_AddItemToObject(
        root, "y_range", json_pair(report->y_min, report->y_max));
    (void)cJSON_AddItemToObject(root, "fits", json_fits(answer));
    (void)cJSON_AddItemToObject(root, "power", json_power(report));
    (void)cJSON_AddItemToObject(root, "loglog", json_loglog(report));
    add_double(root, "spearman",
        report->has_spearman ? report->spearman : (double)NAN);
    (void)cJSON_AddItemToObject(root, "frontier", json_frontier(answer));
    add_uncertainty(root, answer);
    add_asked(root, request, answer);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (text == NULL) {
        return false;
    }
    puts(text);
    cJSON_free(text);
    return true;
}

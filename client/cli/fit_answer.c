/* fit_answer.c: what `traj fit` computes. One thread. */
#include "cli/fit_answer.h"

#include <math.h>
#include <stdlib.h>

/* Of these, a line is determined; FIT_N_MIN is what makes it an estimate. */
#define N_MIN 2u

static void keep(struct fit_answer *answer, const char *method, double tau,
    struct fit_line line)
{
    answer->fits[answer->n_fits++] =
        (struct fit_estimate){ .method = method, .tau = tau, .line = line };
}

static void fit_one(const struct fit_table *table, const struct fit_spec *spec,
    const char *method, double tau, double *workspace,
    struct fit_answer *answer)
{
    struct fit_line line;
    if (table->n >= N_MIN &&
        fit_by(spec, table->column[FIT_COLUMN_X], table->column[FIT_COLUMN_Y],
            table->n, workspace, &line)) {
        keep(answer, method, tau, line);
    }
}

/* The quantiles asked for stand where the report has its own. */
static void fit_quantiles(const struct fit_request *request,
    const struct fit_table *table, double *workspace, struct fit_answer *answer)
{
    for (size_t i = 0; i < request->n_taus; i++) {
        const struct fit_spec spec = { .method = FIT_QUANTILE,
            .tau = request->taus[i] };
        fit_one(table, &spec, "quantile", spec.tau, workspace, answer);
    }
}

static void fit_lines(const struct fit_request *request,
    const struct fit_table *table, double *workspace, struct fit_answer *answer)
{
    const struct fit_report *report = &answer->report;
    bool quantiles_done = false;
    for (size_t i = 0; i < FIT_METHODS; i++) {
        const enum fit_method method = fit_report_method(i);
        if (method == FIT_QUANTILE && request->n_taus > 0) {
            if (!quantiles_done) {
                fit_quantiles(request, table, workspace, answer);
            }
            quantiles_done = true;
        } else if (method == FIT_EXPECTILE && request->lambda > 0) {
            const struct fit_spec spec = { .method = method,
                .lambda = request->lambda };
            fit_one(table, &spec, report->fits[i].method,
                (1 + spec.lambda) / (2 + spec.lambda), workspace, answer);
        } else if (report->fits[i].valid) {
            keep(answer, report->fits[i].method, report->fits[i].tau,
                report->fits[i].line);
        }
    }
}

/* The envelope at an abscissa, and the law of a given power. */
static void fit_at(const struct fit_request *request,
    const struct fit_table *table, double *workspace, struct fit_answer *answer)
{
    const double *x = table->column[FIT_COLUMN_X];
    const double *y = table->column[FIT_COLUMN_Y];
    if (request->at > 0 && table->n >= N_MIN &&
        fit_envelope_at(
            x, y, table->n, request->at, workspace, &answer->at.line)) {
        answer->at.method = "envelope";
    }
    if (!isnan(request->rho)) {
        answer->has_power_at = fit_power_at(
            x, y, table->n, request->rho, workspace, &answer->power_at);
    }
}

static bool find_frontier(
    const struct fit_table *table, struct fit_answer *answer)
{
    const size_t room = table->n + 1;
    answer->frontier_L0 = malloc(room * sizeof *answer->frontier_L0);
    answer->frontier_L1 = malloc(room * sizeof *answer->frontier_L1);
    return answer->frontier_L0 != NULL && answer->frontier_L1 != NULL &&
           traj_fit_frontier(table->n, table->column[FIT_COLUMN_X],
               table->column[FIT_COLUMN_Y], room, answer->frontier_L0,
               answer->frontier_L1, &answer->n_frontier) == TRAJ_OK;
}

static bool correct(const struct fit_table *table, struct fit_answer *answer)
{
    struct traj_fit_options options = TRAJ_FIT_OPTIONS_INIT;
    struct fit_corrections *corrected = &answer->corrected;
    const double *x = table->column[FIT_COLUMN_X];
    const double *y = table->column[FIT_COLUMN_Y];
    options.step_length = table->column[FIT_COLUMN_LENGTH];
    corrected->relative.size = sizeof corrected->relative;
    corrected->envelope.size = sizeof corrected->envelope;
    return traj_fit(TRAJ_FIT_RELATIVE, table->n, x, y, &options,
               &corrected->relative) == TRAJ_OK &&
           traj_fit(TRAJ_FIT_ENVELOPE, table->n, x, y, &options,
               &corrected->envelope) == TRAJ_OK;
}

static bool compare_rivals(const struct fit_request *request,
    const struct fit_table *table, struct fit_answer *answer)
{
    answer->rivals.size = sizeof answer->rivals;
    return traj_fit_rivals(table->n, table->column[FIT_COLUMN_X],
               table->column[FIT_COLUMN_Y], table->column[FIT_COLUMN_LOSS],
               request->least_loss, &answer->rivals) == TRAJ_OK;
}

enum traj_fit_method fit_uncertain_method(size_t i)
{
    static const enum traj_fit_method methods[FIT_UNCERTAIN] = {
        TRAJ_FIT_RELATIVE, TRAJ_FIT_OLS, TRAJ_FIT_NNLS
    };
    return methods[i];
}

const char *fit_uncertain_name(size_t i)
{
    static const char *const names[FIT_UNCERTAIN] = { "nnls_relative", "ols",
        "nnls" };
    return names[i];
}

/* Rows are taken to be in the order of time. */
static bool doubt(const struct fit_table *table, struct fit_answer *answer)
{
    const double *x = table->column[FIT_COLUMN_X];
    const double *y = table->column[FIT_COLUMN_Y];
    bool done = true;
    for (size_t i = 0; done && i < FIT_UNCERTAIN; i++) {
        answer->uncertainty[i].size = sizeof answer->uncertainty[i];
        done = traj_fit_uncertainty(fit_uncertain_method(i), table->n, x, y,
                   NULL, &answer->uncertainty[i]) == TRAJ_OK;
    }
    answer->tests.size = sizeof answer->tests;
    return done && traj_fit_tests(table->n, x, y, NULL, NULL, NULL,
                       &answer->tests) == TRAJ_OK;
}

const char *fit_rival_name(size_t law)
{
    static const char *const names[TRAJ_FIT_RIVALS] = {
        [TRAJ_FIT_RIVAL_CONSTANT] = "constant",
        [TRAJ_FIT_RIVAL_GRADIENT] = "gradient",
        [TRAJ_FIT_RIVAL_GAP] = "gap",
        [TRAJ_FIT_RIVAL_BOTH] = "both",
    };
    return names[law];
}

bool fit_answer_compute(const struct fit_request *request,
    const struct fit_table *table, struct fit_answer *ret)
{
    *ret = (struct fit_answer){ .n_fits = 0 };
    double *workspace = malloc(fit_workspace(table->n) * sizeof *workspace);
    bool done = workspace != NULL &&
                fit_report(table->column[FIT_COLUMN_X],
                    table->column[FIT_COLUMN_Y], table->n, N_MIN, &ret->report);
    if (done) {
        ret->report.n_excluded += table->excluded;
        fit_lines(request, table, workspace, ret);
        fit_at(request, table, workspace, ret);
        done = find_frontier(table, ret) && doubt(table, ret) &&
               (request->names[FIT_COLUMN_LENGTH] == NULL ||
                   correct(table, ret)) &&
               (request->names[FIT_COLUMN_LOSS] == NULL ||
                   compare_rivals(request, table, ret));
    }
    free(workspace);
    return done;
}

void fit_answer_done(struct fit_answer *answer)
{
    free(answer->frontier_L0);
    free(answer->frontier_L1);
}

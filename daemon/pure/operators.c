/* operators.c: pure but for its memory; any thread. */
#include "pure/operators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/fit.h"
#include "math/fit_dependence.h"
#include "math/fit_tests.h"
#include "math/order.h"

#define SEED 1

static void free_columns(struct operator_norms *norms)
{
    free(norms->step);
    free(norms->grad_norm);
}

static bool make_room(struct operator_norms *norms)
{
    if (norms->n < norms->capacity) {
        return true;
    }
    const size_t capacity = norms->capacity == 0 ? 64 : 2 * norms->capacity;
    double *block = malloc(2 * capacity * sizeof *block);
    uint64_t *step = malloc(capacity * sizeof *step);
    if (block == NULL || step == NULL) {
        free(block);
        free(step);
        return false;
    }
    if (norms->n > 0) {
        memcpy(step, norms->step, norms->n * sizeof *step);
        memcpy(block, norms->grad_norm, norms->n * sizeof *block);
        memcpy(block + capacity, norms->value, norms->n * sizeof *block);
    }
    free_columns(norms);
    norms->step = step;
    norms->grad_norm = block;
    norms->value = block + capacity;
    norms->capacity = capacity;
    return true;
}

bool operator_norms_add(
    struct operator_norms *norms, uint64_t step, double grad_norm, double value)
{
    if (!make_room(norms)) {
        return false;
    }
    norms->step[norms->n] = step;
    norms->grad_norm[norms->n] = grad_norm;
    norms->value[norms->n] = value;
    norms->n++;
    return true;
}

void operator_norms_done(struct operator_norms *norms)
{
    free_columns(norms);
    *norms = (struct operator_norms){ .n = 0 };
}

/* Those of the phase: [*ret_from, the returned). */
static size_t operators_of(const struct operator_norms *norms,
    const struct phase *phase, size_t *ret_from)
{
    size_t from = 0;
    while (from < norms->n && norms->step[from] < phase->from_step) {
        from++;
    }
    size_t to = from;
    while (to < norms->n && norms->step[to] <= phase->to_step) {
        to++;
    }
    *ret_from = from;
    return to;
}

static double quantile_of(
    const double *v, size_t n, double q, double *workspace)
{
    memcpy(workspace, v, n * sizeof *v);
    return order_quantile(workspace, n, q);
}

/* d ln y / d ln x by least squares, and its standard error as of independent
 * residuals, times the root of their tau_int. workspace: 4n. */
static void put_growth(const double *x, const double *y, size_t n,
    double *workspace, struct verdict_facts *facts)
{
    double *u = workspace;
    double *v = workspace + n;
    double mean = 0;
    for (size_t i = 0; i < n; i++) {
        u[i] = log(x[i]);
        v[i] = log(y[i]);
        mean += u[i] / (double)n;
    }
    struct fit_line line;
    if (!fit_ols(u, v, n, &line)) {
        return;
    }
    double left = 0;
    double spread = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] -= line.L0 + line.L1 * u[i];
        left += v[i] * v[i];
        spread += (u[i] - mean) * (u[i] - mean);
    }
    struct fit_dependence memory = { .tau_int = 1 };
    const enum fit_absent absent =
        fit_dependence(v, n, workspace + 2 * n, &memory);
    if (absent != FIT_PRESENT && absent != FIT_ABSENT_CONSTANT) {
        return; /* it remembers for longer than it lasts */
    }
    facts->operator_growth = (struct figure){ true, line.L1 };
    facts->operator_growth_se = (struct figure){ true,
        sqrt(left / (double)(n - 2) / spread * memory.tau_int) };
}

static void judge(const double *x, const double *y, const double *time,
    size_t n, double y_median, double *workspace, struct verdict_facts *facts)
{
    struct fit_partial partial;
    const double high = quantile_of(y, n, 0.95, workspace);
    const double low = quantile_of(y, n, 0.05, workspace);
    facts->operator_spread = (struct figure){ low > 0, high / low };
    facts->operator_share =
        (struct figure){ true, y_median / quantile_of(y, n, 0.5, workspace) };
    facts->operator_rank.has =
        fit_spearman(x, y, n, workspace, &facts->operator_rank.v);
    if (fit_partial_spearman(x, y, n, &time, 1, OPERATORS_SHIFTS, SEED,
            workspace, &partial) == FIT_PRESENT) {
        facts->operator_p = (struct figure){ true, partial.p_greater };
    }
    put_growth(x, y, n, workspace, facts);
}

bool operators_judge(const struct operator_norms *norms,
    const struct phase *phase, double y_median, struct verdict_facts *facts)
{
    size_t from = 0;
    const size_t n = operators_of(norms, phase, &from) - from;
    facts->operator_n = n;
    if (n == 0) {
        return true;
    }
    double *workspace = malloc(8 * n * sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    const double *value = norms->value + from;
    facts->operator_high =
        (struct figure){ true, quantile_of(value, n, 0.95, workspace) };
    double *time = workspace + 7 * n;
    for (size_t i = 0; i < n; i++) {
        time[i] = fit_sample_time(norms->step[from], norms->step[from + i]);
    }
    if (n >= VERDICT_OPERATOR_MIN) {
        judge(norms->grad_norm + from, value, time, n, y_median, workspace,
            facts);
    }
    free(workspace);
    return true;
}

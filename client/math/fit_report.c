/* fit_report.c: from pairs in any state to all fits at once. The only fit
 * function that takes memory. Any thread. */
#include "math/fit.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

size_t fit_clean(
    const double *x, const double *y, size_t n, double *x_out, double *y_out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(x[i]) && isfinite(y[i])) {
            x_out[kept] = x[i];
            y_out[kept] = y[i];
            kept++;
        }
    }
    return kept;
}

double fit_regressor(enum fit_regressor regressor, double grad_sq,
    double grad_mid_sq, double grad_end_sq)
{
    switch (regressor) {
    case FIT_REGRESSOR_START:
        return sqrt(grad_sq);
    case FIT_REGRESSOR_TRAPEZOID:
        return (sqrt(grad_sq) + sqrt(grad_end_sq)) / 2;
    case FIT_REGRESSOR_SIMPSON:
        return (sqrt(grad_sq) + 4 * sqrt(grad_mid_sq) + sqrt(grad_end_sq)) / 6;
    }
    return (double)NAN;
}

static void range(const double *v, size_t n, double *ret_min, double *ret_max)
{
    *ret_min = n > 0 ? v[0] : (double)NAN;
    *ret_max = *ret_min;
    for (size_t i = 1; i < n; i++) {
        *ret_min = fmin(*ret_min, v[i]);
        *ret_max = fmax(*ret_max, v[i]);
    }
}

static const struct {
    const char *name;
    struct fit_spec spec;
} methods[FIT_METHODS] = {
    { "nnls_relative", { .method = FIT_NNLS_RELATIVE } },
    { "ols", { .method = FIT_OLS } },
    { "nnls", { .method = FIT_NNLS } },
    { "quantile", { .method = FIT_QUANTILE, .tau = 0.5 } },
    { "quantile", { .method = FIT_QUANTILE, .tau = 0.9 } },
    { "quantile", { .method = FIT_QUANTILE, .tau = 0.95 } },
    { "quantile", { .method = FIT_QUANTILE, .tau = 0.99 } },
    { "expectile", { .method = FIT_EXPECTILE, .lambda = FIT_LAMBDA_DEFAULT } },
    { "envelope", { .method = FIT_ENVELOPE, .c = (double)NAN } },
    { "envelope_robust", { .method = FIT_ENVELOPE_ROBUST } },
};

enum fit_method fit_report_method(size_t i)
{
    return methods[i].spec.method;
}

static double tau_of(const struct fit_spec *spec)
{
    switch (spec->method) {
    case FIT_QUANTILE:
        return spec->tau;
    case FIT_EXPECTILE:
        return (1 + spec->lambda) / (2 + spec->lambda);
    default:
        return (double)NAN;
    }
}

/* x and y clean, workspace as fit_workspace has it. */
static void estimate(const double *x, const double *y, size_t n,
    double *workspace, struct fit_report *report)
{
    for (size_t i = 0; i < FIT_METHODS; i++) {
        report->fits[i].valid =
            fit_by(&methods[i].spec, x, y, n, workspace, &report->fits[i].line);
    }
    report->has_power = fit_power(x, y, n, workspace, &report->power);
    report->has_loglog = fit_loglog(x, y, n, workspace, &report->loglog);
    report->has_spearman = fit_spearman(x, y, n, workspace, &report->spearman);
}

bool fit_report(const double *x, const double *y, size_t n, size_t n_min,
    struct fit_report *ret)
{
    if (n > SIZE_MAX / (32 * sizeof(double))) {
        return false;
    }
    double *memory = malloc((2 * n + fit_workspace(n)) * sizeof *memory);
    if (memory == NULL) {
        return false;
    }
    double *clean_x = memory;
    double *clean_y = memory + n;
    const size_t kept = fit_clean(x, y, n, clean_x, clean_y);

    *ret = (struct fit_report){ .n = kept, .n_excluded = n - kept };
    for (size_t i = 0; i < FIT_METHODS; i++) {
        ret->fits[i].method = methods[i].name;
        ret->fits[i].tau = tau_of(&methods[i].spec);
    }
    range(clean_x, kept, &ret->x_min, &ret->x_max);
    range(clean_y, kept, &ret->y_min, &ret->y_max);
    if (kept >= n_min) {
        estimate(clean_x, clean_y, kept, memory + 2 * n, ret);
    }
    free(memory);
    return true;
}

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

static const struct method {
    const char *name;
    double tau; /* 0: it has none */
} methods[FIT_METHODS] = {
    { "nnls_relative", 0 },
    { "ols", 0 },
    { "nnls", 0 },
    { "quantile", 0.5 },
    { "quantile", 0.95 },
    { "envelope", 0 },
};

static bool fit_method(size_t method, const double *x, const double *y,
    size_t n, double *workspace, struct fit_line *ret)
{
    switch (method) {
    case 0:
        return fit_nnls_relative(x, y, n, workspace, ret);
    case 1:
        return fit_ols(x, y, n, ret);
    case 2:
        return fit_nnls(x, y, NULL, n, ret);
    case 5:
        return fit_envelope(x, y, n, ret);
    default:
        return fit_quantile(x, y, n, methods[method].tau, workspace, ret);
    }
}

/* x and y clean, workspace 4n. */
static void estimate(const double *x, const double *y, size_t n,
    double *workspace, struct fit_report *report)
{
    for (size_t i = 0; i < FIT_METHODS; i++) {
        report->fits[i].valid =
            fit_method(i, x, y, n, workspace, &report->fits[i].line);
    }
    report->has_loglog = fit_loglog(x, y, n, workspace, &report->loglog);
    report->has_spearman = fit_spearman(x, y, n, workspace, &report->spearman);
}

bool fit_report(const double *x, const double *y, size_t n, size_t n_min,
    struct fit_report *ret)
{
    if (n > SIZE_MAX / (6 * sizeof(double))) {
        return false;
    }
    double *memory = malloc(6 * (n > 0 ? n : 1) * sizeof *memory);
    if (memory == NULL) {
        return false;
    }
    double *clean_x = memory;
    double *clean_y = memory + n;
    const size_t kept = fit_clean(x, y, n, clean_x, clean_y);

    *ret = (struct fit_report){ .n = kept, .n_excluded = n - kept };
    for (size_t i = 0; i < FIT_METHODS; i++) {
        ret->fits[i].method = methods[i].name;
        ret->fits[i].tau = methods[i].tau > 0 ? methods[i].tau : (double)NAN;
    }
    range(clean_x, kept, &ret->x_min, &ret->x_max);
    range(clean_y, kept, &ret->y_min, &ret->y_max);
    if (kept >= n_min) {
        estimate(clean_x, clean_y, kept, memory + 2 * n, ret);
    }
    free(memory);
    return true;
}

/* residuals.c: pure but for its memory; any thread. */
#include "pure/residuals.h"

#include <math.h>
#include <stdlib.h>

#include "math/fit_sums.h"
#include "math/fit_weights.h"

/* sqrt(w) (y - the weighted line of these n). */
static void put_rest(const double *x, const double *y, const double *w,
    size_t n, double *ret_rest)
{
    struct fit_sums sums;
    struct fit_line line = { 0 };
    if (fit_rows(x, y, w, n, n, &sums) == 0 || !fit_sums_ols(&sums, &line)) {
        line.L0 = n > 0 ? y[0] : 0; /* all x equal */
    }
    for (size_t i = 0; i < n; i++) {
        ret_rest[i] = sqrt(w[i]) * (y[i] - line.L0 - line.L1 * x[i]);
    }
}

static void find_dependence(const double *x, const double *y, size_t n,
    size_t pieces, double *workspace, struct residuals *ret)
{
    double *rest = workspace;
    for (size_t k = 0; k < pieces; k++) {
        const size_t from = k * n / pieces;
        const size_t to = (k + 1) * n / pieces;
        put_rest(x + from, y + from, ret->w + from, to - from, rest + from);
    }
    ret->absent = fit_dependence(rest, n, workspace + n, &ret->dependence);
}

bool residuals_of(const struct fit_sample *sample, size_t from, size_t to,
    size_t pieces, struct residuals *ret)
{
    const size_t n = to - from;
    const double *x = sample->x + from;
    const double *y = sample->y + from;
    *ret = (struct residuals){ .absent = FIT_ABSENT_UNDETERMINED };
    double *workspace = malloc((2 * n + 1) * sizeof *workspace);
    ret->w = malloc((n + 1) * sizeof *ret->w);
    if (workspace == NULL || ret->w == NULL) {
        free(workspace);
        residuals_done(ret);
        return false;
    }
    if (fit_nnls_relative(x, y, n, workspace, &ret->line) &&
        fit_relative_weights(ret->line, x, n, workspace, ret->w)) {
        find_dependence(x, y, n, pieces, workspace, ret);
    }
    free(workspace);
    return true;
}

void residuals_done(struct residuals *residuals)
{
    free(residuals->w);
    residuals->w = NULL;
}

/* intervals.c: pure but for its workspace; any thread. */
#include "pure/intervals.h"

#include <stdlib.h>

#include "math/fit_sums.h"
#include "math/fit_tests.h"
#include "pure/residuals.h"

/* Blocks as long as they should be, or the longest of which there are enough:
 * fit_ci says whether that is long enough. */
static size_t block_length(size_t n, const struct fit_dependence *dependence)
{
    const size_t longest = n / FIT_BLOCKS_MIN;
    const size_t length =
        dependence->block < longest ? dependence->block : longest;
    return length == 0 ? 1 : length;
}

static bool put_interval(const struct fit_sample *sample, const double *w,
    double level, struct intervals *ret)
{
    const double n = (double)sample->n;
    const double tau = ret->dependence.tau_int;
    ret->length = block_length(sample->n, &ret->dependence);
    struct fit_sums *rows =
        malloc((sample->n / ret->length + 1) * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    const size_t m =
        fit_rows(sample->x, sample->y, w, sample->n, ret->length, rows);
    struct fit_test test;
    ret->absent = fit_ci(rows, m, n, tau, level, &ret->ci);
    if (ret->absent == FIT_PRESENT &&
        fit_slope_test(rows, m, n, tau, &test) == FIT_PRESENT) {
        ret->slope_p = (struct figure){ true, test.p };
    }
    free(rows);
    return true;
}

bool intervals_of(
    const struct fit_sample *sample, double level, struct intervals *ret)
{
    struct residuals residuals;
    *ret = (struct intervals){ .length = 0 };
    if (!residuals_of(sample, 0, sample->n, 1, &residuals)) {
        return false;
    }
    if (residuals.absent == FIT_ABSENT_CONSTANT) { /* the law is exact */
        const double n = (double)sample->n;
        residuals.absent = FIT_PRESENT;
        residuals.dependence = (struct fit_dependence){ 1, n, 0, FIT_BLOCK };
    }
    ret->dependence_absent = ret->absent = residuals.absent;
    ret->dependence = residuals.dependence;
    const bool ok = residuals.absent != FIT_PRESENT ||
                    put_interval(sample, residuals.w, level, ret);
    residuals_done(&residuals);
    return ok;
}

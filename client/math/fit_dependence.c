/* fit_dependence.c: the integrated autocorrelation time. Pure; any thread. */
#include "math/fit_dependence.h"
#include <math.h>

#include "math/fit.h"
#include "math/scale.h"
#include "sum.h"

/* The residuals about their mean, near 1. */
static void centre(const double *residuals, size_t n, double *ret)
{
    const double factor = scale_factor(scale_exponent_of(residuals, n));
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        ret[i] = residuals[i] * factor;
        sum_add(&total, ret[i]);
    }
    const double mean = sum_value(&total) / (double)n;
    for (size_t i = 0; i < n; i++) {
        ret[i] -= mean;
    }
}

/* sum of e_i e_{i+lag}, in four lanes: the sum waits for no other. */
static double lagged(const double *e, size_t n, size_t lag)
{
    double s[4] = { 0 };
    const size_t end = n - lag;
    size_t i = 0;
    for (; i + 4 <= end; i += 4) {
        for (size_t lane = 0; lane < 4; lane++) {
            s[lane] += e[i + lane] * e[i + lane + lag];
        }
    }
    for (; i < end; i++) {
        s[0] += e[i] * e[i + lag];
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static size_t block_of(double tau_int)
{
    size_t block = 32;
    while ((double)block < 2.5 * tau_int) {
        block *= 2;
    }
    return block;
}

enum fit_absent fit_dependence(const double *residuals, size_t n,
    double *workspace, struct fit_dependence *ret)
{
    if (n < FIT_N_MIN) {
        return FIT_ABSENT_FEW_SAMPLES;
    }
    if (!fit_determined(residuals, n)) {
        return FIT_ABSENT_CONSTANT;
    }
    centre(residuals, n, workspace);
    const double variance = lagged(workspace, n, 0);
    const size_t most = n / 4 < FIT_WINDOW_MAX ? n / 4 : FIT_WINDOW_MAX;
    double tau = 1;
    for (size_t window = 1; window <= most; window++) {
        tau += 2 * lagged(workspace, n, window) / variance;
        if (5 * tau > (double)window) {
            continue;
        }
        const double credited = fmax(1, tau);
        *ret = (struct fit_dependence){
            .tau_int = credited,
            .n_eff = (double)n / credited,
            .window = window,
            .block = block_of(credited),
        };
        return FIT_PRESENT;
    }
    return FIT_ABSENT_LONG_MEMORY;
}

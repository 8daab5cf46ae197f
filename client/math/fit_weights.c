/* fit_weights.c: pure; any thread. */
#include "math/fit_weights.h"

#include <math.h>
#include <string.h>

#include "math/order.h"
#include "math/scale.h"

bool fit_weights_relative(double *w, size_t n, double *scratch)
{
    const double factor = scale_factor(scale_exponent_of(w, n));
    for (size_t i = 0; i < n; i++) {
        const double yhat = w[i] * factor;
        w[i] = yhat * yhat;
    }
    memcpy(scratch, w, n * sizeof *w);
    const double least = 1e-3 * order_median(scratch, n);
    for (size_t i = 0; i < n; i++) {
        w[i] = 1 / fmax(w[i], least);
    }
    return least > 0;
}

bool fit_relative_weights(struct fit_line line, const double *x, size_t n,
    double *workspace, double *ret_w)
{
    for (size_t i = 0; i < n; i++) {
        ret_w[i] = line.L0 + line.L1 * x[i];
    }
    return n > 0 && fit_weights_relative(ret_w, n, workspace);
}

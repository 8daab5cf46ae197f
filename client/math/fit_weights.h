/* fit_weights: the weights of a relative-error fit (theory.md 4.4, 1). */
#ifndef TRAJ_FIT_WEIGHTS_H
#define TRAJ_FIT_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit.h"

/* From predictions yhat >= 0 in w to weights there, in proportion to 1/yhat^2,
 * with yhat^2 no smaller than 1e-3 of its (lower) median: no sample weighs more
 * than 1000 times the middle one. False if that median is 0: there is no
 * relative error to speak of. scratch: n doubles. n > 0. */
bool fit_weights_relative(double *w, size_t n, double *scratch);

/* Those that fit_nnls_relative's line gives the samples. False also if n is 0.
 * workspace: n doubles. */
bool fit_relative_weights(struct fit_line line, const double *x, size_t n,
    double *workspace, double *ret_w);

#endif

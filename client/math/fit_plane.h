/* fit_plane: y = a + b u + c v with a, b, c >= 0, by relative errors, as
 * fit_nnls_relative fits a line. Pure; any thread. */
#ifndef TRAJ_FIT_PLANE_H
#define TRAJ_FIT_PLANE_H

#include <stdbool.h>
#include <stddef.h>

struct fit_plane {
    double a, b, c;
};

/* Least squares with weights w > 0 (NULL = 1), exact: the best feasible one of
 * the eight sets of coefficients that may differ from 0. Absent if u or v is
 * constant. */
bool fit_plane_nnls(const double *u, const double *v, const double *y,
    const double *w, size_t n, struct fit_plane *ret);

/* FIT_RELATIVE_ROUNDS of them with weights 1/yhat^2. workspace: 2n doubles. */
bool fit_plane_relative(const double *u, const double *v, const double *y,
    size_t n, double *workspace, struct fit_plane *ret);

#endif

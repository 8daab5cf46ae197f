/* tridiagonal: the spectrum of a symmetric tridiagonal matrix. */
#ifndef TRAJ_TRIDIAGONAL_H
#define TRAJ_TRIDIAGONAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * d: n >= 1 diagonal elements; e: e[i] beside d[i] and d[i + 1], e[n - 1] is
 * free. d becomes the eigenvalues, in no order, each to a few roundings of the
 * largest; e is used up. vectors: NULL, or n rows, `stride` apart, of an
 * orthogonal basis, n elements each; row i becomes the eigenvector of d[i] in
 * that basis. Pure. False if it does not converge, which finite input has not
 * been seen to do; NaN and Inf do not. In a held environment.
 */
bool tridiagonal_solve(
    double *d, double *e, size_t n, double *vectors, size_t stride);

#endif

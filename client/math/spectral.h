/*
 * spectral: singular values of a matrix from the eigenvalues of the smaller of
 * its two Gram matrices. What is lost by squaring: a singular value errs by
 * 1e-8 of the largest, more or less.
 */
#ifndef TRAJ_SPECTRAL_H
#define TRAJ_SPECTRAL_H

#include <stddef.h>

#include "traj.h"

#define SPECTRAL_MAX 2048u

struct spectral_matrix {
    enum traj_dtype dtype;
    size_t rows, cols;  /* both > 0, and the smaller <= SPECTRAL_MAX */
    const void *x, *x0; /* row by row; x0 is NULL or subtracted */
    double scale;       /* a power of two that brings it near 1 */
};

/* Doubles of workspace: 8 min^2 bytes and a little. */
size_t spectral_workspace(size_t rows, size_t cols);

/* Of scale times the matrix, which is finite: the largest singular value, and
 * the sum of all. Pure; in the default floating-point environment. */
double spectral_largest(const struct spectral_matrix *a, double *workspace);
double spectral_sum(const struct spectral_matrix *a, double *workspace);

#endif

/* lanczos: the spectrum of a small symmetric tridiagonal matrix. */
#ifndef TRAJ_LANCZOS_H
#define TRAJ_LANCZOS_H

#include <stdbool.h>
#include <stddef.h>

#define LANCZOS_MAX 64u

struct lanczos {
    size_t m; /* 1 .. LANCZOS_MAX */
    double diagonal[LANCZOS_MAX];
    double off[LANCZOS_MAX]; /* off[i] is between i and i + 1 */

    /* From lanczos_solve: eigenvalues, in no order, and their unit vectors;
     * which are the smallest and the largest. */
    double values[LANCZOS_MAX];
    double vectors[LANCZOS_MAX][LANCZOS_MAX]; /* [i]: of values[i] */
    size_t smallest, largest;
};

/*
 * All eigenvalues and vectors, in double, each to a few roundings of the
 * largest. Pure. False if it does not converge, which finite input has not
 * been seen to do; NaN and Inf do not.
 */
bool lanczos_solve(struct lanczos *lanczos);

#endif

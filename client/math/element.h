/*
 * element: arrays of any traj_dtype, to double and from it. Widening is exact;
 * narrowing rounds to nearest, ties to even, and for the 16-bit types goes by
 * way of float32.
 */
#ifndef TRAJ_ELEMENT_H
#define TRAJ_ELEMENT_H

#include <stddef.h>

#include "traj.h"

/* Elements that one call below takes: buffers of them stay in the cache. */
#define ELEMENT_BLOCK 512u

/* Bytes of one; 0 for an unknown dtype. */
size_t element_width(enum traj_dtype dtype);

/* The unit roundoff u: half the distance of 1 to the next number. */
double element_roundoff(enum traj_dtype dtype);

/* ret[i] = array[first + i], n <= ELEMENT_BLOCK of them, and back. */
void element_widen(enum traj_dtype dtype, const void *array, size_t first,
    size_t n, double *ret);
void element_narrow(enum traj_dtype dtype, const double *values, size_t n,
    void *ret_array, size_t first);

#endif

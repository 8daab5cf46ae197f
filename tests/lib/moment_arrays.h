/* moment_arrays: arrays of every dtype, and segments of them. */
#ifndef TRAJD_TEST_MOMENT_ARRAYS_H
#define TRAJD_TEST_MOMENT_ARRAYS_H

#include <stddef.h>
#include <stdint.h>

#include "traj.h"

/* Bytes of an element. */
size_t dtype_width(enum traj_dtype dtype);

/* The finite values of a dtype, all of them alike; of float64 those whose
 * squares are finite and normal. The caller frees them. */
void *random_elements(enum traj_dtype dtype, size_t n);

/* k/8 for a whole number |k| <= 127: every dtype has it. */
void store_eighth(enum traj_dtype dtype, int k, size_t i, void *array);

/* All four arrays of a segment, of eighths, the same for every dtype. The
 * bytes before the first element may be any number. */
struct moment_arrays {
    char *memory[4];
};
struct moment_arrays moment_arrays_eighths(
    enum traj_dtype dtype, enum traj_dtype grad_dtype, size_t n, size_t offset);
void moment_arrays_free(struct moment_arrays *a);

/* set: of KERNEL_X and so on, the arrays that are given. */
struct traj_segment moment_segment(enum traj_dtype dtype,
    enum traj_dtype grad_dtype, unsigned set, size_t n, char *const memory[4],
    size_t offset);
struct traj_moments moments_measured(
    const struct traj_segment *segments, size_t n, uint32_t threads);

#endif

/*
 * moments_crew: the sums of a list of segments by one or more threads, with
 * the same bits for any number of them.
 */
#ifndef TRAJ_MOMENTS_CREW_H
#define TRAJ_MOMENTS_CREW_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernel.h"
#include "traj.h"

/* Elements that two threads take turns for: more than the start of one costs,
 * and little enough for the last one to be waited for briefly. */
#define CREW_JOB ((size_t)1 << 18)

/* Elements for each thread that make it worth while: to start one on a busy
 * machine takes as long as 2^20 elements do. */
#define CREW_SHARE (8 * CREW_JOB)

#define CREW_THREADS_MAX 64u

/* shape is a kernel_shape; each segment of n > 0 has its arrays. keep and
 * ret_each are NULL or have n_segments elements. Blocks till all is done; in
 * the default floating-point environment. */
void moments_crew_run(const struct traj_segment *segments, size_t n_segments,
    unsigned shape, const struct kernel_keep *keep, uint32_t threads,
    struct traj_moments *ret_total, struct traj_moments *ret_each);

#endif

/*
 * moments: traj_moments_of for a caller that keeps copies of what is summed.
 * Pure; any thread; no memory.
 */
#ifndef TRAJ_MOMENTS_H
#define TRAJ_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernel.h"
#include "traj.h"

/*
 * As traj_moments_of, which is this with keep NULL; and x and g of segment i
 * are copied to keep[i] in the same pass, bit for bit whatever they hold: each
 * element is in the cache then, and need not be fetched again. The copies may
 * be the segment's own x0 and g0, which are read first. The sums are the same
 * to the bit. Nothing is copied on failure, for all that can fail comes before.
 */
TRAJ_CHECK enum traj_status moments_and_keep(
    const struct traj_segment *segments, size_t n_segments,
    const struct kernel_keep *keep, uint32_t threads,
    struct traj_moments *ret_total, struct traj_moments *ret_each);

#endif

/*
 * moments_sum: the sums of the moments over any number of elements, in blocks
 * of the kernel whose sums are added with compensation: the error does not
 * grow with their number.
 */
#ifndef TRAJ_MOMENTS_SUM_H
#define TRAJ_MOMENTS_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernel.h"
#include "sum.h"
#include "traj.h"

/* Zeros are the sums of nothing. */
struct moments_sum {
    struct sum gg, xx, dd, ee, gd, ed, gg0;
    double peak;
    uint64_t g_nan, g_inf, x_nan, x_inf;
};

/* Adds elements first .. first + n - 1 of the segment. shape is a
 * kernel_shape, and the segment has its arrays; 0 adds nothing. keep: NULL, or
 * where the segment's x and g are copied, these elements of them. */
void moments_sum_elements(const struct traj_segment *segment, unsigned shape,
    const struct kernel_keep *keep, size_t first, size_t n,
    struct moments_sum *sum);

void moments_sum_merge(struct moments_sum *sum, const struct moments_sum *more);

/* What the shape does not have is unset; a NaN is the usual NaN, so that none
 * from the data passes for the marker. */
void moments_sum_report(
    unsigned shape, const struct moments_sum *sum, struct traj_moments *ret);

#endif

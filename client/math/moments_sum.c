/* moments_sum.c: sums over elements of a segment. Pure; any thread; no memory.
 * In the default floating-point environment. */
#include "math/moments_sum.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "math/kernel.h"

/* By bits: the same under every compiler flag and floating-point mode. */
static void count_special(enum traj_dtype dtype, const char *values, size_t n,
    uint64_t *nan, uint64_t *inf)
{
    static const uint64_t infinities[] = { [TRAJ_F32] = 0x7f800000u,
        [TRAJ_F64] = 0x7ff0000000000000u,
        [TRAJ_BF16] = 0x7f80u,
        [TRAJ_F16] = 0x7c00u };
    const size_t bytes = kernel_element_bytes(dtype);
    const uint64_t infinity = infinities[dtype];
    const uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t wide = 0;
        uint32_t single = 0;
        uint16_t half = 0;
        if (bytes == sizeof wide) {
            memcpy(&wide, values + i * sizeof wide, sizeof wide);
        } else if (bytes == sizeof single) {
            memcpy(&single, values + i * sizeof single, sizeof single);
        } else {
            memcpy(&half, values + i * sizeof half, sizeof half);
        }
        const uint64_t magnitude = (wide | single | half) & ~sign;
        *nan += magnitude > infinity;
        *inf += magnitude == infinity;
    }
}

/* A block whose sum of squares is finite has neither NaN nor Inf, so the
 * counting costs nothing until there are some. */
static void add_block(const struct traj_segment *segment, unsigned shape,
    const void *const array[static KERNEL_ARRAYS], size_t n,
    const struct kernel_keep *keep, struct moments_sum *sum)
{
    const enum traj_dtype grad_dtype =
        segment->grad_dtype != 0 ? segment->grad_dtype : segment->dtype;
    struct kernel_sums s;
    kernel_sum(segment->dtype, grad_dtype, shape, array, n, keep, &s);
    sum_add(&sum->gg, s.gg);
    sum_add(&sum->xx, s.xx);
    sum_add(&sum->dd, s.dd);
    sum_add(&sum->ee, s.ee);
    sum_add(&sum->gd, s.gd);
    sum_add(&sum->ed, s.ed);
    sum_add(&sum->gg0, s.gg0);
    sum->peak = s.peak > sum->peak ? s.peak : sum->peak;
    if (!isfinite(s.gg)) {
        count_special(grad_dtype, array[1], n, &sum->g_nan, &sum->g_inf);
    }
    if (!isfinite(s.xx)) {
        count_special(segment->dtype, array[0], n, &sum->x_nan, &sum->x_inf);
    }
}

void moments_sum_elements(const struct traj_segment *segment, unsigned shape,
    const struct kernel_keep *keep, size_t first, size_t n,
    struct moments_sum *sum)
{
    const char *const base[KERNEL_ARRAYS] = { segment->x, segment->g,
        segment->x0, segment->g0 };
    const size_t x_bytes = kernel_element_bytes(segment->dtype);
    const size_t g_bytes = segment->grad_dtype != 0
                               ? kernel_element_bytes(segment->grad_dtype)
                               : x_bytes;
    if (shape == 0) {
        return;
    }
    for (size_t i = first; i < first + n; i += KERNEL_BLOCK) {
        const void *array[KERNEL_ARRAYS] = { NULL };
        for (unsigned k = 0; k < KERNEL_ARRAYS; k++) {
            if (shape & (1u << k)) {
                array[k] = base[k] + i * (k % 2 == 0 ? x_bytes : g_bytes);
            }
        }
        struct kernel_keep kept = { .x = NULL };
        if (keep != NULL) {
            kept.x = (char *)keep->x + i * x_bytes;
            kept.g = (char *)keep->g + i * g_bytes;
        }
        const size_t left = first + n - i;
        add_block(segment, shape, array,
            left < KERNEL_BLOCK ? left : KERNEL_BLOCK,
            keep != NULL ? &kept : NULL, sum);
    }
}

static void merge(struct sum *sum, const struct sum *more)
{
    sum_add(sum, more->high);
    sum->low += more->low;
}

void moments_sum_merge(struct moments_sum *sum, const struct moments_sum *more)
{
    merge(&sum->gg, &more->gg);
    merge(&sum->xx, &more->xx);
    merge(&sum->dd, &more->dd);
    merge(&sum->ee, &more->ee);
    merge(&sum->gd, &more->gd);
    merge(&sum->ed, &more->ed);
    merge(&sum->gg0, &more->gg0);
    sum->peak = more->peak > sum->peak ? more->peak : sum->peak;
    sum->g_nan += more->g_nan;
    sum->g_inf += more->g_inf;
    sum->x_nan += more->x_nan;
    sum->x_inf += more->x_inf;
}

static double value_of(bool there, const struct sum *sum)
{
    const double value = sum_value(sum);
    return !there ? traj_unset() : isnan(value) ? (double)NAN : value;
}

void moments_sum_report(
    unsigned shape, const struct moments_sum *sum, struct traj_moments *ret)
{
    const bool has_x = shape & KERNEL_X;
    const bool has_g = shape & KERNEL_G;
    const bool has_e = kernel_has(shape, KERNEL_BOTH_G);
    *ret = (struct traj_moments){
        .grad_sq = value_of(has_g, &sum->gg),
        .param_sq = value_of(has_x, &sum->xx),
        .delta_sq = value_of(kernel_has(shape, KERNEL_BOTH_X), &sum->dd),
        .dgrad_sq = value_of(has_e, &sum->ee),
        .grad_delta = value_of(kernel_has_gd(shape), &sum->gd),
        .dgrad_delta = value_of(
            kernel_has(shape, KERNEL_BOTH_X | KERNEL_BOTH_G), &sum->ed),
        .grad_prev = value_of(has_e, &sum->gg0),
        .grad_max_abs = has_g ? sum->peak : traj_unset(),
        .grad_nan = has_g ? sum->g_nan : TRAJ_UNSET_COUNT,
        .grad_inf = has_g ? sum->g_inf : TRAJ_UNSET_COUNT,
        .param_nan = has_x ? sum->x_nan : TRAJ_UNSET_COUNT,
        .param_inf = has_x ? sum->x_inf : TRAJ_UNSET_COUNT,
    };
}

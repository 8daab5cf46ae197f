/* kernel: all sums over one block of up to four arrays, in one pass. */
#ifndef TRAJ_KERNEL_H
#define TRAJ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "traj.h"

/* Which arrays there are; array[k] below is the one of bit k. */
enum kernel_array {
    KERNEL_X = 1,
    KERNEL_G = 2,
    KERNEL_X0 = 4,
    KERNEL_G0 = 8,
};
#define KERNEL_ARRAYS 4u
#define KERNEL_SHAPES 16u
#define KERNEL_BOTH_X (KERNEL_X | KERNEL_X0)
#define KERNEL_BOTH_G (KERNEL_G | KERNEL_G0)

/* d = x - x0, dg = g - g0. Those whose arrays are not there are 0. */
struct kernel_sums {
    double gg;   /* <g,g> */
    double xx;   /* <x,x> */
    double dd;   /* <d,d> */
    double ee;   /* <dg,dg> */
    double gd;   /* <g0,d>; without g0, <g,d> */
    double ed;   /* <dg,d> */
    double gg0;  /* <g,g0> */
    double peak; /* max |g_i| over those that are no NaN; 0 if there is none */
};

#define KERNEL_WIDTH 16u /* lanes */

/*
 * Elements of a block: few enough for the additions of one lane to err by less
 * than 256 * 2^-53, many enough for the folding of the lanes to cost nothing.
 */
#define KERNEL_BLOCK 4096u

/* The arrays of the set that something can be made of: x0 needs x, and g0
 * needs g or x0. */
unsigned kernel_shape(unsigned arrays);

static inline bool kernel_has(unsigned shape, unsigned arrays)
{
    return (shape & arrays) == arrays;
}

/* d is there, and a gradient to take its product with. */
static inline bool kernel_has_gd(unsigned shape)
{
    return kernel_has(shape, KERNEL_BOTH_X) && (shape & KERNEL_BOTH_G);
}

/*
 * Products and sums in double, in 16 lanes that are added pairwise; the same
 * bits on every processor, a NaN's own bits excepted, and the same for values
 * that were given in a wider type. x and x0 are of dtype, g and g0 of
 * grad_dtype. shape is a kernel_shape and not 0; n at most KERNEL_BLOCK.
 *
 * With keep, x and g are copied there in the same pass, bit for bit whatever
 * they hold; one that the shape has not is not. What is kept may be x0 and g0
 * themselves, and overlaps nothing else.
 */
struct kernel_keep {
    void *x, *g;
};
void kernel_sum(enum traj_dtype dtype, enum traj_dtype grad_dtype,
    unsigned shape, const void *const array[static KERNEL_ARRAYS], size_t n,
    const struct kernel_keep *keep, struct kernel_sums *ret);

/* Widens n values to double; exact. */
void kernel_widen(
    enum traj_dtype dtype, const void *values, size_t n, double *ret);

/* Bytes of an element; 0 for what is no dtype. */
size_t kernel_element_bytes(enum traj_dtype dtype);

/* For tests: use this level from now on, 0 being the portable one. False where
 * this build or this processor does not have it. */
bool kernel_use_level(unsigned level);
#define KERNEL_LEVELS 3u

#endif

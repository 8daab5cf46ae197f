/* kernel: all sums over one block of up to four arrays, in one pass. */
#ifndef TRAJ_KERNEL_H
#define TRAJ_KERNEL_H

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

#define KERNEL_WIDTH 16u /* lanes; n is a multiple of it */

/*
 * Elements of a block: few enough for the additions of one lane to err by less
 * than 256 * 2^-53, many enough for the folding of the lanes to cost nothing.
 */
#define KERNEL_BLOCK 4096u

/* The arrays of the set that something can be made of: x0 needs x, and g0
 * needs g or x0. */
unsigned kernel_shape(unsigned arrays);

/* Products and sums in double, in 16 lanes that are added pairwise; the same
 * bits on every processor. shape is a kernel_shape and not 0; n at most
 * KERNEL_BLOCK. */
void kernel_sum(enum traj_dtype dtype, unsigned shape,
    const void *const array[static KERNEL_ARRAYS], size_t n,
    struct kernel_sums *ret);

#endif

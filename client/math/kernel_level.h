/*
 * kernel_level: the inner loops of the kernel for one level of processors.
 * kernel_body.h is their source; kernel_base.c, kernel_avx2.c and
 * kernel_avx512.c compile it, kernel.c chooses.
 */
#ifndef TRAJ_KERNEL_LEVEL_H
#define TRAJ_KERNEL_LEVEL_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernel.h"

typedef double kernel_lane[KERNEL_WIDTH];
struct kernel_lanes {
    kernel_lane gg, xx, dd, ee, gd, ed, gg0;
    double peak;
};

struct kernel_operands {
    const void *x, *g, *x0, *g0;
    void *kept_x, *kept_g; /* copies to be made; may be x0 and g0 */
};

/* Adds n elements, a multiple of KERNEL_WIDTH, to the lanes; to zeros if fresh.
 * Lanes that the shape has no use for are not written. */
typedef void (*kernel_lanes_fn)(const struct kernel_operands *operands,
    size_t n, bool fresh, struct kernel_lanes *lanes);

/* n is any number. */
typedef void (*kernel_to_float_fn)(const void *values, size_t n, float *ret);
typedef void (*kernel_to_double_fn)(const float *values, size_t n, double *ret);

/* For the norms of matrices; kernel_dense() is those of the level chosen. */
struct kernel_dense {
    /* Adds the products of all pairs of columns of the panel, depth rows of
     * width values stride apart, to the lower half of g, width x width; width
     * is a multiple of 16. What is added above the diagonal is no matter. */
    void (*gram)(const double *panel, size_t stride, size_t depth, double *g,
        size_t width);
    /* Returns <row, u> and adds a row to sum. */
    double (*dot_and_add)(
        const double *row, const double *u, size_t n, double a, double *sum);
    /* row -= a u + b v. */
    void (*subtract_two)(double *row, size_t n, double a, const double *u,
        double b, const double *v);
};

struct kernel_level {
    kernel_lanes_fn lanes[TRAJ_F16 + 1][KERNEL_SHAPES]; /* by dtype */
    /* The same, and x and g are copied. NULL: not worth a loop of its own. */
    kernel_lanes_fn keeping[TRAJ_F16 + 1][KERNEL_SHAPES];
    kernel_to_float_fn from_bf16;
    kernel_to_float_fn from_f16;
    kernel_to_double_fn from_float;
    struct kernel_dense dense;
};

const struct kernel_dense *kernel_dense(void);

extern const struct kernel_level kernel_base;
extern const struct kernel_level kernel_avx2;
extern const struct kernel_level kernel_avx512;

#endif

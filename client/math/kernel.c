/*
 * kernel.c: the inner loop of the moments. Pure; any thread.
 *
 * One body per element type, inlined into one function per set of arrays with
 * the set as a constant: what is not asked for is not computed. Each of those
 * is compiled per processor level (ISA_CLONES). The loop over 16 lanes has the
 * form that gcc and clang turn into vectors at -O2, with the order of the
 * additions as written; vector types of a fixed width were tried and are
 * slower on every level but their own.
 */
#include "math/kernel.h"
#include <math.h>

#include "math/isa.h"

typedef double lane[KERNEL_WIDTH];
struct lanes {
    lane gg, xx, dd, ee, gd, ed, gg0, peak;
};

#define BOTH_X (KERNEL_X | KERNEL_X0)
#define BOTH_G (KERNEL_G | KERNEL_G0)

/* What element k of a row adds to lane k. A comparison with NaN is false, so
 * NaN never becomes the peak. */
ISA_INLINE void add(unsigned shape, struct lanes *s, size_t k, double x,
    double g, double x0, double g0)
{
    const double d = x - x0;
    const double e = g - g0;
    if (shape & KERNEL_G) {
        s->gg[k] += g * g;
        s->peak[k] = fabs(g) > s->peak[k] ? fabs(g) : s->peak[k];
    }
    if (shape & KERNEL_X) {
        s->xx[k] += x * x;
    }
    if ((shape & BOTH_X) == BOTH_X) {
        s->dd[k] += d * d;
    }
    if ((shape & BOTH_X) == BOTH_X && (shape & BOTH_G)) {
        s->gd[k] += d * (shape & KERNEL_G0 ? g0 : g);
    }
    if ((shape & BOTH_G) == BOTH_G) {
        s->ee[k] += e * e;
        s->gg0[k] += g * g0;
    }
    if (shape == (BOTH_X | BOTH_G)) {
        s->ed[k] += e * d;
    }
}

#define DEFINE_BODY(type)                                                      \
    ISA_INLINE void sum_##type(unsigned shape, const type *restrict x,         \
        const type *restrict g, const type *restrict x0,                       \
        const type *restrict g0, size_t n, struct lanes *restrict ret)         \
    {                                                                          \
        struct lanes s = { .gg = { 0 } };                                      \
        for (size_t i = 0; i < n; i += KERNEL_WIDTH) {                         \
            for (size_t k = 0; k < KERNEL_WIDTH; k++) {                        \
                add(shape, &s, k, shape &KERNEL_X ? (double)x[i + k] : 0,      \
                    shape &KERNEL_G ? (double)g[i + k] : 0,                    \
                    shape &KERNEL_X0 ? (double)x0[i + k] : 0,                  \
                    shape &KERNEL_G0 ? (double)g0[i + k] : 0);                 \
            }                                                                  \
        }                                                                      \
        *ret = s;                                                              \
    }
DEFINE_BODY(float)
DEFINE_BODY(double)

/* The sets of arrays that differ in what can be computed. */
#define SHAPES(X)                                                              \
    X(x, KERNEL_X)                                                             \
    X(g, KERNEL_G)                                                             \
    X(xg, KERNEL_X | KERNEL_G)                                                 \
    X(xx, BOTH_X)                                                              \
    X(gg, BOTH_G)                                                              \
    X(xxg, BOTH_X | KERNEL_G)                                                  \
    X(xxg0, BOTH_X | KERNEL_G0)                                                \
    X(xgg, KERNEL_X | BOTH_G)                                                  \
    X(all, BOTH_X | BOTH_G)

#define DEFINE(type, name, shape)                                              \
    ISA_CLONES static void type##_##name(const void *x, const void *g,         \
        const void *x0, const void *g0, size_t n, struct lanes *ret)           \
    {                                                                          \
        sum_##type(shape, x, g, x0, g0, n, ret);                               \
    }
#define DEFINE_BOTH(name, shape)                                               \
    DEFINE(float, name, shape)                                                 \
    DEFINE(double, name, shape)
SHAPES(DEFINE_BOTH)

typedef void (*lanes_fn)(const void *x, const void *g, const void *x0,
    const void *g0, size_t n, struct lanes *ret);

#define FLOAT_ENTRY(name, shape) [shape] = float_##name,
#define DOUBLE_ENTRY(name, shape) [shape] = double_##name,
static const lanes_fn float_kernels[KERNEL_SHAPES] = { SHAPES(FLOAT_ENTRY) };
static const lanes_fn double_kernels[KERNEL_SHAPES] = { SHAPES(DOUBLE_ENTRY) };

static double fold(const lane v)
{
    double half[8];
    for (size_t k = 0; k < 8; k++) {
        half[k] = v[k] + v[k + 8];
    }
    return ((half[0] + half[4]) + (half[2] + half[6])) +
           ((half[1] + half[5]) + (half[3] + half[7]));
}

static double fold_peak(const lane v)
{
    double peak = 0;
    for (size_t k = 0; k < KERNEL_WIDTH; k++) {
        peak = v[k] > peak ? v[k] : peak;
    }
    return peak;
}

unsigned kernel_shape(unsigned arrays)
{
    if (!(arrays & KERNEL_X)) {
        arrays &= ~(unsigned)KERNEL_X0;
    }
    if (!(arrays & KERNEL_G) && !(arrays & KERNEL_X0)) {
        arrays &= ~(unsigned)KERNEL_G0;
    }
    return arrays;
}

void kernel_sum(enum traj_dtype dtype, unsigned shape,
    const void *const array[static KERNEL_ARRAYS], size_t n,
    struct kernel_sums *ret)
{
    const lanes_fn *kernels =
        dtype == TRAJ_F64 ? double_kernels : float_kernels;
    struct lanes s;
    kernels[shape](array[0], array[1], array[2], array[3], n, &s);
    *ret = (struct kernel_sums){
        .gg = fold(s.gg),
        .xx = fold(s.xx),
        .dd = fold(s.dd),
        .ee = fold(s.ee),
        .gd = fold(s.gd),
        .ed = fold(s.ed),
        .gg0 = fold(s.gg0),
        .peak = fold_peak(s.peak),
    };
}

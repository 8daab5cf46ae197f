/*
 * kernel_body: the inner loops of the kernel, compiled once per level. The
 * file that includes this defines
 *   KERNEL_LEVEL           the name of its struct kernel_level,
 *   KERNEL_VECTOR          doubles in a vector: 2, 4 or 8,
 *   KERNEL_REGISTERS       vectors that the processor holds: 16 or 32,
 *   KERNEL_FROM_FLOAT(p), KERNEL_FROM_BF16(p), KERNEL_FROM_F16(p)
 *                          a vector from what is at p, aligned or not,
 *   KERNEL_MAX(a, b)       a > b ? a : b, element by element,
 *   KERNEL_FMA(a, b, c)    a * b + c, rounded once or twice,
 *   KERNEL_BF16(p, ret)    KERNEL_WIDENED floats from bfloat16 at p, and
 *   KERNEL_F16(p, ret)     from binary16; or not at all.
 *
 * One body, inlined into one function per element type and set of arrays with
 * both as constants: what is not asked for is not computed. The vectors are
 * explicit and of the level's own width. Left to the compiler, the lanes of a
 * row stay in memory between rows for some sets (gcc 12, double), and a fixed
 * width is slow on every level but its own. The order of the additions is the
 * same for every width: element i goes to lane i mod 16.
 */
#include <string.h>

#include "math/half.h"
#include "math/isa.h"
#include "math/kernel_level.h"

typedef double vector __attribute__((vector_size(KERNEL_VECTOR * 8)));
typedef int64_t bits_vector __attribute__((vector_size(KERNEL_VECTOR * 8)));

struct arrays {
    const void *x, *g, *x0, *g0;
    enum traj_dtype dtype; /* a constant */
};

ISA_INLINE uint16_t half_at(const void *values, size_t i)
{
    uint16_t bits;
    memcpy(&bits, (const char *)values + i * sizeof bits, sizeof bits);
    return bits;
}

#if KERNEL_VECTOR == 2
ISA_INLINE vector from_two_bf16(const void *p)
{
    return (vector){ (double)half_from_bf16(half_at(p, 0)),
        (double)half_from_bf16(half_at(p, 1)) };
}

ISA_INLINE vector from_two_f16(const void *p)
{
    return (vector){ (double)half_from_f16(half_at(p, 0)),
        (double)half_from_f16(half_at(p, 1)) };
}
#endif
#ifdef KERNEL_PLAIN
ISA_INLINE vector from_floats(const void *p)
{
    float v[2];
    memcpy(v, p, sizeof v);
    return (vector){ (double)v[0], (double)v[1] };
}

ISA_INLINE vector larger(vector a, vector b)
{
    const bits_vector mask = a > b;
    return (vector)(((bits_vector)a & mask) | ((bits_vector)b & ~mask));
}
#endif

/* The sums of one vector of lanes. */
struct column {
    vector gg, xx, dd, ee, gd, ed, gg0, peak;
};

ISA_INLINE vector load(enum traj_dtype dtype, const void *array, size_t i)
{
    const char *p = array;
    if (dtype == TRAJ_F32) {
        return KERNEL_FROM_FLOAT(p + i * sizeof(float));
    }
    if (dtype == TRAJ_BF16) {
        return KERNEL_FROM_BF16(p + i * sizeof(uint16_t));
    }
    if (dtype == TRAJ_F16) {
        return KERNEL_FROM_F16(p + i * sizeof(uint16_t));
    }
    vector v;
    memcpy(&v, p + i * sizeof(double), sizeof v);
    return v;
}

ISA_INLINE vector magnitude(vector v)
{
    return (vector)((bits_vector)v & INT64_MAX);
}

/* sum + a b. A product of floats is exact in double: it does not matter whether
 * the processor rounds it. One chain alone waits less for an addition. */
ISA_INLINE vector add_product(bool fused, vector sum, vector a, vector b)
{
    return fused ? KERNEL_FMA(a, b, sum) : sum + a * b;
}

/* A comparison with NaN is false, so NaN never becomes the peak. */
ISA_INLINE void add(enum traj_dtype dtype, unsigned shape, struct column *s,
    vector x, vector g, vector x0, vector g0)
{
    const bool fused = dtype != TRAJ_F64 && (shape & (shape - 1)) != 0;
    const vector d = x - x0;
    const vector e = g - g0;
    if (shape & KERNEL_G) {
        s->gg = add_product(fused, s->gg, g, g);
        s->peak = KERNEL_MAX(magnitude(g), s->peak);
    }
    if (shape & KERNEL_X) {
        s->xx = add_product(fused, s->xx, x, x);
    }
    if (kernel_has(shape, KERNEL_BOTH_X)) {
        s->dd += d * d;
    }
    if (kernel_has_gd(shape)) {
        s->gd += d * (shape & KERNEL_G0 ? g0 : g);
    }
    if (kernel_has(shape, KERNEL_BOTH_G)) {
        s->ee += e * e;
        s->gg0 = add_product(fused, s->gg0, g, g0);
    }
    if (kernel_has(shape, KERNEL_BOTH_X | KERNEL_BOTH_G)) {
        s->ed += e * d;
    }
}

ISA_INLINE void add_at(
    unsigned shape, struct column *s, const struct arrays *a, size_t i)
{
    const vector none = { 0 };
    add(a->dtype, shape, s, shape & KERNEL_X ? load(a->dtype, a->x, i) : none,
        shape & KERNEL_G ? load(a->dtype, a->g, i) : none,
        shape & KERNEL_X0 ? load(a->dtype, a->x0, i) : none,
        shape & KERNEL_G0 ? load(a->dtype, a->g0, i) : none);
}

ISA_INLINE void move_lane(bool take, vector *v, double *lane)
{
    memcpy(take ? (void *)v : lane, take ? (void *)lane : v, sizeof *v);
}

/* A column's lanes, of which the first is given, from memory (take) or to it.
 */
ISA_INLINE void move(unsigned shape, bool take, struct column *s, size_t first,
    struct kernel_lanes *lanes)
{
    if (shape & KERNEL_G) {
        move_lane(take, &s->gg, &lanes->gg[first]);
        move_lane(take, &s->peak, &lanes->peak[first]);
    }
    if (shape & KERNEL_X) {
        move_lane(take, &s->xx, &lanes->xx[first]);
    }
    if (kernel_has(shape, KERNEL_BOTH_X)) {
        move_lane(take, &s->dd, &lanes->dd[first]);
    }
    if (kernel_has_gd(shape)) {
        move_lane(take, &s->gd, &lanes->gd[first]);
    }
    if (kernel_has(shape, KERNEL_BOTH_G)) {
        move_lane(take, &s->ee, &lanes->ee[first]);
        move_lane(take, &s->gg0, &lanes->gg0[first]);
    }
    if (kernel_has(shape, KERNEL_BOTH_X | KERNEL_BOTH_G)) {
        move_lane(take, &s->ed, &lanes->ed[first]);
    }
}

/* Vectors of a row that are summed side by side: as many as fit the registers
 * with room for the arithmetic, for a single chain of additions waits. */
ISA_INLINE unsigned columns_of(unsigned shape)
{
    const unsigned sums = (shape & KERNEL_G ? 2u : 0u) +
                          (shape & KERNEL_X ? 1u : 0u) +
                          (kernel_has(shape, KERNEL_BOTH_X) ? 1u : 0u) +
                          (kernel_has_gd(shape) ? 1u : 0u) +
                          (kernel_has(shape, KERNEL_BOTH_G) ? 2u : 0u);
    const unsigned fit = (KERNEL_REGISTERS - 4) / sums;
    const unsigned columns = KERNEL_WIDTH / KERNEL_VECTOR;
    const unsigned side_by_side = fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
    return side_by_side < columns ? side_by_side : columns;
}

ISA_INLINE void move_all(unsigned shape, bool take, struct column s[static 4],
    size_t first, struct kernel_lanes *lanes)
{
    const unsigned columns = columns_of(shape);
    move(shape, take, &s[0], first, lanes);
    if (columns > 1) {
        move(shape, take, &s[1], first + KERNEL_VECTOR, lanes);
    }
    if (columns > 2) {
        move(shape, take, &s[2], first + 2u * KERNEL_VECTOR, lanes);
        move(shape, take, &s[3], first + 3u * KERNEL_VECTOR, lanes);
    }
}

ISA_INLINE void add_all(
    unsigned shape, struct column s[static 4], const struct arrays *a, size_t i)
{
    const unsigned columns = columns_of(shape);
    add_at(shape, &s[0], a, i);
    if (columns > 1) {
        add_at(shape, &s[1], a, i + KERNEL_VECTOR);
    }
    if (columns > 2) {
        add_at(shape, &s[2], a, i + 2u * KERNEL_VECTOR);
        add_at(shape, &s[3], a, i + 3u * KERNEL_VECTOR);
    }
}

/* Elements that are walked once per group of columns: four arrays of them are
 * in the nearest cache the second time. */
#define CHUNK 512u

ISA_INLINE void sum_chunk(unsigned shape, const struct arrays *a, size_t from,
    size_t to, bool fresh, struct kernel_lanes *lanes)
{
    const unsigned step = columns_of(shape) * KERNEL_VECTOR;
    for (size_t first = 0; first < KERNEL_WIDTH; first += step) {
        struct column s[4] = { { .gg = { 0 } } };
        if (!fresh) {
            move_all(shape, true, s, first, lanes);
        }
        for (size_t i = from + first; i < to; i += KERNEL_WIDTH) {
            add_all(shape, s, a, i);
        }
        move_all(shape, false, s, first, lanes);
    }
}

ISA_INLINE void sum(unsigned shape, const struct arrays *a, size_t n,
    bool fresh, struct kernel_lanes *lanes)
{
    const bool one_group = columns_of(shape) * KERNEL_VECTOR == KERNEL_WIDTH;
    const size_t chunk = one_group ? n : CHUNK;
    for (size_t i = 0; i < n; i += chunk) {
        sum_chunk(
            shape, a, i, n - i < chunk ? n : i + chunk, fresh && i == 0, lanes);
    }
}

/* The sets of arrays that differ in what can be computed. */
#define SHAPES(X)                                                              \
    X(x, KERNEL_X)                                                             \
    X(g, KERNEL_G)                                                             \
    X(xg, KERNEL_X | KERNEL_G)                                                 \
    X(xx, KERNEL_BOTH_X)                                                       \
    X(gg, KERNEL_BOTH_G)                                                       \
    X(xxg, KERNEL_BOTH_X | KERNEL_G)                                           \
    X(xxg0, KERNEL_BOTH_X | KERNEL_G0)                                         \
    X(xgg, KERNEL_X | KERNEL_BOTH_G)                                           \
    X(all, KERNEL_BOTH_X | KERNEL_BOTH_G)

#define DEFINE(name, shape, type, of_dtype)                                    \
    static void type##_##name(const void *x, const void *g, const void *x0,    \
        const void *g0, size_t n, bool fresh, struct kernel_lanes *lanes)      \
    {                                                                          \
        const struct arrays a = { x, g, x0, g0, .dtype = of_dtype };           \
        sum(shape, &a, n, fresh, lanes);                                       \
    }
#define DEFINE_ALL(name, shape)                                                \
    DEFINE(name, shape, f32, TRAJ_F32)                                         \
    DEFINE(name, shape, f64, TRAJ_F64)                                         \
    DEFINE(name, shape, bf16, TRAJ_BF16)                                       \
    DEFINE(name, shape, f16, TRAJ_F16)
SHAPES(DEFINE_ALL)

static void from_bf16(const void *values, size_t n, float *ret)
{
    size_t i = 0;
#ifdef KERNEL_WIDENED
    for (; i + KERNEL_WIDENED <= n; i += KERNEL_WIDENED) {
        KERNEL_BF16((const char *)values + i * sizeof(uint16_t), ret + i);
    }
#endif
    for (; i < n; i++) {
        ret[i] = half_from_bf16(half_at(values, i));
    }
}

static void from_f16(const void *values, size_t n, float *ret)
{
    size_t i = 0;
#ifdef KERNEL_WIDENED
    for (; i + KERNEL_WIDENED <= n; i += KERNEL_WIDENED) {
        KERNEL_F16((const char *)values + i * sizeof(uint16_t), ret + i);
    }
#endif
    for (; i < n; i++) {
        ret[i] = half_from_f16(half_at(values, i));
    }
}

static void from_float(const float *values, size_t n, double *ret)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = (double)values[i];
    }
}

#include "math/kernel_dense.h"

#define F32_ENTRY(name, shape) [shape] = f32_##name,
#define F64_ENTRY(name, shape) [shape] = f64_##name,
#define BF16_ENTRY(name, shape) [shape] = bf16_##name,
#define F16_ENTRY(name, shape) [shape] = f16_##name,
const struct kernel_level KERNEL_LEVEL = {
    .lanes = { [TRAJ_F32] = { SHAPES(F32_ENTRY) },
        [TRAJ_F64] = { SHAPES(F64_ENTRY) },
        [TRAJ_BF16] = { SHAPES(BF16_ENTRY) },
        [TRAJ_F16] = { SHAPES(F16_ENTRY) } },
    .from_bf16 = from_bf16,
    .from_f16 = from_f16,
    .from_float = from_float,
    .dense = { .gram = gram,
        .dot_and_add = dot_and_add,
        .subtract_two = subtract_two },
};

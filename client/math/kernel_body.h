/*
 * kernel_body: the inner loops of the kernel, compiled once per level. The
 * file that includes this defines
 *   KERNEL_LEVEL           the name of its struct kernel_level,
 *   KERNEL_VECTOR          doubles in a vector: 2, 4 or 8,
 *   KERNEL_REGISTERS       vectors that the processor holds: 16 or 32,
 *   KERNEL_FROM_FLOAT(p)   a vector from the floats at p, aligned or not,
 *   KERNEL_BF16(p), KERNEL_F16(p)
 *                          twice as many floats from what is at p,
 *   KERNEL_LOW(f), KERNEL_HIGH(f)
 *                          vectors from the halves of those,
 *   KERNEL_MAX(a, b)       a > b ? a : b, element by element,
 *   KERNEL_MAX_FLOATS(a, b) the same of floats,
 *   KERNEL_FMA(a, b, c)    a * b + c, rounded once or twice.
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
typedef float floats __attribute__((vector_size(KERNEL_VECTOR * 8)));
typedef int32_t bits_floats __attribute__((vector_size(KERNEL_VECTOR * 8)));
#define FLOATS (2u * KERNEL_VECTOR)

struct arrays {
    const void *x, *g, *x0, *g0;
    enum traj_dtype dtype; /* a constant */
};

/* The sums of one vector of lanes. The peak of types narrower than double is
 * kept in floats, by even columns for the odd ones beside them. */
struct column {
    vector gg, xx, dd, ee, gd, ed, gg0, peak;
    floats peak_floats;
};

ISA_INLINE uint16_t half_at(const void *values, size_t i)
{
    uint16_t bits;
    memcpy(&bits, (const char *)values + i * sizeof bits, sizeof bits);
    return bits;
}

#if KERNEL_VECTOR == 2
ISA_INLINE floats four_from_f16(const void *p)
{
    return (floats){ half_from_f16(half_at(p, 0)), half_from_f16(half_at(p, 1)),
        half_from_f16(half_at(p, 2)), half_from_f16(half_at(p, 3)) };
}
#endif

#ifdef KERNEL_PLAIN /* where the base level has no intrinsics */
ISA_INLINE floats four_from_bf16(const void *p)
{
    return (floats){ half_from_bf16(half_at(p, 0)),
        half_from_bf16(half_at(p, 1)), half_from_bf16(half_at(p, 2)),
        half_from_bf16(half_at(p, 3)) };
}

ISA_INLINE vector two_from_float(const void *p)
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

ISA_INLINE floats larger_floats(floats a, floats b)
{
    const bits_floats mask = a > b;
    return (floats)(((bits_floats)a & mask) | ((bits_floats)b & ~mask));
}
#endif

/* The floats of two columns, the first of which begins at element i. */
ISA_INLINE floats load_floats(
    enum traj_dtype dtype, const void *array, size_t i)
{
    const char *p = array;
    if (dtype == TRAJ_BF16) {
        return KERNEL_BF16(p + i * sizeof(uint16_t));
    }
    if (dtype == TRAJ_F16) {
        return KERNEL_F16(p + i * sizeof(uint16_t));
    }
    floats f;
    memcpy(&f, p + i * sizeof(float), sizeof f);
    return f;
}

/* The column at element i. What two columns of 16 bits have in common is
 * written twice and computed once. */
ISA_INLINE vector load(
    enum traj_dtype dtype, const void *array, size_t i, bool odd)
{
    if (dtype == TRAJ_F32) {
        return KERNEL_FROM_FLOAT((const char *)array + i * sizeof(float));
    }
    if (dtype == TRAJ_F64) {
        vector v;
        memcpy(&v, (const char *)array + i * sizeof(double), sizeof v);
        return v;
    }
    const floats f = load_floats(dtype, array, odd ? i - KERNEL_VECTOR : i);
    return odd ? KERNEL_HIGH(f) : KERNEL_LOW(f);
}

/* sum + a b. A product of floats is exact in double: it does not matter whether
 * the processor rounds it. */
ISA_INLINE vector add_product(bool fused, vector sum, vector a, vector b)
{
    return fused ? KERNEL_FMA(a, b, sum) : sum + a * b;
}

ISA_INLINE void add(enum traj_dtype dtype, unsigned shape, struct column *s,
    vector x, vector g, vector x0, vector g0)
{
    /* A chain of single float additions waits less than a fused one. */
    const bool fused =
        dtype == TRAJ_F32 ? (shape & (shape - 1)) != 0 : dtype != TRAJ_F64;
    const vector d = x - x0;
    const vector e = g - g0;
    if (shape & KERNEL_G) {
        s->gg = add_product(fused, s->gg, g, g);
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

/* A comparison with NaN is false, so NaN never becomes the peak. */
ISA_INLINE void raise_peak(
    struct column *s, const struct arrays *a, size_t i, bool odd)
{
    if (a->dtype == TRAJ_F64) {
        const vector g = load(a->dtype, a->g, i, odd);
        const vector size = (vector)((bits_vector)g & INT64_MAX);
        s->peak = KERNEL_MAX(size, s->peak);
    } else if (!odd) {
        const floats g = load_floats(a->dtype, a->g, i);
        const floats size = (floats)((bits_floats)g & INT32_MAX);
        s->peak_floats = KERNEL_MAX_FLOATS(size, s->peak_floats);
    }
}

ISA_INLINE void add_at(unsigned shape, struct column *s, const struct arrays *a,
    size_t i, bool odd)
{
    const vector none = { 0 };
    add(a->dtype, shape, s,
        shape & KERNEL_X ? load(a->dtype, a->x, i, odd) : none,
        shape & KERNEL_G ? load(a->dtype, a->g, i, odd) : none,
        shape & KERNEL_X0 ? load(a->dtype, a->x0, i, odd) : none,
        shape & KERNEL_G0 ? load(a->dtype, a->g0, i, odd) : none);
    if (shape & KERNEL_G) {
        raise_peak(s, a, i, odd);
    }
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

/* Vectors of a row that are summed side by side: four if they fit the registers
 * with room for the arithmetic, for a single chain of additions waits. */
ISA_INLINE unsigned columns_of(unsigned shape)
{
    const unsigned sums = (shape & KERNEL_G ? 2u : 0u) +
                          (shape & KERNEL_X ? 1u : 0u) +
                          (kernel_has(shape, KERNEL_BOTH_X) ? 1u : 0u) +
                          (kernel_has_gd(shape) ? 1u : 0u) +
                          (kernel_has(shape, KERNEL_BOTH_G) ? 2u : 0u);
    return KERNEL_VECTOR < 8 && 4 * sums <= KERNEL_REGISTERS - 4 ? 4 : 2;
}

ISA_INLINE void move_all(unsigned shape, bool take, struct column s[static 4],
    size_t first, struct kernel_lanes *lanes)
{
    move(shape, take, &s[0], first, lanes);
    move(shape, take, &s[1], first + KERNEL_VECTOR, lanes);
    if (columns_of(shape) > 2) {
        move(shape, take, &s[2], first + 2u * KERNEL_VECTOR, lanes);
        move(shape, take, &s[3], first + 3u * KERNEL_VECTOR, lanes);
    }
}

ISA_INLINE void put_peak(vector peak, bool fresh, double *lane)
{
    vector before = { 0 };
    if (!fresh) {
        memcpy(&before, lane, sizeof before);
    }
    peak = KERNEL_MAX(peak, before);
    memcpy(lane, &peak, sizeof peak);
}

/* The peak of an even column and the odd one beside it. */
ISA_INLINE void put_peaks(enum traj_dtype dtype,
    const struct column s[static 2], bool fresh, double *lane)
{
    const bool wide = dtype == TRAJ_F64;
    put_peak(wide ? s[0].peak : KERNEL_LOW(s[0].peak_floats), fresh, lane);
    put_peak(wide ? s[1].peak : KERNEL_HIGH(s[0].peak_floats), fresh,
        lane + KERNEL_VECTOR);
}

/* Bytes ahead of the sums. The processor's own prefetch stops at every page,
 * and the conversions leave it little time to start anew. Double has none, and
 * gains nothing. Beyond the end of an array nothing happens. */
#define AHEAD 4096u

ISA_INLINE void prefetch(const void *array, size_t at)
{
    __builtin_prefetch((const void *)((uintptr_t)array + at + AHEAD));
}

ISA_INLINE void prefetch_all(unsigned shape, const struct arrays *a, size_t i)
{
    const size_t at =
        i * (a->dtype == TRAJ_F32 ? sizeof(float) : sizeof(uint16_t));
    if (shape & KERNEL_X) {
        prefetch(a->x, at);
    }
    if (shape & KERNEL_G) {
        prefetch(a->g, at);
    }
    if (shape & KERNEL_X0) {
        prefetch(a->x0, at);
    }
    if (shape & KERNEL_G0) {
        prefetch(a->g0, at);
    }
}

ISA_INLINE void add_all(
    unsigned shape, struct column s[static 4], const struct arrays *a, size_t i)
{
    if (a->dtype != TRAJ_F64) {
        prefetch_all(shape, a, i);
    }
    add_at(shape, &s[0], a, i, false);
    add_at(shape, &s[1], a, i + KERNEL_VECTOR, true);
    if (columns_of(shape) > 2) {
        add_at(shape, &s[2], a, i + 2u * KERNEL_VECTOR, false);
        add_at(shape, &s[3], a, i + 3u * KERNEL_VECTOR, true);
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
        if (shape & KERNEL_G) {
            put_peaks(a->dtype, &s[0], fresh, &lanes->peak[first]);
        }
        if ((shape & KERNEL_G) && columns_of(shape) > 2) {
            put_peaks(a->dtype, &s[2], fresh,
                &lanes->peak[first + 2u * KERNEL_VECTOR]);
        }
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
    for (; i + FLOATS <= n; i += FLOATS) {
        const floats f = load_floats(TRAJ_BF16, values, i);
        memcpy(ret + i, &f, sizeof f);
    }
    for (; i < n; i++) {
        ret[i] = half_from_bf16(half_at(values, i));
    }
}

static void from_f16(const void *values, size_t n, float *ret)
{
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        const floats f = load_floats(TRAJ_F16, values, i);
        memcpy(ret + i, &f, sizeof f);
    }
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

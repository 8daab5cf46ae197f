/*
 * kernel_body: the inner loops of the kernel, compiled once per level. The
 * file that includes this defines
 *   KERNEL_LEVEL           the name of its struct kernel_level,
 *   KERNEL_VECTOR          doubles in a vector: 2, 4 or 8,
 *   KERNEL_REGISTERS       vectors that the processor holds: 16 or 32,
 *   KERNEL_FROM_FLOAT(p)   a vector from the floats at p, aligned or not,
 *   KERNEL_FROM_F16(p, odd) a vector from the first of two vectors of binary16
 *                          at p, or (odd, a constant) the second,
 *   KERNEL_FROM_BF16(p, odd) a vector from those at p that have even places
 *                          among two vectors of bfloat16, or (odd) odd ones,
 *   KERNEL_F16(p)          two vectors of binary16 as floats,
 *   KERNEL_HALVES(p)       two vectors of 16 bits as they are,
 *   KERNEL_MAX(a, b)       a > b ? a : b, element by element,
 *   KERNEL_MAX_FLOATS(a, b), KERNEL_MAX_HALVES(a, b)
 *                          the same of floats and of int16_t,
 *   KERNEL_MINUS(a, b)     a - b, by whichever unit has less to do,
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
#include "math/kernel_load.h"

struct arrays {
    const void *x, *g, *x0, *g0;
    void *kept_x, *kept_g;
    enum traj_dtype dtype; /* a constant, as the next is */
    bool keeping;
};

/* The sums of one vector of lanes. The peak of types narrower than double is
 * kept as they are, by even columns for the odd ones beside them. */
struct column {
    vector gg, xx, dd, ee, gd, ed, gg0, peak;
    floats peak_floats;
    halves peak_halves;
};

/* sum + a b. A product of floats is exact in double: it does not matter whether
 * the processor rounds it. */
ISA_INLINE vector add_product(bool fused, vector sum, vector a, vector b)
{
    return fused ? KERNEL_FMA(a, b, sum) : sum + a * b;
}

ISA_INLINE void add(enum traj_dtype dtype, unsigned shape, struct column *s,
    vector x, vector g, vector x0, vector g0)
{
    /* Short vectors of float32 wait less for single additions than for fused
     * ones, if no second array hides that; all else has too much to do. */
    const bool single =
        (shape & (shape - 1)) == 0 && dtype == TRAJ_F32 && KERNEL_VECTOR < 8;
    const bool fused = dtype != TRAJ_F64 && !single;
    /* The conversions are done where the additions are. */
    const bool busy = dtype != TRAJ_F64;
    const vector d = busy ? KERNEL_MINUS(x, x0) : x - x0;
    const vector e = busy ? KERNEL_MINUS(g, g0) : g - g0;
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

/* What is added to the magnitude of 16 bits, so that as signed numbers all up
 * to infinity are in order and NaNs are negative. */
ISA_INLINE uint16_t above_infinity(enum traj_dtype dtype)
{
    return dtype == TRAJ_BF16 ? 0x7fff - 0x7f80 : 0x7fff - 0x7c00;
}

/* A comparison with NaN is false, so NaN never becomes the peak. */
ISA_INLINE void raise_peak(
    struct column *s, const struct arrays *a, size_t i, bool odd)
{
    if (a->dtype == TRAJ_F64) {
        const vector g = load(a->dtype, a->g, i, odd);
        const vector size = (vector)((bits_vector)g & INT64_MAX);
        s->peak = KERNEL_MAX(size, s->peak);
    } else if (a->dtype == TRAJ_F32 && !odd) {
        floats g;
        memcpy(&g, (const char *)a->g + i * sizeof(float), sizeof g);
        const floats size = (floats)((bits_floats)g & INT32_MAX);
        s->peak_floats = KERNEL_MAX_FLOATS(size, s->peak_floats);
    } else if (!odd) {
        const halves g =
            KERNEL_HALVES((const char *)a->g + i * sizeof(uint16_t));
        const halves size = (g & INT16_MAX) + above_infinity(a->dtype);
        s->peak_halves = KERNEL_MAX_HALVES(size, s->peak_halves);
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

ISA_INLINE vector lanes_of(bool zipped, const double *lane, bool odd)
{
    vector v = { 0 };
    if (!zipped) {
        memcpy(&v, lane + (odd ? KERNEL_VECTOR : 0), sizeof v);
        return v;
    }
    ISA_UNROLL(8)
    for (size_t k = 0; k < KERNEL_VECTOR; k++) {
        v[k] = lane[2 * k + odd];
    }
    return v;
}

ISA_INLINE void put_lanes(
    bool zipped, vector first, vector second, double *lane)
{
    if (!zipped) {
        memcpy(lane, &first, sizeof first);
        memcpy(lane + KERNEL_VECTOR, &second, sizeof second);
        return;
    }
    ISA_UNROLL(8)
    for (size_t k = 0; k < KERNEL_VECTOR; k++) {
        lane[2 * k] = first[k];
        lane[2 * k + 1] = second[k];
    }
}

/* Two columns of lanes from memory (take) or to it. */
ISA_INLINE void move_lanes(
    bool zipped, bool take, vector *first, vector *second, double *lane)
{
    if (take) {
        *first = lanes_of(zipped, lane, false);
        *second = lanes_of(zipped, lane, true);
    } else {
        put_lanes(zipped, *first, *second, lane);
    }
}

/* The lanes of two columns, of which the first is given. */
ISA_INLINE void move(enum traj_dtype dtype, unsigned shape, bool take,
    struct column s[static 2], size_t first, struct kernel_lanes *lanes)
{
    const bool zipped = dtype == TRAJ_BF16;
    if (shape & KERNEL_G) {
        move_lanes(zipped, take, &s[0].gg, &s[1].gg, &lanes->gg[first]);
    }
    if (shape & KERNEL_X) {
        move_lanes(zipped, take, &s[0].xx, &s[1].xx, &lanes->xx[first]);
    }
    if (kernel_has(shape, KERNEL_BOTH_X)) {
        move_lanes(zipped, take, &s[0].dd, &s[1].dd, &lanes->dd[first]);
    }
    if (kernel_has_gd(shape)) {
        move_lanes(zipped, take, &s[0].gd, &s[1].gd, &lanes->gd[first]);
    }
    if (kernel_has(shape, KERNEL_BOTH_G)) {
        move_lanes(zipped, take, &s[0].ee, &s[1].ee, &lanes->ee[first]);
        move_lanes(zipped, take, &s[0].gg0, &s[1].gg0, &lanes->gg0[first]);
    }
    if (kernel_has(shape, KERNEL_BOTH_X | KERNEL_BOTH_G)) {
        move_lanes(zipped, take, &s[0].ed, &s[1].ed, &lanes->ed[first]);
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

/* A row is walked once, not once per group of columns. */
ISA_INLINE bool one_group(unsigned shape)
{
    return columns_of(shape) * KERNEL_VECTOR == KERNEL_WIDTH;
}

ISA_INLINE void move_all(enum traj_dtype dtype, unsigned shape, bool take,
    struct column s[static 4], size_t first, struct kernel_lanes *lanes)
{
    move(dtype, shape, take, &s[0], first, lanes);
    if (columns_of(shape) > 2) {
        move(dtype, shape, take, &s[2], first + FLOATS, lanes);
    }
}

ISA_INLINE double largest_of(vector v)
{
    double largest = v[0];
    for (size_t k = 1; k < KERNEL_VECTOR; k++) {
        largest = v[k] > largest ? v[k] : largest;
    }
    return largest;
}

/* Of two columns. */
ISA_INLINE double peak_of(
    enum traj_dtype dtype, const struct column s[static 2])
{
    if (dtype == TRAJ_F64) {
        return largest_of(KERNEL_MAX(s[0].peak, s[1].peak));
    }
    if (dtype == TRAJ_F32) {
        float peak[FLOATS];
        memcpy(peak, &s[0].peak_floats, sizeof peak);
        return largest_of(KERNEL_MAX(
            KERNEL_FROM_FLOAT(peak), KERNEL_FROM_FLOAT(peak + KERNEL_VECTOR)));
    }
    const halves peak = s[0].peak_halves; /* else the loop keeps s in memory */
    uint16_t largest = above_infinity(dtype);
    for (size_t k = 0; k < FLOATS; k++) {
        largest = peak[k] > largest ? peak[k] : largest;
    }
    largest = (uint16_t)(largest - above_infinity(dtype));
    return (double)(dtype == TRAJ_BF16 ? half_from_bf16(largest)
                                       : half_from_f16(largest));
}

ISA_INLINE void put_peak(double peak, double *ret)
{
    *ret = peak > *ret ? peak : *ret;
}

ISA_INLINE size_t bytes_of(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64   ? sizeof(double)
           : dtype == TRAJ_F32 ? sizeof(float)
                               : sizeof(uint16_t);
}

/*
 * Bytes ahead of the sums that are fetched. The processor's own prefetch stops
 * at every page, and the conversions leave it little time to start anew. Beyond
 * the end of an array nothing happens. Measured, not derived: less than a page
 * is best, but more than one for a single array of 16 bits, which takes long
 * per line; a whole page is slower than either.
 */
ISA_INLINE size_t ahead(enum traj_dtype dtype, bool alone)
{
    return alone && bytes_of(dtype) == sizeof(uint16_t) ? 6144 : 3072;
}

#define LINE 64u /* bytes that are fetched at once */

/* The lines of a row. One array goes to the second cache, which awaits more
 * lines at a time than the first; several are as quick, or quicker, to the
 * first. */
ISA_INLINE void prefetch(
    enum traj_dtype dtype, const void *array, size_t i, bool alone)
{
    const uintptr_t at =
        (uintptr_t)array + i * bytes_of(dtype) + ahead(dtype, alone);
    ISA_UNROLL(2)
    for (size_t k = 0; k < KERNEL_WIDTH * bytes_of(dtype); k += LINE) {
        if (alone) {
            __builtin_prefetch((const void *)(at + k), 0, 2);
        } else {
            __builtin_prefetch((const void *)(at + k), 0, 3);
        }
    }
}

ISA_INLINE void prefetch_all(unsigned shape, const struct arrays *a, size_t i)
{
    const bool alone = (shape & (shape - 1)) == 0;
    if (a->dtype == TRAJ_F64 && !alone && one_group(shape)) {
        return; /* no conversions: gains nothing, and loses in the cache */
    }
    if (shape & KERNEL_X) {
        prefetch(a->dtype, a->x, i, alone);
    }
    if (shape & KERNEL_G) {
        prefetch(a->dtype, a->g, i, alone);
    }
    if (shape & KERNEL_X0) {
        prefetch(a->dtype, a->x0, i, alone);
    }
    if (shape & KERNEL_G0) {
        prefetch(a->dtype, a->g0, i, alone);
    }
}

/* Two columns as they are, whatever they are. */
ISA_INLINE void copy_pair(
    enum traj_dtype dtype, const void *from, void *to, size_t i)
{
    const char *source = (const char *)from + i * bytes_of(dtype);
    char *target = (char *)to + i * bytes_of(dtype);
    if (dtype == TRAJ_F64) {
        vector v[2];
        memcpy(v, source, sizeof v);
        memcpy(target, v, sizeof v);
    } else if (dtype == TRAJ_F32) {
        floats f;
        memcpy(&f, source, sizeof f);
        memcpy(target, &f, sizeof f);
    } else {
        memcpy(target, source, FLOATS * sizeof(uint16_t));
    }
}

/* A pair of columns. What is kept may be x0 or g0, so it comes last. */
ISA_INLINE void add_pair(
    unsigned shape, struct column s[static 2], const struct arrays *a, size_t i)
{
    add_at(shape, &s[0], a, i, false);
    add_at(shape, &s[1], a, i, true);
    if (a->keeping) {
        copy_pair(a->dtype, a->x, a->kept_x, i);
        copy_pair(a->dtype, a->g, a->kept_g, i);
    }
}

ISA_INLINE void add_all(
    unsigned shape, struct column s[static 4], const struct arrays *a, size_t i)
{
    add_pair(shape, &s[0], a, i);
    if (columns_of(shape) > 2) {
        add_pair(shape, &s[2], a, i + FLOATS);
    }
}

/* Adds rows of one group of columns. The first group fetches for those that
 * follow it. Rows of 16 bits share a line by twos; others are left as they are,
 * for the compiler would mix the loads of two. */
ISA_INLINE void add_rows(unsigned shape, struct column s[static 4],
    const struct arrays *a, size_t first, size_t to, bool fetching)
{
    const bool two_a_line = KERNEL_WIDTH * bytes_of(a->dtype) < LINE;
    size_t i = first;
    for (; two_a_line && i + KERNEL_WIDTH < to; i += 2u * KERNEL_WIDTH) {
        if (fetching) {
            prefetch_all(shape, a, i);
        }
        add_all(shape, s, a, i);
        add_all(shape, s, a, i + KERNEL_WIDTH);
    }
    ISA_UNROLL(2)
    for (; i < to; i += KERNEL_WIDTH) {
        if (fetching && !two_a_line) {
            prefetch_all(shape, a, i);
        }
        add_all(shape, s, a, i);
    }
}

/* Bytes of an array that are walked once per group of columns: those of four
 * arrays are in the nearest cache the second time. */
#define CHUNK 4096u

ISA_INLINE void sum_chunk(unsigned shape, const struct arrays *a, size_t from,
    size_t to, bool fresh, struct kernel_lanes *lanes)
{
    const unsigned step = columns_of(shape) * KERNEL_VECTOR;
    for (size_t first = 0; first < KERNEL_WIDTH; first += step) {
        struct column s[4] = { { .gg = { 0 } } };
        if (!fresh) {
            move_all(a->dtype, shape, true, s, first, lanes);
        }
        add_rows(shape, s, a, from + first, to, first == 0);
        move_all(a->dtype, shape, false, s, first, lanes);
        if (shape & KERNEL_G) {
            put_peak(peak_of(a->dtype, &s[0]), &lanes->peak);
        }
        if ((shape & KERNEL_G) && columns_of(shape) > 2) {
            put_peak(peak_of(a->dtype, &s[2]), &lanes->peak);
        }
    }
}

ISA_INLINE void sum(unsigned shape, const struct arrays *a, size_t n,
    bool fresh, struct kernel_lanes *lanes)
{
    if (fresh) {
        lanes->peak = 0;
    }
    const size_t chunk = one_group(shape) ? n : CHUNK / bytes_of(a->dtype);
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

/* Those before an update, whose x and g are to be kept: the first one, and all
 * that follow. */
#define KEEPING_SHAPES(X)                                                      \
    X(xg_kept, KERNEL_X | KERNEL_G)                                            \
    X(all_kept, KERNEL_BOTH_X | KERNEL_BOTH_G)

#define DEFINE(name, shape, type, of_dtype, keep)                              \
    static void type##_##name(const struct kernel_operands *o, size_t n,       \
        bool fresh, struct kernel_lanes *lanes)                                \
    {                                                                          \
        const struct arrays a = { o->x, o->g, o->x0, o->g0, o->kept_x,         \
            o->kept_g, .dtype = of_dtype, .keeping = keep };                   \
        sum(shape, &a, n, fresh, lanes);                                       \
    }
#define DEFINE_TYPES(name, shape, keep)                                        \
    DEFINE(name, shape, f32, TRAJ_F32, keep)                                   \
    DEFINE(name, shape, f64, TRAJ_F64, keep)                                   \
    DEFINE(name, shape, bf16, TRAJ_BF16, keep)                                 \
    DEFINE(name, shape, f16, TRAJ_F16, keep)
#define DEFINE_SUMS(name, shape) DEFINE_TYPES(name, shape, false)
#define DEFINE_KEEPING(name, shape) DEFINE_TYPES(name, shape, true)
SHAPES(DEFINE_SUMS)
KEEPING_SHAPES(DEFINE_KEEPING)

#define ROW 16u /* of a fixed length gcc makes vectors */

static void from_bf16(const void *values, size_t n, float *ret)
{
    size_t i = 0;
    for (; i + ROW <= n; i += ROW) {
        for (size_t k = 0; k < ROW; k++) {
            ret[i + k] = half_from_bf16(half_at(values, i + k));
        }
    }
    for (; i < n; i++) {
        ret[i] = half_from_bf16(half_at(values, i));
    }
}

static void from_f16(const void *values, size_t n, float *ret)
{
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        const floats f = KERNEL_F16((const char *)values + i * 2);
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
    .keeping = { [TRAJ_F32] = { KEEPING_SHAPES(F32_ENTRY) },
        [TRAJ_F64] = { KEEPING_SHAPES(F64_ENTRY) },
        [TRAJ_BF16] = { KEEPING_SHAPES(BF16_ENTRY) },
        [TRAJ_F16] = { KEEPING_SHAPES(F16_ENTRY) } },
    .from_bf16 = from_bf16,
    .from_f16 = from_f16,
    .from_float = from_float,
    .dense = { .gram = gram,
        .dot_and_add = dot_and_add,
        .subtract_two = subtract_two },
};

/*
 * kernel.c: one block of the moments. Pure; any thread.
 *
 * Arrays of one type are read where they are. Of two types, the narrower is
 * widened a stage at a time into a buffer that stays in the nearest cache, to
 * the wider or to float; and so is what is left of a row.
 */
#include "math/kernel.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdatomic.h>
#include <string.h>

#include "math/isa.h"
#include "math/kernel_level.h"

/* ---- which level ------------------------------------------------------- */

#if ISA_X86
static bool has_f16c(void)
{
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static const struct kernel_level *level_of(unsigned number)
{
    static const struct kernel_level *const levels[KERNEL_LEVELS] = {
        &kernel_base, &kernel_avx2, &kernel_avx512
    };
    __builtin_cpu_init();
    const bool there[KERNEL_LEVELS] = { true,
        has_f16c() && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("avx2"),
        has_f16c() && __builtin_cpu_supports("avx512f") };
    return number < KERNEL_LEVELS && there[number] ? levels[number] : NULL;
}
#else
static const struct kernel_level *level_of(unsigned number)
{
    return number == 0 ? &kernel_base : NULL;
}
#endif

/* Chosen once: to ask a virtual processor what it is takes microseconds.
 * Relaxed: all threads choose the same, and what it points to is constant. */
static _Atomic(const struct kernel_level *) chosen;

static const struct kernel_level *level(void)
{
    const struct kernel_level *l =
        atomic_load_explicit(&chosen, memory_order_relaxed);
    for (unsigned number = KERNEL_LEVELS; l == NULL; number--) {
        l = level_of(number - 1);
        atomic_store_explicit(&chosen, l, memory_order_relaxed);
    }
    return l;
}

bool kernel_use_level(unsigned number)
{
    const struct kernel_level *l = level_of(number);
    if (l != NULL) {
        atomic_store_explicit(&chosen, l, memory_order_relaxed);
    }
    return l != NULL;
}

const struct kernel_dense *kernel_dense(void)
{
    return &level()->dense;
}

/* ---- types ------------------------------------------------------------- */

size_t kernel_element_bytes(enum traj_dtype dtype)
{
    switch (dtype) {
    case TRAJ_F32:
        return sizeof(float);
    case TRAJ_F64:
        return sizeof(double);
    case TRAJ_BF16:
    case TRAJ_F16:
        return sizeof(uint16_t);
    }
    return 0;
}

static void to_float(
    enum traj_dtype dtype, const void *values, size_t n, float *ret)
{
    if (dtype == TRAJ_BF16) {
        level()->from_bf16(values, n, ret);
    } else if (dtype == TRAJ_F16) {
        level()->from_f16(values, n, ret);
    } else {
        memcpy(ret, values, n * sizeof *ret);
    }
}

/* 16 bits go to double by way of float. */
#define VIA_FLOAT 256u

void kernel_widen(
    enum traj_dtype dtype, const void *values, size_t n, double *ret)
{
    if (dtype == TRAJ_F64) {
        memcpy(ret, values, n * sizeof *ret);
        return;
    }
    float narrow[VIA_FLOAT];
    const size_t bytes = kernel_element_bytes(dtype);
    for (size_t i = 0; i < n; i += VIA_FLOAT) {
        const size_t m = n - i < VIA_FLOAT ? n - i : VIA_FLOAT;
        to_float(dtype, (const char *)values + i * bytes, m, narrow);
        level()->from_float(narrow, m, ret + i);
    }
}

/* ---- one block --------------------------------------------------------- */

#define STAGE 512u /* elements; four arrays of double are 16 KiB */

struct block {
    unsigned shape;
    enum traj_dtype dtype[KERNEL_ARRAYS];
    const void *const *array;
    bool wide; /* summed as double, not float */
    kernel_lanes_fn run;
};

union stage {
    float narrow[STAGE];
    double wide[STAGE];
};

/* n elements from first on of array k in the type that is summed, then zeros,
 * which add nothing, up to padded. */
static const void *fill(const struct block *b, unsigned k, size_t first,
    size_t n, size_t padded, union stage *stage)
{
    const size_t bytes = kernel_element_bytes(b->dtype[k]);
    const void *values = (const char *)b->array[k] + first * bytes;
    if (n == padded && b->dtype[k] == (b->wide ? TRAJ_F64 : TRAJ_F32)) {
        return values;
    }
    if (b->wide) {
        kernel_widen(b->dtype[k], values, n, stage->wide);
        memset(stage->wide + n, 0, (padded - n) * sizeof(double));
        return stage->wide;
    }
    to_float(b->dtype[k], values, n, stage->narrow);
    memset(stage->narrow + n, 0, (padded - n) * sizeof(float));
    return stage->narrow;
}

static void sum_by_stages(
    const struct block *b, size_t first, size_t n, struct kernel_lanes *lanes)
{
    union stage stage[KERNEL_ARRAYS];
    for (size_t i = first; i < n; i += STAGE) {
        const size_t m = n - i < STAGE ? n - i : STAGE;
        const size_t padded =
            (m + KERNEL_WIDTH - 1) / KERNEL_WIDTH * KERNEL_WIDTH;
        const void *at[KERNEL_ARRAYS] = { NULL };
        for (unsigned k = 0; k < KERNEL_ARRAYS; k++) {
            if (b->shape & (1u << k)) {
                at[k] = fill(b, k, i, m, padded, &stage[k]);
            }
        }
        const struct kernel_operands operands = { at[0], at[1], at[2], at[3],
            .kept_x = NULL };
        b->run(&operands, padded, i == 0, lanes);
    }
}

static double fold(const kernel_lane v)
{
    double half[8];
    for (size_t k = 0; k < 8; k++) {
        half[k] = v[k] + v[k + 8];
    }
    return ((half[0] + half[4]) + (half[2] + half[6])) +
           ((half[1] + half[5]) + (half[3] + half[7]));
}

static void fold_all(
    unsigned shape, const struct kernel_lanes *s, struct kernel_sums *ret)
{
    *ret = (struct kernel_sums){ .gg = 0 };
    if (shape & KERNEL_G) {
        ret->gg = fold(s->gg);
        ret->peak = s->peak;
    }
    if (shape & KERNEL_X) {
        ret->xx = fold(s->xx);
    }
    if (kernel_has(shape, KERNEL_BOTH_X)) {
        ret->dd = fold(s->dd);
    }
    if (kernel_has_gd(shape)) {
        ret->gd = fold(s->gd);
    }
    if (kernel_has(shape, KERNEL_BOTH_G)) {
        ret->ee = fold(s->ee);
        ret->gg0 = fold(s->gg0);
    }
    if (kernel_has(shape, KERNEL_BOTH_X | KERNEL_BOTH_G)) {
        ret->ed = fold(s->ed);
    }
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

/* Elements first .. n - 1, which no loop has copied. */
static void keep_rest(const struct block *b, const struct kernel_keep *keep,
    size_t first, size_t n)
{
    void *const kept[] = { keep->x, keep->g };
    for (unsigned k = 0; k < 2; k++) {
        const size_t bytes = kernel_element_bytes(b->dtype[k]);
        if ((b->shape & (1u << k)) && first < n) {
            memcpy((char *)kept[k] + first * bytes,
                (const char *)b->array[k] + first * bytes, (n - first) * bytes);
        }
    }
}

/* The elements of whole rows, where they are. Returns how many of them were
 * kept as well. */
static size_t sum_rows(const struct block *b, const struct kernel_keep *keep,
    size_t n, struct kernel_lanes *lanes)
{
    const enum traj_dtype dtype = b->dtype[0];
    const kernel_lanes_fn keeping =
        keep != NULL ? level()->keeping[dtype][b->shape] : NULL;
    const struct kernel_operands operands = { .x = b->array[0],
        .g = b->array[1],
        .x0 = b->array[2],
        .g0 = b->array[3],
        .kept_x = keeping != NULL ? keep->x : NULL,
        .kept_g = keeping != NULL ? keep->g : NULL };
    if (keeping != NULL) {
        keeping(&operands, n, true, lanes);
        return n;
    }
    level()->lanes[dtype][b->shape](&operands, n, true, lanes);
    return 0;
}

void kernel_sum(enum traj_dtype dtype, enum traj_dtype grad_dtype,
    unsigned shape, const void *const array[static KERNEL_ARRAYS], size_t n,
    const struct kernel_keep *keep, struct kernel_sums *ret)
{
    if (!(shape & KERNEL_BOTH_X)) {
        dtype = grad_dtype;
    } else if (!(shape & KERNEL_BOTH_G)) {
        grad_dtype = dtype;
    }
    const bool wide = dtype == TRAJ_F64 || grad_dtype == TRAJ_F64;
    const struct block b = { .shape = shape,
        .dtype = { dtype, grad_dtype, dtype, grad_dtype },
        .array = array,
        .wide = wide,
        .run = level()->lanes[wide ? TRAJ_F64 : TRAJ_F32][shape] };
    const size_t whole = dtype == grad_dtype ? n - n % KERNEL_WIDTH : 0;
    struct kernel_lanes lanes;
    size_t kept = 0;
    if (whole > 0) {
        kept = sum_rows(&b, keep, whole, &lanes);
    }
    if (whole < n) {
        sum_by_stages(&b, whole, n, &lanes);
    }
    if (n == 0) {
        memset(&lanes, 0, sizeof lanes);
    }
    if (keep != NULL) {
        keep_rest(&b, keep, kept, n);
    }
    fold_all(shape, &lanes, ret);
}

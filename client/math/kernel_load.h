/*
 * kernel_load: the vectors of a level and how they are filled from each type,
 * for kernel_body.h, which says what macros the level defines; included by it.
 * Exact, as every widening is.
 */
#ifndef TRAJ_KERNEL_LOAD_H
#define TRAJ_KERNEL_LOAD_H

#include <stdbool.h>
#include <string.h>

#include "math/half.h"
#include "math/isa.h"
#include "math/kernel_level.h"

typedef double vector __attribute__((vector_size(KERNEL_VECTOR * 8)));
typedef int64_t bits_vector __attribute__((vector_size(KERNEL_VECTOR * 8)));
typedef float floats __attribute__((vector_size(KERNEL_VECTOR * 8)));
typedef int32_t bits_floats __attribute__((vector_size(KERNEL_VECTOR * 8)));
typedef uint32_t words __attribute__((vector_size(KERNEL_VECTOR * 8)));
#define FLOATS (2u * KERNEL_VECTOR)
/* As many as FLOATS; at the base level, which has none so short, then zeros. */
#define HALVES_BYTES (KERNEL_VECTOR > 2 ? KERNEL_VECTOR * 4 : 16)
typedef uint16_t halves __attribute__((vector_size(HALVES_BYTES)));
typedef int16_t signed_halves __attribute__((vector_size(HALVES_BYTES)));

ISA_INLINE uint16_t half_at(const void *values, size_t i)
{
    uint16_t bits;
    memcpy(&bits, (const char *)values + i * sizeof bits, sizeof bits);
    return bits;
}

#if KERNEL_VECTOR == 2 /* the base level: by arithmetic that all have */
/* The exponent is off by 112, and then the largest one is set to all ones. */
ISA_INLINE floats four_from_f16(const void *p)
{
    const words bits = (words)KERNEL_WORDS(p);
    const floats size = (floats)((bits & 0x7fffu) << 13) * 0x1p112f;
    const words special = (words)((bits & 0x7c00u) == 0x7c00u) & 0x7f800000u;
    return (floats)((words)size | special | (bits & 0x8000u) << 16);
}
#endif

#ifdef KERNEL_PLAIN /* where the base level has no intrinsics */
ISA_INLINE halves four_halves(const void *p)
{
    return (
        halves){ half_at(p, 0), half_at(p, 1), half_at(p, 2), half_at(p, 3) };
}

ISA_INLINE halves larger_halves(halves a, halves b)
{
    const halves mask = (halves)((signed_halves)a > (signed_halves)b);
    return (a & mask) | (b & ~mask);
}

ISA_INLINE vector two_from_bf16(const void *p, bool odd)
{
    return (vector){ (double)half_from_bf16(half_at(p, odd)),
        (double)half_from_bf16(half_at(p, 2u + odd)) };
}

ISA_INLINE vector two_of_floats(floats f, bool odd)
{
    return (vector){ (double)f[odd ? 2 : 0], (double)f[odd ? 3 : 1] };
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

/* A column of elements: of the two at element i the first, or (odd) the other.
 * Of bfloat16 they are those of even and of odd places, which need no shuffle.
 */
ISA_INLINE vector load(
    enum traj_dtype dtype, const void *array, size_t i, bool odd)
{
    const size_t second = odd ? KERNEL_VECTOR : 0;
    const char *p = array;
    if (dtype == TRAJ_F32) {
        return KERNEL_FROM_FLOAT(p + (i + second) * sizeof(float));
    }
    if (dtype == TRAJ_BF16) {
        return KERNEL_FROM_BF16(p + i * sizeof(uint16_t), odd);
    }
    if (dtype == TRAJ_F16) {
        return KERNEL_FROM_F16(p + i * sizeof(uint16_t), odd);
    }
    vector v;
    memcpy(&v, p + (i + second) * sizeof(double), sizeof v);
    return v;
}

#endif

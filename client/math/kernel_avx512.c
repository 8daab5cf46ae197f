/* kernel_avx512.c: the kernel for x86-64 with AVX-512F and F16C. */
#include "math/isa.h"

#if ISA_X86
#include <immintrin.h>
#include <string.h>

#include "math/half.h"
#include "math/kernel_level.h"

#define KERNEL_LEVEL kernel_avx512
#define KERNEL_VECTOR 8
#define KERNEL_REGISTERS 32
#define KERNEL_FLOATS(f) ((vector)_mm512_cvtps_pd(f))
#define KERNEL_FROM_FLOAT(p) KERNEL_FLOATS(_mm256_loadu_ps((const void *)(p)))
#define KERNEL_FROM_F16(p, odd)                                                \
    KERNEL_FLOATS(_mm256_cvtph_ps(_mm_loadu_si128(                             \
        (const void *)((p) + ((odd) ? 2 * KERNEL_VECTOR : 0)))))
#define KERNEL_PAIRS(p) _mm256_loadu_si256((const void *)(p))
#define KERNEL_FROM_BF16(p, odd)                                               \
    KERNEL_FLOATS(                                                             \
        _mm256_castsi256_ps((odd) ? _mm256_and_si256(KERNEL_PAIRS(p),          \
                                        _mm256_set1_epi32((int)0xffff0000))    \
                                  : _mm256_slli_epi32(KERNEL_PAIRS(p), 16)))
#define KERNEL_F16(p)                                                          \
    ((floats)_mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p))))
#define KERNEL_MAX(a, b) ((vector)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define KERNEL_MAX_FLOATS(a, b)                                                \
    ((floats)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define KERNEL_HALVES(p) ((halves)KERNEL_PAIRS(p))
#define KERNEL_MAX_HALVES(a, b)                                                \
    ((halves)_mm256_max_epi16((__m256i)(a), (__m256i)(b)))
#define KERNEL_MINUS(a, b)                                                     \
    ((vector)_mm512_fnmadd_pd((__m512d)(b), _mm512_set1_pd(1), (__m512d)(a)))
#define KERNEL_FMA(a, b, c)                                                    \
    ((vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx512f,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,f16c")
#endif
#include "math/kernel_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

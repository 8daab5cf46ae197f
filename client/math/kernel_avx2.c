/* kernel_avx2.c: the kernel for x86-64 with AVX2, FMA and F16C. */
#include "math/isa.h"

#if ISA_X86
#include <immintrin.h>
#include <string.h>

#include "math/half.h"
#include "math/kernel_level.h"

#define KERNEL_LEVEL kernel_avx2
#define KERNEL_VECTOR 4
#define KERNEL_REGISTERS 16
#define KERNEL_FLOATS(f) ((vector)_mm256_cvtps_pd(f))
#define KERNEL_FROM_FLOAT(p) KERNEL_FLOATS(_mm_loadu_ps((const void *)(p)))
#define KERNEL_F16(p)                                                          \
    ((floats)_mm256_cvtph_ps(_mm_loadu_si128((const void *)(p))))
#define KERNEL_FROM_F16(p, odd)                                                \
    KERNEL_FLOATS(_mm_cvtph_ps(_mm_loadl_epi64(                                \
        (const void *)((p) + ((odd) ? 2 * KERNEL_VECTOR : 0)))))
#define KERNEL_PAIRS(p) _mm_loadu_si128((const void *)(p))
#define KERNEL_FROM_BF16(p, odd)                                               \
    KERNEL_FLOATS(_mm_castsi128_ps(                                            \
        (odd)                                                                  \
            ? _mm_and_si128(KERNEL_PAIRS(p), _mm_set1_epi32((int)0xffff0000))  \
            : _mm_slli_epi32(KERNEL_PAIRS(p), 16)))
#define KERNEL_MAX(a, b) ((vector)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define KERNEL_MAX_FLOATS(a, b)                                                \
    ((floats)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define KERNEL_HALVES(p) ((halves)KERNEL_PAIRS(p))
#define KERNEL_MAX_HALVES(a, b)                                                \
    ((halves)_mm_max_epi16((__m128i)(a), (__m128i)(b)))
#define KERNEL_MINUS(a, b)                                                     \
    ((vector)_mm256_fnmadd_pd((__m256d)(b), _mm256_set1_pd(1), (__m256d)(a)))
#define KERNEL_FMA(a, b, c)                                                    \
    ((vector)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#include "math/kernel_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

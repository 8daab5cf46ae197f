/* kernel_avx512.c: the kernel for x86-64 with AVX-512F. */
#include "math/isa.h"

#if ISA_X86
#include <immintrin.h>
#include <string.h>

#include "math/half.h"
#include "math/kernel_level.h"

#define KERNEL_LEVEL kernel_avx512
#define KERNEL_VECTOR 8
#define KERNEL_REGISTERS 32
#define KERNEL_FROM_FLOAT(p)                                                   \
    ((vector)_mm512_cvtps_pd(_mm256_loadu_ps((const void *)(p))))
#define KERNEL_BF16(p)                                                         \
    ((floats)_mm512_slli_epi32(                                                \
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(p))), 16))
#define KERNEL_F16(p)                                                          \
    ((floats)_mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p))))
#define KERNEL_LOW(f)                                                          \
    ((vector)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)(f))))
#define KERNEL_HIGH(f)                                                         \
    ((vector)_mm512_cvtps_pd(_mm256_castpd_ps(                                 \
        _mm512_extractf64x4_pd(_mm512_castps_pd((__m512)(f)), 1))))
#define KERNEL_MAX(a, b) ((vector)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define KERNEL_MAX_FLOATS(a, b)                                                \
    ((floats)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define KERNEL_FMA(a, b, c)                                                    \
    ((vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx512f"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f")
#endif
#include "math/kernel_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

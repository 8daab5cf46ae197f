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
#define KERNEL_FROM_FLOAT(p)                                                   \
    ((vector)_mm512_cvtps_pd(_mm256_loadu_ps((const void *)(p))))
#define KERNEL_FROM_BF16(p)                                                    \
    ((vector)_mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(            \
        _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p))), 16))))
#define KERNEL_FROM_F16(p)                                                     \
    ((vector)_mm512_cvtps_pd(                                                  \
        _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p)))))
#define KERNEL_MAX(a, b) ((vector)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define KERNEL_FMA(a, b, c)                                                    \
    ((vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define KERNEL_WIDENED 16
#define KERNEL_BF16(p, ret)                                                    \
    _mm512_storeu_ps(                                                          \
        ret, _mm512_castsi512_ps(_mm512_slli_epi32(                            \
                 _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(p))), \
                 16)))
#define KERNEL_F16(p, ret)                                                     \
    _mm512_storeu_ps(                                                          \
        ret, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p))))

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx512f,avx2,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx2,f16c")
#endif
#include "math/kernel_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

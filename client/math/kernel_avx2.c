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
#define KERNEL_FROM_FLOAT(p)                                                   \
    ((vector)_mm256_cvtps_pd(_mm_loadu_ps((const void *)(p))))
#define KERNEL_BF16(p)                                                         \
    ((floats)_mm256_slli_epi32(                                                \
        _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p))), 16))
#define KERNEL_F16(p)                                                          \
    ((floats)_mm256_cvtph_ps(_mm_loadu_si128((const void *)(p))))
#define KERNEL_LOW(f)                                                          \
    ((vector)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)(f))))
#define KERNEL_HIGH(f)                                                         \
    ((vector)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)(f), 1)))
#define KERNEL_MAX(a, b) ((vector)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define KERNEL_MAX_FLOATS(a, b)                                                \
    ((floats)_mm256_max_ps((__m256)(a), (__m256)(b)))
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

/* kernel_base.c: the kernel for every processor. */
#include "math/kernel_level.h"

#define KERNEL_LEVEL kernel_base
#define KERNEL_VECTOR 2
#define KERNEL_REGISTERS 16
#define KERNEL_F16(p) four_from_f16(p)
#define KERNEL_FMA(a, b, c) ((c) + (a) * (b))
#define KERNEL_MINUS(a, b) ((a) - (b))

#if defined(__SSE2__)
#include <emmintrin.h>
#define KERNEL_FLOATS(f) ((vector)_mm_cvtps_pd(f))
#define KERNEL_PAIRS(p) _mm_loadl_epi64((const void *)(p))
#define KERNEL_FROM_FLOAT(p) KERNEL_FLOATS(_mm_castsi128_ps(KERNEL_PAIRS(p)))
#define KERNEL_FROM_BF16(p, odd)                                               \
    KERNEL_FLOATS(_mm_castsi128_ps(                                            \
        (odd)                                                                  \
            ? _mm_and_si128(KERNEL_PAIRS(p), _mm_set1_epi32((int)0xffff0000))  \
            : _mm_slli_epi32(KERNEL_PAIRS(p), 16)))
#define KERNEL_FROM_F16(p, odd)                                                \
    KERNEL_FLOATS((odd) ? _mm_movehl_ps((__m128)four_from_f16(p),              \
                              (__m128)four_from_f16(p))                        \
                        : (__m128)four_from_f16(p))
#define KERNEL_MAX(a, b) ((vector)_mm_max_pd((__m128d)(a), (__m128d)(b)))
#define KERNEL_MAX_FLOATS(a, b) ((floats)_mm_max_ps((__m128)(a), (__m128)(b)))
#define KERNEL_HALVES(p) ((halves)KERNEL_PAIRS(p))
#define KERNEL_WORDS(p)                                                        \
    ((bits_floats)_mm_unpacklo_epi16(KERNEL_PAIRS(p), _mm_setzero_si128()))
#define KERNEL_MAX_HALVES(a, b)                                                \
    ((halves)_mm_max_epi16((__m128i)(a), (__m128i)(b)))
#else
#define KERNEL_FROM_FLOAT(p) two_from_float(p)
#define KERNEL_FROM_BF16(p, odd) two_from_bf16(p, odd)
#define KERNEL_FROM_F16(p, odd) two_of_floats(four_from_f16(p), odd)
#define KERNEL_MAX(a, b) larger(a, b)
#define KERNEL_MAX_FLOATS(a, b) larger_floats(a, b)
#define KERNEL_HALVES(p) four_halves(p)
#define KERNEL_WORDS(p)                                                        \
    ((bits_floats){                                                            \
        half_at(p, 0), half_at(p, 1), half_at(p, 2), half_at(p, 3) })
#define KERNEL_MAX_HALVES(a, b) larger_halves(a, b)
#define KERNEL_PLAIN 1
#endif

#include "math/kernel_body.h"

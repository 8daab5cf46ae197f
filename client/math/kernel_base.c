/* kernel_base.c: the kernel for every processor. */
#include "math/kernel_level.h"

#define KERNEL_LEVEL kernel_base
#define KERNEL_VECTOR 2
#define KERNEL_REGISTERS 16
#define KERNEL_F16(p) four_from_f16(p)
#define KERNEL_FMA(a, b, c) ((c) + (a) * (b))

#if defined(__SSE2__)
#include <emmintrin.h>
#define KERNEL_FROM_FLOAT(p)                                                   \
    ((vector)_mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const void *)(p)))))
#define KERNEL_BF16(p)                                                         \
    ((floats)_mm_unpacklo_epi16(                                               \
        _mm_setzero_si128(), _mm_loadl_epi64((const void *)(p))))
#define KERNEL_LOW(f) ((vector)_mm_cvtps_pd((__m128)(f)))
#define KERNEL_HIGH(f)                                                         \
    ((vector)_mm_cvtps_pd(_mm_movehl_ps((__m128)(f), (__m128)(f))))
#define KERNEL_MAX(a, b) ((vector)_mm_max_pd((__m128d)(a), (__m128d)(b)))
#define KERNEL_MAX_FLOATS(a, b) ((floats)_mm_max_ps((__m128)(a), (__m128)(b)))
#else
#define KERNEL_FROM_FLOAT(p) two_from_float(p)
#define KERNEL_BF16(p) four_from_bf16(p)
#define KERNEL_LOW(f) ((vector){ (double)(f)[0], (double)(f)[1] })
#define KERNEL_HIGH(f) ((vector){ (double)(f)[2], (double)(f)[3] })
#define KERNEL_MAX(a, b) larger(a, b)
#define KERNEL_MAX_FLOATS(a, b) larger_floats(a, b)
#define KERNEL_PLAIN 1
#endif

#include "math/kernel_body.h"

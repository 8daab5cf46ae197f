/* kernel_base.c: the kernel for every processor. */
#include "math/kernel_level.h"

#define KERNEL_LEVEL kernel_base
#define KERNEL_VECTOR 2
#define KERNEL_REGISTERS 16
#define KERNEL_FROM_F16(p) from_two_f16(p)
#define KERNEL_FMA(a, b, c) ((c) + (a) * (b))

#if defined(__SSE2__)
#include <emmintrin.h>
#define KERNEL_FROM_FLOAT(p)                                                   \
    ((vector)_mm_cvtps_pd(                                                     \
        _mm_castpd_ps(_mm_load_sd((const double *)(const void *)(p)))))
#define KERNEL_FROM_BF16(p) from_two_bf16(p)
#define KERNEL_MAX(a, b) ((vector)_mm_max_pd((__m128d)(a), (__m128d)(b)))
#else
#define KERNEL_FROM_FLOAT(p) from_floats(p)
#define KERNEL_FROM_BF16(p) from_two_bf16(p)
#define KERNEL_MAX(a, b) larger(a, b)
#define KERNEL_PLAIN 1
#endif

#include "math/kernel_body.h"

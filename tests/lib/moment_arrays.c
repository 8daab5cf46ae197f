/* moment_arrays.c: see moment_arrays.h. */
#include "moment_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/kernel.h"

static uint64_t random_state = 42;
static uint64_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 11;
}

size_t dtype_width(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? 8 : dtype == TRAJ_F32 ? 4 : 2;
}

void *random_elements(enum traj_dtype dtype, size_t n)
{
    static const uint64_t without_top_exponent[] = { [TRAJ_F32] = 0xfeffffffu,
        [TRAJ_F64] = 0xbfffffffffffffffu,
        [TRAJ_BF16] = 0xfeffu,
        [TRAJ_F16] = 0xfbffu };
    char *array = malloc(n * dtype_width(dtype) + 1);
    assert_non_null(array);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = random_bits() << 32 ^ random_bits();
        bits &= without_top_exponent[dtype];
        bits |= dtype == TRAJ_F64 ? (uint64_t)0x3000000000000000u : 0;
        memcpy(array + i * dtype_width(dtype), &bits, dtype_width(dtype));
    }
    return array;
}

void store_eighth(enum traj_dtype dtype, int k, size_t i, void *array)
{
    const float single = (float)k / 8;
    const double wide = (double)single;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    const uint16_t upper = (uint16_t)(bits >> 16);
    /* The same fraction, fewer bits of it; the exponent's bias is 15. */
    const uint32_t magnitude =
        k == 0 ? 0 : ((bits & 0x7fffffffu) >> 13) - (112u << 10);
    const uint16_t half = (uint16_t)(magnitude | (k < 0 ? 0x8000u : 0u));
    const void *const source[] = { [TRAJ_F32] = &single,
        [TRAJ_F64] = &wide,
        [TRAJ_BF16] = &upper,
        [TRAJ_F16] = &half };
    memcpy((char *)array + i * dtype_width(dtype), source[dtype],
        dtype_width(dtype));
}

struct moment_arrays moment_arrays_eighths(
    enum traj_dtype dtype, enum traj_dtype grad_dtype, size_t n, size_t offset)
{
    struct moment_arrays a;
    random_state = 7;
    for (size_t k = 0; k < 4; k++) {
        const enum traj_dtype type = k % 2 == 0 ? dtype : grad_dtype;
        a.memory[k] = malloc(n * dtype_width(type) + offset + 1);
        assert_non_null(a.memory[k]);
        for (size_t i = 0; i < n; i++) {
            store_eighth(type, (int)(random_bits() % 255) - 127, i,
                a.memory[k] + offset);
        }
    }
    return a;
}

void moment_arrays_free(struct moment_arrays *a)
{
    for (size_t k = 0; k < 4; k++) {
        free(a->memory[k]);
    }
}

struct traj_segment moment_segment(enum traj_dtype dtype,
    enum traj_dtype grad_dtype, unsigned set, size_t n, char *const memory[4],
    size_t offset)
{
    return (struct traj_segment){ .dtype = dtype,
        .grad_dtype = grad_dtype,
        .n = n,
        .x = set & KERNEL_X ? memory[0] + offset : NULL,
        .g = set & KERNEL_G ? memory[1] + offset : NULL,
        .x0 = set & KERNEL_X0 ? memory[2] + offset : NULL,
        .g0 = set & KERNEL_G0 ? memory[3] + offset : NULL };
}

struct traj_moments moments_measured(
    const struct traj_segment *segments, size_t n, uint32_t threads)
{
    struct traj_moments m;
    assert_int_equal(traj_moments_of(segments, n, threads, &m, NULL), TRAJ_OK);
    return m;
}

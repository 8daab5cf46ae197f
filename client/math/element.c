/* element.c: arrays of any traj_dtype as doubles. Pure; any thread. The loops
 * run in whatever floating-point environment the caller holds. */
#include "math/element.h"

#include "math/half.h"
#include "math/isa.h"

size_t element_width(enum traj_dtype dtype)
{
    switch (dtype) {
    case TRAJ_F32:
        return sizeof(float);
    case TRAJ_F64:
        return sizeof(double);
    case TRAJ_BF16:
    case TRAJ_F16:
        return sizeof(uint16_t);
    }
    return 0;
}

double element_roundoff(enum traj_dtype dtype)
{
    switch (dtype) {
    case TRAJ_F32:
        return 0x1p-24;
    case TRAJ_F64:
        return 0x1p-53;
    case TRAJ_BF16:
        return 0x1p-8;
    case TRAJ_F16:
        return 0x1p-11;
    }
    return 0;
}

/* Rows of a fixed length are what gcc turns into vectors at -O2. */
#define ROW 16u

#define DEFINE(name, type, widen, narrow)                                      \
    ISA_CLONES static void widen_##name(                                       \
        const type *restrict array, size_t n, double *restrict ret)            \
    {                                                                          \
        size_t i = 0;                                                          \
        for (; i + ROW <= n; i += ROW) {                                       \
            for (size_t k = 0; k < ROW; k++) {                                 \
                ret[i + k] = (double)widen(array[i + k]);                      \
            }                                                                  \
        }                                                                      \
        for (; i < n; i++) {                                                   \
            ret[i] = (double)widen(array[i]);                                  \
        }                                                                      \
    }                                                                          \
    ISA_CLONES static void narrow_##name(                                      \
        const double *restrict values, size_t n, type ret[restrict])           \
    {                                                                          \
        size_t i = 0;                                                          \
        for (; i + ROW <= n; i += ROW) {                                       \
            for (size_t k = 0; k < ROW; k++) {                                 \
                ret[i + k] = narrow(values[i + k]);                            \
            }                                                                  \
        }                                                                      \
        for (; i < n; i++) {                                                   \
            ret[i] = narrow(values[i]);                                        \
        }                                                                      \
    }
#define SAME
#define TO_BF16(value) half_to_bf16((float)(value))
#define TO_F16(value) half_to_f16((float)(value))
DEFINE(float, float, SAME, (float))
DEFINE(bf16, uint16_t, half_from_bf16, TO_BF16)
DEFINE(f16, uint16_t, half_from_f16, TO_F16)

void element_widen(enum traj_dtype dtype, const void *array, size_t first,
    size_t n, double *ret)
{
    switch (dtype) {
    case TRAJ_F32:
        widen_float((const float *)array + first, n, ret);
        return;
    case TRAJ_F64:
        memcpy(ret, (const double *)array + first, n * sizeof *ret);
        return;
    case TRAJ_BF16:
        widen_bf16((const uint16_t *)array + first, n, ret);
        return;
    case TRAJ_F16:
        widen_f16((const uint16_t *)array + first, n, ret);
        return;
    }
}

void element_narrow(enum traj_dtype dtype, const double *values, size_t n,
    void *ret_array, size_t first)
{
    switch (dtype) {
    case TRAJ_F32:
        narrow_float(values, n, (float *)ret_array + first);
        return;
    case TRAJ_F64:
        memcpy((double *)ret_array + first, values, n * sizeof *values);
        return;
    case TRAJ_BF16:
        narrow_bf16(values, n, (uint16_t *)ret_array + first);
        return;
    case TRAJ_F16:
        narrow_f16(values, n, (uint16_t *)ret_array + first);
        return;
    }
}

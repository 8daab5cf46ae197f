/*
 * norms.c: traj_norm and traj_dual_norm. Pure; any thread; memory for matrices
 * only. Walks the elements in chunks that are widened to double; the squares
 * of all but extreme data come from the moments' kernel.
 */
#include "error.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "held_env.h"
#include "math/kernel.h"
#include "math/moments_sum.h"
#include "math/scale.h"
#include "math/spectral.h"
#include "sum.h"

#define CHUNK 256u

struct values {
    enum traj_dtype dtype;
    uint64_t rows, cols;
    const void *x, *x0; /* x0 is NULL or subtracted */
};

/* Of all elements v of x - x0. */
struct sizes {
    double largest; /* |v|; NaN if one is not finite */
    double sum;     /* of |v| */
    double sum_sq;  /* of (v factor)^2 */
};

static void chunk_of(
    const struct values *a, size_t first, size_t n, double *ret)
{
    double before[CHUNK] = { 0 };
    const size_t at = first * kernel_element_bytes(a->dtype);
    kernel_widen(a->dtype, (const char *)a->x + at, n, ret);
    if (a->x0 != NULL) {
        kernel_widen(a->dtype, (const char *)a->x0 + at, n, before);
    }
    for (size_t i = 0; i < n; i++) {
        ret[i] -= before[i];
    }
}

static struct sizes sizes_of(const struct values *a, double factor)
{
    const size_t n = a->rows * a->cols;
    struct sum sum = { 0 }, sum_sq = { 0 };
    double largest = 0;
    bool finite = true;
    for (size_t first = 0; first < n; first += CHUNK) {
        double v[CHUNK];
        const size_t m = n - first < CHUNK ? n - first : CHUNK;
        double of_chunk = 0, sq_of_chunk = 0;
        chunk_of(a, first, m, v);
        for (size_t i = 0; i < m; i++) {
            const double size = fabs(v[i]);
            finite = finite && size <= DBL_MAX;
            largest = size > largest ? size : largest;
            of_chunk += size;
            sq_of_chunk += size * factor * (size * factor);
        }
        sum_add(&sum, of_chunk);
        sum_add(&sum_sq, sq_of_chunk);
    }
    if (!finite) {
        return (struct sizes){ (double)NAN, (double)NAN, (double)NAN };
    }
    return (struct sizes){ largest, sum_value(&sum), sum_value(&sum_sq) };
}

/* Squares are summed where they are; data whose squares overflow or vanish
 * take a second way, scaled. */
static double l2_of(const struct values *a)
{
    const struct traj_segment segment = {
        .dtype = a->dtype, .n = a->rows * a->cols, .x = a->x, .x0 = a->x0
    };
    const bool differs = a->x0 != NULL;
    struct moments_sum s = { .peak = 0 };
    moments_sum_elements(
        &segment, differs ? KERNEL_BOTH_X : KERNEL_X, NULL, 0, segment.n, &s);
    const double sq = sum_value(differs ? &s.dd : &s.xx);
    if (sq > 0x1p-800 && sq < 0x1p+1000) {
        return sqrt(sq);
    }
    const double largest = sizes_of(a, 0).largest;
    if (isnan(largest) || largest == 0) {
        return largest;
    }
    const int exponent = scale_exponent(largest);
    return ldexp(sqrt(sizes_of(a, scale_factor(exponent)).sum_sq), exponent);
}

static double spectral_of(const struct values *a, bool dual, double *workspace)
{
    const double largest = sizes_of(a, 0).largest;
    if (isnan(largest) || largest == 0) {
        return largest;
    }
    const int exponent = scale_exponent(largest);
    const struct spectral_matrix matrix = { .dtype = a->dtype,
        .rows = a->rows,
        .cols = a->cols,
        .x = a->x,
        .x0 = a->x0,
        .scale = scale_factor(exponent) };
    const double ratio = dual ? (double)a->rows / (double)a->cols
                              : (double)a->cols / (double)a->rows;
    const double value = dual ? spectral_sum(&matrix, workspace)
                              : spectral_largest(&matrix, workspace);
    return ldexp(sqrt(ratio) * value, exponent);
}

HELD_ENV_NOINLINE static double norm_of(
    enum traj_norm norm, bool dual, const struct values *a, double *workspace)
{
    const double n = (double)(a->rows * a->cols);
    switch (norm) {
    case TRAJ_NORM_L2:
        return l2_of(a);
    case TRAJ_NORM_RMS:
        return dual ? sqrt(n) * l2_of(a) : l2_of(a) / sqrt(n);
    case TRAJ_NORM_LINF:
        return dual ? sizes_of(a, 0).sum : sizes_of(a, 0).largest;
    case TRAJ_NORM_SPECTRAL:
        return spectral_of(a, dual, workspace);
    }
    return (double)NAN; /* checked before */
}

static enum traj_status check(enum traj_norm norm, enum traj_dtype dtype,
    uint64_t rows, uint64_t cols, const void *x, const double *ret_norm)
{
    if (norm < TRAJ_NORM_L2 || norm > TRAJ_NORM_SPECTRAL) {
        return error_set(TRAJ_EINVAL, "norm: unknown norm %d", (int)norm);
    }
    if (kernel_element_bytes(dtype) == 0) {
        return error_set(TRAJ_EINVAL, "norm: unknown dtype %d", (int)dtype);
    }
    if (ret_norm == NULL) {
        return error_set(TRAJ_EINVAL, "norm: ret_norm is NULL");
    }
    if (rows > 0 && cols > SIZE_MAX / sizeof(double) / rows) {
        return error_set(TRAJ_EINVAL,
            "norm: %" PRIu64 " rows of %" PRIu64 " are too large", rows, cols);
    }
    if (norm == TRAJ_NORM_SPECTRAL && rows > SPECTRAL_MAX &&
        cols > SPECTRAL_MAX) {
        return error_set(TRAJ_EINVAL,
            "norm: %" PRIu64 " rows of %" PRIu64
            ": the smaller may be %u for the spectral norm",
            rows, cols, SPECTRAL_MAX);
    }
    if (x == NULL && rows * cols > 0) {
        return error_set(
            TRAJ_ENOGRAD, "norm: the array is NULL (is it allocated yet?)");
    }
    return TRAJ_OK;
}

static enum traj_status take_norm(
    enum traj_norm norm, bool dual, const struct values *a, double *ret_norm)
{
    const enum traj_status status =
        check(norm, a->dtype, a->rows, a->cols, a->x, ret_norm);
    if (status != TRAJ_OK) {
        return status;
    }
    if (a->rows * a->cols == 0) {
        *ret_norm = 0;
        return TRAJ_OK;
    }
    double *workspace = NULL;
    if (norm == TRAJ_NORM_SPECTRAL) {
        const size_t size = spectral_workspace(a->rows, a->cols);
        workspace = aligned_alloc(64, size * sizeof *workspace);
        if (workspace == NULL) {
            return error_set(TRAJ_ENOMEM,
                "norm: no memory for %zu doubles of workspace", size);
        }
    }
    struct held_env held;
    held_env_take(&held);
    *ret_norm = norm_of(norm, dual, a, workspace);
    held_env_give_back(&held);
    free(workspace);
    return TRAJ_OK;
}

enum traj_status traj_norm(enum traj_norm norm, enum traj_dtype dtype,
    uint64_t rows, uint64_t cols, const void *x, const void *x0,
    double *ret_norm)
{
    const struct values a = {
        .dtype = dtype, .rows = rows, .cols = cols, .x = x, .x0 = x0
    };
    return take_norm(norm, false, &a, ret_norm);
}

enum traj_status traj_dual_norm(enum traj_norm norm, enum traj_dtype dtype,
    uint64_t rows, uint64_t cols, const void *g, const void *g0,
    double *ret_norm)
{
    const struct values a = {
        .dtype = dtype, .rows = rows, .cols = cols, .x = g, .x0 = g0
    };
    return take_norm(norm, true, &a, ret_norm);
}

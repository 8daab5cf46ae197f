/*
 * moments.c: traj_moments. Pure; any thread; no memory.
 *
 * Blocks of KERNEL_BLOCK elements are summed by the kernel, the sums of the
 * blocks with compensation: the error does not grow with n.
 */
#include "error.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "held_env.h"
#include "math/kernel.h"
#include "sum.h"

struct arrays {
    enum traj_dtype dtype;
    const char *array[KERNEL_ARRAYS]; /* x, g, x0, g0; NULL = not there */
    unsigned shape;
};

struct totals {
    struct sum gg, xx, dd, ee, gd, ed, gg0;
    double peak;
    uint64_t g_nan, g_inf, x_nan, x_inf;
};

static size_t width(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? sizeof(double) : sizeof(float);
}

/* By bits: the same under every compiler flag and floating-point mode. */
static void count_special(enum traj_dtype dtype, const char *values, size_t n,
    uint64_t *nan, uint64_t *inf)
{
    const bool wide = dtype == TRAJ_F64;
    const uint64_t infinity = wide ? 0x7ff0000000000000u : 0x7f800000u;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits64 = 0;
        uint32_t bits32 = 0;
        if (wide) {
            memcpy(&bits64, values + i * sizeof bits64, sizeof bits64);
        } else {
            memcpy(&bits32, values + i * sizeof bits32, sizeof bits32);
        }
        uint64_t magnitude =
            wide ? bits64 & 0x7fffffffffffffffu : bits32 & 0x7fffffffu;
        *nan += magnitude > infinity;
        *inf += magnitude == infinity;
    }
}

/* A block whose sum of squares is finite has neither NaN nor Inf, so the
 * counting costs nothing until there are some. */
static void add_block(const struct arrays *a,
    const void *const array[static KERNEL_ARRAYS], size_t n,
    struct totals *totals)
{
    struct kernel_sums s;
    kernel_sum(a->dtype, a->shape, array, n, &s);
    sum_add(&totals->gg, s.gg);
    sum_add(&totals->xx, s.xx);
    sum_add(&totals->dd, s.dd);
    sum_add(&totals->ee, s.ee);
    sum_add(&totals->gd, s.gd);
    sum_add(&totals->ed, s.ed);
    sum_add(&totals->gg0, s.gg0);
    totals->peak = s.peak > totals->peak ? s.peak : totals->peak;
    if (!isfinite(s.gg)) {
        count_special(a->dtype, array[1], n, &totals->g_nan, &totals->g_inf);
    }
    if (!isfinite(s.xx)) {
        count_special(a->dtype, array[0], n, &totals->x_nan, &totals->x_inf);
    }
}

/* The last n < KERNEL_WIDTH elements, padded with zeros, which add nothing. */
static void add_rest(
    const struct arrays *a, size_t first, size_t n, struct totals *totals)
{
    double padded[KERNEL_ARRAYS][KERNEL_WIDTH] = { { 0 } };
    const void *array[KERNEL_ARRAYS];
    for (size_t k = 0; k < KERNEL_ARRAYS; k++) {
        if (a->shape & (1u << k)) {
            memcpy(padded[k], a->array[k] + first * width(a->dtype),
                n * width(a->dtype));
        }
        array[k] = padded[k];
    }
    add_block(a, array, KERNEL_WIDTH, totals);
}

HELD_ENV_NOINLINE static void add_all(
    const struct arrays *a, size_t n, struct totals *totals)
{
    const size_t whole = n - n % KERNEL_WIDTH;
    for (size_t i = 0; i < whole; i += KERNEL_BLOCK) {
        const void *array[KERNEL_ARRAYS] = { NULL };
        for (size_t k = 0; k < KERNEL_ARRAYS; k++) {
            if (a->shape & (1u << k)) {
                array[k] = a->array[k] + i * width(a->dtype);
            }
        }
        size_t left = whole - i;
        add_block(a, array, left < KERNEL_BLOCK ? left : KERNEL_BLOCK, totals);
    }
    if (whole < n) {
        add_rest(a, whole, n - whole, totals);
    }
}

HELD_ENV_NOINLINE static void report(
    unsigned shape, const struct totals *t, struct traj_moments *ret)
{
    const double unset = traj_unset();
    const bool has_x = shape & KERNEL_X;
    const bool has_g = shape & KERNEL_G;
    const bool has_d = has_x && shape & KERNEL_X0;
    const bool has_e = has_g && shape & KERNEL_G0;
    *ret = (struct traj_moments){
        .grad_sq = has_g ? sum_value(&t->gg) : unset,
        .param_sq = has_x ? sum_value(&t->xx) : unset,
        .delta_sq = has_d ? sum_value(&t->dd) : unset,
        .dgrad_sq = has_e ? sum_value(&t->ee) : unset,
        .grad_delta =
            has_d && shape & (KERNEL_G | KERNEL_G0) ? sum_value(&t->gd) : unset,
        .dgrad_delta = has_d && has_e ? sum_value(&t->ed) : unset,
        .grad_prev = has_e ? sum_value(&t->gg0) : unset,
        .grad_max_abs = has_g ? t->peak : unset,
        .grad_nan = has_g ? t->g_nan : TRAJ_UNSET_COUNT,
        .grad_inf = has_g ? t->g_inf : TRAJ_UNSET_COUNT,
        .param_nan = has_x ? t->x_nan : TRAJ_UNSET_COUNT,
        .param_inf = has_x ? t->x_inf : TRAJ_UNSET_COUNT,
    };
}

enum traj_status traj_moments(enum traj_dtype dtype, size_t n, const void *x,
    const void *g, const void *x0, const void *g0,
    struct traj_moments *ret_moments)
{
    if (dtype != TRAJ_F32 && dtype != TRAJ_F64) {
        return error_set(TRAJ_EINVAL, "moments: unknown dtype %d", (int)dtype);
    }
    if (ret_moments == NULL) {
        return error_set(TRAJ_EINVAL, "moments: ret_moments is NULL");
    }
    struct arrays a = { .dtype = dtype, .array = { x, g, x0, g0 } };
    unsigned given = 0;
    for (unsigned k = 0; k < KERNEL_ARRAYS; k++) {
        given |= a.array[k] != NULL ? 1u << k : 0;
    }
    a.shape = kernel_shape(given);

    struct totals totals = { .peak = 0 };
    struct held_env held;
    held_env_take(&held);
    if (a.shape != 0) {
        add_all(&a, n, &totals);
    }
    report(a.shape, &totals, ret_moments);
    held_env_give_back(&held);
    return TRAJ_OK;
}

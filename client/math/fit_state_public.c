/* fit_state_public.c: traj_fit_state, a fit_state on the heap. One thread at a
 * time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/fit_state.h"
#include "math/fit_uncertainty.h"
#include "traj.h"

struct traj_fit_state {
    struct fit_state state;
};

static enum traj_status none(void)
{
    return error_set_static(TRAJ_EINVAL, "fit state: an argument is NULL");
}

static enum traj_status no_memory(void)
{
    return error_set_static(TRAJ_ENOMEM, "fit state: no memory for it");
}

enum traj_status traj_fit_state_new(traj_fit_state **ret)
{
    if (ret == NULL) {
        return none();
    }
    traj_fit_state *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return no_memory();
    }
    *ret = made;
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static bool add(
    struct fit_state *state, uint64_t step, double x, double y)
{
    return fit_state_add(state, step, x, y);
}

enum traj_status traj_fit_state_add(
    traj_fit_state *state, uint64_t step, double x, double y)
{
    if (state == NULL) {
        return none();
    }
    struct held_env held;
    held_env_take(&held);
    const bool added = add(&state->state, step, x, y);
    held_env_give_back(&held);
    return added ? TRAJ_OK : no_memory();
}

HELD_ENV_NOINLINE static bool merge(
    struct fit_state *state, const struct fit_state *of)
{
    return fit_state_merge(state, of);
}

enum traj_status traj_fit_state_merge(
    traj_fit_state *state, const traj_fit_state *of)
{
    if (state == NULL || of == NULL) {
        return none();
    }
    struct held_env held;
    held_env_take(&held);
    const bool merged = merge(&state->state, &of->state);
    held_env_give_back(&held);
    return merged ? TRAJ_OK : no_memory();
}

enum traj_status traj_fit_state_encode(
    const traj_fit_state *state, void *bytes, size_t room, size_t *ret_bytes)
{
    if (state == NULL || ret_bytes == NULL || (bytes == NULL && room > 0)) {
        return none();
    }
    const size_t n = fit_state_encode(&state->state, NULL, 0);
    if (n <= room) {
        (void)fit_state_encode(&state->state, bytes, room);
    }
    *ret_bytes = n;
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static enum fit_decode decode(
    const void *bytes, size_t n, struct fit_state *ret)
{
    return fit_state_decode(bytes, n, ret);
}

enum traj_status traj_fit_state_decode(
    const void *bytes, size_t n, traj_fit_state **ret)
{
    if (ret == NULL || (bytes == NULL && n > 0)) {
        return none();
    }
    traj_fit_state *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return no_memory();
    }
    struct held_env held;
    held_env_take(&held);
    const enum fit_decode decoded = decode(bytes, n, &made->state);
    held_env_give_back(&held);
    if (decoded != FIT_DECODE_OK) {
        free(made);
        return decoded == FIT_DECODE_NOMEM
                   ? no_memory()
                   : error_set_static(TRAJ_EINVAL,
                         "fit state: these bytes are no state, or one of "
                         "another version");
    }
    *ret = made;
    return TRAJ_OK;
}

static double or_unset(bool there, double value)
{
    return there ? value : traj_unset();
}

HELD_ENV_NOINLINE static void summarize(
    const struct fit_state *s, struct traj_fit_summary *ret)
{
    const struct fit_block *t = &s->total;
    const bool any = t->plain.n > 0;
    const struct fit_centred c = fit_sums_centred(&t->plain);
    struct fit_line logs = { 0 };
    const bool sloped = t->logs.n >= 3 && fit_sums_ols(&t->logs, &logs);
    const struct traj_fit_summary full = {
        .size = ret->size,
        .n = (uint64_t)t->plain.n,
        .n_excluded = t->n_excluded,
        .n_unbinned = s->n_unbinned,
        .bins = s->n_bins,
        .step_first = any ? t->step_first : TRAJ_UNSET_COUNT,
        .step_last = any ? t->step_last : TRAJ_UNSET_COUNT,
        .x_min = or_unset(any, t->x_min),
        .x_max = or_unset(any, t->x_max),
        .y_min = or_unset(any, t->y_min),
        .y_max = or_unset(any, t->y_max),
        .x_mean = or_unset(any, twofold_value(c.x_mean)),
        .y_mean = or_unset(any, twofold_value(c.y_mean)),
        .xx = or_unset(any, c.xx),
        .xy = or_unset(any, c.xy),
        .yy = or_unset(any, c.yy),
        .n_positive = (uint64_t)t->logs.n,
        .slope = or_unset(sloped, logs.L1),
        .intercept = or_unset(sloped, logs.L0),
    };
    memcpy(ret, &full, ret->size < sizeof full ? ret->size : sizeof full);
}

enum traj_status traj_fit_state_summary(
    const traj_fit_state *state, struct traj_fit_summary *ret)
{
    if (state == NULL) {
        return none();
    }
    if (ret == NULL || ret->size < sizeof ret->size) {
        return fit_samples_unsized();
    }
    struct held_env held;
    held_env_take(&held);
    summarize(&state->state, ret);
    held_env_give_back(&held);
    return TRAJ_OK;
}

static bool line_of(enum traj_fit_method method, const struct fit_state *state,
    double tau, struct fit_line *ret)
{
    switch (method) {
    case TRAJ_FIT_OLS:
        return fit_sums_ols(&state->total.plain, ret);
    case TRAJ_FIT_NNLS:
        return fit_sums_nnls(&state->total.plain, ret);
    case TRAJ_FIT_RELATIVE:
        return fit_state_relative(state, ret);
    case TRAJ_FIT_QUANTILE:
        return fit_state_quantile(state, tau, ret);
    default:
        return false;
    }
}

HELD_ENV_NOINLINE static enum traj_status write_line(
    enum traj_fit_method method, const struct fit_state *state, double tau,
    double *ret_L0, double *ret_L1)
{
    if (method == TRAJ_FIT_QUANTILE && !(tau > 0 && tau < 1)) {
        return error_set(TRAJ_EINVAL, "fit state: tau %g is not in (0,1)", tau);
    }
    struct fit_line line = { 0 };
    const bool there = line_of(method, state, tau, &line);
    *ret_L0 = or_unset(there, line.L0);
    *ret_L1 = or_unset(there, line.L1);
    return TRAJ_OK;
}

enum traj_status traj_fit_state_line(enum traj_fit_method method,
    const traj_fit_state *state, double tau, double *ret_L0, double *ret_L1)
{
    if (state == NULL || ret_L0 == NULL || ret_L1 == NULL) {
        return none();
    }
    if (!fit_samples_method(method) && method != TRAJ_FIT_QUANTILE) {
        return error_set(
            TRAJ_EINVAL, "fit state: no line of method %d", (int)method);
    }
    struct held_env held;
    held_env_take(&held);
    const enum traj_status status =
        write_line(method, &state->state, tau, ret_L0, ret_L1);
    held_env_give_back(&held);
    return status;
}

/* ---- blocks ---------------------------------------------------------------
 */

static enum traj_status check_blocks(enum traj_fit_method method,
    size_t n_blocks, const traj_fit_state *const *blocks,
    const struct traj_uncertainty_options *o)
{
    if (method != TRAJ_FIT_OLS && method != TRAJ_FIT_NNLS) {
        return error_set(TRAJ_EINVAL,
            "fit state: no intervals of method %d from blocks", (int)method);
    }
    if (!(o->tau_int > 0) || n_blocks > SIZE_MAX / sizeof(struct fit_sums)) {
        return error_set_static(
            TRAJ_EINVAL, "fit state: tau_int is not given, or too many blocks");
    }
    for (size_t j = 0; j < n_blocks; j++) {
        if (blocks == NULL || blocks[j] == NULL) {
            return none();
        }
    }
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static enum traj_status blocks_uncertainty(
    enum traj_fit_method method, size_t n_blocks,
    const traj_fit_state *const *blocks,
    const struct traj_uncertainty_options *o, struct traj_fit_uncertainty *full)
{
    struct fit_sums *rows =
        malloc((n_blocks > 0 ? n_blocks : 1) * sizeof *rows);
    if (rows == NULL) {
        return no_memory();
    }
    struct fit_cut cut = { .rows = rows, .tau_int = o->tau_int };
    double samples = 0;
    for (size_t j = 0; j < n_blocks; j++) {
        const struct fit_state *block = &blocks[j]->state;
        full->n_excluded += block->total.n_excluded;
        samples += block->total.plain.n;
        if (block->total.plain.n > 0) { /* an empty one is none */
            rows[cut.m++] = block->total.plain;
        }
    }
    cut.block = cut.m > 0 ? (size_t)samples / cut.m : 0;
    full->n = (uint64_t)samples;
    const enum traj_status status =
        fit_intervals(&cut, samples, (enum fit_kind)method, o, full);
    free(rows);
    return status;
}

enum traj_status traj_fit_blocks_uncertainty(enum traj_fit_method method,
    size_t n_blocks, const traj_fit_state *const *blocks,
    const struct traj_uncertainty_options *options,
    struct traj_fit_uncertainty *ret)
{
    struct traj_uncertainty_options o;
    if (ret == NULL || ret->size < sizeof ret->size) {
        return fit_samples_unsized();
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = fit_samples_options(options, &o);
    if (status == TRAJ_OK) {
        status = check_blocks(method, n_blocks, blocks, &o);
    }
    if (status == TRAJ_OK) {
        struct traj_fit_uncertainty full = fit_uncertainty_none();
        full.size = ret->size;
        full.level = o.level;
        status = blocks_uncertainty(method, n_blocks, blocks, &o, &full);
        if (status == TRAJ_OK) {
            memcpy(
                ret, &full, ret->size < sizeof full ? ret->size : sizeof full);
        }
    }
    held_env_give_back(&held);
    return status;
}

void traj_fit_state_free(traj_fit_state *state)
{
    if (state != NULL) {
        fit_state_done(&state->state);
        free(state);
    }
}

/*
 * probe.c: traj_smoothness_probe. Any thread; no memory of its own; the
 * trainer's parameters are borrowed and always given back as they were.
 *
 * Invariants:
 * P1. From save_params on, every way out goes through restore_params.
 * P2. The callback runs in the caller's floating-point environment; all
 *     arithmetic is in held functions, in the default environment.
 */
#include "error.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "held_env.h"
#include "math/isa.h"

#define ALIGNMENT 64u
#define TINY_STEP 1e-12    /* ||d|| / ||x|| below which d is rounding */
#define ROUNDING_FACTOR 10 /* times u: differences below it are rounding */

struct probe_run {
    const struct traj_probe_input *input;
    void *saved; /* the trainer's x + d */
    void *grad;  /* what the callback fills */
    double loss; /* what the callback said last, or unset */
    struct traj_probe *result;
    double best_sq; /* the largest finite smoothness yet, squared; or -1 */
};

static size_t width(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? sizeof(double) : sizeof(float);
}

static double unit_roundoff(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? 0x1p-53 : 0x1p-24;
}

/* Bytes of one array of the workspace; 0 if there are too many. */
static size_t stride(enum traj_dtype dtype, size_t n)
{
    if (n > (SIZE_MAX / 2 - ALIGNMENT) / width(dtype)) {
        return 0;
    }
    return (n * width(dtype) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t traj_probe_workspace(const struct traj_probe_input *input)
{
    if (input->dtype != TRAJ_F32 && input->dtype != TRAJ_F64) {
        return 0;
    }
    return 2 * stride(input->dtype, input->n);
}

static enum traj_status missing(const char *name)
{
    return error_set(
        TRAJ_ENOGRAD, "probe: %s is NULL (is the array allocated yet?)", name);
}

static enum traj_status check_arrays(const struct traj_probe_input *input)
{
    if (input->param == NULL) {
        return missing("param");
    }
    if (input->param_start == NULL) {
        return missing("param_start");
    }
    if (input->grad_start == NULL) {
        return missing("grad_start");
    }
    if (input->workspace == NULL) {
        return missing("workspace");
    }
    if (input->param == input->param_start) {
        return error_set(TRAJ_EINVAL,
            "probe: param_start is param itself: it must be a copy of the "
            "parameters before the update");
    }
    if ((uintptr_t)input->workspace % ALIGNMENT != 0) {
        return error_set(
            TRAJ_EINVAL, "probe: workspace is not aligned to %u", ALIGNMENT);
    }
    return TRAJ_OK;
}

static enum traj_status check_gammas(const double *gammas, uint32_t n)
{
    if (gammas == NULL || n < 1 || n > TRAJ_GAMMAS_MAX) {
        return error_set(TRAJ_EINVAL, "probe: 1 to %d gammas, not %u",
            TRAJ_GAMMAS_MAX, gammas == NULL ? 0 : (unsigned)n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!(gammas[i] > 0 && gammas[i] <= 1)) {
            return error_set(TRAJ_EINVAL,
                "probe: gammas[%u] is %g, not in (0, 1]", (unsigned)i,
                gammas[i]);
        }
        if (i > 0 && !(gammas[i] > gammas[i - 1])) {
            return error_set(TRAJ_EINVAL,
                "probe: gammas[%u] is %g, not above the one before, %g",
                (unsigned)i, gammas[i], gammas[i - 1]);
        }
    }
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static enum traj_status check(
    const struct traj_probe_input *input, const struct traj_probe *probe)
{
    if (input == NULL || input->size < sizeof *input) {
        return error_set(TRAJ_EINVAL, "probe: input->size is not set");
    }
    if (probe == NULL || probe->size < sizeof *probe) {
        return error_set(TRAJ_EINVAL,
            "probe: ret_probe has not been through traj_probe_init");
    }
    if (input->dtype != TRAJ_F32 && input->dtype != TRAJ_F64) {
        return error_set(
            TRAJ_EINVAL, "probe: unknown dtype %d", (int)input->dtype);
    }
    if (input->gradient == NULL) {
        return error_set(TRAJ_EINVAL, "probe: there is no gradient callback");
    }
    if (input->n > 0 && stride(input->dtype, input->n) == 0) {
        return error_set(TRAJ_EINVAL, "probe: n is too large");
    }
    enum traj_status status = check_arrays(input);
    return status != TRAJ_OK ? status
                             : check_gammas(input->gammas, input->n_gammas);
}

/* Sums that need nothing but valid arguments cannot fail. */
static struct traj_moments moments(const struct traj_probe_input *input,
    const void *x, const void *g, const void *x0, const void *g0)
{
    struct traj_moments m;
    enum traj_status status =
        traj_moments(input->dtype, input->n, x, g, x0, g0, &m);
    (void)status;
    return m;
}

static void save_params(const struct probe_run *run)
{
    const struct traj_probe_input *input = run->input;
    assert(run->saved != NULL && input->param != NULL); /* see check() */
    memcpy(run->saved, input->param, input->n * width(input->dtype));
}

static void restore_params(const struct probe_run *run)
{
    const struct traj_probe_input *input = run->input;
    memcpy(input->param, run->saved, input->n * width(input->dtype));
}

/* What is known before any callback. False if there is nothing to measure. */
HELD_ENV_NOINLINE static bool measure_start(struct probe_run *run)
{
    const struct traj_probe_input *input = run->input;
    struct traj_probe *result = run->result;
    /* d comes out with the other sign: x and x + d have changed places, so
     * that one pass also gives ||x||. */
    const struct traj_moments m =
        moments(input, input->param_start, input->grad_start, run->saved, NULL);
    result->grad_sq = m.grad_sq;
    result->param_sq = m.param_sq;
    result->delta_sq = m.delta_sq;
    result->grad_delta = -m.grad_delta;
    if (!isfinite(m.grad_sq) || !isfinite(m.param_sq) ||
        !isfinite(m.delta_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
        return false;
    }
    if (!(sqrt(m.delta_sq) > TINY_STEP * sqrt(m.param_sq))) {
        result->flags |= TRAJ_PROBE_TINY_STEP;
        return false;
    }
    return true;
}

static enum traj_status call(struct probe_run *run, double gamma)
{
    run->loss = traj_unset();
    int answer =
        run->input->gradient(run->input->context, run->grad, &run->loss);
    if (answer != 0) {
        return error_set(TRAJ_ECALLBACK,
            "probe: the gradient callback returned %d at gamma %g", answer,
            gamma);
    }
    run->result->grad_evals++;
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static void measure_idempotence(struct probe_run *run)
{
    const struct traj_probe_input *input = run->input;
    struct traj_probe *result = run->result;
    const struct traj_moments m =
        moments(input, NULL, run->grad, NULL, input->grad_start);
    const double difference = sqrt(m.dgrad_sq);
    const double norm = sqrt(result->grad_sq);
    result->idempotence = difference > 0 ? difference / norm : difference;
    if (!isfinite(m.dgrad_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
    }
    if (result->idempotence > ROUNDING_FACTOR * unit_roundoff(input->dtype)) {
        result->flags |= TRAJ_PROBE_NOT_IDEMPOTENT;
    }
    if (traj_is_unset(result->loss)) {
        result->loss = run->loss;
    }
}

static enum traj_status check_idempotence(struct probe_run *run)
{
    const struct traj_probe_input *input = run->input;
    memcpy(input->param, input->param_start, input->n * width(input->dtype));
    enum traj_status status = call(run, 0);
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    measure_idempotence(run);
    held_env_give_back(&held);
    return TRAJ_OK;
}

ISA_CLONES HELD_ENV_NOINLINE static void place_float(float *restrict param,
    const float *restrict start, const float *restrict end, size_t n,
    double gamma)
{
    for (size_t i = 0; i < n; i++) {
        const double x = (double)start[i];
        param[i] = (float)(x + gamma * ((double)end[i] - x));
    }
}

ISA_CLONES HELD_ENV_NOINLINE static void place_double(double *restrict param,
    const double *restrict start, const double *restrict end, size_t n,
    double gamma)
{
    for (size_t i = 0; i < n; i++) {
        param[i] = start[i] + gamma * (end[i] - start[i]);
    }
}

/* param = x + gamma d. At gamma = 1 the trainer's own bits, which x + (p - x)
 * need not give. */
static void place(const struct probe_run *run, double gamma)
{
    const struct traj_probe_input *input = run->input;
    if (!(gamma < 1)) {
        restore_params(run);
    } else if (input->dtype == TRAJ_F64) {
        place_double(
            input->param, input->param_start, run->saved, input->n, gamma);
    } else {
        place_float(
            input->param, input->param_start, run->saved, input->n, gamma);
    }
}

/* gamma is compared exactly: 1/2 and 1 are what a caller writes. */
static void keep_named_points(
    struct probe_run *run, double gamma, const struct traj_moments *m)
{
    struct traj_probe *result = run->result;
    if (!(gamma < 0.5) && !(gamma > 0.5)) {
        result->grad_mid_sq = m->grad_sq;
    }
    if (!(gamma < 1)) {
        result->grad_end_sq = m->grad_sq;
        result->dgrad_sq = m->dgrad_sq;
        result->dgrad_delta = m->dgrad_delta;
        result->grad_grad_end = m->grad_prev;
        result->loss_end = run->loss;
    }
}

static void keep_maximum(
    struct probe_run *run, double gamma, const struct traj_moments *m)
{
    const struct traj_probe_input *input = run->input;
    struct traj_probe *result = run->result;
    const double smoothness_sq = m->dgrad_sq / m->delta_sq;
    if (!(smoothness_sq > run->best_sq) || !isfinite(smoothness_sq)) {
        return;
    }
    const double u = unit_roundoff(input->dtype);
    const double dgrad = sqrt(m->dgrad_sq);
    const double delta = sqrt(m->delta_sq);
    run->best_sq = smoothness_sq;
    result->smoothness = dgrad / delta;
    result->smoothness_gamma = gamma;
    result->rounding_floor =
        u * sqrt((result->grad_sq + m->grad_sq) / (8 * log(2))) / delta;
    result->ceiling = (sqrt(result->grad_sq) + sqrt(m->grad_sq)) / delta;
    result->flags &= ~(uint64_t)TRAJ_PROBE_ROUNDING;
    if (dgrad < ROUNDING_FACTOR * u * sqrt(result->grad_sq)) {
        result->flags |= TRAJ_PROBE_ROUNDING;
    }
}

HELD_ENV_NOINLINE static void measure_point(struct probe_run *run, double gamma)
{
    const struct traj_probe_input *input = run->input;
    struct traj_probe *result = run->result;
    const struct traj_moments m = moments(
        input, input->param, run->grad, input->param_start, input->grad_start);
    result->points[result->n_points++] = (struct traj_probe_point){
        .gamma = gamma,
        .grad_sq = m.grad_sq,
        .dgrad_sq = m.dgrad_sq,
        .delta_sq = m.delta_sq,
    };
    keep_named_points(run, gamma, &m);
    if (!isfinite(m.grad_sq)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
        return;
    }
    keep_maximum(run, gamma, &m);
}

static enum traj_status probe_point(struct probe_run *run, double gamma)
{
    struct held_env held;
    held_env_take(&held);
    place(run, gamma);
    held_env_give_back(&held);

    enum traj_status status = call(run, gamma);
    if (status != TRAJ_OK) {
        return status;
    }
    held_env_take(&held);
    measure_point(run, gamma);
    held_env_give_back(&held);
    return TRAJ_OK;
}

static enum traj_status probe_all(struct probe_run *run)
{
    const struct traj_probe_input *input = run->input;
    struct held_env held;
    held_env_take(&held);
    bool goes_on = measure_start(run);
    held_env_give_back(&held);
    if (!goes_on) {
        return TRAJ_OK;
    }

    enum traj_status status = TRAJ_OK;
    if (input->check_idempotence) {
        status = check_idempotence(run);
    }
    for (uint32_t i = 0; status == TRAJ_OK && i < input->n_gammas; i++) {
        status = probe_point(run, input->gammas[i]);
    }
    return status;
}

/* What is the caller's stays; what we measure starts unset. */
static struct traj_probe empty_result(
    const struct traj_probe *given, const struct traj_probe_input *input)
{
    struct traj_probe result = *given;
    const double unset = traj_unset();
    result.dtype = input->dtype;
    result.smoothness = result.smoothness_gamma = unset;
    result.grad_sq = result.grad_mid_sq = result.grad_end_sq = unset;
    result.delta_sq = result.dgrad_sq = unset;
    result.grad_delta = result.dgrad_delta = result.grad_grad_end = unset;
    result.param_sq = result.loss_end = unset;
    result.rounding_floor = result.ceiling = result.idempotence = unset;
    result.loss = input->loss_start;
    result.grad_evals = 0;
    result.flags = 0;
    result.n_points = 0;
    return result;
}

enum traj_status traj_smoothness_probe(
    const struct traj_probe_input *input, struct traj_probe *ret_probe)
{
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = check(input, ret_probe);
    held_env_give_back(&held);
    if (status != TRAJ_OK) {
        return status;
    }

    struct traj_probe result = empty_result(ret_probe, input);
    struct probe_run run = {
        .input = input,
        .saved = input->workspace,
        .grad = (char *)input->workspace + stride(input->dtype, input->n),
        .result = &result,
        .best_sq = -1,
    };
    save_params(&run);
    status = probe_all(&run);
    restore_params(&run);
    if (status == TRAJ_OK) {
        *ret_probe = result;
    }
    return status;
}

/*
 * sharpness.c: traj_sharpness_open, measure and close. Used by one thread at a
 * time; the trainer's parameters are borrowed till close and always given back
 * as they were.
 *
 * Invariants:
 * S1. From save_params on, every way out of a measurement goes through
 *     restore_params.
 * S2. kept, drawn and random change only when a measurement has succeeded.
 * S3. Callbacks run in the caller's floating-point environment, arithmetic in
 *     held functions in the default one.
 */
#include "math/sharpness.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "math/element.h"
#include "held_env.h"

#define ALIGNMENT 64u
#define SEED 0x7472616a64u
#define POWER_HVPS 3u
#define LANCZOS_HVPS 8u
#define TOLERANCE 0.1

/* ---- opening ------------------------------------------------------------ */

static enum traj_status check_method(const struct traj_sharpness_options *o)
{
    if ((o->gradient == NULL) == (o->hvp == NULL)) {
        return error_set(TRAJ_EINVAL,
            "sharpness: one of gradient and hvp must be set, and one only");
    }
    if (o->method != 0 && o->method != TRAJ_SHARPNESS_POWER &&
        o->method != TRAJ_SHARPNESS_LANCZOS) {
        return error_set(
            TRAJ_EINVAL, "sharpness: unknown method %d", (int)o->method);
    }
    if (o->max_hvps > LANCZOS_MAX) {
        return error_set(TRAJ_EINVAL, "sharpness: max_hvps is %u, above %u",
            (unsigned)o->max_hvps, LANCZOS_MAX);
    }
    if (!(o->tolerance >= 0 && isfinite(o->tolerance)) ||
        !(o->epsilon >= 0 && isfinite(o->epsilon))) {
        return error_set(TRAJ_EINVAL,
            "sharpness: tolerance %g or epsilon %g is negative or not finite",
            o->tolerance, o->epsilon);
    }
    return TRAJ_OK;
}

static enum traj_status check_segment(const struct traj_probe_segment *segment)
{
    if (element_width(segment->dtype) == 0) {
        return error_set(
            TRAJ_EINVAL, "sharpness: unknown dtype %d", (int)segment->dtype);
    }
    if (segment->n > 0 && segment->param == NULL) {
        return error_set(TRAJ_ENOGRAD,
            "sharpness: param is NULL (is the array allocated yet?)");
    }
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static enum traj_status check(
    const struct traj_sharpness_options *o)
{
    if (o == NULL || o->size < sizeof *o) {
        return error_set(TRAJ_EINVAL, "sharpness: options->size is not set");
    }
    if ((o->n_segments == 0) != (o->segments == NULL) ||
        (o->n_segments > 0 &&
            (o->dtype != 0 || o->n != 0 || o->param != NULL))) {
        return error_set(TRAJ_EINVAL,
            "sharpness: either segments and n_segments, or dtype, n and param");
    }
    return check_method(o);
}

/* Bytes of an array, rounded up so that the next one is aligned. */
static size_t stride(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Copies the segments; *ret_bytes: of all arrays of dtype. */
static enum traj_status take_segments(
    traj_sharpness_meter *meter, size_t *ret_bytes)
{
    const struct traj_sharpness_options *o = &meter->options;
    const struct traj_probe_segment whole = {
        .dtype = o->dtype, .n = o->n, .param = o->param
    };
    /* Far below SIZE_MAX, so that no sum or product here overflows. */
    const size_t most = SIZE_MAX / 16 / (LANCZOS_MAX + 3) / sizeof(double);
    meter->n_segments = o->n_segments > 0 ? o->n_segments : 1;
    meter->segments = calloc(meter->n_segments, sizeof *meter->segments);
    meter->saved = calloc(meter->n_segments, sizeof *meter->saved);
    meter->grads = calloc(meter->n_segments, sizeof *meter->grads);
    if (meter->segments == NULL || meter->saved == NULL ||
        meter->grads == NULL) {
        return error_set(TRAJ_ENOMEM, "sharpness: no memory for %zu segments",
            meter->n_segments);
    }
    *ret_bytes = 0;
    for (size_t i = 0; i < meter->n_segments; i++) {
        struct sharpness_segment *s = &meter->segments[i];
        s->given = o->n_segments > 0 ? o->segments[i] : whole;
        enum traj_status status = check_segment(&s->given);
        if (status != TRAJ_OK) {
            return status;
        }
        if (s->given.n > most - meter->n) {
            return error_set(TRAJ_EINVAL, "sharpness: n is too large");
        }
        s->first = meter->n;
        s->bytes = s->given.n * element_width(s->given.dtype);
        meter->n += s->given.n;
        *ret_bytes += 2 * stride(s->bytes);
        if (i == 0 ||
            element_roundoff(s->given.dtype) > element_roundoff(meter->dtype)) {
            meter->dtype = s->given.dtype;
        }
    }
    return meter->n > 0 ? TRAJ_OK : error_set(TRAJ_EINVAL, "sharpness: n is 0");
}

static enum traj_status take_memory(traj_sharpness_meter *meter, size_t bytes)
{
    const size_t vectors = 3 + (meter->options.method == TRAJ_SHARPNESS_LANCZOS
                                       ? (size_t)meter->options.max_hvps
                                       : 0);
    char *arrays = aligned_alloc(ALIGNMENT, bytes);
    meter->arrays = arrays;
    meter->vectors =
        aligned_alloc(ALIGNMENT, stride(vectors * meter->n * sizeof(double)));
    if (arrays == NULL || meter->vectors == NULL) {
        return error_set(
            TRAJ_ENOMEM, "sharpness: no memory for %zu elements", meter->n);
    }
    for (size_t i = 0; i < meter->n_segments; i++) {
        const size_t each = stride(meter->segments[i].bytes);
        meter->saved[i] = arrays;
        meter->grads[i] = arrays + each;
        arrays += 2 * each;
    }
    meter->kept = meter->vectors;
    meter->v = meter->kept + meter->n;
    meter->hv = meter->v + meter->n;
    meter->basis = meter->hv + meter->n;
    return TRAJ_OK;
}

static void copy_options(
    traj_sharpness_meter *meter, const struct traj_sharpness_options *options)
{
    struct traj_sharpness_options *own = &meter->options;
    *own = *options;
    own->method = own->method != 0 ? own->method : TRAJ_SHARPNESS_POWER;
    const uint32_t usual =
        own->method == TRAJ_SHARPNESS_POWER ? POWER_HVPS : LANCZOS_HVPS;
    own->max_hvps = own->max_hvps > 0 ? own->max_hvps : usual;
    own->tolerance = own->tolerance > 0 ? own->tolerance : TOLERANCE;
    meter->random = SEED;
}

enum traj_status traj_sharpness_open(
    const struct traj_sharpness_options *options,
    traj_sharpness_meter **ret_meter)
{
    if (ret_meter == NULL) {
        return error_set(TRAJ_EINVAL, "sharpness: ret_meter is NULL");
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = check(options);
    held_env_give_back(&held);
    if (status != TRAJ_OK) {
        return status;
    }
    traj_sharpness_meter *meter = calloc(1, sizeof *meter);
    if (meter == NULL) {
        return error_set(TRAJ_ENOMEM, "sharpness: out of memory");
    }
    copy_options(meter, options);
    size_t bytes = 0;
    status = take_segments(meter, &bytes);
    if (status == TRAJ_OK) {
        status = take_memory(meter, bytes);
    }
    if (status != TRAJ_OK) {
        traj_sharpness_close(meter);
        return status;
    }
    meter->options.segments = NULL; /* the caller's; ours are copies */
    *ret_meter = meter;
    return TRAJ_OK;
}

void traj_sharpness_close(traj_sharpness_meter *meter)
{
    if (meter == NULL) {
        return;
    }
    free(meter->vectors);
    free(meter->arrays);
    free(meter->grads);
    free(meter->saved);
    free(meter->segments);
    free(meter);
}

/* ---- measuring ---------------------------------------------------------- */

static void save_params(const traj_sharpness_meter *meter)
{
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        if (s->bytes > 0) {
            memcpy(meter->saved[i], s->given.param, s->bytes);
        }
    }
}

static void restore_params(const traj_sharpness_meter *meter)
{
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        if (s->bytes > 0) {
            memcpy(s->given.param, meter->saved[i], s->bytes);
        }
    }
}

/* ||x||^2; hv is free for it. */
static double param_sq(const traj_sharpness_meter *meter)
{
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        for (size_t k = 0; k < s->given.n; k += ELEMENT_BLOCK) {
            const size_t left = s->given.n - k;
            element_widen(s->given.dtype, s->given.param, k,
                left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK,
                meter->hv + s->first + k);
        }
    }
    return vector_dot(meter->hv, meter->hv, meter->n);
}

/* The start vector into v, and e. False if there is none: x is not finite. */
HELD_ENV_NOINLINE static bool prepare(
    traj_sharpness_meter *meter, struct sharpness_found *found)
{
    const struct traj_sharpness_options *o = &meter->options;
    if (o->hvp == NULL) {
        const double u = element_roundoff(meter->dtype);
        found->epsilon =
            o->epsilon > 0 ? o->epsilon : cbrt(u) * (1 + sqrt(param_sq(meter)));
        found->result.epsilon = found->epsilon;
    }
    if (meter->drawn) {
        memcpy(meter->v, meter->kept, meter->n * sizeof *meter->v);
    } else {
        vector_draw(meter->v, meter->n, &meter->random);
    }
    if (!isfinite(found->epsilon)) {
        found->result.flags |= TRAJ_PROBE_NONFINITE;
    }
    return isfinite(found->epsilon);
}

/* What is the caller's stays; what we measure starts unset. */
static void clear(
    const traj_sharpness_meter *meter, struct traj_sharpness *result)
{
    const double unset = traj_unset();
    result->method = meter->options.method;
    result->dtype = meter->dtype;
    result->value = result->residual = result->epsilon = unset;
    result->lambda_min = result->lambda_max = unset;
    result->residual_min = result->residual_max = unset;
    result->hvps = result->grad_evals = 0;
    result->converged = 0;
    result->flags = 0;
}

static enum traj_status measure(
    traj_sharpness_meter *meter, struct sharpness_found *found)
{
    struct held_env held;
    held_env_take(&held);
    const bool goes_on = prepare(meter, found);
    held_env_give_back(&held);
    if (!goes_on) {
        return TRAJ_OK;
    }
    const bool differences = meter->options.hvp == NULL;
    if (differences) {
        save_params(meter);
    }
    enum traj_status status = meter->options.method == TRAJ_SHARPNESS_POWER
                                  ? sharpness_power(meter, found)
                                  : sharpness_lanczos(meter, found);
    if (differences) {
        restore_params(meter);
    }
    return status;
}

enum traj_status traj_sharpness_measure(
    traj_sharpness_meter *meter, struct traj_sharpness *ret_sharpness)
{
    if (meter == NULL) {
        return error_set(TRAJ_EINVAL, "sharpness: meter is NULL");
    }
    if (ret_sharpness == NULL || ret_sharpness->size < sizeof *ret_sharpness) {
        return error_set(TRAJ_EINVAL,
            "sharpness: ret_sharpness has not been through "
            "traj_sharpness_init");
    }
    struct sharpness_found found = { .result = *ret_sharpness, .lost = true };
    const uint64_t random = meter->random;
    clear(meter, &found.result);
    enum traj_status status = measure(meter, &found);
    if (status != TRAJ_OK) {
        meter->random = random;
        return status;
    }
    double *start = meter->v;
    meter->v = meter->kept;
    meter->kept = start;
    meter->drawn = !found.lost;
    *ret_sharpness = found.result;
    return TRAJ_OK;
}

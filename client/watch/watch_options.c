/* watch_options.c: see watch_options.h. Pure. */
#include "watch/watch_options.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/element.h"
#include "math/probe.h"

#define N_MAX (SIZE_MAX / 64)
#define SHARPNESS_EVERY 8u /* probes, by budget */

/* An older caller's options end before segments. */
#define OPTIONS_SIZE_MIN offsetof(struct traj_watch_options, segments)

static enum traj_status missing(size_t segment, bool param)
{
    return error_set(TRAJ_ENOGRAD,
        "watch: %s of segment %zu is NULL (is the array allocated yet?)",
        param ? "param" : "grad", segment);
}

static enum traj_status check_segment(
    const struct traj_watch_options *o, size_t i)
{
    const struct traj_watch_segment *s = &o->segments[i];
    if (element_width(s->dtype) == 0) {
        return error_set(TRAJ_EINVAL, "watch: unknown dtype %d of segment %zu",
            (int)s->dtype, i);
    }
    if (s->n > 0 && (s->param == NULL || (s->grad == NULL && !o->delta_only))) {
        return missing(i, s->param == NULL);
    }
    if (s->n > 0 && s->param == s->grad) {
        return error_set(TRAJ_EINVAL,
            "watch: param and grad of segment %zu are one array", i);
    }
    if (s->n > N_MAX) {
        return error_set(
            TRAJ_EINVAL, "watch: n of segment %zu is too large", i);
    }
    if (o->delta_only && s->dtype != TRAJ_F32 && s->dtype != TRAJ_F64) {
        return error_set(TRAJ_EINVAL,
            "watch: delta_only is for float32 and float64: updates of 16-bit "
            "parameters are mostly rounding");
    }
    return TRAJ_OK;
}

static enum traj_status check_segments(const struct traj_watch_options *o)
{
    if (o->segments == NULL || o->n_segments == 0 ||
        o->n_segments > UINT32_MAX) {
        return error_set(TRAJ_EINVAL, "watch: segments is NULL or none");
    }
    bool any = false;
    for (size_t i = 0; i < o->n_segments; i++) {
        enum traj_status status = check_segment(o, i);
        if (status != TRAJ_OK) {
            return status;
        }
        any = any || o->segments[i].n > 0;
    }
    return any ? TRAJ_OK
               : error_set(TRAJ_EINVAL, "watch: n is 0, of every segment");
}

static enum traj_status check_delta_only(const struct traj_watch_options *o)
{
    if (!o->delta_only) {
        return TRAJ_OK;
    }
    if (o->one_pass) {
        return error_set(TRAJ_EINVAL,
            "watch: one_pass, and delta_only needs d at once: g is computed "
            "from it");
    }
    if (o->optimizer != TRAJ_OPTIMIZER_SGD &&
        o->optimizer != TRAJ_OPTIMIZER_HEAVY_BALL) {
        return error_set(TRAJ_EINVAL,
            "watch: delta_only needs optimizer SGD or HEAVY_BALL: the update "
            "of "
            "another does not give its gradient away");
    }
    if (o->gradient != NULL || o->micro_gradient != NULL) {
        return error_set(TRAJ_EINVAL,
            "watch: delta_only is for trainers without a gradient; there is a "
            "callback");
    }
    for (size_t i = 0; i < o->n_segments; i++) {
        if (o->segments[i].grad != NULL) {
            return error_set(
                TRAJ_EINVAL, "watch: delta_only, and there is a grad");
        }
    }
    return TRAJ_OK;
}

static enum traj_status check_gammas(const struct traj_watch_options *o)
{
    if (o->n_gammas > 0 && o->gammas == NULL) {
        return error_set(TRAJ_EINVAL, "watch: gammas is NULL");
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status =
        o->n_gammas == 0 ? TRAJ_OK : probe_check_gammas(o->gammas, o->n_gammas);
    held_env_give_back(&held);
    return status;
}

static enum traj_status check_micro(const struct traj_watch_options *o)
{
    if (o->micro_gradient == NULL || o->micro_batches < 2) {
        return error_set(TRAJ_EINVAL,
            "watch: the microbatch estimator needs micro_gradient and at least "
            "2 micro_batches");
    }
    return o->n_gammas <= 1
               ? TRAJ_OK
               : error_set(TRAJ_EINVAL,
                     "watch: microbatches are probed at one gamma, not %u",
                     (unsigned)o->n_gammas);
}

static enum traj_status check_probes(const struct traj_watch_options *o)
{
    const bool callback = o->gradient != NULL || o->micro_gradient != NULL;
    if (callback && o->estimator != 0 &&
        (o->estimator < TRAJ_ESTIMATOR_FULL ||
            o->estimator > TRAJ_ESTIMATOR_MICROBATCH)) {
        return error_set(TRAJ_EINVAL,
            "watch: estimator %d is none of a callback", (int)o->estimator);
    }
    const bool micro = o->estimator == TRAJ_ESTIMATOR_MICROBATCH ||
                       (o->estimator == 0 && o->micro_gradient != NULL);
    if (!micro && o->micro_gradient != NULL && o->gradient == NULL) {
        return error_set(TRAJ_EINVAL,
            "watch: this estimator needs gradient, not micro_gradient");
    }
    if (o->hvp != NULL && o->gradient == NULL && o->micro_gradient == NULL) {
        return error_set(TRAJ_EINVAL,
            "watch: hvp is used at probes, and there is no gradient callback");
    }
    if (o->sharpness_every != 0 && o->sharpness_every != UINT32_MAX &&
        o->gradient == NULL && o->hvp == NULL) {
        return error_set(
            TRAJ_EINVAL, "watch: sharpness_every needs gradient, or hvp");
    }
    enum traj_status status = check_gammas(o);
    return status == TRAJ_OK && micro ? check_micro(o) : status;
}

HELD_ENV_NOINLINE static bool is_fraction(double fraction)
{
    return fraction >= 0 && fraction <= 1;
}

static enum traj_status check_options(const struct traj_watch_options *o)
{
    enum traj_status status = check_segments(o);
    status = status == TRAJ_OK ? check_delta_only(o) : status;
    status = status == TRAJ_OK ? check_probes(o) : status;
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    const bool budget = is_fraction(o->probe_budget);
    const bool subset = is_fraction(o->subset_fraction);
    held_env_give_back(&held);
    if (!budget || !subset) {
        return error_set(TRAJ_EINVAL, "watch: %s is not in 0..1",
            budget ? "subset_fraction" : "probe_budget");
    }
    return TRAJ_OK;
}

/* One flat array is one segment. */
static enum traj_status unify(const struct traj_watch_options *given,
    struct traj_watch_segment *flat, struct traj_watch_options *ret)
{
    if (given == NULL || given->size < OPTIONS_SIZE_MIN) {
        return error_set(TRAJ_EINVAL, "watch: options->size is not set");
    }
    struct traj_watch_options o = { .size = sizeof o };
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    o.size = sizeof o;
    o.subset_fraction =
        traj_is_unset(o.subset_fraction) ? 0 : o.subset_fraction;
    if (o.segments != NULL || o.n_segments > 0) {
        if (o.param != NULL || o.grad != NULL || o.n != 0) {
            return error_set(TRAJ_EINVAL, "watch: param, grad and n are for "
                                          "one flat array, and there are "
                                          "segments too");
        }
        *ret = o;
        return TRAJ_OK;
    }
    *flat = (struct traj_watch_segment){
        .dtype = o.dtype, .n = o.n, .param = o.param, .grad = o.grad
    };
    o.segments = flat;
    o.n_segments = 1;
    *ret = o;
    return TRAJ_OK;
}

/* Of what is 0. */
static void fill_in_defaults(struct traj_watch_options *o)
{
    static const double usual[] = { 0.5, 1 };
    const bool callback = o->gradient != NULL || o->micro_gradient != NULL;
    if (o->estimator == 0) {
        o->estimator = o->micro_gradient != NULL ? TRAJ_ESTIMATOR_MICROBATCH
                                                 : TRAJ_ESTIMATOR_SAME_BATCH;
    }
    if (o->n_gammas == 0) {
        /* Microbatches: the whole update, whose differences are largest. */
        const bool whole = o->estimator == TRAJ_ESTIMATOR_MICROBATCH;
        o->gammas = whole ? usual + 1 : usual;
        o->n_gammas = whole ? 1 : 2;
    }
    if (o->sharpness_every == 0) {
        o->sharpness_every = o->probe_every == 0 ? SHARPNESS_EVERY : UINT32_MAX;
    }
    if (o->gradient == NULL && o->hvp == NULL) {
        o->sharpness_every = UINT32_MAX;
    }
    if (o->different_every == 0) {
        o->different_every = callback ? UINT32_MAX : 1;
    }
}

enum traj_status watch_options_read(const struct traj_watch_options *given,
    struct traj_watch_segment *flat, struct traj_watch_options *ret_options)
{
    struct traj_watch_options o = { .size = 0 };
    enum traj_status status = unify(given, flat, &o);
    if (status == TRAJ_OK) {
        status = check_options(&o);
    }
    if (status == TRAJ_OK) {
        fill_in_defaults(&o);
        *ret_options = o;
    }
    return status;
}

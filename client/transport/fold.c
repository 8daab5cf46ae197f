/* fold.c: decisions by bits, arithmetic in batches; see the header. */
#include "transport/fold.h"

#include <assert.h>
#include <string.h>

#include "held_env.h"
#include "unit.h"
#include "values.h"

#define INF_BITS 0x7ff0000000000000u
#define ONE_BITS 0x3ff0000000000000u

static inline uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline bool is_set(double value)
{
    return bits_of(value) != TRAJ_UNSET_BITS;
}

/* A real NaN or Inf; the marker is none. */
static inline bool is_nonfinite(double value)
{
    return (bits_of(value) & INF_BITS) == INF_BITS && is_set(value);
}

static inline bool has_some(uint64_t count)
{
    return count != 0 && count != TRAJ_UNSET_COUNT;
}

/* The sum of two counts, of which either may be unset. */
static inline uint64_t added(uint64_t a, uint64_t b)
{
    if (a == TRAJ_UNSET_COUNT || b == TRAJ_UNSET_COUNT) {
        return a == TRAJ_UNSET_COUNT ? b : a;
    }
    return a + b;
}

/* Flags that may be unset. */
static inline uint64_t flags_of(const struct traj_step *s)
{
    return s->flags != TRAJ_UNSET_COUNT ? s->flags : 0;
}

static inline uint64_t flags_or(uint64_t a, uint64_t b)
{
    if (a == TRAJ_UNSET_COUNT || b == TRAJ_UNSET_COUNT) {
        return a == TRAJ_UNSET_COUNT ? b : a;
    }
    return a | b;
}

/* ---- arithmetic, in the default environment ------------------------------ */

static void quantity_add(struct fold_quantity *q, double value, uint64_t step)
{
    if (q->n == 0 || value < q->min) {
        q->min = value;
        q->min_step = step;
    }
    if (q->n == 0 || value > q->max) {
        q->max = value;
        q->max_step = step;
    }
    sum_add(&q->sum, value);
    q->n++;
}

HELD_ENV_NOINLINE static void add_waiting(struct fold *f)
{
    struct fold_result *r = &f->so_far;
    for (uint32_t i = 0; i < f->n_waiting; i++) {
        const struct fold_sample *s = &f->waiting[i];
        if (is_set(s->loss)) {
            quantity_add(&r->loss, s->loss, s->step);
        }
        if (is_set(s->grad_sq)) {
            quantity_add(&r->grad_sq, s->grad_sq, s->step);
        }
        if (is_set(s->delta_sq)) {
            quantity_add(&r->delta_sq, s->delta_sq, s->step);
        }
    }
    f->n_waiting = 0;
}

HELD_ENV_NOINLINE static void put_totals(struct fold_result *r)
{
    struct fold_quantity *all[] = { &r->loss, &r->grad_sq, &r->delta_sq };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i]->n > 0 && all[i]->n == r->count - r->nonfinite) {
            all[i]->total = sum_value(&all[i]->sum);
        }
    }
}

static void settle(struct fold *f, bool closing)
{
    struct held_env held;
    held_env_take(&held);
    add_waiting(f);
    if (closing) {
        put_totals(&f->so_far);
    }
    held_env_give_back(&held);
}

/* ---- adding, without any ------------------------------------------------- */

static void open_at(struct fold *f, uint64_t step, int64_t now)
{
    const double unset = traj_unset();
    const struct fold_quantity none = { .total = unset,
        .min = unset,
        .max = unset,
        .min_step = TRAJ_UNSET_COUNT,
        .max_step = TRAJ_UNSET_COUNT };
    f->is_open = true;
    f->opened_mono_ns = now;
    f->so_far = (struct fold_result){ .first_step = step,
        .last = { .flags = TRAJ_UNSET_COUNT,
            .grad_nan = TRAJ_UNSET_COUNT,
            .grad_inf = TRAJ_UNSET_COUNT,
            .param_nan = TRAJ_UNSET_COUNT,
            .param_inf = TRAJ_UNSET_COUNT },
        .loss = none,
        .grad_sq = none,
        .delta_sq = none };
}

static inline void replace_last(
    struct traj_step *last, const struct traj_step *s)
{
    uint64_t flags = flags_or(last->flags, s->flags);
    uint64_t grad_nan = added(last->grad_nan, s->grad_nan);
    uint64_t grad_inf = added(last->grad_inf, s->grad_inf);
    uint64_t param_nan = added(last->param_nan, s->param_nan);
    uint64_t param_inf = added(last->param_inf, s->param_inf);
    *last = *s;
    last->flags = flags;
    last->grad_nan = grad_nan;
    last->grad_inf = grad_inf;
    last->param_nan = param_nan;
    last->param_inf = param_inf;
}

static inline bool is_clipped(const struct traj_step *s)
{
    /* A scale in [0, 1): of all bit patterns exactly those below 1's. */
    return bits_of(s->clip_scale) < ONE_BITS ||
           (flags_of(s) & TRAJ_STEP_CLIPPED) != 0;
}

static inline bool is_finite(const struct traj_step *s)
{
    return !is_nonfinite(s->loss) && !is_nonfinite(s->grad_sq) &&
           !has_some(s->grad_nan) && !has_some(s->grad_inf);
}

/* What a loss scaler says of an overflow; 0 of none. */
static inline uint64_t overflow_of(const struct traj_step *s)
{
    const uint64_t both = TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED;
    return (flags_of(s) & TRAJ_STEP_FOUND_INF) != 0 ? s->flags & both : 0;
}

/* A sum that one of them lacks would be lost. */
static inline bool is_unmeasured(const struct traj_step *s)
{
    return (flags_of(s) & TRAJ_STEP_NOT_MEASURED) != 0;
}

bool fold_takes(const struct fold *f, const struct traj_step *s)
{
    const struct traj_step *last = &f->so_far.last;
    return unit_equal(unit_of(last), unit_of(s)) &&
           is_unmeasured(last) == is_unmeasured(s) &&
           f->overflow == overflow_of(s);
}

bool fold_add(struct fold *f, const struct traj_step *s, int64_t now)
{
    struct fold_result *r = &f->so_far;
    if (!f->is_open) {
        open_at(f, s->step, now);
        f->overflow = overflow_of(s);
    }
    r->count++;
    r->mono_ns = now;
    r->clipped += is_clipped(s);
    replace_last(&r->last, s);
    if (is_finite(s)) {
        f->waiting[f->n_waiting++] = (struct fold_sample){ .loss = s->loss,
            .grad_sq = s->grad_sq,
            .delta_sq = s->delta_sq,
            .step = s->step };
    } else {
        r->nonfinite++;
    }
    if (f->n_waiting == FOLD_BATCH) {
        settle(f, false);
    }
    return r->count >= f->steps_max || now - f->opened_mono_ns >= FOLD_AGE_NS;
}

/* Where the coarse clock may still be at the last step, now is the better
 * time of it; never before the fold that was closed last. */
static int64_t time_of_last(const struct fold *f, int64_t now)
{
    int64_t last = f->so_far.mono_ns;
    if (now - last < FOLD_TICK_NS) {
        return now;
    }
    return last > f->closed_mono_ns ? last : f->closed_mono_ns;
}

const struct fold_result *fold_close(struct fold *f, int64_t now)
{
    assert(f->is_open);
    settle(f, true);
    f->so_far.mono_ns = time_of_last(f, now);
    f->closed_mono_ns = f->so_far.mono_ns;
    f->is_open = false;
    return &f->so_far;
}

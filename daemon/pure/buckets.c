/*
 * buckets.c: pure; one thread at a time per struct buckets.
 *
 * Invariants:
 * 1. v[0..n) has strictly ascending keys, and n <= max.
 * 2. each bucket holds at least one value, and key == step >> shift for all
 *    of its steps.
 */
#include "pure/buckets.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void buckets_init(struct buckets *buckets, size_t max)
{
    assert(max > 0);
    *buckets = (struct buckets){ .max = max };
}

void buckets_done(struct buckets *buckets)
{
    free(buckets->v);
    *buckets = (struct buckets){ .max = buckets->max };
}

void buckets_clear(struct buckets *buckets)
{
    *buckets = (struct buckets){
        .v = buckets->v, .capacity = buckets->capacity, .max = buckets->max
    };
}

/* A shift by all 64 bits is undefined in C; here it leaves one bucket. */
static uint64_t shifted(uint64_t key, unsigned by)
{
    return by > 63 ? 0 : key >> by;
}

static struct bucket bucket_of(uint64_t key, uint64_t step, double value)
{
    bool finite = isfinite(value);
    double extreme = finite ? value : (double)NAN;
    return (struct bucket){
        .key = key,
        .step_first = step,
        .step_last = step,
        .min = extreme,
        .max = extreme,
        .argmin = step,
        .argmax = step,
        .last = value,
        .count = 1,
        .nonfinite = finite ? 0 : 1,
    };
}

/* One more value into a bucket whose key it has. */
static inline void take(struct bucket *b, uint64_t step, double value)
{
    if (isfinite(value)) {
        /* Not >=: true for the NaN that stands where there was none. */
        if (!(value >= b->min) || (value == b->min && step < b->argmin)) {
            b->min = value;
            b->argmin = step;
        }
        if (!(value <= b->max) || (value == b->max && step < b->argmax)) {
            b->max = value;
            b->argmax = step;
        }
    } else {
        b->nonfinite++;
    }
    if (step >= b->step_last) {
        b->step_last = step;
        b->last = value;
    }
    b->step_first = step < b->step_first ? step : b->step_first;
    b->count++;
}

/* How many steps from the first on fall into its bucket, and whether none of
 * them is before the one before it. */
static size_t run_of(
    const uint64_t *steps, size_t n, unsigned shift, bool *ret_ascend)
{
    const uint64_t of_key = shift > 63 ? 0 : UINT64_MAX << shift;
    bool ascend = true;
    size_t i = 1;
    for (; i < n && ((steps[i] ^ steps[0]) & of_key) == 0; i++) {
        ascend &= steps[i] >= steps[i - 1];
    }
    *ret_ascend = ascend;
    return i;
}

struct extremes {
    double min;
    double max;
    double zero; /* NaN once a value is not finite */
};

static inline void widen(struct extremes *e, double value)
{
    e->min = value < e->min ? value : e->min;
    e->max = value > e->max ? value : e->max;
    e->zero += value - value;
}

/* false: there is a value that is not finite. Of -0 and 0 either may be an
 * extreme. By turns into two, so that no comparison waits for the last. */
static bool find_extremes(
    const double *values, size_t n, double *ret_min, double *ret_max)
{
    struct extremes a = { .min = values[0], .max = values[0] };
    struct extremes b = a;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        widen(&a, values[i]);
        widen(&b, values[i + 1]);
    }
    if (i < n) {
        widen(&a, values[i]);
    }
    *ret_min = b.min < a.min ? b.min : a.min;
    *ret_max = b.max > a.max ? b.max : a.max;
    return a.zero + b.zero == 0;
}

static size_t index_of(const double *values, double value)
{
    size_t i = 0;
    while (values[i] != value) {
        i++;
    }
    return i;
}

/* The values from the first on that fall into one bucket; returns how many. */
static size_t fold(const uint64_t *steps, const double *values, size_t n,
    unsigned shift, struct bucket *ret_bucket)
{
    bool plain = false;
    double min = 0;
    double max = 0;
    const size_t run = run_of(steps, n, shift, &plain);
    struct bucket b = bucket_of(shifted(steps[0], shift), steps[0], values[0]);
    if (plain && find_extremes(values, run, &min, &max)) {
        const size_t at_min = index_of(values, min);
        const size_t at_max = index_of(values, max);
        b.min = values[at_min];
        b.argmin = steps[at_min];
        b.max = values[at_max];
        b.argmax = steps[at_max];
        b.step_last = steps[run - 1];
        b.last = values[run - 1];
        b.count = run;
    } else {
        for (size_t i = 1; i < run; i++) {
            take(&b, steps[i], values[i]);
        }
    }
    *ret_bucket = b;
    return run;
}

/* Is candidate (at step c) the better extreme than the one held (at h)?
 * `beats` compares values; of equals the earlier step. */
static bool replaces(bool beats, bool equal, bool has, uint64_t c, uint64_t h)
{
    return !has || beats || (equal && c < h);
}

static void merge_into(struct bucket *into, const struct bucket *b)
{
    bool has = into->count > into->nonfinite;
    if (b->count > b->nonfinite) {
        if (replaces(b->min < into->min, b->min == into->min, has, b->argmin,
                into->argmin)) {
            into->min = b->min;
            into->argmin = b->argmin;
        }
        if (replaces(b->max > into->max, b->max == into->max, has, b->argmax,
                into->argmax)) {
            into->max = b->max;
            into->argmax = b->argmax;
        }
    }
    if (b->step_last >= into->step_last) {
        into->step_last = b->step_last;
        into->last = b->last;
    }
    if (b->step_first < into->step_first) {
        into->step_first = b->step_first;
    }
    into->count += b->count;
    into->nonfinite += b->nonfinite;
}

void buckets_coarsen(struct buckets *buckets, unsigned shift)
{
    if (shift <= buckets->shift || buckets->n == 0) {
        buckets->shift = shift > buckets->shift ? shift : buckets->shift;
        return;
    }
    unsigned by = shift - buckets->shift;
    struct bucket *v = buckets->v;
    size_t out = 0;
    v[0].key = shifted(v[0].key, by);
    for (size_t i = 1; i < buckets->n; i++) {
        v[i].key = shifted(v[i].key, by);
        if (v[i].key == v[out].key) {
            merge_into(&v[out], &v[i]);
        } else {
            v[++out] = v[i];
        }
    }
    buckets->n = out + 1;
    buckets->shift = shift;
    buckets->at = out;
}

/* Index of the first bucket whose key is at least `key`. */
static size_t lower_bound(const struct buckets *buckets, uint64_t key)
{
    size_t n = buckets->n;
    if (n == 0 || key > buckets->v[n - 1].key) {
        return n;
    }
    if (buckets->v[buckets->at].key == key) {
        return buckets->at;
    }
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (buckets->v[middle].key < key) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return low;
}

static bool grow(struct buckets *buckets)
{
    if (buckets->n < buckets->capacity) {
        return true;
    }
    size_t capacity = buckets->capacity == 0 ? 64 : buckets->capacity * 2;
    /* One more than max: a bucket is put in before the series is coarsened. */
    capacity = capacity > buckets->max + 1 ? buckets->max + 1 : capacity;
    struct bucket *v = realloc(buckets->v, capacity * sizeof *v);
    if (v == NULL) {
        return false;
    }
    buckets->v = v;
    buckets->capacity = capacity;
    return true;
}

static void insert(
    struct buckets *buckets, size_t at, const struct bucket *bucket)
{
    memmove(&buckets->v[at + 1], &buckets->v[at],
        (buckets->n - at) * sizeof *buckets->v);
    buckets->v[at] = *bucket;
    buckets->n++;
    buckets->at = at;
    while (buckets->n > buckets->max) {
        buckets_coarsen(buckets, buckets->shift + 1);
        buckets->least = buckets->shift;
    }
}

/* A bucket of the present width, its key right. */
static bool put(struct buckets *buckets, const struct bucket *one)
{
    size_t at = lower_bound(buckets, one->key);
    if (at < buckets->n && buckets->v[at].key == one->key) {
        merge_into(&buckets->v[at], one);
        buckets->at = at;
    } else if (grow(buckets)) {
        insert(buckets, at, one);
    } else {
        return false;
    }
    buckets->rows += one->count;
    return true;
}

bool buckets_add_many(struct buckets *buckets, const uint64_t *steps,
    const double *values, size_t n)
{
    for (size_t i = 0; i < n;) {
        struct bucket one;
        i += fold(steps + i, values + i, n - i, buckets->shift, &one);
        if (!put(buckets, &one)) {
            return false;
        }
    }
    return true;
}

bool buckets_add(struct buckets *buckets, uint64_t step, double value)
{
    return buckets_add_many(buckets, &step, &value, 1);
}

unsigned bucket_shift(const struct bucket *bucket)
{
    uint64_t differ = bucket->step_first ^ bucket->step_last;
    return differ == 0 ? 0 : 64 - (unsigned)__builtin_clzll(differ);
}

bool buckets_add_merged(struct buckets *buckets, const struct bucket *merged)
{
    buckets_coarsen(buckets, bucket_shift(merged));
    struct bucket one = *merged;
    one.key = shifted(one.step_first, buckets->shift);
    return put(buckets, &one);
}

void buckets_take_roots(struct buckets *buckets)
{
    for (size_t i = 0; i < buckets->n; i++) {
        struct bucket *b = &buckets->v[i];
        b->min = sqrt(b->min);
        b->max = sqrt(b->max);
        b->last = sqrt(b->last);
    }
}

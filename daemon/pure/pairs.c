/* pairs.c: pure; one thread at a time per struct pairs. */
#include "pure/pairs.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "math/noise.h"
#include "pure/row.h"
#include "traj.h"

const char *pair_use_name(enum pair_use use)
{
    static const char *const names[] = {
        [PAIR_USED] = "used",
        [PAIR_TINY_STEP] = "tiny_step",
        [PAIR_ROUNDING] = "rounding",
        [PAIR_NONFINITE] = "nonfinite",
        [PAIR_NOT_MEASURED] = "not_measured",
        [PAIR_BURST] = "burst",
        [PAIR_NOISE_LIMITED] = "noise_limited",
        [PAIR_NOT_POSITIVE] = "not_positive",
        [PAIR_OTHER_ESTIMATOR] = "other_estimator",
    };
    static_assert(sizeof names / sizeof names[0] == PAIR_USES, "all named");
    return names[use];
}

const char *pair_regressor_name(enum fit_regressor regressor)
{
    static const char *const names[PAIR_REGRESSORS] = {
        [FIT_REGRESSOR_START] = "start",
        [FIT_REGRESSOR_TRAPEZOID] = "trapezoid",
        [FIT_REGRESSOR_SIMPSON] = "simpson",
    };
    return names[regressor];
}

const char *pair_smoothness_name(enum fit_regressor regressor)
{
    return regressor == FIT_REGRESSOR_START ? "smoothness" : "secant";
}

const char *pair_estimator_name(unsigned estimator)
{
    static const char *const names[PAIR_ESTIMATORS] = {
        "unspecified",
        [TRAJ_ESTIMATOR_FULL] = "full",
        [TRAJ_ESTIMATOR_SUBSET] = "subset",
        [TRAJ_ESTIMATOR_SAME_BATCH] = "same_batch",
        [TRAJ_ESTIMATOR_MICROBATCH] = "microbatch",
        [TRAJ_ESTIMATOR_DIFFERENT] = "different",
    };
    const char *name = estimator < PAIR_ESTIMATORS ? names[estimator] : NULL;
    return name != NULL ? name : "unknown";
}

/* What sampling noise adds to squares of norms, as far as it is known. */
struct noise {
    double grad_sq;  /* to that of a gradient */
    double dgrad_sq; /* to that of the difference over the whole step */
    bool unknown;    /* it ought to be known, and is not: nothing is */
};

/* U is free of the noise: only a floor that the trainer named limits it. */
static void of_microbatches(struct noise *noise, const struct row *r)
{
    const uint64_t k = row_u64(r, PROBE_micro_batches);
    noise->unknown = k < 2 || !row_has(r, PROBE_micro_grad_sq) ||
                     !row_has(r, PROBE_micro_dgrad_sq);
    noise->grad_sq = noise_of_mean(
        (double)k, row_f64(r, PROBE_micro_grad_sq), row_f64(r, PROBE_grad_sq));
    noise->dgrad_sq = noise_of_mean((double)k, row_f64(r, PROBE_micro_dgrad_sq),
        row_f64(r, PROBE_dgrad_sq));
}

static struct noise noise_of(const struct row *r)
{
    const uint64_t estimator = row_u64(r, PROBE_estimator);
    struct noise noise = { 0 };
    if (estimator == TRAJ_ESTIMATOR_MICROBATCH) {
        of_microbatches(&noise, r);
    }
    if (estimator == TRAJ_ESTIMATOR_DIFFERENT && row_has(r, PROBE_noise_sq)) {
        noise.grad_sq = row_f64(r, PROBE_noise_sq);
        noise.dgrad_sq = 2 * noise.grad_sq;
    }
    return noise;
}

/* As the probe has it; else, of two batches, what their noise gives. */
static double noise_floor_of(const struct row *r)
{
    if (row_has(r, PROBE_noise_floor)) {
        return row_f64(r, PROBE_noise_floor);
    }
    const bool different =
        row_u64(r, PROBE_estimator) == TRAJ_ESTIMATOR_DIFFERENT;
    return different ? sqrt(2 * row_f64(r, PROBE_noise_sq) /
                            row_f64(r, PROBE_delta_sq))
                     : (double)NAN;
}

/* Of microbatches y is the same for every regressor, and so are its floors. */
static void read_floors(struct pair *pair, const struct row *r)
{
    const double gamma = row_f64(r, PROBE_smoothness_gamma);
    pair->noise_floor = noise_floor_of(r);
    pair->rounding_floor = row_f64(r, PROBE_rounding_floor);
    pair->floor_gamma =
        gamma > 0 && pair->estimator != TRAJ_ESTIMATOR_MICROBATCH ? gamma : 1;
}

/* No smaller than 0; NaN stays NaN. */
static double less_noise(double square, double noise)
{
    return square - noise < 0 ? 0 : square - noise;
}

/* The norms at the two ends of the step, its middle and its length. */
struct norms {
    double start, end, delta;
    bool has_start, has_middle, has_end, has_delta;
};

static struct norms norms_of(const struct row *r)
{
    return (struct norms){
        .start = sqrt(row_f64(r, PROBE_grad_sq)),
        .end = sqrt(row_f64(r, PROBE_grad_end_sq)),
        .delta = sqrt(row_f64(r, PROBE_delta_sq)),
        .has_start = row_has(r, PROBE_grad_sq),
        .has_middle = row_has(r, PROBE_grad_mid_sq),
        .has_end = row_has(r, PROBE_grad_end_sq),
        .has_delta = row_has(r, PROBE_delta_sq),
    };
}

static void read_x(
    struct pair *pair, const struct row *r, const struct noise *noise)
{
    const struct norms n = norms_of(r);
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        pair->x[k] = fit_regressor((enum fit_regressor)k,
            less_noise(row_f64(r, PROBE_grad_sq), noise->grad_sq),
            less_noise(row_f64(r, PROBE_grad_mid_sq), noise->grad_sq),
            less_noise(row_f64(r, PROBE_grad_end_sq), noise->grad_sq));
        if (noise->grad_sq > 0 && pair->x[k] <= 0) {
            pair->measured |= (uint16_t)PAIR_NOISE_BIT(k);
        }
    }
    bool both = n.has_start && n.has_end;
    pair->measured |= (uint16_t)((n.has_start ? PAIR_X_BIT(0) : 0) |
                                 (both ? PAIR_X_BIT(1) : 0) |
                                 (both && n.has_middle ? PAIR_X_BIT(2) : 0));
}

/* y: as measured, noise included. */
static void put_y(struct pair *pair, unsigned k, double y, const struct row *r,
    const struct noise *noise)
{
    const double added = noise->dgrad_sq / row_f64(r, PROBE_delta_sq);
    pair->y[k] = noise->dgrad_sq != 0 ? sqrt(less_noise(y * y, added)) : y;
    pair->measured |= (uint16_t)PAIR_Y_BIT(k);
    /* A floor that is not known is a NaN: nothing is below it. */
    if (y < 2 * pair_noise_floor(pair, (enum fit_regressor)k) ||
        (y > 0 && pair->y[k] <= 0)) {
        pair->measured |= (uint16_t)PAIR_NOISE_BIT(k);
    }
}

static void put_ceiling(struct pair *pair, unsigned k, double ceiling)
{
    pair->ceiling[k] = ceiling;
    pair->measured |= (uint16_t)PAIR_CEILING_BIT(k);
}

/* The largest over gamma, and the ceiling of that gamma. */
static void read_smoothness(
    struct pair *pair, const struct row *r, const struct noise *noise)
{
    if (row_has(r, PROBE_smoothness)) {
        put_y(
            pair, FIT_REGRESSOR_START, row_f64(r, PROBE_smoothness), r, noise);
    }
    if (row_has(r, PROBE_ceiling)) {
        put_ceiling(pair, FIT_REGRESSOR_START, row_f64(r, PROBE_ceiling));
    }
}

static void read_secant(struct pair *pair, enum fit_regressor first,
    const struct row *r, const struct noise *noise)
{
    const struct norms n = norms_of(r);
    for (unsigned k = first; k < PAIR_REGRESSORS; k++) {
        if (row_has(r, PROBE_dgrad_sq) && n.has_delta) {
            put_y(
                pair, k, sqrt(row_f64(r, PROBE_dgrad_sq)) / n.delta, r, noise);
        }
        if (n.has_start && n.has_end && n.has_delta) {
            put_ceiling(pair, k, (n.start + n.end) / n.delta);
        }
    }
}

static void read_pair(struct pair *pair, const struct row *r)
{
    const struct noise noise = noise_of(r);
    if (noise.unknown) {
        return;
    }
    read_floors(pair, r);
    read_x(pair, r, &noise);
    if (pair->estimator == TRAJ_ESTIMATOR_MICROBATCH) {
        read_secant(pair, FIT_REGRESSOR_START, r, &noise);
    } else {
        read_smoothness(pair, r, &noise);
        read_secant(pair, FIT_REGRESSOR_TRAPEZOID, r, &noise);
    }
}

bool pair_read(const uint64_t *const columns[static PROBE_FIELDS],
    uint64_t present, size_t i, struct pair *ret_pair)
{
    const struct row r = { columns, present, i };
    uint64_t estimator = row_u64(&r, PROBE_estimator);
    if (!row_has(&r, PROBE_step) || estimator >= PAIR_ESTIMATORS ||
        row_u64(&r, PROBE_group) != 0 || row_u64(&r, PROBE_norm) != 0) {
        return false;
    }
    struct pair pair = {
        .step = row_u64(&r, PROBE_step),
        .flags = (uint16_t)row_u64(&r, PROBE_flags),
        .estimator = (uint8_t)estimator,
        .noise_floor = (double)NAN,
        .rounding_floor = (double)NAN,
        .floor_gamma = 1,
    };
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        pair.x[k] = pair.y[k] = pair.ceiling[k] = (double)NAN;
    }
    read_pair(&pair, &r);
    *ret_pair = pair;
    return true;
}

enum pair_use pair_use(const struct pair *pair, enum fit_regressor regressor)
{
    double x = pair->x[regressor];
    double y = pair->y[regressor];
    if ((pair->flags & TRAJ_PROBE_TINY_STEP) != 0) {
        return PAIR_TINY_STEP;
    }
    if ((pair->flags & TRAJ_PROBE_NONFINITE) != 0) {
        return PAIR_NONFINITE;
    }
    if ((pair->flags & TRAJ_PROBE_ROUNDING) != 0) {
        return PAIR_ROUNDING;
    }
    if (!pair_has_x(pair, regressor) || !pair_has_y(pair, regressor)) {
        return PAIR_NOT_MEASURED;
    }
    if (!isfinite(x) || !isfinite(y)) {
        return PAIR_NONFINITE;
    }
    if ((pair->flags & TRAJ_PROBE_BURST) != 0) {
        return PAIR_BURST;
    }
    if ((pair->flags & (TRAJ_PROBE_NOISE_LIMITED | TRAJ_PROBE_NEGATIVE)) != 0 ||
        (pair->measured & PAIR_NOISE_BIT(regressor)) != 0) {
        return PAIR_NOISE_LIMITED;
    }
    return x > 0 && y > 0 ? PAIR_USED : PAIR_NOT_POSITIVE;
}

void pair_census_add(struct pair_census *census, const struct pair *pair)
{
    census->n[pair->estimator]++;
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        bool used = pair_use(pair, (enum fit_regressor)k) == PAIR_USED;
        census->usable[pair->estimator][k] += used ? 1 : 0;
    }
}

static uint64_t most_usable(const uint64_t usable[static PAIR_REGRESSORS])
{
    uint64_t most = 0;
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        most = usable[k] > most ? usable[k] : most;
    }
    return most;
}

unsigned pair_census_estimator(const struct pair_census *census)
{
    unsigned best = 0;
    for (unsigned c = 1; c < PAIR_ESTIMATORS; c++) {
        uint64_t here = most_usable(census->usable[c]);
        uint64_t there = most_usable(census->usable[best]);
        /* Without a usable pair anywhere: the class that has any at all. */
        if (here > there ||
            (here == there && there == 0 && census->n[c] > census->n[best])) {
            best = c;
        }
    }
    return best;
}

enum fit_regressor pair_census_regressor(
    const struct pair_census *census, unsigned estimator)
{
    const uint64_t *usable = census->usable[estimator];
    uint64_t most = most_usable(usable);
    for (unsigned k = PAIR_REGRESSORS - 1; k > 0; k--) {
        if (usable[k] > 0 && usable[k] >= most / 2) {
            return (enum fit_regressor)k;
        }
    }
    return FIT_REGRESSOR_START;
}

void pairs_init(struct pairs *pairs, size_t max)
{
    assert(max >= 2);
    *pairs = (struct pairs){ .max = max, .every = 1 };
}

void pairs_done(struct pairs *pairs)
{
    free(pairs->v);
    *pairs = (struct pairs){ .max = pairs->max, .every = 1 };
}

/* Keeps those whose number in the order of arrival is a multiple of the new
 * `every`: the ones at the even places. */
static void thin(struct pairs *pairs)
{
    size_t n = 0;
    for (size_t i = 0; i < pairs->n; i += 2) {
        pairs->v[n++] = pairs->v[i];
    }
    pairs->n = n;
    pairs->every *= 2;
}

static bool grow(struct pairs *pairs)
{
    if (pairs->n < pairs->capacity) {
        return true;
    }
    size_t capacity = pairs->capacity == 0 ? 256 : pairs->capacity * 2;
    capacity = capacity > pairs->max ? pairs->max : capacity;
    struct pair *v = realloc(pairs->v, capacity * sizeof *v);
    if (v == NULL) {
        return false;
    }
    pairs->v = v;
    pairs->capacity = capacity;
    return true;
}

bool pairs_add(struct pairs *pairs, const struct pair *pair)
{
    assert(pairs->max >= 2);
    if (pairs->n == pairs->max) {
        thin(pairs);
    }
    if (!grow(pairs)) {
        return false;
    }
    if (pairs->seen % pairs->every == 0) {
        pairs->v[pairs->n++] = *pair;
    }
    pairs->seen++;
    return true;
}

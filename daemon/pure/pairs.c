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
        [PAIR_WINDOW_OPEN] = "window_open",
        [PAIR_INCOMPLETE] = "incomplete",
        [PAIR_RANKS_DIFFER] = "ranks_differ",
        [PAIR_GAMMAS_DIFFER] = "gammas_differ",
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

/* U is free of the noise: only a floor that the trainer named limits it. */
static void of_microbatches(struct pair_squares *squares, const struct row *r)
{
    const uint64_t k = row_u64(r, PROBE_micro_batches);
    squares->unknown = k < 2 || !row_has(r, PROBE_micro_grad_sq) ||
                       !row_has(r, PROBE_micro_dgrad_sq);
    squares->grad_noise = noise_of_mean(
        (double)k, row_f64(r, PROBE_micro_grad_sq), squares->start);
    squares->dgrad_noise = noise_of_mean(
        (double)k, row_f64(r, PROBE_micro_dgrad_sq), squares->dgrad);
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

void pair_squares_read(const struct row *r, struct pair_squares *ret)
{
    const uint64_t estimator = row_u64(r, PROBE_estimator);
    *ret = (struct pair_squares){
        .start = row_f64(r, PROBE_grad_sq),
        .middle = row_f64(r, PROBE_grad_mid_sq),
        .end = row_f64(r, PROBE_grad_end_sq),
        .delta = row_f64(r, PROBE_delta_sq),
        .dgrad = row_f64(r, PROBE_dgrad_sq),
    };
    const double floor = noise_floor_of(r);
    ret->floor = isnan(floor) ? 0 : floor * floor;
    if (estimator == TRAJ_ESTIMATOR_MICROBATCH) {
        of_microbatches(ret, r);
    }
    if (estimator == TRAJ_ESTIMATOR_DIFFERENT && row_has(r, PROBE_noise_sq)) {
        ret->grad_noise = row_f64(r, PROBE_noise_sq);
        ret->dgrad_noise = 2 * ret->grad_noise;
    }
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

static void read_x(
    struct pair *pair, const struct row *r, const struct pair_squares *s)
{
    const bool start = row_has(r, PROBE_grad_sq);
    const bool both = start && row_has(r, PROBE_grad_end_sq);
    const bool all = both && row_has(r, PROBE_grad_mid_sq);
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        pair->x[k] = fit_regressor((enum fit_regressor)k,
            less_noise(s->start, s->grad_noise),
            less_noise(s->middle, s->grad_noise),
            less_noise(s->end, s->grad_noise));
        if (s->grad_noise > 0 && pair->x[k] <= 0) {
            pair->measured |= (uint16_t)PAIR_NOISE_BIT(k);
        }
    }
    pair->measured |=
        (uint16_t)((start ? PAIR_X_BIT(0) : 0) | (both ? PAIR_X_BIT(1) : 0) |
                   (all ? PAIR_X_BIT(2) : 0));
}

/* y: as measured, noise included. */
static void put_y(
    struct pair *pair, unsigned k, double y, const struct pair_squares *s)
{
    const double added = s->dgrad_noise / s->delta;
    pair->y[k] = s->dgrad_noise != 0 ? sqrt(less_noise(y * y, added)) : y;
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
    struct pair *pair, const struct row *r, const struct pair_squares *s)
{
    if (row_has(r, PROBE_smoothness)) {
        put_y(pair, FIT_REGRESSOR_START, row_f64(r, PROBE_smoothness), s);
    }
    if (row_has(r, PROBE_ceiling)) {
        put_ceiling(pair, FIT_REGRESSOR_START, row_f64(r, PROBE_ceiling));
    }
}

static void read_secant(struct pair *pair, enum fit_regressor first,
    const struct row *r, const struct pair_squares *s)
{
    const bool delta = row_has(r, PROBE_delta_sq);
    const bool ends =
        row_has(r, PROBE_grad_sq) && row_has(r, PROBE_grad_end_sq);
    for (unsigned k = first; k < PAIR_REGRESSORS; k++) {
        if (row_has(r, PROBE_dgrad_sq) && delta) {
            put_y(pair, k, sqrt(s->dgrad) / sqrt(s->delta), s);
        }
        if (ends && delta) {
            put_ceiling(
                pair, k, (sqrt(s->start) + sqrt(s->end)) / sqrt(s->delta));
        }
    }
}

/* Of a layer in its own norm. */
static void read_other_norm(struct pair *pair, const struct row *r)
{
    const struct pair_squares squares = { 0 };
    if (row_has(r, PROBE_grad_dual)) {
        pair->x[FIT_REGRESSOR_START] = row_f64(r, PROBE_grad_dual);
        pair->measured |= (uint16_t)PAIR_X_BIT(FIT_REGRESSOR_START);
    }
    read_smoothness(pair, r, &squares);
}

static void read_values(struct pair *pair, const struct row *r)
{
    struct pair_squares squares;
    read_floors(pair, r);
    if (row_u64(r, PROBE_norm) != 0 &&
        pair->estimator != TRAJ_ESTIMATOR_MICROBATCH) {
        read_other_norm(pair, r);
        return;
    }
    pair_squares_read(r, &squares);
    if (squares.unknown) {
        return;
    }
    read_x(pair, r, &squares);
    if (pair->estimator == TRAJ_ESTIMATOR_MICROBATCH) {
        read_secant(pair, FIT_REGRESSOR_START, r, &squares);
    } else {
        read_smoothness(pair, r, &squares);
        read_secant(pair, FIT_REGRESSOR_TRAPEZOID, r, &squares);
    }
}

bool pair_read(const struct row *row, struct pair *ret_pair)
{
    uint64_t estimator = row_u64(row, PROBE_estimator);
    bool of_all = row_u64(row, PROBE_group) == 0;
    if (!row_has(row, PROBE_step) || estimator >= PAIR_ESTIMATORS ||
        (of_all && row_u64(row, PROBE_norm) != 0)) {
        return false;
    }
    struct pair pair = {
        .step = row_u64(row, PROBE_step),
        .flags = (uint16_t)row_u64(row, PROBE_flags),
        .estimator = (uint8_t)estimator,
        .noise_floor = (double)NAN,
        .rounding_floor = (double)NAN,
        .floor_gamma = 1,
        .lr = row_f64(row, PROBE_lr),
        .loss = row_f64(row, PROBE_loss),
        .loss_end = row_f64(row, PROBE_loss_end),
    };
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        pair.x[k] = pair.y[k] = pair.ceiling[k] = (double)NAN;
    }
    read_values(&pair, row);
    *ret_pair = pair;
    return true;
}

enum pair_use pair_use(const struct pair *pair, enum fit_regressor regressor)
{
    double x = pair->x[regressor];
    double y = pair->y[regressor];
    if (pair->left_out != PAIR_USED) {
        return (enum pair_use)pair->left_out;
    }
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
    *pairs = (struct pairs){ .max = max, .every = 1, .mark.every = 1 };
}

void pairs_done(struct pairs *pairs)
{
    free(pairs->v);
    pairs_init(pairs, pairs->max);
}

void pairs_set_mark(struct pairs *pairs)
{
    pairs->mark = (struct pairs_mark){ pairs->n, pairs->every, pairs->seen };
}

bool pairs_rewind(struct pairs *pairs)
{
    if (pairs->every != pairs->mark.every) {
        return false;
    }
    pairs->n = pairs->mark.n;
    pairs->seen = pairs->mark.seen;
    return true;
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

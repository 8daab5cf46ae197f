/* fit_state.c: the state of a set of samples: adding, merging, and the fits
 * that need its bins. */
#include "math/fit_state.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/fit_hull.h"
#include "math/scale.h"

/* x = 0: below every other key, so it goes to the lowest bin there is. */
#define KEY_ZERO (-FIT_BIN_MAX - 1)

/* By comparing, not by a logarithm: the same on every machine. */
static int32_t key_of(double x)
{
    static const double parts[FIT_BINS_OCTAVE - 1] = { 0x1.172b83c7d517bp-1,
        0x1.306fe0a31b715p-1, 0x1.4bfdad5362a27p-1, 0x1.6a09e667f3bcdp-1,
        0x1.8ace5422aa0dbp-1, 0x1.ae89f995ad3adp-1, 0x1.d5818dcfba487p-1 };
    if (!(x > 0)) {
        return KEY_ZERO;
    }
    int exponent = 0;
    const double part = frexp(x, &exponent);
    int32_t key = (exponent - 1) * FIT_BINS_OCTAVE;
    for (size_t i = 0; i < FIT_BINS_OCTAVE - 1 && part >= parts[i]; i++) {
        key++;
    }
    return key;
}

/* The lowest key that is kept when `highest` is there. */
static int32_t least_of(int32_t highest)
{
    return highest - (int32_t)FIT_BINS + 1;
}

static int32_t higher(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static void bins_done(struct fit_state *state)
{
    for (uint32_t i = 0; i < state->n_bins; i++) {
        fit_sketch_done(&state->bins[i].sketch);
    }
    free(state->bins);
    state->bins = NULL;
    state->n_bins = 0;
    state->room_bins = 0;
}

static bool reserve_bin(struct fit_state *state)
{
    if (state->n_bins < state->room_bins) {
        return true;
    }
    const uint32_t room = state->room_bins > 0 ? 2 * state->room_bins : 8;
    struct fit_bin *bins = realloc(state->bins, room * sizeof *bins);
    if (bins == NULL) {
        return false;
    }
    state->bins = bins;
    state->room_bins = room;
    return true;
}

/* ---- the hull ------------------------------------------------------------ */

/* Where the lines through a, b and through c, d meet, of points of a hull from
 * left to right; b if rounding has them meet elsewhere. */
static struct xy meeting(struct xy a, struct xy b, struct xy c, struct xy d)
{
    const double left = (b.y - a.y) / (b.x - a.x);
    const double right = (d.y - c.y) / (d.x - c.x);
    const double x = b.x + (c.y - b.y - right * (c.x - b.x)) / (left - right);
    if (!(x >= b.x && x <= c.x)) {
        return b;
    }
    return (
        struct xy){ x, fmax(b.y + left * (x - b.x), c.y - right * (c.x - x)) };
}

/* Every second edge goes: [0 1] [2 3] [4 5] .. stay, and of those between them
 * where their neighbours meet. */
static void widen_once(struct fit_state *state)
{
    struct xy *hull = state->hull;
    const uint32_t n = state->n_hull;
    uint32_t kept = 1;
    uint32_t i = 0;
    for (; i + 3 < n; i += 2) {
        hull[kept++] = meeting(hull[i], hull[i + 1], hull[i + 2], hull[i + 3]);
    }
    for (i++; i < n; i++) {
        hull[kept++] = hull[i];
    }
    state->n_hull = (uint32_t)fit_hull_reduce(hull, kept);
}

static void widen_hull(struct fit_state *state)
{
    while (state->n_hull > FIT_HULL_KEPT) {
        widen_once(state);
    }
}

static bool reserve_point(struct fit_state *state)
{
    if (state->n_hull < state->room_hull) {
        return true;
    }
    const uint32_t room = state->room_hull > 0 ? 2 * state->room_hull : 8;
    struct xy *hull = realloc(state->hull, room * sizeof *hull);
    if (hull == NULL) {
        return false;
    }
    state->hull = hull;
    state->room_hull = room;
    return true;
}

/* There is room for it. */
static void insert_point(struct fit_state *state, struct xy point)
{
    state->n_hull =
        (uint32_t)fit_hull_insert(state->hull, state->n_hull, point);
    widen_hull(state);
}

/* ---- adding ------------------------------------------------------------- */

/* A sample on its way into a bin. */
struct sample {
    double x, y;
    int32_t key;
    int32_t cell; /* of y > 0 */
};

static uint32_t position(const struct fit_state *state, int32_t key)
{
    uint32_t low = 0;
    uint32_t high = state->n_bins;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (state->bins[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool reserve_cell(struct fit_sketch *sketch, const struct sample *sample)
{
    return !(sample->y > 0) ||
           fit_sketch_reserve(sketch, sample->cell, sample->cell);
}

/* The bin of this key, made if need be, with room for the sample. NULL: out of
 * memory, and nothing has changed. */
static struct fit_bin *bin_for(
    struct fit_state *state, int32_t key, const struct sample *sample)
{
    const uint32_t at = position(state, key);
    if (at < state->n_bins && state->bins[at].key == key) {
        struct fit_bin *bin = &state->bins[at];
        return reserve_cell(&bin->sketch, sample) ? bin : NULL;
    }
    struct fit_bin fresh = { .key = key };
    if (!reserve_bin(state) || !reserve_cell(&fresh.sketch, sample)) {
        return NULL;
    }
    memmove(&state->bins[at + 1], &state->bins[at],
        (state->n_bins - at) * sizeof fresh);
    state->bins[at] = fresh;
    state->n_bins++;
    return &state->bins[at];
}

/* Adds the bin to the end, or to the last one if that has this key. */
static bool append(
    struct fit_state *state, const struct fit_bin *of, int32_t key)
{
    struct fit_sketch joined = { 0 };
    const bool same =
        state->n_bins > 0 && state->bins[state->n_bins - 1].key == key;
    if (same) {
        struct fit_bin *last = &state->bins[state->n_bins - 1];
        if (!fit_sketch_merge(&last->sketch, &of->sketch)) {
            return false;
        }
        fit_sums_merge(&last->sums, &of->sums, 1);
        return true;
    }
    if (!reserve_bin(state) || !fit_sketch_merge(&joined, &of->sketch)) {
        return false;
    }
    state->bins[state->n_bins++] =
        (struct fit_bin){ .key = key, .sums = of->sums, .sketch = joined };
    return true;
}

/* The bins of a and of b in one list, those below `least` as one. On
 * failure *ret is empty. */
static bool join_bins(const struct fit_state *a, const struct fit_state *b,
    int32_t least, struct fit_state *ret)
{
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < a->n_bins || j < b->n_bins) {
        const bool from_a = j == b->n_bins ||
                            (i < a->n_bins && a->bins[i].key <= b->bins[j].key);
        const struct fit_bin *bin = from_a ? &a->bins[i++] : &b->bins[j++];
        if (!append(ret, bin, higher(bin->key, least))) {
            bins_done(ret);
            return false;
        }
    }
    return true;
}

/* As bin_for, where the new highest key takes low bins out of reach. */
static struct fit_bin *bin_above(
    struct fit_state *state, const struct sample *sample)
{
    const struct fit_state none = { 0 };
    struct fit_state next = { 0 };
    if (!join_bins(state, &none, least_of(sample->key), &next)) {
        return NULL;
    }
    struct fit_bin *bin = bin_for(&next, sample->key, sample);
    if (bin == NULL) {
        bins_done(&next);
        return NULL;
    }
    bins_done(state);
    state->bins = next.bins;
    state->n_bins = next.n_bins;
    state->room_bins = next.room_bins;
    return bin;
}

static bool add_to_bin(struct fit_state *state, const struct sample *sample)
{
    const uint32_t n = state->n_bins;
    const int32_t highest =
        n > 0 ? higher(state->bins[n - 1].key, sample->key) : sample->key;
    const int32_t least = least_of(highest);
    struct fit_bin *bin =
        n > 0 && state->bins[0].key < least
            ? bin_above(state, sample)
            : bin_for(state, higher(sample->key, least), sample);
    if (bin == NULL) {
        return false;
    }
    fit_sums_add(&bin->sums, sample->x, sample->y);
    if (sample->y > 0) {
        fit_sketch_count(&bin->sketch, sample->cell, 1);
    } else {
        bin->sketch.zeros++;
    }
    return true;
}

bool fit_state_add(struct fit_state *state, uint64_t step, double x, double y)
{
    const bool taken = fit_sums_takes(x) && fit_sums_takes(y);
    if (taken && x >= 0 && y >= 0) {
        const struct sample sample = {
            .x = x,
            .y = y,
            .key = key_of(x),
            .cell = y > 0 ? fit_sketch_index(log(y)) : 0,
        };
        const struct xy point = { x, y };
        const bool covered = fit_hull_covers(state->hull, state->n_hull, point);
        if ((!covered && !reserve_point(state)) ||
            !add_to_bin(state, &sample)) {
            return false;
        }
        if (!covered) {
            insert_point(state, point);
        }
    } else if (taken) {
        state->n_unbinned++;
    }
    fit_block_add(&state->total, step, x, y);
    return true;
}

/* ---- merging ------------------------------------------------------------ */

static bool merge_hulls(
    const struct fit_state *a, const struct fit_state *b, struct fit_state *ret)
{
    const uint32_t n = a->n_hull + b->n_hull;
    if (n == 0) {
        return true;
    }
    struct xy *points = malloc((size_t)n * sizeof *points);
    if (points == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        points[i] = i < a->n_hull ? a->hull[i] : b->hull[i - a->n_hull];
    }
    ret->hull = points;
    ret->room_hull = n;
    ret->n_hull = (uint32_t)fit_hull_reduce(points, n);
    widen_hull(ret);
    return true;
}

static int32_t highest_of(const struct fit_state *state)
{
    return state->n_bins > 0 ? state->bins[state->n_bins - 1].key : KEY_ZERO;
}

bool fit_state_merge(struct fit_state *state, const struct fit_state *of)
{
    struct fit_state merged = {
        .total = state->total,
        .n_unbinned = state->n_unbinned + of->n_unbinned,
    };
    const int32_t highest = higher(highest_of(state), highest_of(of));
    if (!join_bins(state, of, least_of(highest), &merged) ||
        !merge_hulls(state, of, &merged)) {
        fit_state_done(&merged);
        return false;
    }
    fit_block_merge(&merged.total, &of->total);
    fit_state_done(state);
    *state = merged;
    return true;
}

void fit_state_done(struct fit_state *state)
{
    bins_done(state);
    free(state->hull);
    *state = (struct fit_state){ 0 };
}

/* ---- fits from bins ------------------------------------------------------ */

static double x_mean(const struct fit_bin *bin)
{
    return twofold_value(bin->sums.x) / bin->sums.n;
}

/* The lower median over samples of a value that each bin has. */
static double median_of(const struct fit_state *state, const double *values)
{
    double n = 0;
    for (uint32_t i = 0; i < state->n_bins; i++) {
        n += state->bins[i].sums.n;
    }
    double median = (double)INFINITY;
    for (uint32_t i = 0; i < state->n_bins; i++) {
        double upto = 0;
        for (uint32_t j = 0; j < state->n_bins; j++) {
            upto += values[j] <= values[i] ? state->bins[j].sums.n : 0;
        }
        median = 2 * upto >= n ? fmin(median, values[i]) : median;
    }
    return median;
}

double fit_weight_at(const struct fit_weight *weight, double x)
{
    const double yhat =
        (weight->line.L0 + weight->line.L1 * x) * weight->factor;
    return 1 / fmax(yhat * yhat, weight->least);
}

/* False if the median is 0. */
static bool weight_of(
    const struct fit_state *state, struct fit_line line, struct fit_weight *ret)
{
    const double top = x_mean(&state->bins[state->n_bins - 1]);
    double squares[FIT_BINS];
    *ret = (struct fit_weight){ .line = line,
        .factor = scale_factor(scale_exponent(line.L0 + line.L1 * top)) };
    for (uint32_t i = 0; i < state->n_bins; i++) {
        const double yhat =
            (line.L0 + line.L1 * x_mean(&state->bins[i])) * ret->factor;
        squares[i] = yhat * yhat;
    }
    ret->least = 1e-3 * median_of(state, squares);
    return ret->least > 0;
}

/* At the mean x of each bin. */
static bool bin_weights(
    const struct fit_state *state, struct fit_line line, double *ret_w)
{
    struct fit_weight weight;
    const bool found = weight_of(state, line, &weight);
    for (uint32_t i = 0; i < state->n_bins; i++) {
        ret_w[i] = fit_weight_at(&weight, x_mean(&state->bins[i]));
    }
    return found;
}

bool fit_state_weight(const struct fit_state *state, struct fit_weight *ret)
{
    struct fit_line line;
    return fit_state_relative(state, &line) && weight_of(state, line, ret);
}

void fit_state_add_weighted(const struct fit_state *state,
    const struct fit_weight *weight, struct fit_sums *sums)
{
    for (uint32_t i = 0; i < state->n_bins; i++) {
        const struct fit_bin *bin = &state->bins[i];
        fit_sums_merge(sums, &bin->sums, fit_weight_at(weight, x_mean(bin)));
    }
}

static struct fit_sums weighted_sums(
    const struct fit_state *state, const double *w)
{
    struct fit_sums sums = { 0 };
    for (uint32_t i = 0; i < state->n_bins; i++) {
        fit_sums_merge(&sums, &state->bins[i].sums, w == NULL ? 1 : w[i]);
    }
    return sums;
}

bool fit_state_relative(const struct fit_state *state, struct fit_line *ret)
{
    struct fit_line line;
    struct fit_sums sums = weighted_sums(state, NULL);
    if (!fit_sums_nnls(&sums, &line)) {
        return false;
    }
    for (int round = 1; round < FIT_RELATIVE_ROUNDS; round++) {
        double w[FIT_BINS];
        if (!bin_weights(state, line, w)) {
            break;
        }
        sums = weighted_sums(state, w);
        if (!fit_sums_nnls(&sums, &line)) {
            return false;
        }
    }
    *ret = line;
    return true;
}

/* NNLS through (mean x, q) of the bins, each as often as it has samples. */
static bool through_quantiles(const struct fit_state *state, const double *q,
    const double *w, struct fit_line *ret)
{
    struct fit_sums sums = { 0 };
    for (uint32_t i = 0; i < state->n_bins; i++) {
        const struct fit_bin *bin = &state->bins[i];
        fit_sums_add_weighted(&sums, x_mean(bin), q[i], bin->sums.n * w[i]);
    }
    return fit_sums_nnls(&sums, ret);
}

bool fit_state_quantile(
    const struct fit_state *state, double tau, struct fit_line *ret)
{
    double q[FIT_BINS];
    double w[FIT_BINS];
    if (!(tau > 0 && tau < 1)) {
        return false;
    }
    for (uint32_t i = 0; i < state->n_bins; i++) {
        q[i] = fit_sketch_quantile(&state->bins[i].sketch, tau);
        w[i] = 1;
    }
    struct fit_line line;
    if (!through_quantiles(state, q, w, &line)) {
        return false;
    }
    for (int round = 1; round < FIT_RELATIVE_ROUNDS; round++) {
        if (!bin_weights(state, line, w)) {
            break;
        }
        if (!through_quantiles(state, q, w, &line)) {
            return false;
        }
    }
    *ret = line;
    return true;
}

/* The hull of the samples and the origin, returned for free; NULL: no memory.
 * There is a hull. */
static struct xy *hull_with_origin(const struct fit_state *state, size_t *ret_n)
{
    const size_t n = state->n_hull;
    struct xy *points = malloc((n + 1) * sizeof *points);
    if (points == NULL) {
        return NULL;
    }
    memcpy(points, state->hull, n * sizeof *points);
    points[n] = (struct xy){ 0, 0 };
    *ret_n = fit_hull_reduce(points, n + 1);
    return points;
}

bool fit_state_envelope(const struct fit_state *state, double c,
    struct fit_line *ret, bool *ret_nomem)
{
    size_t n = 0;
    *ret_nomem = false;
    if (state->n_hull == 0) {
        return false;
    }
    struct xy *points = hull_with_origin(state, &n);
    if (points == NULL) {
        *ret_nomem = true;
        return false;
    }
    const struct fit_sums binned = weighted_sums(state, NULL);
    const double mean = twofold_value(binned.x) / binned.n;
    *ret = fit_hull_support(points, n, isnan(c) ? mean : c);
    free(points);
    return true;
}

bool fit_state_frontier(
    const struct fit_state *state, struct fit_line *ret, size_t *ret_n)
{
    size_t n = 0;
    *ret_n = 0;
    if (state->n_hull == 0) {
        return true;
    }
    struct xy *points = hull_with_origin(state, &n);
    if (points == NULL) {
        return false;
    }
    *ret_n = fit_hull_frontier(points, n, ret);
    free(points);
    return true;
}

double fit_state_x_quantile(const struct fit_state *state, double q)
{
    double n = 0;
    for (uint32_t i = 0; i < state->n_bins; i++) {
        n += state->bins[i].sums.n;
    }
    double upto = 0;
    for (uint32_t i = 0; i < state->n_bins; i++) {
        upto += state->bins[i].sums.n;
        if (upto >= q * n) {
            return x_mean(&state->bins[i]);
        }
    }
    return (double)NAN;
}

/* rank_probe.c: pure; one thread at a time per struct rank_probe. */
#include "pure/rank_probe.h"

#include <math.h>
#include <string.h>

#include "math/element.h"
#include "math/rounding.h"
#include "traj.h"

#define POINT_BYTES 32 /* gamma and three squares */

void rank_probe_init(struct rank_probe *probe)
{
    memset(probe, 0, sizeof *probe);
}

/* ---- the points of one rank -----------------------------------------------
 */

struct points {
    uint32_t n;
    uint32_t at; /* of its smoothness_gamma; n: it has none */
    double v[WIRE_GAMMAS_MAX][4];
};

static bool is(double a, double b)
{
    return !(a < b) && !(a > b) && !isnan(a) && !isnan(b);
}

static void read_points(
    struct points *points, const struct row *r, struct str text)
{
    const double gamma = row_f64(r, PROBE_smoothness_gamma);
    points->n = 0;
    if (text.n >= POINT_BYTES) {
        const size_t n = text.n / POINT_BYTES;
        points->n = n > WIRE_GAMMAS_MAX ? WIRE_GAMMAS_MAX : (uint32_t)n;
        memcpy(points->v, text.p, points->n * sizeof points->v[0]);
    } else if (is(gamma, 1) && row_has(r, PROBE_delta_sq)) {
        points->n = 1;
        points->v[0][0] = 1;
        points->v[0][1] = row_f64(r, PROBE_grad_end_sq);
        points->v[0][2] = row_f64(r, PROBE_dgrad_sq);
        points->v[0][3] = row_f64(r, PROBE_delta_sq);
    }
    points->at = 0;
    while (points->at < points->n && !is(points->v[points->at][0], gamma)) {
        points->at++;
    }
}

static void add_points(struct rank_probe *probe, const struct points *points)
{
    if (probe->n == 0) {
        probe->n_points = points->n;
    }
    probe->gammas_differ = probe->gammas_differ || points->n != probe->n_points;
    for (uint32_t i = 0; i < points->n && !probe->gammas_differ; i++) {
        struct rank_point *sum = &probe->points[i];
        if (probe->n == 0) {
            sum->gamma = points->v[i][0];
        }
        probe->gammas_differ = !is(sum->gamma, points->v[i][0]);
        sum->grad_sq += points->v[i][1];
        sum->dgrad_sq += points->v[i][2];
        sum->delta_sq += points->v[i][3];
    }
}

/* ---- what else one rank says ----------------------------------------------
 */

static bool is_l2(const struct row *r)
{
    return row_u64(r, PROBE_norm) == TRAJ_NORM_L2;
}

static void add_noise(
    struct rank_probe *probe, const struct row *r, const struct points *points)
{
    if (row_has(r, PROBE_noise_floor) && is_l2(r) && points->at < points->n) {
        const double floor = row_f64(r, PROBE_noise_floor);
        probe->n_noise++;
        probe->noise_sq += floor * floor * points->v[points->at][3];
    }
}

static void add_rounding(
    struct rank_probe *probe, const struct row *r, const struct points *points)
{
    if (!row_has(r, PROBE_rounding_floor) || !is_l2(r) ||
        points->at >= points->n) {
        return;
    }
    const double floor = row_f64(r, PROBE_rounding_floor);
    const double start_sq = row_f64(r, PROBE_grad_sq);
    const double *own = points->v[points->at];
    const double own_sq = floor * floor * own[3];
    probe->n_round++;
    for (uint32_t i = 0; i < points->n && i < probe->n_points; i++) {
        const double ratio =
            i == points->at || !(start_sq + own[1] > 0)
                ? 1
                : (start_sq + points->v[i][1]) / (start_sq + own[1]);
        probe->points[i].round_sq += own_sq * ratio;
    }
}

static void add_dtype(struct rank_probe *probe, const struct row *r)
{
    const uint64_t dtype = row_u64(r, PROBE_dtype);
    if (dtype < TRAJ_F32 || dtype > TRAJ_F16) {
        return;
    }
    const double u = element_roundoff((enum traj_dtype)dtype);
    probe->n_dtype++;
    probe->start_round_sq += u * u * row_f64(r, PROBE_grad_sq);
}

void rank_probe_add(
    struct rank_probe *probe, const struct row *record, struct str text)
{
    struct points points;
    read_points(&points, record, text);
    add_points(probe, &points);
    add_noise(probe, record, &points);
    add_rounding(probe, record, &points);
    add_dtype(probe, record);
    if (row_has(record, PROBE_idempotence)) {
        const double idempotence = row_f64(record, PROBE_idempotence);
        probe->n_idempotent++;
        probe->idempotence_sq +=
            idempotence * idempotence * row_f64(record, PROBE_grad_sq);
    }
    probe->n++;
}

/* ---- all ranks together ---------------------------------------------------
 */

struct whole {
    const struct rank_probe *probe;
    uint64_t *present;
    uint64_t *values;
};

static double get(const struct whole *whole, unsigned field)
{
    double value = (double)NAN;
    if ((*whole->present & ROW_BIT(field)) != 0) {
        memcpy(&value, &whole->values[field], sizeof value);
    }
    return value;
}

static void put(struct whole *whole, unsigned field, double value)
{
    memcpy(&whole->values[field], &value, sizeof value);
    *whole->present |= ROW_BIT(field);
}

static bool is_micro(const struct whole *whole)
{
    return whole->values[PROBE_estimator] == TRAJ_ESTIMATOR_MICROBATCH;
}

/* The square of the smoothness at one gamma; of microbatches it may be
 * negative. */
static double smoothness_sq(
    const struct whole *whole, const struct rank_point *point)
{
    double dgrad_sq = point->dgrad_sq;
    if (is_micro(whole)) {
        dgrad_sq = traj_unbiased_sq(whole->values[PROBE_micro_batches],
            get(whole, PROBE_micro_dgrad_sq), dgrad_sq);
    }
    return dgrad_sq / point->delta_sq;
}

/* NULL: none is finite. */
static const struct rank_point *find_maximum(
    const struct whole *whole, double *ret_sq)
{
    const struct rank_point *best = NULL;
    for (uint32_t i = 0; i < whole->probe->n_points; i++) {
        const struct rank_point *point = &whole->probe->points[i];
        const double square = smoothness_sq(whole, point);
        if (isfinite(square) && (best == NULL || square > *ret_sq)) {
            best = point;
            *ret_sq = square;
        }
    }
    return best;
}

static void put_floors(struct whole *whole, const struct rank_point *best)
{
    const struct rank_probe *p = whole->probe;
    if (p->n_noise == p->n) {
        put(whole, PROBE_noise_floor, sqrt(p->noise_sq / best->delta_sq));
    }
    if (p->n_round == p->n) {
        put(whole, PROBE_rounding_floor, sqrt(best->round_sq / best->delta_sq));
    }
}

static void set_flag(struct whole *whole, uint64_t flag, bool on)
{
    whole->values[PROBE_flags] &= ~flag;
    if (on) {
        whole->values[PROBE_flags] |= flag;
        *whole->present |= ROW_BIT(PROBE_flags);
    }
}

/* Those that compare norms, as math/probe_measure.c and watch/different.c set
 * them. Where it cannot be known, what the ranks say stays. */
static void judge(
    struct whole *whole, const struct rank_point *best, double square)
{
    const struct rank_probe *p = whole->probe;
    const double smoothness = get(whole, PROBE_smoothness);
    const double rounding = get(whole, PROBE_rounding_floor);
    const double noise = get(whole, PROBE_noise_floor);
    if ((whole->values[PROBE_flags] & TRAJ_PROBE_FROM_DELTA) != 0) {
        if (!isnan(rounding)) {
            set_flag(whole, TRAJ_PROBE_ROUNDING, smoothness < 2 * rounding);
        }
    } else if (p->n_dtype == p->n) {
        set_flag(whole, TRAJ_PROBE_ROUNDING,
            sqrt(best->dgrad_sq) <= ROUNDING_FACTOR * sqrt(p->start_round_sq));
    }
    if (!isnan(noise)) {
        set_flag(whole, TRAJ_PROBE_NOISE_LIMITED, smoothness < 2 * noise);
    }
    if (is_micro(whole)) {
        set_flag(whole, TRAJ_PROBE_NEGATIVE, square < 0);
    }
}

static void put_maximum(
    struct whole *whole, const struct rank_point *best, double square)
{
    const double grad_sq = get(whole, PROBE_grad_sq);
    put(whole, PROBE_smoothness, square > 0 ? sqrt(square) : 0);
    put(whole, PROBE_smoothness_gamma, best->gamma);
    if (!isnan(grad_sq) && !isnan(best->grad_sq)) {
        put(whole, PROBE_ceiling,
            (sqrt(grad_sq) + sqrt(best->grad_sq)) / sqrt(best->delta_sq));
    }
    put_floors(whole, best);
    judge(whole, best, square);
}

void rank_probe_finish(const struct rank_probe *probe, uint64_t *present,
    uint64_t values[static PROBE_FIELDS])
{
    struct whole whole = { probe, present, values };
    const uint64_t spoiled = TRAJ_PROBE_TINY_STEP | TRAJ_PROBE_NONFINITE;
    *present &= ~ROW_BIT(PROBE_norm);
    if (probe->n_idempotent == probe->n &&
        (*present & ROW_BIT(PROBE_grad_sq)) != 0) {
        put(&whole, PROBE_idempotence,
            sqrt(probe->idempotence_sq / get(&whole, PROBE_grad_sq)));
    }
    double square = 0;
    const struct rank_point *best = find_maximum(&whole, &square);
    if (best != NULL && ((*present & ROW_BIT(PROBE_flags)) == 0 ||
                            (values[PROBE_flags] & spoiled) == 0)) {
        put_maximum(&whole, best, square);
    }
}

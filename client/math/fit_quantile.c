/*
 * fit_quantile.c: quantile regression of a line with L0, L1 >= 0, exactly, in
 * O(n). Pure; any thread.
 *
 * For a slope b the best line passes at height h(b) = max(b c, tau-quantile of
 * y - b (x - c)) over the centre c, the mean of x (b c is L0 = 0), and its loss
 * is convex in b. So b is found by bisection on the sign of the subgradient.
 * The bisection halves the *bit patterns* of doubles, which are ordered like
 * the doubles themselves when these are >= 0: 63 halvings reach two neighbours,
 * whether b is 1e-30 or 1e30. The optimum lies between the two, and the better
 * one is kept.
 *
 * Two things make this O(n). Both change the work and not the answer:
 * - The bisection starts between two slopes that a sample gives (of about
 *   n^(2/3) points: Portnoy and Koenker 1997), once the subgradients of all
 *   data have the right signs there. If not, it goes outwards until they have.
 * - A point that is above the best line for every slope in the bracket, or
 *   below it, is only a term of a sum from then on (Zemel 1984). Floating-point
 *   y - b (x - c) is monotone in b as the exact one is, so the proof holds for
 *   the numbers as they are computed.
 */
#include "math/fit.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "math/order.h"
#include "math/scale.h"
#include "sum.h"

#define SAMPLE_FROM 4096 /* points, below which no sample is worth while */
#define DEVIATIONS 4     /* of the subgradient of a sample, for the bracket */
#define PRUNE_FROM 32    /* points, below which it is not worth while */
#define PRUNE_EVERY 4    /* halvings */
#define STEEPEST 0x1p900 /* no slope of scaled data is beyond it */

struct problem {
    double tau;
    double centre;
    size_t rank; /* of the quantile among all points, from 0 */
    /* The points that may be on either side, scaled to be near 1. */
    double *x, *y;
    size_t n;
    /* The others: how many, and the sum of (tau - [r < 0])(x - c). */
    size_t above, below;
    struct sum pull_x;
    double *rest;    /* n: y - b (x - c) of the last slope tried */
    double *scratch; /* n */
};

struct bracket {
    double lo, hi;
};

struct height {
    double value;
    bool clamped; /* to L0 = 0 */
};

/* Whether the quantile is one of those taken out as below the line: then h is
 * b c for all slopes in the bracket. */
static bool always_clamped(const struct problem *p)
{
    return p->rank < p->below || p->n == 0;
}

/* h(b); leaves y - b (x - c) in p->rest. */
static struct height best_height(const struct problem *p, double b)
{
    const double least = b * p->centre;
    for (size_t i = 0; i < p->n; i++) {
        p->rest[i] = p->y[i] - b * (p->x[i] - p->centre);
        p->scratch[i] = p->rest[i];
    }
    if (always_clamped(p)) {
        return (struct height){ least, true };
    }
    double quantile = order_select(p->scratch, p->n, p->rank - p->below);
    if (quantile < least) {
        return (struct height){ least, true };
    }
    return (struct height){ quantile, false };
}

/*
 * A subgradient of the loss along b at (h(b), b). Residuals that are zero may
 * pull with anything in [tau-1, tau]: where L0 > 0 all pulls sum to zero, so
 * they share what is missing; at L0 = 0 nothing has to be missing, and the
 * height goes with b.
 */
static double slope_gradient(const struct problem *p, double b)
{
    const struct height h = best_height(p, b);
    struct sum pull_x = p->pull_x;
    double zero_x = 0;
    size_t above = p->above;
    size_t below = p->below;
    for (size_t i = 0; i < p->n; i++) {
        const double x = p->x[i] - p->centre;
        const bool is_above = p->rest[i] > h.value;
        const bool is_below = p->rest[i] < h.value;
        sum_add(&pull_x, x * (p->tau * is_above - (1 - p->tau) * is_below));
        zero_x += x * (!is_above & !is_below);
        above += is_above;
        below += is_below;
    }
    const size_t zeros = p->above + p->below + p->n - above - below;
    const double pull = p->tau * (double)above - (1 - p->tau) * (double)below;
    double gradient = -sum_value(&pull_x);
    if (h.clamped) {
        return gradient - p->centre * pull;
    }
    return zeros > 0 ? gradient + pull * zero_x / (double)zeros : gradient;
}

/* Smallest and largest y - b (x - c) of a point for b in the bracket. */
struct range {
    double least, most;
};

static struct range range_of(
    const struct problem *p, size_t i, const struct bracket *slopes)
{
    const double x = p->x[i] - p->centre;
    const double a = p->y[i] - slopes->lo * x;
    const double b = p->y[i] - slopes->hi * x;
    return (struct range){ a < b ? a : b, a < b ? b : a };
}

/* Smallest and largest h(b) for b in the bracket. */
static struct range height_range(
    const struct problem *p, const struct bracket *slopes)
{
    const double at_lo = slopes->lo * p->centre;
    const double at_hi = slopes->hi * p->centre;
    const struct range clamp = { fmin(at_lo, at_hi), fmax(at_lo, at_hi) };
    if (always_clamped(p)) {
        return clamp;
    }
    for (size_t i = 0; i < p->n; i++) {
        struct range range = range_of(p, i, slopes);
        p->rest[i] = range.least;
        p->scratch[i] = range.most;
    }
    const size_t rank = p->rank - p->below;
    return (struct range){
        .least = fmax(order_select(p->rest, p->n, rank), clamp.least),
        .most = fmax(order_select(p->scratch, p->n, rank), clamp.most),
    };
}

/* Takes out the points whose side is known for all slopes in the bracket. */
static void prune(struct problem *p, const struct bracket *slopes)
{
    const struct range height = height_range(p, slopes);
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct range range = range_of(p, i, slopes);
        if (range.least > height.most) {
            sum_add(&p->pull_x, p->tau * (p->x[i] - p->centre));
            p->above++;
        } else if (range.most < height.least) {
            sum_add(&p->pull_x, (p->tau - 1) * (p->x[i] - p->centre));
            p->below++;
        } else {
            p->x[kept] = p->x[i];
            p->y[kept] = p->y[i];
            kept++;
        }
    }
    p->n = kept;
}

static double between(const struct bracket *slopes)
{
    uint64_t lo_bits = 0;
    uint64_t hi_bits = 0;
    memcpy(&lo_bits, &slopes->lo, sizeof lo_bits);
    memcpy(&hi_bits, &slopes->hi, sizeof hi_bits);
    const uint64_t bits = lo_bits + (hi_bits - lo_bits) / 2;
    double middle = 0;
    memcpy(&middle, &bits, sizeof middle);
    return middle;
}

/* To the neighbouring slopes between which the subgradient reaches target. */
static void bisect(struct problem *p, struct bracket *slopes, double target)
{
    for (int halvings = 0;; halvings++) {
        const double middle = between(slopes);
        if (middle <= slopes->lo) {
            return;
        }
        if (slope_gradient(p, middle) < target) {
            slopes->lo = middle;
        } else {
            slopes->hi = middle;
        }
        if (halvings % PRUNE_EVERY == 0 && p->n > PRUNE_FROM &&
            slopes->hi <= 4 * slopes->lo) {
            prune(p, slopes);
        }
    }
}

/* Points in a sample that has some on either side; 0: no sample. */
static size_t sample_size(const struct problem *p)
{
    const double root = cbrt((double)p->n);
    const double rare = fmin(p->tau, 1 - p->tau);
    const double size = fmax(root * root, 64 / rare);
    return p->n < SAMPLE_FROM || size > (double)p->n / 4 ? 0 : (size_t)size;
}

/* The slope at which the subgradient of a sample of p reaches the target, in
 * units of its standard deviation when the line is the true one. */
static double sample_slope(const struct problem *p, size_t n, double target)
{
    struct problem sample = {
        .tau = p->tau,
        .centre = p->centre,
        .rank = (size_t)fmax(0, ceil(p->tau * (double)n) - 1),
        .x = p->rest,
        .y = p->rest + n,
        .n = n,
        .rest = p->scratch,
        .scratch = p->scratch + n,
    };
    uint64_t state = 1;
    double xx = 0;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const size_t from = (size_t)(state >> 33) % p->n;
        sample.x[i] = p->x[from];
        sample.y[i] = p->y[from];
        xx += (p->x[from] - p->centre) * (p->x[from] - p->centre);
    }
    struct bracket slopes = { 0, STEEPEST };
    bisect(&sample, &slopes, target * sqrt(p->tau * (1 - p->tau) * xx));
    return slopes.hi;
}

/* A guess; not further right than where going outwards gets there soon. */
static struct bracket guess(const struct problem *p, size_t sample)
{
    const double middle = sample_slope(p, sample, 0);
    return (struct bracket){
        .lo = sample_slope(p, sample, -DEVIATIONS),
        .hi = fmin(sample_slope(p, sample, DEVIATIONS), 2 * middle),
    };
}

/* Until the subgradients of all data say that the optimum is inside. */
static void widen(const struct problem *p, struct bracket *slopes)
{
    double width = fmax(slopes->hi - slopes->lo, 1e-3 * slopes->hi);
    while (slopes->lo > 0 && !(slope_gradient(p, slopes->lo) < 0)) {
        slopes->hi = slopes->lo;
        slopes->lo = fmax(0, slopes->lo - width);
        width *= 2;
    }
    while (slopes->hi < STEEPEST && slope_gradient(p, slopes->hi) < 0) {
        slopes->lo = slopes->hi;
        slopes->hi = fmin(slopes->hi + width, STEEPEST);
        width *= 2;
    }
}

/* Neighbouring slopes around the optimum; both 0 if it is at 0. */
static struct bracket solve(struct problem *p)
{
    struct bracket slopes = { 0, 0 };
    if (!(slope_gradient(p, 0) < 0)) {
        return slopes;
    }
    slopes.hi = STEEPEST;
    const size_t sample = sample_size(p);
    if (sample > 0) {
        slopes = guess(p, sample);
        widen(p, &slopes);
        prune(p, &slopes);
    }
    bisect(p, &slopes, 0);
    return slopes;
}

/* The point that the best line of slope b touches; the origin if L0 = 0. */
static struct xy touched(const struct problem *p, double b)
{
    const struct height h = best_height(p, b);
    for (size_t i = 0; !h.clamped && i < p->n; i++) {
        if (!(p->rest[i] < h.value) && !(p->rest[i] > h.value)) {
            return (struct xy){ p->x[i], p->y[i] };
        }
    }
    return (struct xy){ 0, 0 };
}

static struct fit_line through(struct xy at, double slope)
{
    return (struct fit_line){ .L0 = fmax(0, at.y - slope * at.x), .L1 = slope };
}

/* All data as it came, and the powers of two that bring it near 1. */
struct data {
    const double *x, *y;
    size_t n;
    double fx, fy;
};

static double loss(const struct data *data, double tau, struct fit_line line)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < data->n; i++) {
        const double x = data->x[i] * data->fx;
        const double r = data->y[i] * data->fy - line.L0 - line.L1 * x;
        sum_add(&total, r * (r < 0 ? tau - 1 : tau));
    }
    return sum_value(&total);
}

/* The problem of all points, scaled, in a workspace of 4n. */
static struct problem problem_of(
    const struct data *data, double tau, double *workspace)
{
    const size_t n = data->n;
    struct problem p = {
        .tau = tau,
        .rank = (size_t)fmax(0, ceil(tau * (double)n) - 1),
        .x = workspace,
        .y = workspace + n,
        .n = n,
        .rest = workspace + 2 * n,
        .scratch = workspace + 3 * n,
    };
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        p.x[i] = data->x[i] * data->fx;
        p.y[i] = data->y[i] * data->fy;
        sum_add(&total, p.x[i]);
    }
    p.centre = sum_value(&total) / (double)n;
    return p;
}

static struct fit_line better(
    const struct data *data, const struct problem *p, struct bracket slopes)
{
    const struct fit_line lo = through(touched(p, slopes.lo), slopes.lo);
    const struct fit_line hi = through(touched(p, slopes.hi), slopes.hi);
    return loss(data, p->tau, lo) < loss(data, p->tau, hi) ? lo : hi;
}

bool fit_quantile(const double *x, const double *y, size_t n, double tau,
    double *workspace, struct fit_line *ret)
{
    if (!fit_determined(x, n) || !(tau > 0 && tau < 1)) {
        return false;
    }
    const int x_exponent = scale_exponent_of(x, n);
    const int y_exponent = scale_exponent_of(y, n);
    const struct data data = {
        .x = x,
        .y = y,
        .n = n,
        .fx = scale_factor(x_exponent),
        .fy = scale_factor(y_exponent),
    };
    struct problem p = problem_of(&data, tau, workspace);
    const struct bracket slopes = solve(&p);
    const struct fit_line line = better(&data, &p, slopes);
    *ret = (struct fit_line){
        .L0 = ldexp(line.L0, y_exponent),
        .L1 = ldexp(line.L1, y_exponent - x_exponent),
    };
    return true;
}

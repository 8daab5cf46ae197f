/*
 * fit_predict.c: laws compared by how well they predict what they have not
 * seen: the power of x, and rivals of x. Pure; any thread.
 *
 * Blocked cross-validation: the samples, in the order of time, are cut into
 * FIT_FOLDS blocks; each is predicted by a fit to the others. Neighbours in
 * time resemble each other, so that folds drawn at random would reward a law
 * that remembers instead of one that predicts. The score is the root mean
 * square of ln y - ln yhat.
 */
#include "math/fit.h"

#include <math.h>
#include <string.h>

#include "math/fit_plane.h"
#include "sum.h"

/* A law y = a + b u + c v of 0, 1 or 2 columns, and what it is fitted to. */
struct columns {
    const double *u, *v; /* NULL: there is none */
    const double *y;     /* > 0 */
    size_t n;
};

static bool fit_mean(const double *y, size_t n, struct fit_plane *ret)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        sum_add(&total, y[i] / (double)n);
    }
    *ret = (struct fit_plane){ .a = sum_value(&total) };
    return n > 0;
}

/* By relative errors; of a constant they all have the same weight. */
static bool fit_columns(
    const struct columns *c, double *workspace, struct fit_plane *ret)
{
    struct fit_line line;
    if (c->u == NULL) {
        return fit_mean(c->y, c->n, ret);
    }
    if (c->v != NULL) {
        return fit_plane_relative(c->u, c->v, c->y, c->n, workspace, ret);
    }
    if (!fit_nnls_relative(c->u, c->y, c->n, workspace, &line)) {
        return false;
    }
    *ret = (struct fit_plane){ .a = line.L0, .b = line.L1 };
    return true;
}

static double predict(
    const struct columns *c, size_t i, const struct fit_plane *plane)
{
    return plane->a + (c->u != NULL ? plane->b * c->u[i] : 0) +
           (c->v != NULL ? plane->c * c->v[i] : 0);
}

/* All but the samples from first to end, into room; NULL stays NULL. */
static const double *without(
    const double *column, size_t n, size_t first, size_t end, double *room)
{
    if (column == NULL) {
        return NULL;
    }
    memcpy(room, column, first * sizeof *room);
    memcpy(room + first, column + end, (n - end) * sizeof *room);
    return room;
}

/* Inf where a block's fit is not determined or predicts a zero. workspace:
 * 5n. */
static double score(const struct columns *c, double *workspace)
{
    struct sum total = { 0 };
    for (size_t fold = 0; fold < FIT_FOLDS; fold++) {
        const size_t first = c->n * fold / FIT_FOLDS;
        const size_t end = c->n * (fold + 1) / FIT_FOLDS;
        const struct columns others = {
            .u = without(c->u, c->n, first, end, workspace),
            .v = without(c->v, c->n, first, end, workspace + c->n),
            .y = without(c->y, c->n, first, end, workspace + 2 * c->n),
            .n = c->n - (end - first),
        };
        struct fit_plane plane;
        if (!fit_columns(&others, workspace + 3 * c->n, &plane)) {
            return (double)INFINITY;
        }
        for (size_t i = first; i < end; i++) {
            const double error = log(c->y[i]) - log(predict(c, i, &plane));
            sum_add(&total, error * error);
        }
    }
    return sqrt(sum_value(&total) / (double)c->n);
}

static void thin(const double *column, size_t n, double *ret)
{
    const size_t kept = fit_thin(n);
    for (size_t i = 0; i < kept; i++) {
        ret[i] = column[fit_thin_index(n, i)];
    }
}

/* ---- the power of x ------------------------------------------------------ */

static void raise(const double *x, size_t n, double rho, double *ret)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = pow(x[i], rho);
    }
}

/* The scores of the grid, on at most FIT_THIN_MAX samples. workspace: 8 of
 * them. */
static void score_powers(const double *x, const double *y, size_t n,
    double *workspace, struct fit_power *ret)
{
    const size_t kept = fit_thin(n);
    double *z = workspace;
    double *thin_y = workspace + kept;
    double *thin_x = workspace + 2 * kept;
    thin(x, n, thin_x);
    thin(y, n, thin_y);
    for (size_t k = 0; k < FIT_POWERS; k++) {
        raise(thin_x, kept, FIT_POWER_STEP * (double)k, z);
        const struct columns c = {
            .u = k > 0 ? z : NULL,
            .y = thin_y,
            .n = kept,
        };
        ret->scores[k] = score(&c, workspace + 3 * kept);
    }
}

/* The samples with a power and a logarithm to used_x and used_y; how many. */
static size_t take_positive(
    const double *x, const double *y, size_t n, double *used_x, double *used_y)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] >= 0 && y[i] > 0) {
            used_x[kept] = x[i];
            used_y[kept] = y[i];
            kept++;
        }
    }
    return kept;
}

/* workspace: 3n. */
static bool fit_raised(const double *x, const double *y, size_t n, double rho,
    double *workspace, struct fit_line *ret)
{
    struct fit_plane plane;
    raise(x, n, rho, workspace);
    const struct columns c = {
        .u = rho > 0 ? workspace : NULL,
        .y = y,
        .n = n,
    };
    if (!fit_columns(&c, workspace + n, &plane)) {
        return false;
    }
    *ret = (struct fit_line){ .L0 = plane.a, .L1 = plane.b };
    return true;
}

bool fit_power_at(const double *x, const double *y, size_t n, double rho,
    double *workspace, struct fit_line *ret)
{
    const size_t kept = take_positive(x, y, n, workspace, workspace + n);
    return rho >= 0 && fit_determined(workspace, kept) &&
           fit_raised(
               workspace, workspace + n, kept, rho, workspace + 2 * n, ret);
}

bool fit_power(const double *x, const double *y, size_t n, double *workspace,
    struct fit_power *ret)
{
    double *used_x = workspace;
    double *used_y = workspace + n;
    double *room = workspace + 2 * n;
    struct fit_power power = { .n = take_positive(x, y, n, used_x, used_y) };
    if (power.n < FIT_FOLDS || !fit_determined(used_x, power.n)) {
        return false;
    }
    score_powers(used_x, used_y, power.n, room, &power);
    size_t best = 0;
    for (size_t k = 1; k < FIT_POWERS; k++) {
        best = power.scores[k] < power.scores[best] ? k : best;
    }
    power.rho = FIT_POWER_STEP * (double)best;
    if (!isfinite(power.scores[best]) ||
        !fit_raised(used_x, used_y, power.n, power.rho, room, &power.line)) {
        return false;
    }
    *ret = power;
    return true;
}

/* ---- rivals -------------------------------------------------------------- */

static double least_of(const double *values, size_t n)
{
    double least = (double)NAN;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            least = fmin(least, values[i]);
        }
    }
    return least;
}

/* x, y and gap of the samples that have all three, to workspace, each n apart;
 * how many. */
static size_t take_samples(const double *x, const double *y, const double *loss,
    size_t n, double least_loss, double *workspace)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const double gap = loss[i] - least_loss;
        if (isfinite(x[i]) && isfinite(y[i]) && isfinite(gap) && x[i] >= 0 &&
            y[i] > 0 && gap >= 0) {
            workspace[kept] = x[i];
            workspace[n + kept] = y[i];
            workspace[2 * n + kept] = gap;
            kept++;
        }
    }
    return kept;
}

/* The law of one rival, fitted to all and scored on at most FIT_THIN_MAX. */
static struct fit_rival compete(
    const struct columns *c, double *workspace, enum fit_rival_law law)
{
    struct fit_rival rival = { .score = (double)INFINITY };
    struct fit_plane plane;
    rival.valid = fit_columns(c, workspace, &plane);
    if (!rival.valid) {
        return rival;
    }
    rival.L0 = plane.a;
    rival.L1 = law == FIT_RIVAL_GAP ? 0 : plane.b;
    rival.H1 = law == FIT_RIVAL_GAP ? plane.b : plane.c;
    const size_t kept = fit_thin(c->n);
    const double *columns[] = { c->u, c->v, c->y };
    for (size_t k = 0; k < 3; k++) {
        if (columns[k] != NULL) {
            thin(columns[k], c->n, workspace + k * kept);
        }
    }
    const struct columns thinned = {
        .u = c->u != NULL ? workspace : NULL,
        .v = c->v != NULL ? workspace + kept : NULL,
        .y = workspace + 2 * kept,
        .n = kept,
    };
    rival.score = score(&thinned, workspace + 3 * kept);
    return rival;
}

bool fit_rivals(const double *x, const double *y, const double *loss, size_t n,
    double least_loss, double *workspace, struct fit_rivals *ret)
{
    struct fit_rivals rivals = { .least_loss = least_loss };
    if (isnan(least_loss)) {
        rivals.least_loss = least_of(loss, n);
        rivals.least_is_seen = true;
    }
    rivals.n = take_samples(x, y, loss, n, rivals.least_loss, workspace);
    rivals.n_excluded = n - rivals.n;
    if (rivals.n < FIT_FOLDS) {
        return false;
    }
    const double *u = workspace;
    const double *gap = workspace + 2 * n;
    const struct {
        const double *u, *v;
    } laws[FIT_RIVALS] = {
        [FIT_RIVAL_CONSTANT] = { NULL, NULL },
        [FIT_RIVAL_GRADIENT] = { u, NULL },
        [FIT_RIVAL_GAP] = { gap, NULL },
        [FIT_RIVAL_BOTH] = { u, gap },
    };
    for (size_t k = 0; k < FIT_RIVALS; k++) {
        const struct columns c = {
            .u = laws[k].u,
            .v = laws[k].v,
            .y = workspace + n,
            .n = rivals.n,
        };
        rivals.of[k] = compete(&c, workspace + 3 * n, (enum fit_rival_law)k);
        if (rivals.of[k].score < rivals.of[rivals.best].score) {
            rivals.best = (enum fit_rival_law)k;
        }
    }
    *ret = rivals;
    return true;
}

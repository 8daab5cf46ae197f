/* fit_ci.c: cluster-t intervals and the block bootstrap, from sums of blocks.
 * Pure; any thread. */
#include "math/fit_ci.h"
#include <math.h>

#include "math/order.h"
#include "math/random.h"
#include "math/student.h"
#include "sum.h"

/* Why these rows are not enough for intervals, if they are not. */
static enum fit_absent blocks_absent(
    const struct fit_sums *rows, size_t m, double samples, double tau_int)
{
    const struct fit_sums total = fit_sums_total(rows, m);
    if (!fit_sums_determined(&total)) {
        return FIT_ABSENT_UNDETERMINED;
    }
    if (m < FIT_BLOCKS_MIN) {
        return FIT_ABSENT_FEW_BLOCKS;
    }
    if (isnan(tau_int)) {
        return FIT_ABSENT_LONG_MEMORY;
    }
    return samples / (double)m > 2 * tau_int ? FIT_PRESENT
                                             : FIT_ABSENT_SHORT_BLOCKS;
}

/* ---- cluster-t ----------------------------------------------------------- */

struct meat {
    double cc, cb, bb; /* sums of products of the scores */
};

static struct meat meat_of(const struct fit_sums *rows, size_t m,
    const struct fit_centred *c, double slope)
{
    struct sum cc = { 0 }, cb = { 0 }, bb = { 0 };
    for (size_t j = 0; j < m; j++) {
        const struct fit_about a =
            fit_sums_about(&rows[j], c->x_mean, c->y_mean);
        const double centroid = a.v - slope * a.u;
        const double tilt = a.uv - slope * a.uu;
        sum_add(&cc, centroid * centroid);
        sum_add(&cb, centroid * tilt);
        sum_add(&bb, tilt * tilt);
    }
    return (struct meat){
        .cc = sum_value(&cc), .cb = sum_value(&cb), .bb = sum_value(&bb)
    };
}

static struct fit_interval interval(double estimate, double variance, double t)
{
    const double se = sqrt(fmax(0, variance));
    return (struct fit_interval){ .estimate = estimate,
        .se = se,
        .low = estimate - t * se,
        .high = estimate + t * se };
}

enum fit_absent fit_ci(const struct fit_sums *rows, size_t m, double samples,
    double tau_int, double level, struct fit_ci *ret)
{
    if (!(level > 0 && level < 1)) {
        return FIT_ABSENT_ARGUMENT;
    }
    const enum fit_absent absent = blocks_absent(rows, m, samples, tau_int);
    if (absent != FIT_PRESENT) {
        return absent;
    }
    const struct fit_sums total = fit_sums_total(rows, m);
    const struct fit_centred c = fit_sums_centred(&total);
    struct fit_line line = { 0 };
    (void)fit_sums_ols(&total, &line); /* determined, as looked at above */
    const struct meat meat = meat_of(rows, m, &c, line.L1);
    const double dof = (double)m - 2;
    const double factor = (double)m / dof;
    const double x_mean = twofold_value(c.x_mean);
    const double var_c = factor * meat.cc / c.n / c.n;
    const double cov_cb = factor * meat.cb / c.n / c.xx;
    const double var_b = factor * meat.bb / c.xx / c.xx;
    const double var_a = var_c - 2 * x_mean * cov_cb + x_mean * x_mean * var_b;
    if (!(var_a > 0 && var_b > 0)) {
        return FIT_ABSENT_CONSTANT;
    }
    const double t = student_quantile(0.5 + level / 2, dof);
    *ret = (struct fit_ci){
        .dof = dof,
        .level = level,
        .x_mean = x_mean,
        .L0 = interval(line.L0, var_a, t),
        .L1 = interval(line.L1, var_b, t),
        .centroid = interval(twofold_value(c.y_mean), var_c, t),
        .corr = (cov_cb - x_mean * var_b) / sqrt(var_a) / sqrt(var_b),
        .corr_design = -x_mean / sqrt(twofold_value(total.xx) / c.n),
    };
    return FIT_PRESENT;
}

/* ---- the bootstrap ------------------------------------------------------- */

static bool refit(
    const struct fit_sums *sums, enum fit_kind kind, struct fit_line *ret)
{
    return kind == FIT_KIND_OLS ? fit_sums_ols(sums, ret)
                                : fit_sums_nnls(sums, ret);
}

/* The rows of one draw, added up. */
static struct fit_sums draw(
    const struct fit_sums *rows, size_t m, uint64_t seed, size_t number)
{
    struct fit_sums sums = { 0 };
    for (size_t j = 0; j < m; j++) {
        const size_t row =
            (size_t)random_below(seed, (uint64_t)number * m + j, m);
        fit_sums_merge(&sums, &rows[row], 1);
    }
    return sums;
}

static double mean_of(const double *values, size_t n)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        sum_add(&total, values[i]);
    }
    return sum_value(&total) / (double)n;
}

static double covariance(const double *u, const double *v, size_t n)
{
    const double u_mean = mean_of(u, n);
    const double v_mean = mean_of(v, n);
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        sum_add(&total, (u[i] - u_mean) * (v[i] - v_mean));
    }
    return sum_value(&total) / (double)(n - 1);
}

static struct fit_interval percentiles(
    double estimate, double *values, size_t n, double level)
{
    return (struct fit_interval){
        .estimate = estimate,
        .se = sqrt(covariance(values, values, n)),
        .low = order_quantile(values, n, 0.5 - level / 2),
        .high = order_quantile(values, n, 0.5 + level / 2),
    };
}

enum fit_absent fit_bootstrap(const struct fit_sums *rows, size_t m,
    double samples, double tau_int, enum fit_kind kind, double level,
    size_t draws, uint64_t seed, double *workspace, struct fit_bootstrap *ret)
{
    if (!(level > 0 && level < 1) || draws < 2 || draws > FIT_DRAWS_MAX) {
        return FIT_ABSENT_ARGUMENT;
    }
    const enum fit_absent absent = blocks_absent(rows, m, samples, tau_int);
    if (absent != FIT_PRESENT) {
        return absent;
    }
    const struct fit_sums total = fit_sums_total(rows, m);
    const double x_mean = twofold_value(fit_sums_centred(&total).x_mean);
    struct fit_line line = { 0 };
    (void)refit(&total, kind, &line); /* determined, as looked at above */
    double *L0 = workspace;
    double *L1 = workspace + draws;
    double *centroid = workspace + 2 * draws;
    size_t n = 0;
    for (size_t i = 0; i < draws; i++) {
        const struct fit_sums sums = draw(rows, m, seed, i);
        struct fit_line again;
        if (refit(&sums, kind, &again)) {
            L0[n] = again.L0;
            L1[n] = again.L1;
            centroid[n] = again.L0 + again.L1 * x_mean;
            n++;
        }
    }
    if (n < 2) {
        return FIT_ABSENT_UNDETERMINED;
    }
    const double cov = covariance(L0, L1, n);
    *ret = (struct fit_bootstrap){
        .draws = n,
        .L0 = percentiles(line.L0, L0, n, level),
        .L1 = percentiles(line.L1, L1, n, level),
        .centroid = percentiles(line.L0 + line.L1 * x_mean, centroid, n, level),
    };
    ret->corr = cov / ret->L0.se / ret->L1.se;
    return FIT_PRESENT;
}

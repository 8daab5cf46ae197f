/* fit_rank.c: how y goes with x, without a law: Spearman's correlation and the
 * slope in logarithms. Pure; any thread. */
#include "math/fit.h"
#include <math.h>

#include "math/fit_rank.h"
#include "math/order.h"
#include "sum.h"

/* Ranks from 1 into ret_ranks; equal values share the mean of their ranks.
 * sorted: room for 2n points. */
static void rank(
    const double *values, size_t n, struct xy *sorted, double *ret_ranks)
{
    for (size_t i = 0; i < n; i++) {
        sorted[i] = (struct xy){ .x = values[i], .y = (double)i };
    }
    order_sort_by_x(sorted, n, sorted + n);
    for (size_t first = 0, end = 0; first < n; first = end) {
        end = first + 1;
        while (end < n && sorted[end].x <= sorted[first].x) {
            end++;
        }
        double shared = ((double)first + 1 + (double)end) / 2;
        for (size_t i = first; i < end; i++) {
            ret_ranks[(size_t)sorted[i].y] = shared;
        }
    }
}

struct pair_sums {
    double u_mean, v_mean;
    double uu, uv, vv; /* about the means */
};

static struct pair_sums pair_sums(const double *u, const double *v, size_t n)
{
    struct sum su = { 0 }, sv = { 0 };
    for (size_t i = 0; i < n; i++) {
        sum_add(&su, u[i]);
        sum_add(&sv, v[i]);
    }
    const double u_mean = sum_value(&su) / (double)n;
    const double v_mean = sum_value(&sv) / (double)n;
    struct sum uu = { 0 }, uv = { 0 }, vv = { 0 };
    for (size_t i = 0; i < n; i++) {
        double du = u[i] - u_mean;
        double dv = v[i] - v_mean;
        sum_add(&uu, du * du);
        sum_add(&uv, du * dv);
        sum_add(&vv, dv * dv);
    }
    return (struct pair_sums){ .u_mean = u_mean,
        .v_mean = v_mean,
        .uu = sum_value(&uu),
        .uv = sum_value(&uv),
        .vv = sum_value(&vv) };
}

static double correlation(const struct pair_sums *s)
{
    return fmin(1, fmax(-1, s->uv / sqrt(s->uu) / sqrt(s->vv)));
}

bool fit_spearman(
    const double *x, const double *y, size_t n, double *workspace, double *ret)
{
    if (n < 3 || !fit_determined(x, n) || !fit_determined(y, n)) {
        return false;
    }
    double *x_ranks = workspace;
    double *y_ranks = workspace + n;
    struct xy *sorted = (struct xy *)(workspace + 2 * n);
    rank(x, n, sorted, x_ranks);
    rank(y, n, sorted, y_ranks);
    struct pair_sums sums = pair_sums(x_ranks, y_ranks, n);
    *ret = correlation(&sums);
    return true;
}

void fit_ranks(
    const double *values, size_t n, double *workspace, double *ret_ranks)
{
    rank(values, n, (void *)workspace, ret_ranks);
}

bool fit_loglog(const double *x, const double *y, size_t n, double *workspace,
    struct fit_loglog *ret)
{
    double *log_x = workspace;
    double *log_y = workspace + n;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > 0 && y[i] > 0) {
            log_x[kept] = log(x[i]);
            log_y[kept] = log(y[i]);
            kept++;
        }
    }
    if (kept < 3 || !fit_determined(log_x, kept)) {
        return false;
    }
    struct pair_sums sums = pair_sums(log_x, log_y, kept);
    double slope = sums.uv / sums.uu;
    struct fit_loglog fit = {
        .n = kept,
        .slope = slope,
        .intercept = sums.v_mean - slope * sums.u_mean,
        .pearson_r =
            fit_determined(log_y, kept) ? correlation(&sums) : (double)NAN,
    };
    if (!fit_median_slope(
            log_x, log_y, kept, workspace + 2 * n, &fit.theil_sen)) {
        return false;
    }
    *ret = fit;
    return true;
}

/* fit_tests.c: tests of L1 = 0, by laws, by ranks and by what remains without
 * the outermost samples. Pure; any thread. */
#include "math/fit_tests.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "math/fit_limits.h"
#include "math/fit_rank.h"
#include "math/order.h"
#include "math/random.h"
#include "math/student.h"
#include "sum.h"

enum fit_absent fit_slope_test(const struct fit_sums *rows, size_t m,
    double samples, double tau_int, struct fit_test *ret)
{
    struct fit_ci ci;
    const enum fit_absent absent = fit_ci(rows, m, samples, tau_int, 0.95, &ci);
    if (absent != FIT_PRESENT) {
        return absent;
    }
    const double t = ci.L1.estimate / ci.L1.se;
    *ret = (struct fit_test){ .statistic = t, .p = student_tail(t, ci.dof) };
    return FIT_PRESENT;
}

enum fit_absent fit_boundary_test(
    const struct fit_sums *total, double tau_int, struct fit_test *ret)
{
    struct fit_line line;
    if (isnan(tau_int)) {
        return FIT_ABSENT_LONG_MEMORY;
    }
    if (!fit_sums_nnls(total, &line)) {
        return FIT_ABSENT_UNDETERMINED;
    }
    const double y_mean = twofold_value(fit_sums_centred(total).y_mean);
    const struct fit_line flat = { .L0 = fmax(0, y_mean) };
    const double left = fit_sums_sse(total, line);
    if (!(left > 0)) {
        return FIT_ABSENT_CONSTANT;
    }
    const double ratio =
        line.L1 > 0 ? log(fit_sums_sse(total, flat) / left) : 0;
    const double statistic = fmax(0, total->n / tau_int * ratio);
    *ret = (struct fit_test){
        .statistic = statistic,
        .p = statistic > 0 ? erfc(sqrt(statistic / 2)) / 2 : 1,
    };
    return FIT_PRESENT;
}

/* ---- partial ranks ------------------------------------------------------- */

static double dot(const double *u, const double *v, size_t n)
{
    struct sum total = { 0 };
    for (size_t i = 0; i < n; i++) {
        sum_add(&total, u[i] * v[i]);
    }
    return sum_value(&total);
}

/* Mid-ranks about their mean, which is (n + 1)/2 exactly. */
static void centred_ranks(
    const double *values, size_t n, double *space, double *ret)
{
    fit_ranks(values, n, space, ret);
    for (size_t i = 0; i < n; i++) {
        ret[i] -= ((double)n + 1) / 2;
    }
}

/* Takes the part along each of k orthogonal vectors off v; twice, so that
 * nothing of them is left (Gram and Schmidt, reorthogonalised). Returns the
 * share of ||v||^2 that remains; 0 for v = 0. */
static double project(double *v, const double *basis, size_t k, size_t n)
{
    const double before = dot(v, v, n);
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t j = 0; j < k; j++) {
            const double *b = basis + j * n;
            const double along = dot(v, b, n) / dot(b, b, n);
            for (size_t i = 0; i < n; i++) {
                v[i] -= along * b[i];
            }
        }
    }
    return before > 0 ? dot(v, v, n) / before : 0;
}

/* An orthogonal basis of the covariates' ranks; returns its size. */
static size_t span(const double *const *covariates, size_t n_covariates,
    size_t n, double *space, double *ret_basis)
{
    size_t k = 0;
    for (size_t j = 0; j < n_covariates; j++) {
        double *next = ret_basis + k * n;
        centred_ranks(covariates[j], n, space, next);
        if (project(next, ret_basis, k, n) > 1e-9) {
            k++;
        }
    }
    return k;
}

#define SEPARABLE (1 - FIT_TIME_RANK_MAX * FIT_TIME_RANK_MAX)

static double shifted(
    const double *u, const double *v, size_t n, size_t shift, double norm)
{
    return (dot(u, v + shift, n - shift) + dot(u + n - shift, v, shift)) / norm;
}

static void permute(const double *u, const double *v, size_t n, size_t shifts,
    uint64_t seed, struct fit_partial *ret)
{
    const double norm = sqrt(dot(u, u, n)) * sqrt(dot(v, v, n));
    const double rho = dot(u, v, n) / norm;
    size_t greater = 0;
    size_t larger = 0;
    for (size_t k = 0; k < shifts; k++) {
        const size_t shift = 1 + (size_t)random_below(seed, k, n - 1);
        const double r = shifted(u, v, n, shift, norm);
        greater += r >= rho ? 1 : 0;
        larger += fabs(r) >= fabs(rho) ? 1 : 0;
    }
    ret->rho = fmin(1, fmax(-1, rho));
    ret->p = (1 + (double)larger) / (1 + (double)shifts);
    ret->p_greater = (1 + (double)greater) / (1 + (double)shifts);
}

static enum fit_absent ranks_absent(const double *x, const double *y, size_t n)
{
    if (n < FIT_N_MIN) {
        return FIT_ABSENT_FEW_SAMPLES;
    }
    return fit_determined(x, n) && fit_determined(y, n) ? FIT_PRESENT
                                                        : FIT_ABSENT_CONSTANT;
}

enum fit_absent fit_partial_spearman(const double *x, const double *y, size_t n,
    const double *const *covariates, size_t n_covariates, size_t shifts,
    uint64_t seed, double *workspace, struct fit_partial *ret)
{
    if (n_covariates > FIT_COVARIATES_MAX || shifts < 1 ||
        shifts > FIT_SHIFTS_MAX || n >> 31 > 0) {
        return FIT_ABSENT_ARGUMENT;
    }
    const enum fit_absent absent = ranks_absent(x, y, n);
    if (absent != FIT_PRESENT) {
        return absent;
    }
    double *u = workspace;
    double *v = workspace + n;
    double *space = workspace + 2 * n;
    double *basis = workspace + 6 * n;
    const size_t k = span(covariates, n_covariates, n, space, basis);
    centred_ranks(x, n, space, u);
    centred_ranks(y, n, space, v);
    if (project(u, basis, k, n) < SEPARABLE ||
        project(v, basis, k, n) < SEPARABLE) {
        return FIT_ABSENT_NOT_SEPARABLE;
    }
    struct fit_partial partial = { .n_covariates = k };
    permute(u, v, n, shifts, seed, &partial);
    *ret = partial;
    return FIT_PRESENT;
}

enum fit_absent fit_difference_spearman(const double *x, const double *y,
    size_t n, size_t shifts, uint64_t seed, double *workspace,
    struct fit_partial *ret)
{
    double *dx = workspace;
    double *dy = workspace + n;
    for (size_t i = 0; i + 1 < n; i++) {
        dx[i] = x[i + 1] - x[i];
        dy[i] = y[i + 1] - y[i];
    }
    return fit_partial_spearman(dx, dy, n > 0 ? n - 1 : 0, NULL, 0, shifts,
        seed, workspace + 2 * n, ret);
}

/* ---- leverage ------------------------------------------------------------ */

static bool fit_as(enum fit_kind kind, const double *x, const double *y,
    size_t n, double *workspace, struct fit_line *ret)
{
    switch (kind) {
    case FIT_KIND_OLS:
        return fit_ols(x, y, n, ret);
    case FIT_KIND_NNLS:
        return fit_nnls(x, y, NULL, n, ret);
    case FIT_KIND_RELATIVE:
        return fit_nnls_relative(x, y, n, workspace, ret);
    }
    return false;
}

enum fit_absent fit_leverage(const double *x, const double *y, size_t n,
    enum fit_kind kind, double *workspace, struct fit_leverage *ret)
{
    if (n < FIT_N_MIN) {
        return FIT_ABSENT_FEW_SAMPLES;
    }
    double *rest_x = workspace;
    double *rest_y = workspace + n;
    double *space = workspace + 2 * n;
    memcpy(rest_x, x, n * sizeof *x);
    const double above = order_select(rest_x, n, n - 1 - (n + 99) / 100);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] <= above) {
            rest_x[kept] = x[i];
            rest_y[kept] = y[i];
            kept++;
        }
    }
    struct fit_leverage leverage = { .n_dropped = n - kept, .x_above = above };
    if (!fit_as(kind, x, y, n, space, &leverage.all) ||
        !fit_as(kind, rest_x, rest_y, kept, space, &leverage.rest)) {
        return FIT_ABSENT_UNDETERMINED;
    }
    *ret = leverage;
    return FIT_PRESENT;
}

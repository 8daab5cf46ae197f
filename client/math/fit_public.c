/*
 * fit_public.c: the fits of traj.h. What they share: arguments are looked at,
 * samples that do not count are left out, a workspace is taken, and arithmetic
 * runs in the default floating-point environment. Any thread.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/fit.h"
#include "traj.h"

static_assert((int)TRAJ_FIT_RELATIVE == (int)FIT_NNLS_RELATIVE &&
                  (int)TRAJ_FIT_OLS == (int)FIT_OLS &&
                  (int)TRAJ_FIT_NNLS == (int)FIT_NNLS &&
                  (int)TRAJ_FIT_QUANTILE == (int)FIT_QUANTILE &&
                  (int)TRAJ_FIT_EXPECTILE == (int)FIT_EXPECTILE &&
                  (int)TRAJ_FIT_ENVELOPE == (int)FIT_ENVELOPE &&
                  (int)TRAJ_FIT_ENVELOPE_ROBUST == (int)FIT_ENVELOPE_ROBUST,
    "the same methods");
static_assert((int)TRAJ_FIT_POWERS == FIT_POWERS &&
                  (int)TRAJ_FIT_RIVALS == FIT_RIVALS &&
                  (int)TRAJ_FIT_RIVAL_BOTH == (int)FIT_RIVAL_BOTH,
    "the same laws");

#define N_MAX ((size_t)1 << 56)
#define COLUMNS 3

/* Samples as they were given, and the good ones of them in columns. */
struct samples {
    const double *given[COLUMNS]; /* x, y, and r or the loss; NULL: none */
    size_t n;
    double *column[COLUMNS]; /* owned through column[0] */
    double *workspace;       /* fit_workspace(n) */
    size_t kept;
};

static enum traj_status check_arrays(
    size_t n, const double *const *arrays, size_t n_arrays)
{
    if (n > N_MAX) {
        return error_set(TRAJ_EINVAL, "fit: %zu samples are too many", n);
    }
    for (size_t i = 0; i < n_arrays; i++) {
        if (n > 0 && arrays[i] == NULL) {
            return error_set_static(TRAJ_EINVAL, "fit: an array is NULL");
        }
    }
    return TRAJ_OK;
}

static enum traj_status no_size(void)
{
    return error_set_static(TRAJ_EINVAL, "fit: ret_fit is NULL or has no size");
}

/* False: no memory. */
static bool samples_init(struct samples *samples)
{
    const size_t n = samples->n;
    double *block = malloc((COLUMNS * n + fit_workspace(n)) * sizeof *block);
    if (block == NULL) {
        return false;
    }
    for (size_t k = 0; k < COLUMNS; k++) {
        samples->column[k] = block + k * n;
    }
    samples->workspace = block + COLUMNS * n;
    return true;
}

static void samples_done(struct samples *samples)
{
    free(samples->column[0]);
}

/* Those whose columns are all finite, and not below least[k]. */
static void keep(struct samples *samples, const double *least)
{
    samples->kept = 0;
    for (size_t i = 0; i < samples->n; i++) {
        bool good = true;
        for (size_t k = 0; k < COLUMNS; k++) {
            const double *given = samples->given[k];
            const double value = given != NULL ? given[i] : HUGE_VAL;
            good =
                good && (given == NULL || isfinite(value)) && value >= least[k];
            samples->column[k][samples->kept] = value;
        }
        samples->kept += good;
    }
}

#define ANY (-HUGE_VAL)

/* What is done with the samples; by a pointer, so that no compiler moves its
 * arithmetic out of the environment that it is to run in. */
typedef void work_fn(struct samples *samples, const void *context, void *found);

static enum traj_status run(struct samples *samples, size_t n_arrays,
    work_fn *work, const void *context, void *found)
{
    const enum traj_status status =
        check_arrays(samples->n, samples->given, n_arrays);
    if (status != TRAJ_OK) {
        return status;
    }
    if (!samples_init(samples)) {
        return error_set(
            TRAJ_ENOMEM, "fit: no memory for %zu samples", samples->n);
    }
    struct held_env held;
    held_env_take(&held);
    work(samples, context, found);
    held_env_give_back(&held);
    samples_done(samples);
    return TRAJ_OK;
}

/* The caller's view of what was found, which may be of an older traj.h. */
static void give(void *ret, const void *found, size_t size, size_t known)
{
    const size_t skip = sizeof(size_t);
    const size_t end = size < known ? size : known;
    memcpy((char *)ret + skip, (const char *)found + skip, end - skip);
}

/* ---- lines --------------------------------------------------------------- */

static enum traj_status spec_of(enum traj_fit_method method,
    const struct traj_fit_options *given, struct fit_spec *ret)
{
    struct traj_fit_options options = { .size = sizeof options };
    if (given != NULL) {
        if (given->size < sizeof given->size) {
            return error_set_static(TRAJ_EINVAL, "fit: options have no size");
        }
        memcpy(&options, given,
            given->size < sizeof options ? given->size : sizeof options);
    }
    if (method < TRAJ_FIT_RELATIVE || method > TRAJ_FIT_ENVELOPE_ROBUST) {
        return error_set(TRAJ_EINVAL, "fit: unknown method %d", (int)method);
    }
    if (isnan(options.tau) || options.tau < 0 || options.tau >= 1) {
        return error_set(
            TRAJ_EINVAL, "fit: tau is %g, not in (0,1)", options.tau);
    }
    if (isnan(options.lambda) || options.lambda < 0 ||
        options.lambda > FIT_LAMBDA_MAX) {
        return error_set(TRAJ_EINVAL, "fit: lambda is %g, not in (0,%g]",
            options.lambda, FIT_LAMBDA_MAX);
    }
    if (!isfinite(options.at) || options.at < 0) {
        return error_set(
            TRAJ_EINVAL, "fit: at is %g, not a finite number >= 0", options.at);
    }
    *ret = (struct fit_spec){
        .method = (enum fit_method)method,
        .tau = options.tau > 0 ? options.tau : 0.95,
        .lambda = options.lambda > 0 ? options.lambda : FIT_LAMBDA_DEFAULT,
        .c = options.at > 0 ? options.at : (double)NAN,
    };
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static void fit_line(
    struct samples *samples, const void *context, void *found)
{
    const struct fit_spec *spec = context;
    struct traj_fit *ret = found;
    const bool corrected = samples->given[2] != NULL;
    const double least[COLUMNS] = { ANY, ANY, 0 };
    struct fit_corrected fit = { .rounds = 1 };
    keep(samples, least);
    const double *x = samples->column[0];
    const double *y = samples->column[1];
    const bool has = corrected ? fit_corrected(spec, x, y, samples->column[2],
                                     samples->kept, samples->workspace, &fit)
                               : fit_by(spec, x, y, samples->kept,
                                     samples->workspace, &fit.line);
    *ret = (struct traj_fit){
        .n = samples->kept,
        .n_excluded = samples->n - samples->kept,
        .L0 = has ? fit.line.L0 : traj_unset(),
        .L1 = has ? fit.line.L1 : traj_unset(),
        .rounds = fit.rounds,
    };
}

enum traj_status traj_fit(enum traj_fit_method method, size_t n,
    const double *x, const double *y, const struct traj_fit_options *options,
    struct traj_fit *ret_fit)
{
    const size_t lengths_end = offsetof(struct traj_fit_options, step_length) +
                               sizeof options->step_length;
    struct samples samples = { .given = { x, y }, .n = n };
    struct fit_spec spec;
    struct traj_fit found;
    if (ret_fit == NULL || ret_fit->size < sizeof ret_fit->size) {
        return no_size();
    }
    enum traj_status status = spec_of(method, options, &spec);
    if (status == TRAJ_OK && options != NULL && options->size >= lengths_end) {
        samples.given[2] = options->step_length;
    }
    if (status == TRAJ_OK) {
        status = run(&samples, 2, fit_line, &spec, &found);
    }
    if (status == TRAJ_OK) {
        give(ret_fit, &found, ret_fit->size, sizeof found);
    }
    return status;
}

/* ---- the frontier -------------------------------------------------------- */

struct vertices {
    size_t capacity;
    double *L0, *L1;
    size_t n;
};

HELD_ENV_NOINLINE static void frontier(
    struct samples *samples, const void *context, void *found)
{
    (void)context;
    struct vertices *ret = found;
    const double least[COLUMNS] = { 0, ANY, ANY };
    keep(samples, least);
    struct fit_line *vertices =
        (struct fit_line *)(samples->workspace + 2 * samples->n + 2);
    ret->n = fit_frontier(samples->column[0], samples->column[1], samples->kept,
        samples->workspace, vertices);
    for (size_t i = 0; i < ret->n && i < ret->capacity; i++) {
        ret->L0[i] = vertices[i].L0;
        ret->L1[i] = vertices[i].L1;
    }
}

enum traj_status traj_fit_frontier(size_t n, const double *x, const double *y,
    size_t capacity, double *ret_L0, double *ret_L1, size_t *ret_n)
{
    struct samples samples = { .given = { x, y }, .n = n };
    struct vertices vertices = { capacity, ret_L0, ret_L1, 0 };
    if (ret_n == NULL || (capacity > 0 && (ret_L0 == NULL || ret_L1 == NULL))) {
        return error_set_static(
            TRAJ_EINVAL, "fit: ret_L0, ret_L1 or ret_n is NULL");
    }
    const enum traj_status status = run(&samples, 2, frontier, NULL, &vertices);
    if (status == TRAJ_OK) {
        *ret_n = vertices.n;
    }
    return status;
}

/* ---- the power and the rivals -------------------------------------------- */

HELD_ENV_NOINLINE static void power(
    struct samples *samples, const void *context, void *found)
{
    (void)context;
    struct traj_fit_power *ret = found;
    /* Positive doubles begin at the smallest one. */
    const double least[COLUMNS] = { 0, 0x1p-1074, ANY };
    struct fit_power fit;
    keep(samples, least);
    const bool has = fit_power(samples->column[0], samples->column[1],
        samples->kept, samples->workspace, &fit);
    *ret = (struct traj_fit_power){
        .n = samples->kept,
        .n_excluded = samples->n - samples->kept,
        .rho = has ? fit.rho : traj_unset(),
        .L0 = has ? fit.line.L0 : traj_unset(),
        .L1 = has ? fit.line.L1 : traj_unset(),
    };
    for (size_t k = 0; k < FIT_POWERS; k++) {
        ret->scores[k] = has ? fit.scores[k] : traj_unset();
    }
}

enum traj_status traj_fit_power(
    size_t n, const double *x, const double *y, struct traj_fit_power *ret_fit)
{
    struct samples samples = { .given = { x, y }, .n = n };
    struct traj_fit_power found;
    if (ret_fit == NULL || ret_fit->size < sizeof ret_fit->size) {
        return no_size();
    }
    const enum traj_status status = run(&samples, 2, power, NULL, &found);
    if (status == TRAJ_OK) {
        give(ret_fit, &found, ret_fit->size, sizeof found);
    }
    return status;
}

HELD_ENV_NOINLINE static void rivals(
    struct samples *samples, const void *context, void *found)
{
    const double *least_loss = context;
    struct traj_fit_rivals *ret = found;
    struct fit_rivals fit = { .n = 0 };
    const bool has = fit_rivals(samples->given[0], samples->given[1],
        samples->given[2], samples->n, *least_loss, samples->workspace, &fit);
    *ret = (struct traj_fit_rivals){
        .n = fit.n,
        .n_excluded = samples->n - fit.n,
        .least_loss = isnan(fit.least_loss) ? traj_unset() : fit.least_loss,
        .least_is_seen = fit.least_is_seen,
        .best = (enum traj_fit_rival)fit.best,
    };
    for (size_t k = 0; k < FIT_RIVALS; k++) {
        const bool valid = has && fit.of[k].valid;
        ret->of[k].L0 = valid ? fit.of[k].L0 : traj_unset();
        ret->of[k].L1 = valid ? fit.of[k].L1 : traj_unset();
        ret->of[k].H1 = valid ? fit.of[k].H1 : traj_unset();
        ret->of[k].score = valid ? fit.of[k].score : traj_unset();
    }
}

enum traj_status traj_fit_rivals(size_t n, const double *x, const double *y,
    const double *loss, double least_loss, struct traj_fit_rivals *ret_fit)
{
    struct samples samples = { .given = { x, y, loss }, .n = n };
    struct traj_fit_rivals found;
    if (ret_fit == NULL || ret_fit->size < sizeof ret_fit->size) {
        return no_size();
    }
    if (isinf(least_loss)) {
        return error_set_static(TRAJ_EINVAL, "fit: least_loss is infinite");
    }
    const enum traj_status status =
        run(&samples, 3, rivals, &least_loss, &found);
    if (status == TRAJ_OK) {
        give(ret_fit, &found, ret_fit->size, sizeof found);
    }
    return status;
}

/* ---- without a law ------------------------------------------------------- */

HELD_ENV_NOINLINE static void slope(
    struct samples *samples, const void *context, void *found)
{
    (void)context;
    struct traj_fit_slope *ret = found;
    const double least[COLUMNS] = { ANY, ANY, ANY };
    keep(samples, least);
    const double *x = samples->column[0];
    const double *y = samples->column[1];
    struct fit_loglog loglog;
    double spearman = 0;
    const bool has =
        fit_loglog(x, y, samples->kept, samples->workspace, &loglog);
    const bool ranks =
        fit_spearman(x, y, samples->kept, samples->workspace, &spearman);
    *ret = (struct traj_fit_slope){
        .n = samples->kept,
        .n_excluded = samples->n - samples->kept,
        .spearman = ranks ? spearman : traj_unset(),
        .slope = has ? loglog.slope : traj_unset(),
        .intercept = has ? loglog.intercept : traj_unset(),
        .pearson_r =
            has && !isnan(loglog.pearson_r) ? loglog.pearson_r : traj_unset(),
        .theil_sen = has ? loglog.theil_sen : traj_unset(),
    };
    for (size_t i = 0; i < samples->kept; i++) {
        ret->n_positive += x[i] > 0 && y[i] > 0;
    }
}

enum traj_status traj_fit_slope(
    size_t n, const double *x, const double *y, struct traj_fit_slope *ret_fit)
{
    struct samples samples = { .given = { x, y }, .n = n };
    struct traj_fit_slope found;
    if (ret_fit == NULL || ret_fit->size < sizeof ret_fit->size) {
        return no_size();
    }
    const enum traj_status status = run(&samples, 2, slope, NULL, &found);
    if (status == TRAJ_OK) {
        give(ret_fit, &found, ret_fit->size, sizeof found);
    }
    return status;
}

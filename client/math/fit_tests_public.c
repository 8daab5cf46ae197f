/* fit_tests_public.c: traj_fit_tests and traj_fit_leverage. Any thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/fit_samples.h"
#include "math/fit_tests.h"
#include "math/fit_uncertainty.h"
#include "traj.h"

static struct traj_rank_test no_rank_test(enum traj_absent absent)
{
    const double none = traj_unset();
    return (struct traj_rank_test){
        .absent = absent, .rho = none, .p = none, .p_greater = none
    };
}

static struct traj_rank_test rank_test(
    enum fit_absent absent, const struct fit_partial *found)
{
    if (absent != FIT_PRESENT) {
        return no_rank_test((enum traj_absent)absent);
    }
    return (struct traj_rank_test){ .rho = found->rho,
        .p = found->p,
        .p_greater = found->p_greater,
        .covariates = found->n_covariates };
}

static void rank_tests(const struct fit_samples *s,
    const struct traj_uncertainty_options *o, struct traj_fit_tests *full)
{
    const double *x = s->column[0];
    const double *y = s->column[1];
    const double *covariates[2];
    size_t n_covariates = 0;
    for (size_t k = 2; k < FIT_SAMPLES_COLUMNS; k++) {
        if (s->column[k] != NULL) {
            covariates[n_covariates++] = s->column[k];
        }
    }
    struct fit_partial found = { 0 };
    enum fit_absent absent = fit_partial_spearman(
        x, y, s->n, NULL, 0, o->shifts, o->seed, s->workspace, &found);
    full->spearman = rank_test(absent, &found);
    full->partial = no_rank_test(TRAJ_ABSENT_NOT_ASKED);
    if (n_covariates > 0) {
        absent = fit_partial_spearman(x, y, s->n, covariates, n_covariates,
            o->shifts, o->seed, s->workspace, &found);
        full->partial = rank_test(absent, &found);
    }
    absent = fit_difference_spearman(
        x, y, s->n, o->shifts, o->seed, s->workspace, &found);
    full->differences = rank_test(absent, &found);
}

static void slope_tests(
    const struct fit_cut *cut, double samples, struct traj_fit_tests *full)
{
    struct fit_test test;
    const struct fit_sums total = fit_sums_total(cut->rows, cut->m);
    full->slope_absent = (enum traj_absent)fit_slope_test(
        cut->rows, cut->m, samples, cut->tau_int, &test);
    if (full->slope_absent == TRAJ_PRESENT) {
        full->slope_t = test.statistic;
        full->slope_p = test.p;
    }
    full->boundary_absent =
        (enum traj_absent)fit_boundary_test(&total, cut->tau_int, &test);
    if (full->boundary_absent == TRAJ_PRESENT) {
        full->boundary_lr = test.statistic;
        full->boundary_p = test.p;
    }
}

HELD_ENV_NOINLINE static enum traj_status tests_of(
    const struct fit_samples *samples, const struct traj_uncertainty_options *o,
    struct traj_fit_tests *full)
{
    struct fit_cut cut;
    const enum traj_status status = fit_cut(samples, FIT_KIND_OLS, o, &cut);
    if (status != TRAJ_OK) {
        return status;
    }
    full->slope_absent = full->boundary_absent = (enum traj_absent)cut.absent;
    if (cut.absent == FIT_PRESENT) {
        full->blocks = cut.m;
        full->block = cut.block;
        full->tau_int = cut.tau_int;
        slope_tests(&cut, (double)samples->n, full);
    }
    free(cut.rows);
    rank_tests(samples, o, full);
    return TRAJ_OK;
}

enum traj_status traj_fit_tests(size_t n, const double *x, const double *y,
    const double *step, const double *lr,
    const struct traj_uncertainty_options *options, struct traj_fit_tests *ret)
{
    struct traj_uncertainty_options o;
    struct fit_samples samples;
    if (ret == NULL || ret->size < sizeof ret->size) {
        return fit_samples_unsized();
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = fit_samples_options(options, &o);
    if (status == TRAJ_OK) {
        status =
            fit_samples_init(n, (const double *[]){ x, y, step, lr }, &samples);
    }
    if (status == TRAJ_OK) {
        const double none = traj_unset();
        struct traj_fit_tests full = { .size = ret->size,
            .n = samples.n,
            .n_excluded = samples.n_excluded,
            .tau_int = none,
            .slope_t = none,
            .slope_p = none,
            .boundary_lr = none,
            .boundary_p = none };
        status = tests_of(&samples, &o, &full);
        fit_samples_done(&samples);
        if (status == TRAJ_OK) {
            memcpy(
                ret, &full, ret->size < sizeof full ? ret->size : sizeof full);
        }
    }
    held_env_give_back(&held);
    return status;
}

HELD_ENV_NOINLINE static enum fit_absent leverage_of(
    const struct fit_samples *samples, enum traj_fit_method method,
    struct fit_leverage *ret)
{
    return fit_leverage(samples->column[0], samples->column[1], samples->n,
        (enum fit_kind)method, samples->workspace, ret);
}

static void write_leverage(const struct fit_samples *samples,
    enum fit_absent absent, const struct fit_leverage *found,
    struct traj_fit_leverage *ret)
{
    const double none = traj_unset();
    const bool there = absent == FIT_PRESENT;
    const struct traj_fit_leverage full = {
        .size = ret->size,
        .n = samples->n,
        .n_excluded = samples->n_excluded,
        .absent = (enum traj_absent)absent,
        .n_dropped = there ? found->n_dropped : 0,
        .x_above = there ? found->x_above : none,
        .L0 = there ? found->all.L0 : none,
        .L1 = there ? found->all.L1 : none,
        .rest_L0 = there ? found->rest.L0 : none,
        .rest_L1 = there ? found->rest.L1 : none,
    };
    memcpy(ret, &full, ret->size < sizeof full ? ret->size : sizeof full);
}

enum traj_status traj_fit_leverage(enum traj_fit_method method, size_t n,
    const double *x, const double *y, struct traj_fit_leverage *ret)
{
    struct fit_samples samples;
    if (ret == NULL || ret->size < sizeof ret->size) {
        return fit_samples_unsized();
    }
    if (!fit_samples_method(method)) {
        return error_set(
            TRAJ_EINVAL, "fit: no leverage of method %d", (int)method);
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status =
        fit_samples_init(n, (const double *[]){ x, y, NULL, NULL }, &samples);
    if (status == TRAJ_OK) {
        struct fit_leverage found = { 0 };
        const enum fit_absent absent = leverage_of(&samples, method, &found);
        write_leverage(&samples, absent, &found, ret);
        fit_samples_done(&samples);
    }
    held_env_give_back(&held);
    return status;
}

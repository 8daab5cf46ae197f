/*
 * fit_uncertainty.c: traj_fit_uncertainty, traj_fit_dependence and what stands
 * beside them: samples in, blocks and intervals out. Any thread.
 */
#include "math/fit_uncertainty.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "held_env.h"
#include "math/fit_ci.h"
#include "math/fit_dependence.h"
#include "math/fit_samples.h"
#include "math/fit_weights.h"
#include "math/student.h"

static_assert(
    (int)TRAJ_ABSENT_FEW_SAMPLES == (int)FIT_ABSENT_FEW_SAMPLES &&
        (int)TRAJ_ABSENT_UNDETERMINED == (int)FIT_ABSENT_UNDETERMINED &&
        (int)TRAJ_ABSENT_CONSTANT == (int)FIT_ABSENT_CONSTANT &&
        (int)TRAJ_ABSENT_FEW_BLOCKS == (int)FIT_ABSENT_FEW_BLOCKS &&
        (int)TRAJ_ABSENT_SHORT_BLOCKS == (int)FIT_ABSENT_SHORT_BLOCKS &&
        (int)TRAJ_ABSENT_LONG_MEMORY == (int)FIT_ABSENT_LONG_MEMORY &&
        (int)TRAJ_ABSENT_NOT_SEPARABLE == (int)FIT_ABSENT_NOT_SEPARABLE,
    "the same reasons");
static_assert((int)TRAJ_FIT_RELATIVE == (int)FIT_KIND_RELATIVE &&
                  (int)TRAJ_FIT_OLS == (int)FIT_KIND_OLS &&
                  (int)TRAJ_FIT_NNLS == (int)FIT_KIND_NNLS,
    "the same methods");

const char *traj_absent_text(enum traj_absent absent)
{
    switch (absent) {
    case TRAJ_PRESENT:
        return "it is there";
    case TRAJ_ABSENT_FEW_SAMPLES:
        return "there are fewer than 30 samples";
    case TRAJ_ABSENT_UNDETERMINED:
        return "all samples have the same x";
    case TRAJ_ABSENT_CONSTANT:
        return "y, or what the fit leaves of it, is constant";
    case TRAJ_ABSENT_FEW_BLOCKS:
        return "there are fewer than 20 blocks of samples";
    case TRAJ_ABSENT_SHORT_BLOCKS:
        return "blocks are not longer than twice the autocorrelation time";
    case TRAJ_ABSENT_LONG_MEMORY:
        return "the autocorrelation outlasts the samples";
    case TRAJ_ABSENT_NOT_SEPARABLE:
        return "x or y cannot be told from a covariate";
    case TRAJ_ABSENT_NOT_ASKED:
        return "it was not asked for";
    }
    return "unknown reason";
}

/* ---- Student's t ----------------------------------------------------------
 */

HELD_ENV_NOINLINE static double tail(double t, double dof)
{
    return student_tail(t, dof);
}

double traj_student_tail(double t, double dof)
{
    struct held_env held;
    held_env_take(&held);
    const double value = tail(t, dof);
    held_env_give_back(&held);
    return value;
}

HELD_ENV_NOINLINE static double quantile(double p, double dof)
{
    return student_quantile(p, dof);
}

double traj_student_quantile(double p, double dof)
{
    struct held_env held;
    held_env_take(&held);
    const double value = quantile(p, dof);
    held_env_give_back(&held);
    return value;
}

/* ---- dependence -----------------------------------------------------------
 */

HELD_ENV_NOINLINE static enum traj_status measure_dependence(
    size_t n, const double *residuals, struct traj_fit_dependence *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(residuals[i])) {
            return error_set(
                TRAJ_EINVAL, "dependence: residual %zu is not finite", i);
        }
    }
    double *workspace = malloc((n > 0 ? n : 1) * sizeof *workspace);
    if (workspace == NULL) {
        return error_set(TRAJ_ENOMEM, "fit: no memory for %zu residuals", n);
    }
    struct fit_dependence found;
    const enum fit_absent absent =
        fit_dependence(residuals, n, workspace, &found);
    free(workspace);
    struct traj_fit_dependence full = {
        .size = ret->size,
        .absent = (enum traj_absent)absent,
        .tau_int = traj_unset(),
        .n_eff = traj_unset(),
    };
    if (absent == FIT_PRESENT) {
        full.tau_int = found.tau_int;
        full.n_eff = found.n_eff;
        full.window = found.window;
        full.block = found.block;
    }
    memcpy(ret, &full, ret->size < sizeof full ? ret->size : sizeof full);
    return TRAJ_OK;
}

enum traj_status traj_fit_dependence(
    size_t n, const double *residuals, struct traj_fit_dependence *ret)
{
    if (ret == NULL || ret->size < sizeof ret->size) {
        return fit_samples_unsized();
    }
    if ((n > 0 && residuals == NULL) || n >> 31 > 0) {
        return error_set_static(
            TRAJ_EINVAL, "dependence: residuals is NULL, or n is too large");
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = measure_dependence(n, residuals, ret);
    held_env_give_back(&held);
    return status;
}

/* ---- blocks ---------------------------------------------------------------
 */

/* The line that belongs to kind, and the weights of its last round (1 for the
 * others): the rounds of fit_nnls_relative, which keeps the weights to itself.
 * workspace: n. */
static bool line_and_weights(enum fit_kind kind, const struct fit_samples *s,
    double *workspace, double *w, struct fit_line *ret)
{
    const double *x = s->column[0];
    const double *y = s->column[1];
    for (size_t i = 0; i < s->n; i++) {
        w[i] = 1;
    }
    if (kind == FIT_KIND_OLS) {
        return fit_ols(x, y, s->n, ret);
    }
    if (!fit_nnls(x, y, NULL, s->n, ret)) {
        return false;
    }
    for (int round = 1;
         kind == FIT_KIND_RELATIVE && round < FIT_RELATIVE_ROUNDS; round++) {
        double *next = workspace + s->n;
        if (!fit_relative_weights(*ret, x, s->n, workspace, next)) {
            break;
        }
        memcpy(w, next, s->n * sizeof *w);
        if (!fit_nnls(x, y, w, s->n, ret)) {
            return false;
        }
    }
    return true;
}

/* Blocks of 256 samples, or of half as many as often as it takes to have 32,
 * but no shorter than what the memory of the series asks for. */
static size_t choose_block(size_t n, size_t asked)
{
    size_t block = FIT_BLOCK;
    while (block > asked && n / block < 32) {
        block /= 2;
    }
    return block > asked ? block : asked;
}

/* tau_int as it is told, or of the residuals, which go with the weights. */
static enum fit_absent memory_of(const struct fit_samples *samples,
    struct fit_line line, double told, double *w, struct fit_dependence *ret)
{
    double *residuals = w + samples->n;
    if (told > 0) {
        *ret = (struct fit_dependence){ .tau_int = told, .block = FIT_BLOCK };
        return FIT_PRESENT;
    }
    for (size_t i = 0; i < samples->n; i++) {
        residuals[i] = sqrt(w[i]) * (samples->column[1][i] - line.L0 -
                                        line.L1 * samples->column[0][i]);
    }
    return fit_dependence(residuals, samples->n, residuals + samples->n, ret);
}

enum traj_status fit_cut(const struct fit_samples *samples, enum fit_kind kind,
    const struct traj_uncertainty_options *o, struct fit_cut *ret)
{
    const size_t n = samples->n;
    double *w = samples->workspace;
    struct fit_line line;
    struct fit_dependence memory;
    *ret = (struct fit_cut){ .tau_int = (double)NAN };
    if (n < FIT_N_MIN) {
        ret->absent = FIT_ABSENT_FEW_SAMPLES;
    } else if (!line_and_weights(kind, samples, w + n, w, &line)) {
        ret->absent = FIT_ABSENT_UNDETERMINED;
    } else {
        ret->absent = memory_of(samples, line, o->tau_int, w, &memory);
    }
    if (ret->absent != FIT_PRESENT) {
        return TRAJ_OK;
    }
    const size_t block =
        o->block > 0 ? (size_t)o->block : choose_block(n, memory.block);
    ret->block = block < n ? block : n;
    ret->rows = malloc((n / ret->block + 1) * sizeof *ret->rows);
    if (ret->rows == NULL) {
        return error_set_static(TRAJ_ENOMEM, "fit: no memory for the blocks");
    }
    ret->tau_int = memory.tau_int;
    ret->m = fit_rows(samples->column[0], samples->column[1],
        kind == FIT_KIND_RELATIVE ? w : NULL, n, ret->block, ret->rows);
    return TRAJ_OK;
}

/* ---- intervals ------------------------------------------------------------
 */

static struct traj_interval interval_of(const struct fit_interval *i)
{
    return (struct traj_interval){ i->estimate, i->se, i->low, i->high };
}

struct traj_fit_uncertainty fit_uncertainty_none(void)
{
    const double none = traj_unset();
    const struct traj_interval i = { none, none, none, none };
    return (struct traj_fit_uncertainty){
        .tau_int = none,
        .n_eff = none,
        .x_mean = none,
        .dof = none,
        .L0 = i,
        .L1 = i,
        .centroid = i,
        .corr = none,
        .corr_design = none,
        .boot_L0 = i,
        .boot_L1 = i,
        .boot_centroid = i,
        .boot_corr = none,
    };
}

static void take_ci(const struct fit_cut *cut, double samples, double level,
    struct traj_fit_uncertainty *full)
{
    struct fit_ci ci;
    full->absent = (enum traj_absent)fit_ci(
        cut->rows, cut->m, samples, cut->tau_int, level, &ci);
    if (full->absent != TRAJ_PRESENT) {
        return;
    }
    full->x_mean = ci.x_mean;
    full->dof = ci.dof;
    full->L0 = interval_of(&ci.L0);
    full->L1 = interval_of(&ci.L1);
    full->centroid = interval_of(&ci.centroid);
    full->corr = ci.corr;
    full->corr_design = ci.corr_design;
}

static enum traj_status take_bootstrap(const struct fit_cut *cut,
    double samples, enum fit_kind kind,
    const struct traj_uncertainty_options *o, struct traj_fit_uncertainty *full)
{
    full->boot_absent = TRAJ_ABSENT_NOT_ASKED;
    if (o->draws == UINT32_MAX) {
        return TRAJ_OK;
    }
    double *workspace = malloc(3 * (size_t)o->draws * sizeof *workspace);
    if (workspace == NULL) {
        return error_set(
            TRAJ_ENOMEM, "fit: no memory for %u draws", (unsigned)o->draws);
    }
    struct fit_bootstrap b;
    full->boot_absent =
        (enum traj_absent)fit_bootstrap(cut->rows, cut->m, samples,
            cut->tau_int, kind, o->level, o->draws, o->seed, workspace, &b);
    free(workspace);
    if (full->boot_absent == TRAJ_PRESENT) {
        full->draws = b.draws;
        full->boot_L0 = interval_of(&b.L0);
        full->boot_L1 = interval_of(&b.L1);
        full->boot_centroid = interval_of(&b.centroid);
        full->boot_corr = isnan(b.corr) ? traj_unset() : b.corr;
    }
    return TRAJ_OK;
}

HELD_ENV_NOINLINE enum traj_status fit_intervals(const struct fit_cut *cut,
    double samples, enum fit_kind kind,
    const struct traj_uncertainty_options *o, struct traj_fit_uncertainty *full)
{
    full->blocks = cut->m;
    full->block = cut->block;
    full->tau_int = cut->tau_int;
    full->n_eff = samples / cut->tau_int;
    take_ci(cut, samples, o->level, full);
    return take_bootstrap(cut, samples, kind, o, full);
}

HELD_ENV_NOINLINE static enum traj_status uncertainty_of(
    const struct fit_samples *samples, enum fit_kind kind,
    const struct traj_uncertainty_options *o, struct traj_fit_uncertainty *full)
{
    struct fit_cut cut;
    enum traj_status status = fit_cut(samples, kind, o, &cut);
    full->absent = full->boot_absent = (enum traj_absent)cut.absent;
    if (status == TRAJ_OK && cut.absent == FIT_PRESENT) {
        status = fit_intervals(&cut, (double)samples->n, kind, o, full);
    }
    free(cut.rows);
    return status;
}

enum traj_status traj_fit_uncertainty(enum traj_fit_method method, size_t n,
    const double *x, const double *y,
    const struct traj_uncertainty_options *options,
    struct traj_fit_uncertainty *ret)
{
    struct traj_uncertainty_options o;
    struct fit_samples samples;
    if (ret == NULL || ret->size < sizeof ret->size) {
        return fit_samples_unsized();
    }
    if (!fit_samples_method(method)) {
        return error_set(
            TRAJ_EINVAL, "fit: no intervals of method %d", (int)method);
    }
    struct held_env held;
    held_env_take(&held);
    enum traj_status status = fit_samples_options(options, &o);
    if (status == TRAJ_OK) {
        status = fit_samples_init(
            n, (const double *[]){ x, y, NULL, NULL }, &samples);
    }
    if (status == TRAJ_OK) {
        struct traj_fit_uncertainty full = fit_uncertainty_none();
        full.size = ret->size;
        full.n = samples.n;
        full.n_excluded = samples.n_excluded;
        full.level = o.level;
        status = uncertainty_of(&samples, (enum fit_kind)method, &o, &full);
        fit_samples_done(&samples);
        if (status == TRAJ_OK) {
            memcpy(
                ret, &full, ret->size < sizeof full ? ret->size : sizeof full);
        }
    }
    held_env_give_back(&held);
    return status;
}

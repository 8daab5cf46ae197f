/* fit_samples.c: arguments looked at, samples that count. Any thread. */
#include "math/fit_samples.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "math/fit_ci.h"
#include "math/fit_sums.h"
#include "math/fit_tests.h"

#define N_MAX ((size_t)1 << 31)
#define LEVEL 0.95
#define SHIFTS 999u

static bool taken(
    const double *const given[static FIT_SAMPLES_COLUMNS], size_t i)
{
    for (size_t k = 0; k < FIT_SAMPLES_COLUMNS; k++) {
        if (given[k] != NULL && !fit_sums_takes(given[k][i])) {
            return false;
        }
    }
    return true;
}

static void copy(size_t n,
    const double *const given[static FIT_SAMPLES_COLUMNS],
    struct fit_samples *samples)
{
    for (size_t i = 0; i < n; i++) {
        if (!taken(given, i)) {
            samples->n_excluded++;
            continue;
        }
        for (size_t k = 0; k < FIT_SAMPLES_COLUMNS; k++) {
            if (given[k] != NULL) {
                samples->column[k][samples->n] = given[k][i];
            }
        }
        samples->n++;
    }
}

enum traj_status fit_samples_init(size_t n,
    const double *const given[static FIT_SAMPLES_COLUMNS],
    struct fit_samples *ret)
{
    if (n > N_MAX) {
        return error_set(TRAJ_EINVAL, "fit: %zu samples are too many", n);
    }
    if (n > 0 && (given[0] == NULL || given[1] == NULL)) {
        return error_set_static(TRAJ_EINVAL, "fit: x or y is NULL");
    }
    const size_t each = FIT_SAMPLES_COLUMNS + FIT_SAMPLES_WORKSPACE;
    double *memory = malloc((n > 0 ? n : 1) * each * sizeof *memory);
    if (memory == NULL) {
        return error_set(TRAJ_ENOMEM, "fit: no memory for %zu samples", n);
    }
    struct fit_samples samples = {
        .workspace = memory + FIT_SAMPLES_COLUMNS * n,
        .memory = memory,
    };
    for (size_t k = 0; k < FIT_SAMPLES_COLUMNS; k++) {
        samples.column[k] = given[k] != NULL ? memory + k * n : NULL;
    }
    copy(n, given, &samples);
    *ret = samples;
    return TRAJ_OK;
}

void fit_samples_done(struct fit_samples *samples)
{
    free(samples->memory);
    *samples = (struct fit_samples){ 0 };
}

static enum traj_status check(const struct traj_uncertainty_options *o)
{
    if (!(o->level > 0 && o->level < 1)) {
        return error_set(
            TRAJ_EINVAL, "fit: level %g is not in (0,1)", o->level);
    }
    if (!(o->tau_int >= 0)) {
        return error_set(
            TRAJ_EINVAL, "fit: tau_int %g is negative", o->tau_int);
    }
    if (o->draws != UINT32_MAX && (o->draws < 2 || o->draws > FIT_DRAWS_MAX)) {
        return error_set(TRAJ_EINVAL, "fit: %u draws are not in 2 .. %u",
            (unsigned)o->draws, FIT_DRAWS_MAX);
    }
    if (o->shifts < 1 || o->shifts > FIT_SHIFTS_MAX) {
        return error_set(TRAJ_EINVAL, "fit: %u shifts are not in 1 .. %u",
            (unsigned)o->shifts, FIT_SHIFTS_MAX);
    }
    return TRAJ_OK;
}

enum traj_status fit_samples_options(
    const struct traj_uncertainty_options *options,
    struct traj_uncertainty_options *ret)
{
    struct traj_uncertainty_options o = { .size = sizeof o };
    if (options != NULL) {
        if (options->size < sizeof options->size) {
            return error_set_static(
                TRAJ_EINVAL, "fit: options->size is not set");
        }
        memcpy(
            &o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    const bool given = o.level < 0 || o.level > 0 || isnan(o.level);
    o.level = given ? o.level : LEVEL;
    o.draws = o.draws > 0 ? o.draws : FIT_DRAWS;
    o.shifts = o.shifts > 0 ? o.shifts : SHIFTS;
    const enum traj_status status = check(&o);
    if (status == TRAJ_OK) {
        *ret = o;
    }
    return status;
}

enum traj_status fit_samples_unsized(void)
{
    return error_set_static(TRAJ_EINVAL, "fit: ret is NULL or has no size");
}

bool fit_samples_method(enum traj_fit_method method)
{
    return method == TRAJ_FIT_OLS || method == TRAJ_FIT_NNLS ||
           method == TRAJ_FIT_RELATIVE;
}

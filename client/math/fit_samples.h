/* fit_samples: what the public functions of uncertainty share: the samples that
 * count, in columns, and a workspace. Any thread; owns memory. */
#ifndef TRAJ_FIT_SAMPLES_H
#define TRAJ_FIT_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "traj.h"

#define FIT_SAMPLES_COLUMNS 4u
#define FIT_SAMPLES_WORKSPACE 8u /* doubles for each sample */

struct fit_samples {
    size_t n, n_excluded;
    double *column[FIT_SAMPLES_COLUMNS]; /* NULL: not given */
    double *workspace;                   /* of n given, not of n kept */
    double *memory;                      /* owned: all of the above */
};

/* Copies the samples all of whose columns are taken (fit_sums_takes), in order.
 * given: x, y and two that may be NULL. On TRAJ_OK *ret is to be done. */
enum traj_status fit_samples_init(size_t n,
    const double *const given[static FIT_SAMPLES_COLUMNS],
    struct fit_samples *ret);
void fit_samples_done(struct fit_samples *samples);

/* Whether options (NULL: all default) are in range; *ret: with the defaults
 * filled in, block still 0 if it is to be chosen. */
enum traj_status fit_samples_options(
    const struct traj_uncertainty_options *options,
    struct traj_uncertainty_options *ret);

/* TRAJ_EINVAL, for a struct to write that is NULL or has no size. */
enum traj_status fit_samples_unsized(void);

/* Of OLS, NNLS and RELATIVE true. */
bool fit_samples_method(enum traj_fit_method method);

#endif

/* fit_uncertainty: what the public functions of uncertainty share: samples cut
 * into blocks, and intervals from blocks. Within a held environment. */
#ifndef TRAJ_FIT_UNCERTAINTY_H
#define TRAJ_FIT_UNCERTAINTY_H

#include <stddef.h>

#include "math/fit_ci.h"
#include "math/fit_samples.h"
#include "math/fit_sums.h"
#include "traj.h"

struct fit_cut {
    enum fit_absent absent; /* why there are no rows */
    double tau_int;         /* of the residuals; NaN = it does not end */
    size_t block;
    size_t m;
    struct fit_sums *rows; /* owned: for free */
};

/* The samples in blocks, as options ask for; weighted for RELATIVE. TRAJ_OK or
 * TRAJ_ENOMEM, and then rows is NULL. */
enum traj_status fit_cut(const struct fit_samples *samples, enum fit_kind kind,
    const struct traj_uncertainty_options *o, struct fit_cut *ret);

/* All fields unset. */
struct traj_fit_uncertainty fit_uncertainty_none(void);

/* Fills in what the rows of `samples` samples tell. TRAJ_OK or TRAJ_ENOMEM. */
enum traj_status fit_intervals(const struct fit_cut *cut, double samples,
    enum fit_kind kind, const struct traj_uncertainty_options *o,
    struct traj_fit_uncertainty *full);

#endif

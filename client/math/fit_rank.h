/* fit_rank: ranks, for those who do more with them than fit_spearman. Pure; any
 * thread. */
#ifndef TRAJ_FIT_RANK_H
#define TRAJ_FIT_RANK_H

#include <stddef.h>

/* From 1; equal values share the mean of their ranks. No NaN. workspace: 4n
 * doubles, of which not every way of sorting uses all. */
void fit_ranks(
    const double *values, size_t n, double *workspace, double *ret_ranks);

#endif

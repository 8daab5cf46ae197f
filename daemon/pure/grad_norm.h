/*
 * grad_norm: what a STEP's gradient has been multiplied by, and the norm
 * without it. Whatever shows, counts or exports a gradient norm as derived asks
 * here. rank_sum.h and diag_noise.h, which work with squares of less data than
 * the step's, read `stage` for themselves. Pure.
 */
#ifndef TRAJD_GRAD_NORM_H
#define TRAJD_GRAD_NORM_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/row.h"
#include "wire.h"

/* The columns that grad_divisor looks at, beside the sum itself. */
#define GRAD_DIVISOR_FIELDS                                                    \
    (ROW_BIT(STEP_stage) | ROW_BIT(STEP_loss_scale) |                          \
        ROW_BIT(STEP_micro_batches))

/*
 * The gradient of a STEP record is that of the loss times *ret_divisor:
 * loss_scale (TRAJ_STAGE_SCALED) times micro_batches (ACCUMULATED) times world
 * (REDUCED). false: a factor is needed and was not recorded, or is none (0,
 * negative, not finite). world: processes of the run.
 */
bool grad_divisor(const struct row *row, uint32_t world, double *ret_divisor);

/* Is the gradient that of all of the step's data? Not one of a microbatch
 * (TRAJ_STAGE_MICRO) or of a rank's own data (LOCAL), which no factor mends. */
bool grad_is_of_step(const struct row *row);

/* sqrt(field)/divisor for a sum of squares of gradients (grad_sq,
 * grad_clipped_sq). false: the field, or a factor, is not there, or the
 * gradient is not the step's. */
bool grad_norm(
    const struct row *row, unsigned field, uint32_t world, double *ret_norm);

#endif

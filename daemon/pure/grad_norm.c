/* grad_norm.c: pure; any thread. */
#include "pure/grad_norm.h"

#include <math.h>

#include "traj.h"

static bool take(double factor, bool known, double *divisor)
{
    if (!known || !(factor > 0) || !isfinite(factor)) {
        return false;
    }
    *divisor *= factor;
    return true;
}

bool grad_divisor(const struct row *row, uint32_t world, double *ret_divisor)
{
    const uint64_t stage = row_u64(row, STEP_stage);
    double divisor = 1;
    if ((stage & TRAJ_STAGE_SCALED) != 0 &&
        !take(row_f64(row, STEP_loss_scale), row_has(row, STEP_loss_scale),
            &divisor)) {
        return false;
    }
    if ((stage & TRAJ_STAGE_ACCUMULATED) != 0 &&
        !take((double)row_u64(row, STEP_micro_batches),
            row_has(row, STEP_micro_batches), &divisor)) {
        return false;
    }
    if ((stage & TRAJ_STAGE_REDUCED) != 0 && !take(world, true, &divisor)) {
        return false;
    }
    *ret_divisor = divisor;
    return true;
}

bool grad_is_of_step(const struct row *row)
{
    const uint64_t less = TRAJ_STAGE_MICRO | TRAJ_STAGE_LOCAL;
    return (row_u64(row, STEP_stage) & less) == 0;
}

bool grad_norm(
    const struct row *row, unsigned field, uint32_t world, double *ret_norm)
{
    double divisor = 0;
    if (!row_has(row, field) || !grad_is_of_step(row) ||
        !grad_divisor(row, world, &divisor)) {
        return false;
    }
    *ret_norm = sqrt(row_f64(row, field)) / divisor;
    return true;
}

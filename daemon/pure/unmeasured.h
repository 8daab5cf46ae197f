/*
 * unmeasured: a STEP whose watch took no norms (measure_every). Its trainer may
 * have flagged that it was clipped or left out, but not that it was neither: so
 * shares of steps are of the others alone. Pure.
 */
#ifndef TRAJD_UNMEASURED_H
#define TRAJD_UNMEASURED_H

#include <stdbool.h>

#include "pure/row.h"
#include "traj.h"
#include "wire.h"

static inline bool row_is_unmeasured(const struct row *row)
{
    return (row_u64(row, STEP_flags) & TRAJ_STEP_NOT_MEASURED) != 0;
}

#endif

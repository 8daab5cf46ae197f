/*
 * left_out: does a STEP tell whether its update was left out? It does by the
 * length of the update, or by its flags, unless a watch did not look and the
 * trainer did not say. Pure.
 */
#ifndef TRAJD_LEFT_OUT_H
#define TRAJD_LEFT_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/row.h"
#include "traj.h"
#include "wire.h"

/* Do the flags? */
static inline bool left_out_is_flagged(const struct row *row)
{
    const uint64_t flags = row_u64(row, STEP_flags);
    return row_has(row, STEP_flags) &&
           ((flags & TRAJ_STEP_SKIPPED) != 0 ||
               (flags & TRAJ_STEP_NOT_MEASURED) == 0);
}

#endif

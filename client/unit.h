/* unit: what the gradient of a step is measured in: its stage, and the factors
 * that the stage names. Compared by bits, so in any floating-point environment
 * and with a factor that is not set. */
#ifndef TRAJ_UNIT_H
#define TRAJ_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "traj.h"

struct unit {
    uint32_t stage;
    uint64_t loss_scale; /* its bits; 0 where g is not scaled */
    uint64_t micro_batches;
};

static inline struct unit unit_of(const struct traj_step *step)
{
    struct unit unit = { .stage = step->stage };
    if ((step->stage & TRAJ_STAGE_SCALED) != 0) {
        memcpy(&unit.loss_scale, &step->loss_scale, sizeof unit.loss_scale);
    }
    if ((step->stage & TRAJ_STAGE_ACCUMULATED) != 0) {
        unit.micro_batches = step->micro_batches;
    }
    return unit;
}

static inline bool unit_equal(struct unit a, struct unit b)
{
    return a.stage == b.stage && a.loss_scale == b.loss_scale &&
           a.micro_batches == b.micro_batches;
}

#endif

/*
 * watch_impl: struct traj_watch, for the files that implement it: watch.c (the
 * public calls, what is recorded and probed) and measure.c (the passes over the
 * arrays). Runs in the trainer's thread.
 *
 * Invariants:
 * W1. From traj_before_update to traj_after_update (open_step) of an update
 *     that is measured KEPT_PARAM holds x_k and, unless delta_only, KEPT_GRAD
 *     g_k.
 * W2. has_previous: between the two calls of different steps they hold
 *     x_{k-1} and g_{k-1}, and nothing was skipped in between.
 * W3. An update that is not measured leaves neither behind it.
 * W4. waiting: late is the record of the last update, complete but for d, which
 *     the next pass measures, and the run holds it as a draft. Then
 * has_previous. W5. With delta_only g_k is known only after the update: it is
 * made in KEPT_OWN_GRAD, which then changes places with KEPT_GRAD.
 */
#ifndef TRAJ_WATCH_IMPL_H
#define TRAJ_WATCH_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "math/spike.h"
#include "traj.h"
#include "unit.h"
#include "watch/arrays.h"
#include "watch/different.h"
#include "watch/failures.h"
#include "watch/groups.h"
#include "watch/interval.h"
#include "watch/probing.h"
#include "watch/schedule.h"

struct traj_watch {
    traj_run *run; /* borrowed; may be NULL */
    struct traj_watch_options options;
    struct arrays arrays;
    struct groups groups;
    struct probing probing;
    struct different different;
    struct failures failures;
    struct schedule schedule;
    struct interval different_turn; /* of pairs of steps */
    struct spike loss_spike, grad_spike;
    struct traj_moments back; /* of x and g of the open step, looking back */
    struct different_previous previous;
    struct unit previous_unit; /* of g_{k-1} */
    bool open_step;
    bool measured; /* the open step is */
    bool has_previous;
    bool waiting;
    struct traj_step late; /* if waiting */
    bool velocity_known; /* delta_only, HEAVY_BALL: KEPT_VELOCITY is v_{k-1} */
    uint64_t updates;
};

#endif

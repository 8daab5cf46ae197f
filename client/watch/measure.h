/* measure: the passes of a watch over the trainer's arrays, and what of a step
 * they tell. Runs in the trainer's thread; blocks for the pass. */
#ifndef TRAJ_WATCH_MEASURE_H
#define TRAJ_WATCH_MEASURE_H

#include <stdbool.h>

#include "traj.h"

/* x and g of the open step, looking back if has_previous, into watch->back and
 * *step; keeps copies of both. With delta_only only the copy of x. Nothing of
 * an update that is not measured. */
TRAJ_CHECK enum traj_status measure_before(
    traj_watch *watch, struct traj_step *step);

/* d of the open step, and how its gradient was clipped where that is not told:
 * into *step, with the flags that follow. */
TRAJ_CHECK enum traj_status measure_update(
    traj_watch *watch, struct traj_step *step);

/* The same from watch->back, of a pass that has looked back at that update. */
void measure_looked_back(traj_watch *watch, struct traj_step *step);

/* With delta_only: d, and all that it gives away. *ret_known: it gave a
 * gradient, now in KEPT_OWN_GRAD. */
TRAJ_CHECK enum traj_status measure_delta_only(
    traj_watch *watch, struct traj_step *step, bool *ret_known);

#endif

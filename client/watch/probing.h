/* probing: takes the probes of a watch that call back, along the update and of
 * the operator norm, and records them. Runs in the trainer's thread. */
#ifndef TRAJ_WATCH_PROBING_H
#define TRAJ_WATCH_PROBING_H

#include <stdbool.h>
#include <stdint.h>

#include "traj.h"
#include "watch/arrays.h"

struct probing {
    struct traj_watch_options options; /* as given, defaults filled in */
    double gammas[TRAJ_GAMMAS_MAX];
    struct traj_probe_segment *segment; /* owned; NULL for one flat array */
    struct traj_group *group;           /* owned; for the norms of groups */
    struct traj_probe *group_probe;     /* owned, n_groups */
    void *workspace;                    /* owned; NULL without a callback */
    traj_sharpness_meter *meter;        /* owned; NULL: no operator norm */
    uint64_t probes;
    struct traj_probe last; /* if probes > 0 */
};

/* options: checked, but for what traj_sharpness_open checks. On failure
 * nothing is to be freed. */
TRAJ_CHECK enum traj_status probing_init(struct probing *probing,
    const struct traj_watch_options *options, const struct arrays *arrays);
void probing_done(struct probing *probing);

/* Is there a callback to probe with? */
bool probing_has_callback(const struct probing *probing);

/* Is it the operator norm's turn at the next probe? */
bool probing_norm_is_next(const struct probing *probing);

/* Of the update just made: the trainer's arrays hold x_{k+1}, the copies x_k
 * and g_k. Takes the operator norm too when it is its turn. What fails is not
 * recorded. run may be NULL. Calls back; see traj_gradient_fn. */
TRAJ_CHECK enum traj_status probing_take(struct probing *probing,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step,
    bool burst);

#endif

/* groups: the layers of a watch and their records. Runs in the trainer's
 * thread. */
#ifndef TRAJ_WATCH_GROUPS_H
#define TRAJ_WATCH_GROUPS_H

#include <stdbool.h>

#include "traj.h"
#include "watch/arrays.h"
#include "watch/interval.h"

struct groups {
    struct traj_group *group; /* n of them; owned; names are not kept */
    uint32_t n;
    struct interval interval; /* of records, in steps */
    size_t *order; /* owned: segments by group; those of group k are */
    size_t *from;  /* order[from[k]] .. order[from[k + 1] - 1]; owned */
    struct traj_moments *before; /* owned, one per segment: of x and g */
    struct traj_moments *after;  /* of the update */
};

/* As traj_watch_options; TRAJ_EINVAL if groups and segments do not fit
 * together. On failure nothing is to be freed. */
TRAJ_CHECK enum traj_status groups_init(
    struct groups *groups, const struct traj_watch_options *options);
void groups_done(struct groups *groups);

/* Whether groups_record would record anything. */
bool groups_are_due(const struct groups *groups, uint64_t update);

/* Once per record of STEP `step`, after the update, while the trainer's arrays
 * still hold x_{k+1} and the copies x_k and g_k. update: steps seen before.
 * Records nothing when it is not time. */
TRAJ_CHECK enum traj_status groups_record(struct groups *groups,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step,
    uint64_t update);

#endif

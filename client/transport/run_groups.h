/* run_groups: the named groups of a run's parameters, as given to traj_open:
 * checked and copied. Pure but for memory; any thread. */
#ifndef TRAJ_TRANSPORT_RUN_GROUPS_H
#define TRAJ_TRANSPORT_RUN_GROUPS_H

#include <stdint.h>

#include "traj.h"

struct run_groups {
    struct traj_group *v; /* owned; v[k - 1] is group k */
    char *names;          /* owned: what v points to */
    uint32_t n;
};

/* TRAJ_EINVAL says which group is wrong, and how; *ret_groups is then left as
 * it was. On success end with run_groups_done. */
TRAJ_CHECK enum traj_status run_groups_init(struct run_groups *ret_groups,
    const struct traj_group *given, uint32_t n_given);
void run_groups_done(struct run_groups *groups);

#endif

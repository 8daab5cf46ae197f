/* record_check: whether a record that names a group, or says how it was
 * measured, says something that exists. Numbers are never judged: a trainer may
 * measure what it likes. Pure; any thread. */
#ifndef TRAJ_TRANSPORT_RECORD_CHECK_H
#define TRAJ_TRANSPORT_RECORD_CHECK_H

#include <stdint.h>

#include "traj.h"

/* n_groups: of the run. TRAJ_EINVAL says what is wrong. 0, "not said", is
 * right in every enum. */
TRAJ_CHECK enum traj_status record_check_step(const struct traj_step *step);
TRAJ_CHECK enum traj_status record_check_probe(
    const struct traj_probe *probe, uint32_t n_groups);
TRAJ_CHECK enum traj_status record_check_group(
    const struct traj_group_step *group, uint32_t n_groups);
TRAJ_CHECK enum traj_status record_check_sharpness(
    const struct traj_sharpness *sharpness, uint32_t n_groups);

#endif

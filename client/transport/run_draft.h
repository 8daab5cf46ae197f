/* run_draft: a step of which something is not known yet. It is recorded, at the
 * time that it had then, when that is; if the process is killed before, as it
 * is. For the watch; in the trainer's thread, as traj_step. */
#ifndef TRAJ_TRANSPORT_RUN_DRAFT_H
#define TRAJ_TRANSPORT_RUN_DRAFT_H

#include "traj.h"

/* Copies the step. owner: not NULL, of no meaning here. TRAJ_EBUSY: there is a
 * draft of another owner; other failures are those of traj_step, but for room:
 * without it there is no draft. Of a run that folds steps there is none either;
 * a kill takes what is folded too. */
TRAJ_CHECK enum traj_status run_draft_step(
    traj_run *run, const void *owner, const struct traj_step *step);

/* As traj_step, of the step that run_draft_step was given by this owner,
 * complete now. */
TRAJ_CHECK enum traj_status run_finish_step(
    traj_run *run, const void *owner, const struct traj_step *step);

#endif

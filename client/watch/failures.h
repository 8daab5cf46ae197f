/* failures: probes that came to nothing, as events of the run: each reason when
 * it first turns up, and how often it did at the end. Without them a run whose
 * callback gives up looks like one that never had any. Runs in the trainer's
 * thread. */
#ifndef TRAJ_WATCH_FAILURES_H
#define TRAJ_WATCH_FAILURES_H

#include <stdint.h>

#include "traj.h"

#define FAILURE_REASONS 8 /* told apart; later ones are counted together */
#define FAILURE_TEXT 200  /* of a reason; what differs behind it is the same */

struct failures {
    struct failure {
        char reason[FAILURE_TEXT];
        uint64_t n;
    } known[FAILURE_REASONS];
    uint64_t others;
};

/* What a probe has ended with at this step. The reason is traj_last_error's,
 * which is as it was afterwards. What failed is the recording (a full spool, a
 * fork): not noted, the library tells that by itself. run may be NULL. */
void failures_note(struct failures *failures, traj_run *run,
    enum traj_status status, uint64_t step);

/* Of the reasons that came more than once. */
void failures_sum_up(const struct failures *failures, traj_run *run);

#endif

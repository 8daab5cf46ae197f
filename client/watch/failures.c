/* failures.c: see failures.h. */
#include "watch/failures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

static bool is_of_the_probe(enum traj_status status)
{
    return status == TRAJ_ECALLBACK || status == TRAJ_EINVAL ||
           status == TRAJ_ENOMEM;
}

/* NULL: no place for another one. */
static struct failure *find(struct failures *failures, const char *reason)
{
    for (size_t i = 0; i < FAILURE_REASONS; i++) {
        struct failure *known = &failures->known[i];
        if (known->n == 0 || strcmp(known->reason, reason) == 0) {
            return known;
        }
    }
    return NULL;
}

/* An event that is not recorded is one of those that are counted as dropped. */
static void tell(traj_run *run, uint64_t step, const char *text)
{
    if (run != NULL) {
        (void)!traj_event(run, TRAJ_WARNING, step, text);
    }
}

void failures_note(struct failures *failures, traj_run *run,
    enum traj_status status, uint64_t step)
{
    if (!is_of_the_probe(status)) {
        return;
    }
    char reason[FAILURE_TEXT];
    (void)snprintf(reason, sizeof reason, "%s", traj_last_error());
    struct failure *known = find(failures, reason);
    if (known == NULL) {
        failures->others++;
        return;
    }
    if (known->n++ == 0) {
        memcpy(known->reason, reason, sizeof reason);
        tell(run, step, reason);
        (void)error_set(status, "%s", reason);
    }
}

void failures_sum_up(const struct failures *failures, traj_run *run)
{
    char text[FAILURE_TEXT + 64];
    for (size_t i = 0; i < FAILURE_REASONS; i++) {
        const struct failure *known = &failures->known[i];
        if (known->n > 1) {
            (void)snprintf(text, sizeof text, "%" PRIu64 " probes failed: %s",
                known->n, known->reason);
            tell(run, TRAJ_UNSET_COUNT, text);
        }
    }
    if (failures->others > 0) {
        (void)snprintf(text, sizeof text,
            "%" PRIu64 " probes failed for other reasons", failures->others);
        tell(run, TRAJ_UNSET_COUNT, text);
    }
}

/*
 * retain: what the writer does of the owner's retention policy (store/
 * retention.h): a plan every minute, and of the plan one small transaction at a
 * time, between commits. The writer thread.
 */
#ifndef TRAJD_RETAIN_H
#define TRAJD_RETAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/retention.h"

struct retain {
    struct retention_policy policy;
    const char *path;           /* of the database; borrowed */
    struct retention_plan plan; /* what is left of it: from `at` on */
    size_t at;
    uint64_t freed;       /* bytes, of the item that is being worked on */
    int64_t plan_mono_ns; /* when the next is due */
    int64_t step_mono_ns; /* when the last step was */
};

void retain_init(struct retain *retain, const struct retention_policy *policy,
    const char *path);
void retain_done(struct retain *retain);

/* Whether there is something left to do at once. */
bool retain_has_work(const struct retain *retain);

/*
 * A step if one is due: at every call while the writer is idle, every second
 * while it is not. *ret_deleted: the run that is no more, or empty.
 */
CHECK_RESULT enum err_code retain_step(struct retain *retain,
    struct store *store, bool idle, char ret_deleted[static RUN_UID_MAX + 1],
    struct err *e);

#endif

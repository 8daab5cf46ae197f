/*
 * retention: what the owner's policy takes away, and taking it away a small
 * transaction at a time. Without a policy nothing is. Thinned first, deleted
 * last: a run is deleted by its age, or to make room when nothing is left to
 * thin, one at a time. A run whose trainer is heard is never deleted, and
 * thinned only when it has grown beyond run_bytes itself.
 */
#ifndef TRAJD_RETENTION_H
#define TRAJD_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/reader.h"
#include "store/store.h"

/* 0: no limit. */
struct retention_policy {
    uint32_t keep_days;  /* since the last commit of a run: then it goes */
    uint32_t thin_days;  /* so: then it is thinned */
    uint64_t keep_bytes; /* of the file, without its free pages */
    uint64_t run_bytes;  /* of one run */
};

bool retention_is_on(const struct retention_policy *policy);

enum retention_act { RETENTION_THIN, RETENTION_DELETE };

enum retention_why {
    RETENTION_KEEP_DAYS,
    RETENTION_THIN_DAYS,
    RETENTION_KEEP_BYTES,
    RETENTION_RUN_BYTES,
};
/* "keep_days", ... */
const char *retention_why_name(enum retention_why why);

struct retention_item {
    enum retention_act act;
    enum retention_why why;
    struct run_id run;
    char run_uid[RUN_UID_MAX + 1];
    int64_t last_wall_ns; /* heard of or committed, as the plan saw it */
    uint64_t bytes;       /* of the run now */
    uint64_t goal;        /* thin until it has no more */
};

struct retention_plan {
    struct retention_item *items; /* in the order they are done */
    size_t n;
    size_t capacity;
    uint64_t used_bytes; /* of the file */
};

/* What the policy wants at this time. End with retention_plan_done. */
CHECK_RESULT enum err_code retention_plan_make(struct reader *reader,
    const struct retention_policy *policy, int64_t now_wall_ns,
    struct retention_plan *ret_plan, struct err *e);
void retention_plan_done(struct retention_plan *plan);

/* What a step has done. */
struct retention_done {
    bool item_is_over; /* the next step works on the next item */
    struct store_thinned thinned;
};

/*
 * A step towards an item, in a transaction of its own; *item is brought up to
 * date. On ERR_NOT_FOUND the run is gone by itself, or was heard since the plan
 * was made: then nothing is done.
 */
CHECK_RESULT enum err_code retention_step(struct store *store,
    struct retention_item *item, struct retention_done *ret_done,
    struct err *e);

#endif

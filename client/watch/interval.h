/* interval: every N-th of what is counted from 0 on, or the first after it for
 * which it can be. Pure. */
#ifndef TRAJ_WATCH_INTERVAL_H
#define TRAJ_WATCH_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

struct interval {
    uint32_t every; /* UINT32_MAX: never; never 0 */
    uint64_t next;
};

static inline bool interval_has_come(
    const struct interval *interval, uint64_t at)
{
    return interval->every != UINT32_MAX && at >= interval->next;
}

/* The same, and the next one is waited for then. Asked of each for which it can
 * be, in rising order. */
static inline bool interval_comes(struct interval *interval, uint64_t at)
{
    if (!interval_has_come(interval, at)) {
        return false;
    }
    interval->next = at - at % interval->every + interval->every;
    return true;
}

#endif

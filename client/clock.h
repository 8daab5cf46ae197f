/* clock: the system's clocks in nanoseconds. Any thread. */
#ifndef TRAJ_CLOCK_H
#define TRAJ_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t ns_of_clock(clockid_t clock)
{
    struct timespec t = { 0 };
    (void)clock_gettime(clock, &t); /* one that is there cannot fail */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif

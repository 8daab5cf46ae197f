/* clock: the two clocks, in int64 nanoseconds; replaceable in tests. */
#ifndef TRAJD_CLOCK_H
#define TRAJD_CLOCK_H

#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t clock_wall_ns(void); /* CLOCK_REALTIME */
int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */

#endif

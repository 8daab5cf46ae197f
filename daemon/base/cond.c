/* cond.c: owns nothing; any thread. */
#include "base/cond.h"

#include <time.h>

#include "base/clock.h"

bool cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(cond, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes); /* cannot fail */
    return ok;
}

bool cond_wait_until(
    pthread_cond_t *cond, pthread_mutex_t *locked, int64_t until_mono_ns)
{
    const struct timespec until = {
        .tv_sec = (time_t)(until_mono_ns / NS_PER_S),
        .tv_nsec = (long)(until_mono_ns % NS_PER_S),
    };
    return pthread_cond_timedwait(cond, locked, &until) == 0;
}

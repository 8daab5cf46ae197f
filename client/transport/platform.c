/* platform: Linux and glibc calls; stateless, any thread. */
#define _GNU_SOURCE
#include "transport/platform.h"

#include <errno.h>
#include <time.h>

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>

#include "clock.h"

bool platform_populate(void *at, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    return madvise(at, bytes, MADV_POPULATE_WRITE) == 0;
#else
    (void)at;
    (void)bytes;
    return false;
#endif
}

bool platform_random(void *out, size_t bytes)
{
    unsigned char *p = out;
    while (bytes > 0) {
        ssize_t n = getrandom(p, bytes, 0);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            p += n;
            bytes -= (size_t)n;
        }
    }
    return true;
}

int64_t platform_coarse_mono_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    const clockid_t clock = CLOCK_MONOTONIC_COARSE;
#else
    const clockid_t clock = CLOCK_MONOTONIC;
#endif
    return ns_of_clock(clock);
}

const char *platform_program(void)
{
    return program_invocation_short_name;
}

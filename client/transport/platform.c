/* platform: Linux and glibc calls; stateless, any thread. */
#define _GNU_SOURCE
#include "transport/platform.h"

#include <errno.h>

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>

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

const char *platform_program(void)
{
    return program_invocation_short_name;
}

/*
 * forked: owns one number. It is written only in a fresh child, which has one
 * thread, so that it needs no atomic. A child made by a bare clone(2) or
 * vfork runs no handlers and is not seen; neither may call into a library.
 */
#include "transport/forked.h"

#include <pthread.h>
#include <stddef.h>

uint32_t forked_generation;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    forked_generation++;
}

static void watch(void)
{
    /* Only out of memory makes it fail; then forks are not seen, and the
     * child's copy of a run must simply not be used, as the manual says. */
    (void)pthread_atfork(NULL, NULL, in_child);
}

void forked_watch(void)
{
    (void)pthread_once(&once, watch);
}

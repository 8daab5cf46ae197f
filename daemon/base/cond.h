/*
 * cond: conditions whose deadlines are of clock_mono_ns. The wall clock may be
 * set back, and a wait by it would then last as long.
 */
#ifndef TRAJD_COND_H
#define TRAJD_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* false: out of memory. Ended by pthread_cond_destroy. */
bool cond_init(pthread_cond_t *cond);

/* One wait, which may end for no reason: look at what is waited for again.
 * false: the time is up. */
bool cond_wait_until(
    pthread_cond_t *cond, pthread_mutex_t *locked, int64_t until_mono_ns);

#endif

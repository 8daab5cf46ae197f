/* patience: a time until which a thread may wait, that another one can cut
 * short. */
#ifndef TRAJD_PATIENCE_H
#define TRAJD_PATIENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct patience {
    pthread_mutex_t lock; /* guards the end; a leaf */
    pthread_cond_t changed;
    int64_t end_mono_ns; /* INT64_MAX until it is cut short */
};

CHECK_RESULT enum err_code patience_init(
    struct patience *patience, struct err *e);
void patience_done(struct patience *patience);

/* Any thread: no wait goes beyond this time from now on. */
void patience_end_at(struct patience *patience, int64_t end_mono_ns);

/* Whether that time has not come yet. */
bool patience_lasts(struct patience *patience, int64_t until_mono_ns);

/* Waits until then, or the end. */
void patience_wait(struct patience *patience, int64_t until_mono_ns);

#endif

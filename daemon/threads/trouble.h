/* trouble: what is wrong now, said by one thread, read by any. Logged when it
 * begins and when it ends, and told by a gauge meanwhile. */
#ifndef TRAJD_TROUBLE_H
#define TRAJD_TROUBLE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

struct trouble {
    pthread_mutex_t lock; /* guards the rest; a leaf */
    bool is;
    struct err err; /* what it is */
};

#define TROUBLE_INIT                                                           \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER                                      \
    }

/* The writer: commits fail, the last one with *e; or one has succeeded. */
void trouble_begin(struct trouble *trouble, const struct err *e);
void trouble_end(struct trouble *trouble);

/* Any thread. true: *e (may be NULL) says what. */
bool trouble_is(struct trouble *trouble, struct err *e);

#endif

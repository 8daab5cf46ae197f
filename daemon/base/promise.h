/* promise: one answer that one thread waits for and another one gives. */
#ifndef TRAJD_PROMISE_H
#define TRAJD_PROMISE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

struct promise {
    pthread_mutex_t lock; /* guards the rest; a leaf */
    pthread_cond_t given_condition;
    bool given;
    enum err_code code;
    struct err err; /* if code is not ERR_NONE */
};

#define PROMISE_INIT                                                           \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER,                                     \
        .given_condition = PTHREAD_COND_INITIALIZER,                           \
    }

/* Once. e may be NULL when code is ERR_NONE. The promise may be gone as soon as
 * this returns: it belongs to the one who waits. */
void promise_give(
    struct promise *promise, enum err_code code, const struct err *e);

/* Waits for the answer, however long it takes, then ends the promise. */
CHECK_RESULT enum err_code promise_wait(struct promise *promise, struct err *e);

#endif

/* promise.c: owns nothing; the promise lies where its waiter put it. */
#include "base/promise.h"

#include <stddef.h>

void promise_give(
    struct promise *promise, enum err_code code, const struct err *e)
{
    (void)pthread_mutex_lock(&promise->lock);
    promise->given = true;
    promise->code = code;
    if (e != NULL) {
        promise->err = *e;
    }
    /* Signalled with the lock held: the waiter cannot end the promise before
     * it has the lock, and by then nothing here touches it. */
    (void)pthread_cond_signal(&promise->given_condition);
    (void)pthread_mutex_unlock(&promise->lock);
}

enum err_code promise_wait(struct promise *promise, struct err *e)
{
    (void)pthread_mutex_lock(&promise->lock);
    while (!promise->given) {
        (void)pthread_cond_wait(&promise->given_condition, &promise->lock);
    }
    enum err_code code = promise->code;
    if (code != ERR_NONE && e != NULL) {
        *e = promise->err;
    }
    (void)pthread_mutex_unlock(&promise->lock);
    (void)pthread_cond_destroy(&promise->given_condition);
    (void)pthread_mutex_destroy(&promise->lock);
    return code;
}

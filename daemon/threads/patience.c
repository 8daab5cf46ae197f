/* patience.c: see the header. */
#include "threads/patience.h"

#include <assert.h>

#include "base/clock.h"
#include "base/cond.h"

enum err_code patience_init(struct patience *patience, struct err *e)
{
    patience->end_mono_ns = INT64_MAX;
    if (pthread_mutex_init(&patience->lock, NULL) != 0) {
        return err_nomem(e);
    }
    if (!cond_init(&patience->changed)) {
        (void)pthread_mutex_destroy(&patience->lock);
        return err_nomem(e);
    }
    return ERR_NONE;
}

void patience_done(struct patience *patience)
{
    (void)pthread_cond_destroy(&patience->changed);
    (void)pthread_mutex_destroy(&patience->lock);
}

static void lock(struct patience *patience)
{
    int rc = pthread_mutex_lock(&patience->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct patience *patience)
{
    (void)pthread_mutex_unlock(&patience->lock);
}

void patience_end_at(struct patience *patience, int64_t end_mono_ns)
{
    lock(patience);
    patience->end_mono_ns = end_mono_ns;
    (void)pthread_cond_broadcast(&patience->changed);
    unlock(patience);
}

/* The lock is held. */
static int64_t earlier(const struct patience *patience, int64_t until_mono_ns)
{
    return until_mono_ns < patience->end_mono_ns ? until_mono_ns
                                                 : patience->end_mono_ns;
}

bool patience_lasts(struct patience *patience, int64_t until_mono_ns)
{
    lock(patience);
    const bool lasts = clock_mono_ns() < earlier(patience, until_mono_ns);
    unlock(patience);
    return lasts;
}

void patience_wait(struct patience *patience, int64_t until_mono_ns)
{
    lock(patience);
    while (clock_mono_ns() < earlier(patience, until_mono_ns)) {
        (void)cond_wait_until(&patience->changed, &patience->lock,
            earlier(patience, until_mono_ns));
    }
    unlock(patience);
}

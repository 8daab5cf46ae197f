/* probe_rates.c: a table under a mutex. Searched from end to end: it holds as
 * many runs as somebody has turned a knob of. */
#include "threads/probe_rates.h"

#include <assert.h>
#include <string.h>

static void lock(struct probe_rates *rates)
{
    (void)pthread_mutex_lock(&rates->mutex); /* a plain mutex: cannot fail */
}

static void unlock(struct probe_rates *rates)
{
    (void)pthread_mutex_unlock(&rates->mutex);
}

/* Its index, or n. */
static size_t find(const struct probe_rates *rates, const char *run_uid)
{
    size_t i = 0;
    while (i < rates->n && strcmp(rates->runs[i].run_uid, run_uid) != 0) {
        i++;
    }
    return i;
}

enum err_code probe_rates_set(struct probe_rates *rates, const char *run_uid,
    uint32_t every, struct err *e)
{
    size_t bytes = strlen(run_uid) + 1;
    assert(bytes <= sizeof rates->runs[0].run_uid);
    if (every == 0) {
        probe_rates_forget(rates, run_uid);
        return ERR_NONE;
    }
    lock(rates);
    size_t i = find(rates, run_uid);
    bool room = i < PROBE_RATES_MAX;
    if (room) {
        memcpy(rates->runs[i].run_uid, run_uid, bytes);
        rates->runs[i].every = every;
        rates->n += i == rates->n;
    }
    unlock(rates);
    return room ? ERR_NONE
                : err_set(e, ERR_FULL,
                      "%u runs have a probe interval already; set some to 0",
                      PROBE_RATES_MAX);
}

void probe_rates_forget(struct probe_rates *rates, const char *run_uid)
{
    lock(rates);
    size_t i = find(rates, run_uid);
    if (i < rates->n) {
        rates->n--;
        rates->runs[i] = rates->runs[rates->n];
    }
    unlock(rates);
}

uint32_t probe_rates_get(struct probe_rates *rates, const char *run_uid)
{
    lock(rates);
    size_t i = find(rates, run_uid);
    uint32_t every = i < rates->n ? rates->runs[i].every : 0;
    unlock(rates);
    return every;
}

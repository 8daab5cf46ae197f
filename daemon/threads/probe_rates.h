/*
 * probe_rates: the probe intervals that people asked for, by run: set through
 * HTTP, told to trainers in every ACK by the writer.
 *
 * In memory only. trajd forgets them when it ends, and trainers then probe as
 * they like again: a wish is not a measurement, and an old one would change
 * trainings that nobody has looked at for long.
 */
#ifndef TRAJD_PROBE_RATES_H
#define TRAJD_PROBE_RATES_H

#include <pthread.h>
#include <stdint.h>

#include "base/err.h"
#include "store/runs.h"

#define PROBE_RATES_MAX 1024u /* runs with a wish */
#define PROBE_EVERY_MAX 1000000u

struct probe_rate {
    char run_uid[RUN_UID_MAX + 1];
    uint32_t every;
};

struct probe_rates {
    pthread_mutex_t mutex; /* guards what follows; a leaf */
    size_t n;
    struct probe_rate runs[PROBE_RATES_MAX];
};
#define PROBE_RATES_INIT                                                       \
    {                                                                          \
        .mutex = PTHREAD_MUTEX_INITIALIZER                                     \
    }

/* Any thread, all three. every 0: the trainer may do as it likes, and the run
 * takes no place. ERR_FULL: PROBE_RATES_MAX runs have one. run_uid has at most
 * RUN_UID_MAX bytes. */
CHECK_RESULT enum err_code probe_rates_set(struct probe_rates *rates,
    const char *run_uid, uint32_t every, struct err *e);
void probe_rates_forget(struct probe_rates *rates, const char *run_uid);

/* 0: nobody asked. */
uint32_t probe_rates_get(struct probe_rates *rates, const char *run_uid);

#endif

/*
 * live: what has just been committed, for those who watch. The writer thread
 * publishes; SSE connections (HTTP threads) subscribe. Bounded: a subscriber
 * that falls behind is told to fetch again ("resync"), the writer never waits.
 */
#ifndef TRAJD_LIVE_H
#define TRAJD_LIVE_H

#include "pure/decode.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct live;

enum err_code live_new(struct live **ret_live, struct err *e);
void live_free(struct live *live);

/* Writer thread, after each commit: this message of this stream is durable.
 * Copies what it keeps. uid: the run's id outside. */
void live_publish(struct live *live, const char *run_uid,
    const struct stream_state *state, const struct message *message);

/* Writer or analysis thread: the run changed (new, state, bye, fit). */
void live_touch(struct live *live, const char *run_uid);

#endif

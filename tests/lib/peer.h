/*
 * peer: a fake_daemon behind a ROUTER socket, in a thread of its own. A test
 * reads and scripts it between peer_lock and peer_unlock.
 */
#ifndef TRAJD_TEST_PEER_H
#define TRAJD_TEST_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fake_daemon.h"

struct peer {
    struct fake_daemon daemon; /* under mutex */
    pthread_mutex_t mutex;     /* guards daemon; a leaf */
    pthread_t thread;
    _Atomic bool stopping;
    void *context;
    void *socket; /* the thread's, once it runs */
    char endpoint[64];
};

void peer_start(struct peer *peer); /* on a free port, see endpoint */
void peer_start_at(struct peer *peer, const char *endpoint);
void peer_stop(struct peer *peer); /* what it has stays in daemon */
void peer_done(struct peer *peer);

struct fake_daemon *peer_lock(struct peer *peer);
void peer_unlock(struct peer *peer);

/* Until condition(context) is true, asked every few milliseconds under no
 * lock; fails the test after ten seconds. */
void wait_until(bool (*condition)(void *context), void *context);

#endif

/*
 * connections: the sockets that libmicrohttpd has open, so that they can be
 * ended before it is stopped. 0.9.75 dies when it answers a malformed request
 * by itself while MHD_stop_daemon is under way: it queues its 400, which is
 * ignored because of the shutdown, and then writes the headers of a response
 * that is not there.
 */
#ifndef TRAJD_CONNECTIONS_H
#define TRAJD_CONNECTIONS_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* At most so many; event streams take up to LIVE_STREAMS_MAX of them. */
#define CONNECTIONS_MAX 384

struct connections {
    pthread_mutex_t lock; /* guards the rest; nothing is locked under it */
    pthread_cond_t changed;
    bool ending; /* what comes now is shut down at once */
    size_t n;
    int fds[CONNECTIONS_MAX];
};

void connections_init(struct connections *connections);
void connections_done(struct connections *connections);

/* MHD_OPTION_NOTIFY_CONNECTION; cls: struct connections. */
void connections_notify(void *cls, struct MHD_Connection *connection,
    void **context, enum MHD_ConnectionNotificationCode code);

/* After the server accepts no more: lets each connection end its reply, then,
 * after timeout_ms, cuts them; returns how many are left after as long again.
 */
size_t connections_end(struct connections *connections, int timeout_ms);

#endif

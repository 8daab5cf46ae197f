/*
 * connections.c: the sockets are libmicrohttpd's; it tells of one before it
 * closes it, so what is in the list while the lock is held is open.
 */
#include "http/connections.h"

#include <assert.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/cond.h"

/* A connection that was being accepted when the listener was closed is told of
 * a moment later, and nothing says that there is none: so that none is left
 * must last this long. */
#define QUIET_NS (50 * NS_PER_MS)

void connections_init(struct connections *connections)
{
    *connections = (struct connections){ .n = 0 };
    bool bad = pthread_mutex_init(&connections->lock, NULL) != 0;
    bad = !cond_init(&connections->changed) || bad;
    assert(!bad); /* Linux allocates nothing for either */
    (void)bad;
}

void connections_done(struct connections *connections)
{
    (void)pthread_cond_destroy(&connections->changed);
    (void)pthread_mutex_destroy(&connections->lock);
}

static void add(struct connections *connections, int fd)
{
    if (connections->n < CONNECTIONS_MAX) { /* libmicrohttpd's limit too */
        connections->fds[connections->n++] = fd;
    }
    if (connections->ending) {
        (void)shutdown(fd, SHUT_RD); /* gone is as good */
    }
}

static void take_out(struct connections *connections, int fd)
{
    for (size_t i = 0; i < connections->n; i++) {
        if (connections->fds[i] == fd) {
            connections->fds[i] = connections->fds[--connections->n];
            return;
        }
    }
}

void connections_notify(void *cls, struct MHD_Connection *connection,
    void **context, enum MHD_ConnectionNotificationCode code)
{
    (void)context;
    struct connections *connections = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&connections->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        add(connections, info->connect_fd);
    } else {
        take_out(connections, info->connect_fd);
    }
    (void)pthread_cond_broadcast(&connections->changed);
    (void)pthread_mutex_unlock(&connections->lock);
}

/* The lock is held. */
static void shut_all(struct connections *connections, int how)
{
    for (size_t i = 0; i < connections->n; i++) {
        (void)shutdown(connections->fds[i], how); /* gone is as good */
    }
}

/* Until none is left, and for QUIET_NS none comes; the lock is held. false:
 * the time is up. */
static bool wait_until_quiet(
    struct connections *connections, int64_t until_mono_ns)
{
    for (;;) {
        bool none = connections->n == 0;
        int64_t now = clock_mono_ns();
        if (!none && now >= until_mono_ns) {
            return false;
        }
        bool changed = cond_wait_until(&connections->changed,
            &connections->lock, none ? now + QUIET_NS : until_mono_ns);
        if (none && !changed && connections->n == 0) {
            return true;
        }
    }
}

size_t connections_end(struct connections *connections, int timeout_ms)
{
    int64_t timeout_ns = timeout_ms * NS_PER_MS;
    (void)pthread_mutex_lock(&connections->lock);
    connections->ending = true;
    shut_all(connections, SHUT_RD);
    if (!wait_until_quiet(connections, clock_mono_ns() + timeout_ns)) {
        shut_all(connections, SHUT_RDWR);
        (void)wait_until_quiet(connections, clock_mono_ns() + timeout_ns);
    }
    size_t left = connections->n;
    (void)pthread_mutex_unlock(&connections->lock);
    return left;
}

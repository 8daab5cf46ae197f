/*
 * connections.c: the sockets are libmicrohttpd's; it tells of one before it
 * closes it, so what is in the list while the lock is held is open.
 */
#include "http/connections.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#define SETTLE_MS 50
#define ROUNDS_MAX 10

void connections_init(struct connections *connections)
{
    *connections = (struct connections){ .n = 0 };
    int bad = pthread_mutex_init(&connections->lock, NULL);
    bad |= pthread_cond_init(&connections->none, NULL);
    assert(bad == 0); /* Linux allocates nothing for either */
}

void connections_done(struct connections *connections)
{
    (void)pthread_cond_destroy(&connections->none);
    (void)pthread_mutex_destroy(&connections->lock);
}

static void add(struct connections *connections, int fd)
{
    if (connections->n < CONNECTIONS_MAX) {
        connections->fds[connections->n++] = fd;
    }
}

static void take_out(struct connections *connections, int fd)
{
    for (size_t i = 0; i < connections->n; i++) {
        if (connections->fds[i] == fd) {
            connections->fds[i] = connections->fds[--connections->n];
            break;
        }
    }
    if (connections->n == 0) {
        (void)pthread_cond_broadcast(&connections->none);
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
    (void)pthread_mutex_unlock(&connections->lock);
}

/* Shuts all down in that direction, then waits until none is left. */
static size_t shut_and_wait(
    struct connections *connections, int how, int timeout_ms)
{
    struct timespec until = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + timeout_ms * NS_PER_MS;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);

    (void)pthread_mutex_lock(&connections->lock);
    for (size_t i = 0; i < connections->n; i++) {
        (void)shutdown(connections->fds[i], how); /* gone is as good */
    }
    int waited = 0;
    while (connections->n > 0 && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(
            &connections->none, &connections->lock, &until);
    }
    size_t left = connections->n;
    (void)pthread_mutex_unlock(&connections->lock);
    return left;
}

/* One that was being accepted when the last one ended is told of a moment
 * later: nothing says that there is none, so the quiet must last. */
static bool stays_quiet(struct connections *connections)
{
    const struct timespec settle = { .tv_nsec = SETTLE_MS * NS_PER_MS };
    (void)nanosleep(&settle, NULL);
    (void)pthread_mutex_lock(&connections->lock);
    bool quiet = connections->n == 0;
    (void)pthread_mutex_unlock(&connections->lock);
    return quiet;
}

size_t connections_end(struct connections *connections, int timeout_ms)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (shut_and_wait(connections, SHUT_RD, timeout_ms) > 0) {
            break;
        }
        if (stays_quiet(connections)) {
            return 0;
        }
    }
    return shut_and_wait(connections, SHUT_RDWR, timeout_ms);
}

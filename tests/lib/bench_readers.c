/* bench_readers.c: test support; a thread of its own for exports, one for the
 * charts and one for the event streams. */
#include "bench_readers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DASHBOARDS_MAX 100u
#define CHARTS_EVERY_MS 5000 /* of one dashboard */

struct bench_readers {
    const char *http;
    const char *exported;
    const char *watched;
    unsigned dashboards;
    _Atomic bool stop; /* relaxed, as all here: read once a request */
    struct bench_read
        got; /* each field is of one thread, till they have ended */
    pthread_t threads[3];
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* A connection that has asked for the path. */
static int ask(const struct bench_readers *r, const char *path)
{
    char text[512];
    char host[64];
    struct sockaddr_in to = { .sin_family = AF_INET };
    const char *colon = strrchr(r->http, ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || colon == NULL) {
        die("socket");
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - r->http), r->http);
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    (void)inet_pton(AF_INET, host, &to.sin_addr);
    int n = snprintf(text, sizeof text,
        "GET /api/v1/runs/%s HTTP/1.1\r\nHost: %s\r\n"
        "Connection: close\r\n\r\n",
        path, r->http);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        write(fd, text, (size_t)n) != n) {
        die("connect");
    }
    return fd;
}

/* Reads to the end, or till all is to stop; the bytes. */
static uint64_t read_all(struct bench_readers *r, int fd)
{
    static _Thread_local char bytes[262144];
    uint64_t total = 0;
    ssize_t n = 1;
    while (n > 0 && !r->stop) {
        n = read(fd, bytes, sizeof bytes);
        total += n > 0 ? (uint64_t)n : 0;
    }
    (void)close(fd);
    return total;
}

static void *export_again_and_again(void *context)
{
    struct bench_readers *r = context;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/export?format=csv", r->exported);
    while (!r->stop) {
        r->got.export_bytes += read_all(r, ask(r, path));
        r->got.exports += !r->stop;
    }
    return NULL;
}

static void *fetch_charts(void *context)
{
    struct bench_readers *r = context;
    char path[256];
    int pause_ms = (int)(CHARTS_EVERY_MS / r->dashboards);
    (void)snprintf(path, sizeof path,
        "%s/series?metric=loss,grad_norm,lr&buckets=1000", r->watched);
    while (!r->stop) {
        (void)read_all(r, ask(r, path));
        r->got.charts++;
        (void)poll(NULL, 0, pause_ms);
    }
    return NULL;
}

static void *follow_events(void *context)
{
    struct bench_readers *r = context;
    char path[256];
    char bytes[65536];
    struct pollfd fds[DASHBOARDS_MAX];
    (void)snprintf(path, sizeof path, "%s/events", r->watched);
    for (unsigned i = 0; i < r->dashboards; i++) {
        fds[i] = (struct pollfd){ .fd = ask(r, path), .events = POLLIN };
    }
    while (!r->stop) {
        (void)poll(fds, r->dashboards, 100);
        for (unsigned i = 0; i < r->dashboards; i++) {
            if ((fds[i].revents & POLLIN) != 0) {
                ssize_t n = read(fds[i].fd, bytes, sizeof bytes);
                r->got.event_bytes += n > 0 ? (uint64_t)n : 0;
            }
        }
    }
    for (unsigned i = 0; i < r->dashboards; i++) {
        (void)close(fds[i].fd);
    }
    return NULL;
}

struct bench_readers *bench_readers_start(const char *http,
    const char *exported, const char *watched, unsigned dashboards)
{
    static void *(*const works[])(
        void *) = { export_again_and_again, fetch_charts, follow_events };
    struct bench_readers *r = calloc(1, sizeof *r);
    if (r == NULL || dashboards == 0 || dashboards > DASHBOARDS_MAX) {
        die("readers");
    }
    r->http = http;
    r->exported = exported;
    r->watched = watched;
    r->dashboards = dashboards;
    for (size_t i = 0; i < 3; i++) {
        if (pthread_create(&r->threads[i], NULL, works[i], r) != 0) {
            die("thread");
        }
    }
    return r;
}

struct bench_read bench_readers_stop(struct bench_readers *readers)
{
    readers->stop = true;
    for (size_t i = 0; i < 3; i++) {
        (void)pthread_join(readers->threads[i], NULL);
    }
    struct bench_read got = readers->got;
    free(readers);
    return got;
}

/*
 * http.c: owns the server: its socket, libmicrohttpd's threads, the readers.
 * Started and stopped by main.
 */
#include "http/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/connections.h"
#include "http/dispatch.h"
#include "http/readers.h"
#include "http/request.h"
#include "http/web_root.h"

#define THREADS 2
/* What event streams leave keeps the API answering when all of them are
 * open. */
static_assert(CONNECTIONS_MAX >= LIVE_STREAMS_MAX + 128, "there is a reserve");
#define CONNECTION_MEMORY_BYTES 32768
#define IDLE_TIMEOUT_S 30
#define BACKLOG 128
#define DRAIN_MS 2000
#define END_MS 1000

struct http {
    struct http_context context;
    struct MHD_Daemon *daemon;
    struct connections connections;
    char *texts[4]; /* copies of the options' texts */
};

static bool copy_text(struct http *http, size_t i, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    http->texts[i] = strdup(*text);
    *text = http->texts[i];
    return *text != NULL;
}

static bool copy_options(struct http *http, const struct http_options *options)
{
    struct http_options *o = &http->context.options;
    *o = *options;
    return copy_text(http, 0, &o->address) && copy_text(http, 1, &o->db_path) &&
           copy_text(http, 2, &o->web_root) &&
           copy_text(http, 3, &o->ingest_endpoint);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Loopback only: there is no authentication yet. */
static enum err_code parse_address(const char *text, uint16_t port,
    union address *ret, socklen_t *ret_bytes, struct err *e)
{
    union address a = { 0 };
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1 &&
        ntohl(a.v4.sin_addr.s_addr) >> 24 == 127) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
        *ret_bytes = sizeof a.v4;
    } else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1 &&
               IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr)) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        *ret_bytes = sizeof a.v6;
    } else {
        return err_set(e, ERR_INVALID, "%s is no loopback address", text);
    }
    *ret = a;
    return ERR_NONE;
}

static uint16_t bound_port(int fd)
{
    union address a = { 0 };
    socklen_t bytes = sizeof a;
    if (getsockname(fd, &a.any, &bytes) != 0) {
        return 0;
    }
    return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

/* Our own socket, so that a taken port is told apart from other failures. */
static enum err_code listen_on(
    const struct http_options *options, int *ret_fd, struct err *e)
{
    union address address = { 0 };
    socklen_t bytes = 0;
    if (parse_address(options->address, options->port, &address, &bytes, e) !=
        ERR_NONE) {
        return e->code;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_set(e, ERR_IO, "socket: %s", strerror(errno));
    }
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &address.any, bytes) != 0 || listen(fd, BACKLOG) != 0) {
        (void)err_set(e, ERR_IO, "%s port %u: %s", options->address,
            options->port, strerror(errno));
        (void)close(fd);
        return e->code;
    }
    *ret_fd = fd;
    return ERR_NONE;
}

PRINTF_LIKE(2, 0)
static void log_mhd(void *cls, const char *format, va_list args)
{
    (void)cls;
    char text[200];
    char quoted[240];
    (void)vsnprintf(text, sizeof text, format, args);
    log_limited(LOG_DEBUG, "http", "library=%s",
        log_quoted(quoted, sizeof quoted, text));
}

static struct MHD_Daemon *start_daemon(struct http *http, int fd)
{
    struct http_context *context = &http->context;
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
        0, NULL, NULL, dispatch_handle, context,
        /* First: what goes wrong below is logged by it. */
        MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL, MHD_OPTION_LISTEN_SOCKET,
        (MHD_socket)fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
        dispatch_target, context, MHD_OPTION_NOTIFY_COMPLETED,
        dispatch_completed, context, MHD_OPTION_NOTIFY_CONNECTION,
        connections_notify, &http->connections, MHD_OPTION_END);
}

static void http_free(struct http *http)
{
    readers_free(http->context.readers);
    connections_done(&http->connections);
    for (size_t i = 0; i < sizeof http->texts / sizeof http->texts[0]; i++) {
        free(http->texts[i]);
    }
    free(http);
}

static enum err_code open_server(struct http *http, struct err *e)
{
    struct http_context *context = &http->context;
    int fd = -1;
    if (readers_new(context->options.db_path, &context->readers, e) !=
            ERR_NONE ||
        listen_on(&context->options, &fd, e) != ERR_NONE) {
        return e->code;
    }
    context->port = bound_port(fd);
    http->daemon = start_daemon(http, fd);
    if (http->daemon == NULL) {
        (void)close(fd);
        return err_set(e, ERR_IO, "the HTTP server does not start");
    }
    return ERR_NONE;
}

enum err_code http_start(
    const struct http_options *options, struct http **ret_http, struct err *e)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return err_nomem(e);
    }
    connections_init(&http->connections);
    if (!copy_options(http, options)) {
        http_free(http);
        return err_nomem(e);
    }
    const char *web_root = options->web_root;
    if ((web_root != NULL && web_root_check(web_root, e) != ERR_NONE) ||
        open_server(http, e) != ERR_NONE) {
        http_free(http);
        return err_prefix(e, "http");
    }
    *ret_http = http;
    return ERR_NONE;
}

uint16_t http_port(const struct http *http)
{
    return http->context.port;
}

void http_draining(struct http *http)
{
    atomic_store_explicit(&http->context.draining, true, memory_order_relaxed);
}

void http_stop(struct http *http)
{
    if (http == NULL) {
        return;
    }
    http_draining(http);
    /* libmicrohttpd must not be stopped while connections are suspended. */
    if (http->context.options.live != NULL) {
        size_t left = live_drain(http->context.options.live, DRAIN_MS);
        if (left > 0) {
            log_line(LOG_WARN, "http", "streams_cut=%zu", left);
        }
    }
    MHD_socket listener = MHD_quiesce_daemon(http->daemon);
    if (listener != MHD_INVALID_SOCKET) {
        (void)shutdown(listener, SHUT_RDWR); /* what waits to be accepted */
        (void)close(listener);
    }
    size_t cut = connections_end(&http->connections, END_MS);
    if (cut > 0) {
        log_line(LOG_WARN, "http", "connections_cut=%zu", cut);
    }
    MHD_stop_daemon(http->daemon);
    http_free(http);
}

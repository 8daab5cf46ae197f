/*
 * sse.c: event streams over libmicrohttpd. live.c holds what waits in a
 * stream; this file knows only how a connection sleeps and wakes.
 *
 * Threads: sse_read and sse_done run in libmicrohttpd's threads; sse_wake runs
 * in any, under live's lock. libmicrohttpd's own locks come after live's: it
 * calls nothing of ours while it holds them.
 *
 * A connection may be suspended only from its own thread, and returning 0
 * without suspending it would spin: so live_read calls sse_sleep itself, under
 * the lock that whoever has news takes.
 */
#include "http/routes.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "http/reply.h"
#include "threads/live.h"

/* What the kernel may hold for a client that does not read: enough for a few
 * ticks, and small enough that a stalled one is noticed by its ring. */
#define SEND_BUFFER_BYTES 262144

struct sse {
    struct MHD_Connection *connection;
    struct live_stream *stream;
};

static void sse_sleep(void *context)
{
    const struct sse *sse = context;
    MHD_suspend_connection(sse->connection);
}

static void sse_wake(void *context)
{
    const struct sse *sse = context;
    MHD_resume_connection(sse->connection);
}

static ssize_t sse_read(void *context, uint64_t position, char *out, size_t max)
{
    (void)position;
    const struct sse *sse = context;
    long n = live_read(sse->stream, out, max);
    return n == LIVE_READ_END ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)n;
}

static void sse_done(void *context)
{
    struct sse *sse = context;
    live_stream_close(sse->stream);
    free(sse);
}

static void limit_send_buffer(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int bytes = SEND_BUFFER_BYTES;
    if (info != NULL) {
        /* Without it a slow client costs more of the kernel's memory. */
        (void)setsockopt(
            info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
}

static enum err_code open_stream(
    struct request *req, const char *run_uid, struct err *e)
{
    struct sse *sse = calloc(1, sizeof *sse);
    if (sse == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for an event stream");
    }
    sse->connection = req->connection;
    struct live_stream_options options = {
        .run_uid = run_uid,
        .last_event_id = request_header(req, "Last-Event-ID"),
        .sleep = sse_sleep,
        .wake = sse_wake,
        .context = sse,
    };
    enum err_code code =
        live_stream_open(req->http->options.live, &options, &sse->stream, e);
    if (code != ERR_NONE) {
        free(sse);
        return code;
    }
    limit_send_buffer(req->connection);
    code = reply_stream(
        req, MEDIA_EVENTS, REPLY_SIZE_UNKNOWN, sse_read, sse_done, sse, e);
    if (code != ERR_NONE) {
        sse_done(sse);
    }
    return code;
}

static enum err_code admit(struct request *req, struct err *e)
{
    if (atomic_load_explicit(&req->http->draining, memory_order_relaxed)) {
        return err_set(e, ERR_BUSY, "trajd is stopping");
    }
    return request_params(req, e);
}

enum err_code sse_run(struct request *req, struct err *e)
{
    struct run_row run;
    enum err_code code = admit(req, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    run_row_done(&run);
    return open_stream(req, req->run_uid, e);
}

enum err_code sse_all(struct request *req, struct err *e)
{
    enum err_code code = admit(req, e);
    return code == ERR_NONE ? open_stream(req, NULL, e) : code;
}

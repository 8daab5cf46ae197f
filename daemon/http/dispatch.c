/*
 * dispatch.c: owns each struct request from its first line to its completion;
 * libmicrohttpd's threads.
 *
 * The handler is called at least twice for a request. A reply queued in the
 * first call makes libmicrohttpd close the connection (it discards what it has
 * not read), so the first call only sets up and the last one answers.
 */
#include "http/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/guard.h"
#include "http/readers.h"
#include "http/reply.h"
#include "http/routes.h"

void *dispatch_target(
    void *cls, const char *target, struct MHD_Connection *connection)
{
    struct request *req = calloc(1, sizeof *req);
    char *copy = strdup(target);
    if (req == NULL || copy == NULL) {
        free(req);
        free(copy);
        return NULL;
    }
    req->http = cls;
    req->connection = connection;
    req->target = copy;
    if (url_parse(copy, &req->url, &req->url_err) != ERR_NONE) {
        req->url = (struct url){ 0 }; /* answered once the headers are in */
    }
    return req;
}

static enum request_method method_of(const char *method)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        return REQUEST_GET;
    }
    if (strcmp(method, "PUT") == 0) {
        return REQUEST_PUT;
    }
    return strcmp(method, "DELETE") == 0 ? REQUEST_DELETE : REQUEST_OTHER;
}

/* An error that a route returned, as a problem. */
static enum err_code reply_err(struct request *req, const struct err *e)
{
    static const struct {
        unsigned status;
        const char *code;
    } problems[] = {
        [ERR_NONE] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "internal" },
        [ERR_NOMEM] = { MHD_HTTP_SERVICE_UNAVAILABLE, "out_of_memory" },
        [ERR_INVALID] = { MHD_HTTP_BAD_REQUEST, "bad_parameter" },
        [ERR_NOT_FOUND] = { MHD_HTTP_NOT_FOUND, "not_found" },
        [ERR_FULL] = { MHD_HTTP_SERVICE_UNAVAILABLE, "full" },
        [ERR_BUSY] = { MHD_HTTP_SERVICE_UNAVAILABLE, "busy" },
        [ERR_STORE] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "store" },
        [ERR_IO] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "io" },
    };
    unsigned status = problems[e->code].status;
    if (status == MHD_HTTP_INTERNAL_SERVER_ERROR) {
        char quoted[256];
        log_limited(LOG_ERROR, "http", "error=%s",
            log_quoted(quoted, sizeof quoted, e->text));
    }
    return reply_problem(req, status, problems[e->code].code, "%s", e->text);
}

static enum err_code reply_bad_url(struct request *req)
{
    bool too_long = req->url_err.code == ERR_FULL;
    return reply_problem(req,
        too_long ? MHD_HTTP_URI_TOO_LONG : MHD_HTTP_BAD_REQUEST,
        too_long ? "url_too_long" : "bad_url", "%s", req->url_err.text);
}

static enum err_code call_route(struct request *req)
{
    struct err e = { 0 };
    const struct route *route = NULL;
    switch (route_find(
        &req->url, req->method, &route, &req->run_uid, &req->allow)) {
    case ROUTE_NO_PATH:
        return reply_problem(
            req, MHD_HTTP_NOT_FOUND, "no_such_path", "there is nothing here");
    case ROUTE_NO_METHOD:
        return reply_problem(req, MHD_HTTP_METHOD_NOT_ALLOWED,
            "method_not_allowed", "this path allows %s", req->allow);
    case ROUTE_FOUND:
        break;
    }
    if (route->answer(req, &e) == ERR_NONE) {
        return ERR_NONE;
    }
    return reply_err(req, &e);
}

static void give_reader_back(struct request *req)
{
    if (req->reader != NULL) {
        readers_give(req->http->readers, READERS_ROUTE, req->reader);
        req->reader = NULL;
    }
}

static enum MHD_Result answer(struct request *req)
{
    struct guard_refusal refusal = { 0 };
    if (!guard_allows(req, &refusal)) {
        (void)reply_problem(
            req, refusal.status, refusal.code, "%s", refusal.detail);
    } else if (req->url_err.code != ERR_NONE) {
        (void)reply_bad_url(req);
    } else {
        (void)call_route(req);
    }
    /* Now and not when the request ends: an event stream may take days. */
    give_reader_back(req);
    /* Out of memory even for a problem: libmicrohttpd closes the connection. */
    return req->replied ? MHD_YES : MHD_NO;
}

/* The first call: headers are in, the body is not. */
static enum MHD_Result start(struct request *req, const char *method)
{
    req->started = true;
    req->method = method_of(method);
    if (!guard_body_is_too_big(req)) {
        return MHD_YES;
    }
    /* Here the connection shall close: the body is not worth reading. */
    (void)reply_problem(req, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_big",
        "the body has more than %u bytes", GUARD_BODY_MAX);
    return req->replied ? MHD_YES : MHD_NO;
}

/* The beginning of the body is kept, all of it is counted. */
static void take_body(struct request *req, const char *bytes, size_t n)
{
    if (req->body_bytes < sizeof req->body) {
        size_t room = sizeof req->body - (size_t)req->body_bytes;
        memcpy(req->body + req->body_bytes, bytes, n < room ? n : room);
    }
    req->body_bytes += n;
}

enum MHD_Result dispatch_handle(void *cls, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_bytes, void **state)
{
    (void)cls;
    (void)connection;
    (void)url; /* decoded: what %2f and %00 were cannot be told any more */
    (void)version;
    struct request *req = *state;
    if (req == NULL) {
        return MHD_NO;
    }
    if (!req->started) {
        return start(req, method);
    }
    if (*upload_bytes != 0) {
        take_body(req, upload, *upload_bytes);
        *upload_bytes = 0;
        return req->body_bytes > GUARD_BODY_MAX ? MHD_NO : MHD_YES;
    }
    return answer(req);
}

void dispatch_completed(void *cls, struct MHD_Connection *connection,
    void **state, enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)cls;
    (void)code;
    struct request *req = *state;
    if (req == NULL) {
        return;
    }
    free(req->target);
    free(req);
    *state = NULL;
}

/*
 * reply: how a route answers. Each call queues one whole reply with the
 * security headers that everything has, and returns ERR_NONE; on failure
 * nothing was queued and the route returns the code: the dispatcher makes a
 * problem of it (ERR_INVALID 400; ERR_NOT_FOUND 404; ERR_BUSY, ERR_FULL and
 * ERR_NOMEM 503; the rest 500).
 */
#ifndef TRAJD_REPLY_H
#define TRAJD_REPLY_H

#include <cjson/cJSON.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "http/request.h"

#define MEDIA_JSON "application/json"
#define MEDIA_NDJSON "application/x-ndjson"
#define MEDIA_CSV "text/csv; charset=utf-8"
#define MEDIA_NPY "application/x-npy"
#define MEDIA_PROBLEM "application/problem+json"
#define MEDIA_EVENTS "text/event-stream"

/* 200 with a JSON body. body is borrowed. */
CHECK_RESULT enum err_code reply_json(
    struct request *req, const cJSON *body, struct err *e);

/* 200 with the bytes of body, which is taken and left empty, also on failure.
 * ERR_NOMEM if body has failed. */
CHECK_RESULT enum err_code reply_buf(struct request *req,
    const char *media_type, struct buf *body, struct err *e);

/* 200 with bytes that outlive the server. */
CHECK_RESULT enum err_code reply_static(struct request *req,
    const char *media_type, const void *bytes, size_t n, struct err *e);

/*
 * 200 with a body written piece by piece: of size bytes, which spares a client
 * the chunks of a body of REPLY_SIZE_UNKNOWN and lets it see the end coming.
 * read and done are as in MHD_create_response_from_callback (read may suspend
 * req->connection; it must then return 0). context is taken on success only:
 * done ends it, when the reply is over or the client has gone. read and done
 * must not touch the request: it may have ended.
 */
#define REPLY_SIZE_UNKNOWN UINT64_MAX
CHECK_RESULT enum err_code reply_stream(struct request *req,
    const char *media_type, uint64_t size, MHD_ContentReaderCallback read,
    MHD_ContentReaderFreeCallback done, void *context, struct err *e);

/* An error: application/problem+json {type,title,status,detail,code}. code is
 * stable and lower_case; a 503 says when to come back. */
enum err_code reply_problem(struct request *req, unsigned status,
    const char *code, const char *format, ...) PRINTF_LIKE(4, 5);

/* 304, after request_is_fresh. */
CHECK_RESULT enum err_code reply_not_modified(
    struct request *req, struct err *e);

/* 204: done, nothing to say. */
CHECK_RESULT enum err_code reply_no_content(struct request *req, struct err *e);

/* A response of bytes that outlive the server; NULL: out of memory. */
struct MHD_Response *reply_of_static(const void *bytes, size_t n);

/* A response of the bytes of body, which is taken and left empty, also on
 * failure; NULL: out of memory, or body has failed. */
struct MHD_Response *reply_of_buf(struct buf *body);

/* Queue a response made by the caller; adds the common headers. response is
 * taken, also on failure; NULL is out of memory. */
CHECK_RESULT enum err_code reply_response(struct request *req, unsigned status,
    struct MHD_Response *response, struct err *e);

#endif

/* reply.c: how replies are made; the thread that has the request. */
#include "http/reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/counters.h"
#include "http/json.h"

#define RETRY_AFTER_S "1"
#define STREAM_BLOCK_BYTES 65536

static const struct {
    const char *name;
    const char *value;
} common_headers[] = {
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'" },
};

/* Adds a header; false: out of memory. */
static bool add(
    struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_common(const struct request *req, struct MHD_Response *response)
{
    bool ok = true;
    for (size_t i = 0; i < sizeof common_headers / sizeof common_headers[0];
         i++) {
        ok = ok &&
             add(response, common_headers[i].name, common_headers[i].value);
    }
    bool tagged = req->etag[0] != '\0';
    if (tagged) {
        ok = ok && add(response, "ETag", req->etag);
    }
    if (MHD_get_response_header(response, "Cache-Control") == NULL) {
        ok = ok &&
             add(response, "Cache-Control", tagged ? "no-cache" : "no-store");
    }
    return ok;
}

enum err_code reply_response(struct request *req, unsigned status,
    struct MHD_Response *response, struct err *e)
{
    if (response == NULL) {
        return err_nomem(e);
    }
    bool ok = add_common(req, response) &&
              MHD_queue_response(req->connection, status, response) == MHD_YES;
    MHD_destroy_response(response);
    if (!ok) {
        return err_nomem(e);
    }
    req->replied = true;
    counter_add(COUNTER_HTTP_REQUESTS, 1);
    counter_add(COUNTER_HTTP_ERRORS, status >= 400);
    return ERR_NONE;
}

/* As reply_response, with a media type. */
static enum err_code reply_typed(struct request *req, unsigned status,
    const char *media_type, struct MHD_Response *response, struct err *e)
{
    if (response == NULL) {
        return err_nomem(e);
    }
    if (!add(response, "Content-Type", media_type)) {
        MHD_destroy_response(response);
        return err_nomem(e);
    }
    return reply_response(req, status, response, e);
}

/* Bytes from malloc, taken. */
static struct MHD_Response *response_of(void *bytes, size_t n)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(bytes);
    }
    return response;
}

enum err_code reply_json(struct request *req, const cJSON *body, struct err *e)
{
    char *text = body == NULL ? NULL : cJSON_PrintUnformatted(body);
    if (text == NULL) {
        return err_nomem(e);
    }
    return reply_typed(
        req, MHD_HTTP_OK, MEDIA_JSON, response_of(text, strlen(text)), e);
}

/* MHD_create_response_from_buffer takes a pointer to non-const and, with
 * MHD_RESPMEM_PERSISTENT, only reads from it. */
static void *readable(const void *bytes)
{
    void *p = NULL;
    memcpy(&p, &bytes, sizeof p);
    return p;
}

struct MHD_Response *reply_of_static(const void *bytes, size_t n)
{
    return MHD_create_response_from_buffer(
        n, readable(bytes), MHD_RESPMEM_PERSISTENT);
}

struct MHD_Response *reply_of_buf(struct buf *body)
{
    struct buf taken = *body;
    *body = (struct buf){ 0 };
    if (taken.failed) {
        buf_done(&taken);
        return NULL;
    }
    if (taken.n == 0) {
        buf_done(&taken);
        return reply_of_static("", 0);
    }
    return response_of(taken.p, taken.n);
}

enum err_code reply_buf(struct request *req, const char *media_type,
    struct buf *body, struct err *e)
{
    return reply_typed(req, MHD_HTTP_OK, media_type, reply_of_buf(body), e);
}

enum err_code reply_static(struct request *req, const char *media_type,
    const void *bytes, size_t n, struct err *e)
{
    return reply_typed(
        req, MHD_HTTP_OK, media_type, reply_of_static(bytes, n), e);
}

/* Lets a response that was never queued be destroyed without ending the
 * caller's context: that is taken on success only. */
struct stream_holder {
    MHD_ContentReaderCallback read;
    MHD_ContentReaderFreeCallback done;
    void *context;
    bool queued;
};

static ssize_t holder_read(void *cls, uint64_t position, char *out, size_t max)
{
    const struct stream_holder *holder = cls;
    return holder->read(holder->context, position, out, max);
}

static void holder_done(void *cls)
{
    struct stream_holder *holder = cls;
    if (holder->queued) {
        holder->done(holder->context);
    }
    free(holder);
}

static_assert(REPLY_SIZE_UNKNOWN == MHD_SIZE_UNKNOWN, "as MHD has it");

enum err_code reply_stream(struct request *req, const char *media_type,
    uint64_t size, MHD_ContentReaderCallback read,
    MHD_ContentReaderFreeCallback done, void *context, struct err *e)
{
    struct stream_holder *holder = malloc(sizeof *holder);
    if (holder == NULL) {
        return err_nomem(e);
    }
    *holder = (struct stream_holder){ read, done, context, false };
    struct MHD_Response *response = MHD_create_response_from_callback(
        size, STREAM_BLOCK_BYTES, holder_read, holder, holder_done);
    if (response == NULL) {
        free(holder);
        return err_nomem(e);
    }
    enum err_code code = reply_typed(req, MHD_HTTP_OK, media_type, response, e);
    if (code == ERR_NONE) {
        holder->queued = true; /* the connection keeps it until after us */
    }
    return code;
}

static const char *title_of(unsigned status)
{
    const char *title = MHD_get_reason_phrase_for(status);
    return title == NULL ? "Error" : title;
}

static cJSON *problem_json(
    unsigned status, const char *code, const char *detail)
{
    cJSON *body = cJSON_CreateObject();
    bool ok = json_add_text(body, "type", "about:blank") &&
              json_add_text(body, "title", title_of(status)) &&
              json_add_u64(body, "status", status) &&
              json_add_text(body, "detail", detail) &&
              json_add_text(body, "code", code);
    if (!ok) {
        cJSON_Delete(body);
        return NULL;
    }
    return body;
}

static bool add_problem_headers(
    const struct request *req, unsigned status, struct MHD_Response *response)
{
    bool ok = add(response, "Content-Type", MEDIA_PROBLEM);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        ok = ok && add(response, "Retry-After", RETRY_AFTER_S);
    }
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED && req->allow != NULL) {
        ok = ok && add(response, "Allow", req->allow);
    }
    return ok;
}

enum err_code reply_problem(struct request *req, unsigned status,
    const char *code, const char *format, ...)
{
    char detail[256];
    struct err e = { 0 };
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args);
    va_end(args);

    req->etag[0] = '\0'; /* the tag of what was asked for, not of this */
    cJSON *body = problem_json(status, code, detail);
    char *text = body == NULL ? NULL : cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    if (text == NULL) {
        return err_nomem(&e);
    }
    struct MHD_Response *response = response_of(text, strlen(text));
    if (response != NULL && !add_problem_headers(req, status, response)) {
        MHD_destroy_response(response);
        response = NULL;
    }
    return reply_response(req, status, response, &e);
}

enum err_code reply_not_modified(struct request *req, struct err *e)
{
    return reply_response(
        req, MHD_HTTP_NOT_MODIFIED, reply_of_static("", 0), e);
}

enum err_code reply_no_content(struct request *req, struct err *e)
{
    return reply_response(req, MHD_HTTP_NO_CONTENT, reply_of_static("", 0), e);
}

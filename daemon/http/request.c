/* request.c: what routes ask of a request; the thread that has it. */
#include "http/request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http/etag.h"
#include "http/readers.h"

/* The value of a parameter, which is from now on a known one; or NULL. */
static const char *param(struct request *req, const char *name)
{
    for (size_t i = 0; i < req->url.n_params; i++) {
        if (strcmp(req->url.params[i].name, name) == 0) {
            req->params_seen |= UINT32_C(1) << i;
            return req->url.params[i].value;
        }
    }
    return NULL;
}

void request_bad(struct request *req, const char *format, ...)
{
    if (req->bad.code != ERR_NONE) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(req->bad.text, sizeof req->bad.text, format, args);
    va_end(args);
    req->bad.code = ERR_INVALID;
}

uint64_t request_u64(struct request *req, const char *name, uint64_t least,
    uint64_t most, uint64_t fallback)
{
    const char *text = param(req, name);
    if (text == NULL) {
        return fallback;
    }
    uint64_t value = 0;
    if (!str_to_u64(str_of(text), most, &value) || value < least) {
        request_bad(req, "%s: not a whole number from %" PRIu64 " to %" PRIu64,
            name, least, most);
        return fallback;
    }
    return value;
}

const char *request_text(
    struct request *req, const char *name, size_t most, const char *fallback)
{
    const char *text = param(req, name);
    if (text == NULL) {
        return fallback;
    }
    if (text[0] == '\0' || strlen(text) > most) {
        request_bad(req, "%s: not a text of 1 to %zu bytes", name, most);
        return fallback;
    }
    return text;
}

static void bad_choice(
    struct request *req, const char *name, const char *const *choices)
{
    struct buf list = { 0 };
    for (size_t i = 0; choices[i] != NULL; i++) {
        buf_text(&list, i == 0 ? "" : ", ");
        buf_text(&list, choices[i]);
    }
    request_bad(
        req, "%s: none of %s", name, list.p == NULL ? "its values" : list.p);
    buf_done(&list);
}

size_t request_choice(struct request *req, const char *name,
    const char *const *choices, size_t fallback)
{
    const char *text = param(req, name);
    if (text == NULL) {
        return fallback;
    }
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            return i;
        }
    }
    bad_choice(req, name, choices);
    return fallback;
}

bool request_cursor(
    struct request *req, uint64_t filter_hash, struct cursor *ret_cursor)
{
    const char *text = request_text(req, "cursor", CURSOR_TEXT_MAX, NULL);
    if (text == NULL) {
        return false;
    }
    if (!cursor_decode(str_of(text), filter_hash, ret_cursor)) {
        request_bad(req, "cursor: stale, or of another query");
        return false;
    }
    return true;
}

enum err_code request_params(struct request *req, struct err *e)
{
    for (size_t i = 0; i < req->url.n_params; i++) {
        if ((req->params_seen >> i & 1) == 0) {
            request_bad(
                req, "%.60s: unknown parameter", req->url.params[i].name);
        }
    }
    if (req->bad.code == ERR_NONE) {
        return ERR_NONE;
    }
    *e = req->bad;
    return e->code;
}

const char *request_header(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

enum err_code request_reader(
    struct request *req, struct reader **ret_reader, struct err *e)
{
    if (req->reader == NULL && readers_take(req->http->readers, READERS_ROUTE,
                                   &req->reader, e) != ERR_NONE) {
        return e->code;
    }
    *ret_reader = req->reader;
    return ERR_NONE;
}

enum err_code request_run(
    struct request *req, struct run_row *ret_run, struct err *e)
{
    struct reader *reader = NULL;
    if (request_reader(req, &reader, e) != ERR_NONE) {
        return e->code;
    }
    return runs_get(reader, req->run_uid, ret_run, e);
}

bool request_is_fresh(
    struct request *req, const struct run_row *run, uint64_t variant)
{
    const uint64_t parts[] = { (uint64_t)run->id.v,
        (uint64_t)run->created_wall_ns, run->revision, req->url.hash, variant };
    etag_make(parts, sizeof parts / sizeof parts[0], req->etag);
    const char *known = request_header(req, "If-None-Match");
    return known != NULL && etag_matches(str_of(known), req->etag);
}

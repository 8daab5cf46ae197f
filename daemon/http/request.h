/*
 * request: one HTTP request, checked and split before any route sees it:
 * decoded path segments and query parameters, the run it names, a reader.
 *
 * A route asks for every parameter it knows and then calls request_params
 * once: a bad value, or a parameter that nobody asked for, is a 400 that names
 * it. The getters never fail; after a bad value they return the fallback.
 *
 * Threads: one request belongs to one of libmicrohttpd's threads at a time.
 */
#ifndef TRAJD_REQUEST_H
#define TRAJD_REQUEST_H

#include <assert.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "http/cursor.h"
#include "http/etag.h"
#include "http/http.h"
#include "http/url.h"
#include "store/runs.h"

struct readers;

/* What all requests share. Constant while the server runs, but for the flag. */
struct http_context {
    struct http_options options; /* its texts live as long as the server */
    struct readers *readers;
    uint16_t port;
    _Atomic bool draining; /* relaxed: no new event streams from here on */
};

/* Bytes of a body that a route may read. */
#define REQUEST_BODY_MAX 1024u

enum request_method {
    REQUEST_GET, /* and HEAD: the server drops the body of the reply */
    REQUEST_DELETE,
    REQUEST_PUT,
    REQUEST_OTHER, /* answered with 405 before any route */
};

struct request {
    struct http_context *http;
    struct MHD_Connection *connection;
    enum request_method method;
    char *target;                /* as sent; owned; the url borrows from it */
    struct url url;              /* path segments and parameters, decoded */
    struct err url_err;          /* why there is no url */
    const char *run_uid;         /* the {id} of the path, or NULL */
    const char *allow;           /* the Allow header of a 405 */
    struct err bad;              /* the first bad parameter */
    uint32_t params_seen;        /* bit i: somebody asked for url.params[i] */
    char etag[ETAG_MAX];         /* sent with the reply if not empty */
    struct reader *reader;       /* see request_reader */
    uint64_t body_bytes;         /* of the request, however many */
    char body[REQUEST_BODY_MAX]; /* the first of them; the rest is dropped */
    bool started;                /* past libmicrohttpd's first call */
    bool replied;                /* a reply has been queued */
};
static_assert(URL_PARAMS_MAX <= 32, "params_seen has a bit for each");

/* ---- parameters: the value, or the fallback if it is absent ---- */

/* A decimal number within [least, most]. */
uint64_t request_u64(struct request *req, const char *name, uint64_t least,
    uint64_t most, uint64_t fallback);
/* A text of 1..most bytes. Borrowed until the request ends. */
const char *request_text(
    struct request *req, const char *name, size_t most, const char *fallback);
/* One of the NULL-terminated choices: its index. */
size_t request_choice(struct request *req, const char *name,
    const char *const *choices, size_t fallback);
/* The cursor of a page before, if there is one and it is of this query, whose
 * filters have that hash. */
bool request_cursor(
    struct request *req, uint64_t filter_hash, struct cursor *ret_cursor);
/* A bad combination that only the route can see: "from is beyond to". */
void request_bad(struct request *req, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* ERR_INVALID if a getter met a bad value or a parameter is unknown. */
CHECK_RESULT enum err_code request_params(struct request *req, struct err *e);

/* A header's value, or NULL. Borrowed until the request ends. */
const char *request_header(const struct request *req, const char *name);

/* ---- the store ---- */

/*
 * The request's reader, borrowed from the pool on first use and given back
 * when the request ends. ERR_BUSY: all are in use. A reply that is streamed
 * takes one of its own (readers.h): the request may end before the stream.
 */
CHECK_RESULT enum err_code request_reader(
    struct request *req, struct reader **ret_reader, struct err *e);

/* The run that the path names. ERR_NOT_FOUND becomes a 404. On success the
 * caller ends *ret_run with run_row_done. */
CHECK_RESULT enum err_code request_run(
    struct request *req, struct run_row *ret_run, struct err *e);

/*
 * Gives the reply a strong ETag made of the run, its revision, the whole
 * target and `variant` (what else the reply depends on: the format chosen by
 * Accept, a state that follows the clock). True if the client has that one
 * already: then answer with reply_not_modified before reading any record.
 */
bool request_is_fresh(
    struct request *req, const struct run_row *run, uint64_t variant);

#endif

/*
 * http: the HTTP server: routes, JSON API, event streams, the embedded page.
 * Owns its threads (libmicrohttpd's) and a small pool of store readers.
 */
#ifndef TRAJD_HTTP_H
#define TRAJD_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "threads/live.h"

struct http;
struct analysis;

struct http_options {
    const char *address; /* "127.0.0.1" or "::1"; loopback only for now */
    uint16_t port;       /* 0 = any free one */
    const char *db_path;
    const char *web_root;        /* NULL = the embedded page; else a folder */
    const char *ingest_endpoint; /* as bound; shown to users */
    struct live *live;           /* borrowed until http_stop returns */
    struct analysis *analysis;   /* the same; NULL: no fits are remembered */
    /* For /readyz, and why not; any thread. */
    enum err_code (*ready)(void *context, struct err *e);
    /* DELETE /runs/{id} and the like: runs in the writer thread. */
    enum err_code (*delete_run)(void *context, const char *uid, struct err *e);
    /* PUT /runs/{id}/probe_every, and what was put; any thread. */
    enum err_code (*set_probe_every)(
        void *context, const char *uid, uint32_t probe_every, struct err *e);
    uint32_t (*probe_every)(void *context, const char *uid);
    void *context;
};

CHECK_RESULT enum err_code http_start(
    const struct http_options *options, struct http **ret_http, struct err *e);
uint16_t http_port(const struct http *http);

/* Answer /readyz with 503 and open no more event streams; before the drain. */
void http_draining(struct http *http);
/* Ends event streams with a `bye` event, then stops. */
void http_stop(struct http *http);

#endif

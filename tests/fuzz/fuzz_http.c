/* The parsers of HTTP's texts: no input reads or writes outside, and what
 * they let through keeps their promises. The first byte chooses the parser. */
#include "http/accept.h"
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/cursor.h"
#include "http/etag.h"
#include "http/routes.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_url(const char *text)
{
    struct url url;
    struct err e = { 0 };
    char *target = strdup(text);
    if (target == NULL) {
        abort();
    }
    enum err_code code = url_parse(target, &url, &e);
    assert(code == ERR_NONE || (code == e.code && e.text[0] != '\0'));
    for (size_t i = 0; code == ERR_NONE && i < url.n_segments; i++) {
        const char *segment = url.segments[i];
        assert(segment[0] != '\0' && strpbrk(segment, "/\\") == NULL);
        assert(strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0);
        assert(str_is_utf8(str_of(segment)));
    }
    if (code == ERR_NONE) {
        const struct route *route = NULL;
        const char *run_uid = NULL;
        const char *allow = NULL;
        enum route_match match =
            route_find(&url, REQUEST_GET, &route, &run_uid, &allow);
        assert(match != ROUTE_FOUND || route != NULL);
        assert(run_uid == NULL || strlen(run_uid) <= RUN_UID_MAX);
    }
    free(target);
}

static void fuzz_host(struct str text)
{
    /* A name of ours ends in one of three ways before its port. */
    if (url_host_is_local(text)) {
        assert(text.n >= 5);
        assert(memchr(text.p, '@', text.n) == NULL);
        assert(memchr(text.p, '/', text.n) == NULL);
    }
    (void)url_origin_is_host(text, STR("localhost:7010"));
}

static void fuzz_cursor(struct str text)
{
    struct cursor cursor;
    char again[CURSOR_TEXT_MAX];
    if (cursor_decode(text, 7, &cursor)) {
        cursor_encode(&cursor, 7, again);
        assert(str_equal(text, str_of(again)));
    }
}

static void fuzz_headers(struct str text)
{
    static const char *const types[] = { "application/json", "text/csv" };
    int best = accept_best(text, types, 2);
    assert(best >= -1 && best < 2);
    (void)accept_gzip(text);
    (void)etag_matches(text, "\"0123\"");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0) {
        return 0;
    }
    char *text = malloc(n); /* exactly, so that one byte beyond is seen */
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data + 1, n - 1);
    text[n - 1] = '\0';
    struct str s = { text, n - 1 };
    switch (data[0] % 4) {
    case 0:
        fuzz_url(text);
        break;
    case 1:
        fuzz_host(s);
        break;
    case 2:
        fuzz_cursor(s);
        break;
    case 3:
        fuzz_headers(s);
        break;
    }
    free(text);
    return 0;
}

/* page.c: the dashboard: from the embedded table, or from --web-root. */
#include "http/routes.h"

#include <string.h>

#include "http/accept.h"
#include "http/assets.h"
#include "http/etag.h"
#include "http/reply.h"
#include "http/web_root.h"

#define PATH_MAX_BYTES 1024
#define IMMUTABLE "public, max-age=31536000, immutable"

/* The path of the file that a URL asks for: "/" and "/runs/..." are views of
 * the one page. false: no file has that path. */
static bool file_of(const struct url *url, char out[static PATH_MAX_BYTES])
{
    struct buf path = { .limit = PATH_MAX_BYTES - 1 };
    bool view = url->n_segments == 0 || strcmp(url->segments[0], "runs") == 0;
    for (size_t i = 0; i < url->n_segments && !view; i++) {
        buf_char(&path, '/');
        buf_text(&path, url->segments[i]);
    }
    if (view) {
        buf_text(&path, "/index.html");
    }
    bool folder = !view && url->trailing_slash;
    bool ok = !path.failed && !folder;
    if (ok) {
        memcpy(out, path.p, path.n + 1);
    }
    buf_done(&path);
    return ok;
}

/* A strong tag names bytes: the gzipped ones have another. */
static void tag_of(const struct asset *asset, bool gzip, char *out, size_t size)
{
    size_t n = strlen(asset->etag);
    size_t kept = n < size - 4 ? n : size - 4;
    memcpy(out, asset->etag, kept);
    memcpy(out + kept, "", 1);
    if (gzip && kept > 1) {
        memcpy(out + kept - 1, "-gz\"", 5);
    }
}

static bool add_headers(
    struct MHD_Response *response, const struct asset *asset, bool gzip)
{
    return MHD_add_response_header(
               response, "Content-Type", asset->media_type) == MHD_YES &&
           MHD_add_response_header(response, "Vary", "Accept-Encoding") ==
               MHD_YES &&
           MHD_add_response_header(response, "Cache-Control",
               asset->immutable != 0 ? IMMUTABLE : "no-cache") == MHD_YES &&
           (!gzip || MHD_add_response_header(
                         response, "Content-Encoding", "gzip") == MHD_YES);
}

static enum err_code reply_asset(
    struct request *req, const struct asset *asset, struct err *e)
{
    bool gzip = accept_gzip(str_of(request_header(req, "Accept-Encoding")));
    tag_of(asset, gzip, req->etag, sizeof req->etag);
    struct str known = str_of(request_header(req, "If-None-Match"));
    bool fresh = known.n > 0 && etag_matches(known, req->etag);

    const uint8_t *bytes = gzip ? asset->gzipped : asset->plain;
    uint64_t n = gzip ? asset->gzipped_bytes : asset->plain_bytes;
    struct MHD_Response *response = reply_of_static(bytes, fresh ? 0 : n);
    if (response == NULL || !add_headers(response, asset, gzip)) {
        if (response != NULL) {
            MHD_destroy_response(response);
        }
        return err_nomem(e);
    }
    return reply_response(
        req, fresh ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response, e);
}

static enum err_code reply_file(
    struct request *req, const char *path, struct err *e)
{
    struct buf body = { 0 };
    if (web_root_read(req->http->options.web_root, path, &body, e) !=
        ERR_NONE) {
        return e->code;
    }
    return reply_buf(req, web_root_media_type(path), &body, e);
}

/* Parameters are the page's own: the whole view is in the URL. */
enum err_code page(struct request *req, struct err *e)
{
    char path[PATH_MAX_BYTES];
    if (!file_of(&req->url, path)) {
        return err_set(e, ERR_NOT_FOUND, "there is nothing here");
    }
    if (req->http->options.web_root != NULL) {
        return reply_file(req, path, e);
    }
    const struct asset *asset = asset_find(path);
    if (asset == NULL) {
        return err_set(e, ERR_NOT_FOUND, "there is nothing here");
    }
    return reply_asset(req, asset, e);
}

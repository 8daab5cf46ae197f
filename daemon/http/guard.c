/* guard.c: keeps nothing; any thread. */
#include "http/guard.h"

#include <string.h>
#include <strings.h>

#include "http/url.h"

/* The headers that are judged: the last value and how often each came. */
struct headers {
    const char *host;
    const char *length;
    const char *encoding;
    const char *origin;
    const char *site;
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    unsigned origins;
    unsigned sites;
};

static enum MHD_Result look(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct headers *h = cls;
    const struct {
        const char *name;
        const char **value;
        unsigned *count;
    } wanted[] = {
        { "Host", &h->host, &h->hosts },
        { "Content-Length", &h->length, &h->lengths },
        { "Transfer-Encoding", &h->encoding, &h->encodings },
        { "Origin", &h->origin, &h->origins },
        { "Sec-Fetch-Site", &h->site, &h->sites },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strcasecmp(name, wanted[i].name) == 0) {
            *wanted[i].value = value == NULL ? "" : value;
            ++*wanted[i].count;
        }
    }
    return MHD_YES;
}

static struct headers headers_of(const struct request *req)
{
    struct headers headers = { 0 };
    (void)MHD_get_connection_values(
        req->connection, MHD_HEADER_KIND, look, &headers);
    return headers;
}

static bool refuse(struct guard_refusal *ret, unsigned status, const char *code,
    const char *detail)
{
    *ret = (struct guard_refusal){ status, code, detail };
    return false;
}

/* libmicrohttpd accepts both shapes; whoever stands in front of us may read
 * the other length. */
static bool framing_is_plain(const struct headers *h, struct guard_refusal *ret)
{
    if (h->lengths > 1 || h->encodings > 1 ||
        (h->lengths > 0 && h->encodings > 0)) {
        return refuse(ret, MHD_HTTP_BAD_REQUEST, "framing",
            "the length of the body is given more than once");
    }
    return true;
}

static bool host_is_ours(const struct headers *h, struct guard_refusal *ret)
{
    if (h->hosts != 1) {
        return refuse(ret, MHD_HTTP_BAD_REQUEST, "host",
            "there must be exactly one Host header");
    }
    if (!url_host_is_local(str_of(h->host))) {
        return refuse(ret, MHD_HTTP_FORBIDDEN, "host",
            "this server answers to localhost, 127.0.0.1 and [::1] only");
    }
    return true;
}

/* Browsers send Origin with every DELETE and PUT, and most send Sec-Fetch-Site;
 * programs send neither. */
static bool writer_is_ours(const struct headers *h, struct guard_refusal *ret)
{
    bool foreign_origin =
        h->origins > 0 &&
        (h->origins > 1 ||
            !url_origin_is_host(str_of(h->origin), str_of(h->host)));
    bool foreign_site = h->sites > 0 && strcmp(h->site, "same-origin") != 0 &&
                        strcmp(h->site, "none") != 0;
    if (foreign_origin || foreign_site) {
        return refuse(ret, MHD_HTTP_FORBIDDEN, "origin",
            "pages of other origins may not change anything");
    }
    return true;
}

bool guard_allows(const struct request *req, struct guard_refusal *ret_refusal)
{
    struct headers headers = headers_of(req);
    return framing_is_plain(&headers, ret_refusal) &&
           host_is_ours(&headers, ret_refusal) &&
           (req->method == REQUEST_GET ||
               writer_is_ours(&headers, ret_refusal));
}

bool guard_body_is_too_big(const struct request *req)
{
    struct headers headers = headers_of(req);
    uint64_t length = 0;
    return headers.lengths > 0 &&
           (!str_to_u64(str_of(headers.length), UINT64_MAX, &length) ||
               length > GUARD_BODY_MAX);
}

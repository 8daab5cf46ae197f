/*
 * url: the target of a request line, split and percent-decoded once. Pure and
 * total: any text gives a struct url that borrows from it, or an error.
 */
#ifndef TRAJD_URL_H
#define TRAJD_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define URL_TARGET_MAX 8192u /* bytes of the target as sent */
#define URL_SEGMENTS_MAX 8u
#define URL_PARAMS_MAX 32u

struct url_param {
    const char *name; /* NUL-terminated, as is value */
    const char *value;
};

struct url {
    size_t n_segments;
    const char *segments[URL_SEGMENTS_MAX]; /* "/a/b" has two, "/" none */
    bool trailing_slash;
    size_t n_params;
    struct url_param params[URL_PARAMS_MAX];
    uint64_t hash; /* of the target as sent */
};

/*
 * Decodes target in place. ERR_INVALID: %00, %2f or %5c in a path, a raw
 * backslash, "." and ".." segments, empty segments, control bytes, broken
 * percent signs, bytes that are no UTF-8, a parameter given twice. ERR_FULL:
 * beyond one of the maxima above.
 */
CHECK_RESULT enum err_code url_parse(
    char *target, struct url *ret_url, struct err *e);

/*
 * Is this Host header one of this machine's own names: localhost, localhost.,
 * *.localhost, 127.0.0.1 or [::1], with or without a port? Whole names only:
 * what merely starts like one belongs to somebody else's DNS.
 */
bool url_host_is_local(struct str host);

/* Is this Origin header http or https and the same host and port as Host? */
bool url_origin_is_host(struct str origin, struct str host);

#endif

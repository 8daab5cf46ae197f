/*
 * guard: what is refused before any route, because of its headers: another
 * site behind a rebound DNS name, a page of another origin that writes, and
 * what two servers in a row could read as two different requests.
 */
#ifndef TRAJD_GUARD_H
#define TRAJD_GUARD_H

#include <stdbool.h>

#include "http/request.h"

/* Bytes of a request's body; who wants one wants less. */
#define GUARD_BODY_MAX 65536u

struct guard_refusal {
    unsigned status;
    const char *code;
    const char *detail;
};

/* true: let it pass; otherwise why not, in constant texts. */
bool guard_allows(const struct request *req, struct guard_refusal *ret_refusal);

/* Does Content-Length promise more than GUARD_BODY_MAX? */
bool guard_body_is_too_big(const struct request *req);

#endif

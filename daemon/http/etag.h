/* etag: entity tags, RFC 9110 8.8.3 and 13.1.2. Pure. */
#ifndef TRAJD_ETAG_H
#define TRAJD_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define ETAG_MAX 40 /* with quotes and terminator */

/* A strong tag of n numbers. */
void etag_make(const uint64_t *parts, size_t n, char out[static ETAG_MAX]);

/* Does the value of If-None-Match ("*", or a list) name this tag? Compares
 * weakly, as the RFC asks of If-None-Match. */
bool etag_matches(struct str header, const char *etag);

#endif

/*
 * cursor: where a page ended, as an opaque text. It holds the sort key of the
 * last row (so nothing is skipped or repeated when rows come or go) and a hash
 * of the filters, so that it is refused with other filters. Pure.
 */
#ifndef TRAJD_CURSOR_H
#define TRAJD_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct cursor {
    uint64_t key[3];
};

#define CURSOR_TEXT_MAX 64 /* its terminator included */

/* base64url without padding; out is terminated. */
void cursor_encode(const struct cursor *cursor, uint64_t filter_hash,
    char out[static CURSOR_TEXT_MAX]);

/* false: not one of ours, or one of other filters. */
bool cursor_decode(
    struct str text, uint64_t filter_hash, struct cursor *ret_cursor);

#endif

/* accept: which of our representations an Accept header likes best. Pure. */
#ifndef TRAJD_ACCEPT_H
#define TRAJD_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/*
 * The index of the media type ("text/csv", without parameters) with the
 * highest quality, the first of equals; -1 if the header excludes them all
 * (406). An empty header accepts everything. RFC 9110, 12.5.1: the most
 * specific range decides; a malformed range is left out.
 */
int accept_best(struct str header, const char *const *types, size_t n);

/* Does an Accept-Encoding header allow gzip? An empty one does not. */
bool accept_gzip(struct str header);

#endif

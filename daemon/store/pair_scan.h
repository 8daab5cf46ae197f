/* pair_scan: the pairs (pure/pairs.h) of a run's probes, through a scan. */
#ifndef TRAJD_PAIR_SCAN_H
#define TRAJD_PAIR_SCAN_H

#include <stdbool.h>

#include "base/err.h"
#include "pure/pairs.h"
#include "store/reader.h"
#include "store/scan.h"

/* false: stop, out of memory. */
typedef bool (*pair_visit_fn)(void *context, const struct pair *pair);

/*
 * Visits every pair that the query selects, in the scan's order. Sets the
 * query's kind and fields, and on success its after_* to the last record read,
 * so that the same query goes on from there.
 */
CHECK_RESULT enum err_code pair_scan(struct reader *reader,
    struct scan_query *query, pair_visit_fn visit, void *context,
    struct err *e);

/* A visitor: into struct pairs. */
bool pair_scan_collect(void *pairs, const struct pair *pair);

#endif

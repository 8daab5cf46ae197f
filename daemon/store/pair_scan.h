/*
 * pair_scan: the pairs (pure/pairs.h) of a run's probes: of one rank, through a
 * scan, or of all ranks together, through a rank_scan.
 */
#ifndef TRAJD_PAIR_SCAN_H
#define TRAJD_PAIR_SCAN_H

#include <stdbool.h>

#include "base/err.h"
#include "pure/layers.h"
#include "pure/pair_window.h"
#include "pure/pairs.h"
#include "pure/rank_pairs.h"
#include "store/reader.h"
#include "store/scan.h"

struct pair_query {
    struct scan_query scan; /* kind and fields are set here */
    bool global;            /* of all ranks together; after_* must be 0 then */
    /* 0 = all parameters; else a layer by its number: global the run's, which
     * needs layers, else the rank's own. */
    uint32_t group;
    const struct layers *layers; /* borrowed */
};

/* false: stop, out of memory. */
typedef bool (*pair_visit_fn)(void *context, const struct pair *pair);

struct pair_visitor {
    struct pair_window *window; /* goes on with what is in it */
    pair_visit_fn visit;
    void *context;
    /* Global: what became of the probes; NULL if nobody asks. */
    struct rank_pairs *tally;
    /* Global: called after the pairs of a probe that is of the whole; NULL if
     * nobody asks. */
    void (*settled)(void *context, uint64_t step);
    uint64_t records; /* set: PROBE records that were read, of all groups */
};

/*
 * Visits every pair that the query selects, in the scan's order. On success
 * the after_* of a query of one rank are those of the last record read, so that
 * the same query goes on from there.
 */
CHECK_RESULT enum err_code pair_scan(struct reader *reader,
    struct pair_query *query, struct pair_visitor *visitor, struct err *e);

/* Into struct pairs, which is empty, with windows of `window` probes. */
CHECK_RESULT enum err_code pair_scan_all(struct reader *reader,
    struct pair_query *query, uint32_t window, struct pairs *pairs,
    struct err *e);

#endif

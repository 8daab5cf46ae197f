/* scan_plan: which streams a scan reads, in what order, and how much of each.
 */
#ifndef TRAJD_SCAN_PLAN_H
#define TRAJD_SCAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>

#include "store/scan.h"

struct scan_stream {
    int64_t id;
    struct stream_uid uid;
    uint64_t until_seq; /* committed when the scan was opened */
    uint32_t attempt;
    uint32_t rank;
    bool has_probes;
    bool has_step;
    uint64_t first_step; /* of it: see scan.h */
    bool is_cut;
    uint64_t cut_step;    /* of it: records from this step on are left out */
    uint64_t after_seq;   /* and records up to this seq */
    uint64_t thinned_seq; /* a chunk up to it may be empty */
};

struct scan_plan {
    struct scan_stream *streams;
    size_t n;
    size_t capacity;
};

/* On success end with scan_plan_done. */
CHECK_RESULT enum err_code scan_plan_init(struct scan_plan *plan, sqlite3 *db,
    const struct scan_query *query, struct err *e);
void scan_plan_done(struct scan_plan *plan);

#endif

/*
 * alert_watch: what the alert rules have seen of one run, and reading on from
 * there. The analysis thread's alone.
 *
 * Of a run of several processes rank 0 is read. Where more than
 * ALERT_LOOK_RECORDS records have come since the last look (after a start, or
 * from a very fast trainer), the newest of them are looked at, and the others
 * are counted (alert_records_skipped).
 */
#ifndef TRAJD_ALERT_WATCH_H
#define TRAJD_ALERT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/alert_rules.h"
#include "store/reader.h"
#include "store/runs.h"

#define ALERT_LOOK_RECORDS 65536u /* of one run and look, of any kind */

struct alert_watch {
    bool is_set_up; /* what is stored of the run is known to the rules */
    struct alert_rules rules;
    struct alert_list raised; /* and not stored yet */
    /* Up to here the rules have seen the records of rank 0. */
    uint32_t attempt;
    uint64_t seq;
    uint64_t left_out; /* records that the last look did not look at */
};

/* Reads on, within the caller's snapshot, of which row is part too. *ret_more:
 * the list of raised ones was full before the end. */
CHECK_RESULT enum err_code alert_watch_read(struct alert_watch *watch,
    struct reader *reader, const struct run_row *row,
    const struct alert_limits *limits, bool *ret_more, struct err *e);

/* What a new verdict says; nothing before the first alert_watch_read, or while
 * the list is too full: the next verdict says it again. */
void alert_watch_verdict(struct alert_watch *watch,
    const struct run_verdict *verdict, uint64_t last_step);

#endif

/*
 * pair_follow: the pairs of a run that grows, read anew as far as they are
 * committed. One thread at a time.
 *
 * Of one rank it goes on behind the record it read last. Of several, a probe is
 * done with when all ranks are in, or when a later one is whole: it goes on
 * behind the last whole step, and drops what it knew of later ones. Where
 * records have come that are not of later steps (a rank went back, or a class
 * of probes lags by a rank), it reads everything again.
 */
#ifndef TRAJD_PAIR_FOLLOW_H
#define TRAJD_PAIR_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/pair_scan.h"

struct pair_follow {
    struct pairs pairs; /* what has been read */
    struct pair_query query;
    struct pair_window window;
    /* Of several ranks: how it was after the last whole step. */
    bool any;
    uint64_t settled; /* that step */
    struct pair_window at_settled;
    uint64_t records; /* PROBE records of the run */
    uint64_t later;   /* of them, those of later steps */
};

/* Empty: the next read is of everything. pairs has been through pairs_init. */
void pair_follow_start(
    struct pair_follow *follow, struct run_id run, bool global);

/* Within the caller's snapshot, in which the run has so many PROBE records.
 * After a failure: pair_follow_start. */
CHECK_RESULT enum err_code pair_follow_read(struct pair_follow *follow,
    struct reader *reader, uint64_t records, struct err *e);

#endif

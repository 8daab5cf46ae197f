/*
 * rank_scan: the steps of a run, each one record made of those of all its
 * ranks (pure/ranks.h), through scans.
 *
 * Memory does not grow with the run, and hardly with the ranks: the steps are
 * read in slices of RANK_SCAN_SLICE, of each slice rank after rank, so one scan
 * is open at a time. A chunk is read once for each slice that it reaches into:
 * one of CHUNK_RECORDS_MAX steps for 16 slices or 17, for 64 or more where
 * values are kept. A merge over one scan per rank would read each once, but
 * hold a chunk of each rank: half a megabyte each, and there may be thousands.
 */
#ifndef TRAJD_RANK_SCAN_H
#define TRAJD_RANK_SCAN_H

#include <stdbool.h>

#include "base/err.h"
#include "pure/ranks.h"
#include "store/reader.h"
#include "store/scan.h"

/* Steps of the rank that has most of them, for RANK_SCAN_VALUES; for
 * RANK_SCAN_DIAGNOSIS half of ranks_window: 512, fewer for over 2,048 ranks.
 * The window holds twice as many: other ranks may have steps between
 * these. */
#define RANK_SCAN_SLICE 2048

enum rank_scan_for {
    RANK_SCAN_VALUES,    /* the records: for series */
    RANK_SCAN_DIAGNOSIS, /* and the squares of each rank: rank_diagnosis.h */
};

/*
 * Visits every step that the query selects, in ascending slices: within a
 * slice whole steps ascend and incomplete ones come after them. The query's
 * kind and rank are not looked at, and after_* must be 0. SCAN_NEWEST takes of
 * each rank the newest record of a step, see ranks.h; SCAN_ALL and SCAN_ONE
 * take each attempt for itself.
 * ERR_NOMEM when visit says stop.
 */
CHECK_RESULT enum err_code rank_scan(struct reader *reader,
    const struct scan_query *query, enum rank_scan_for wanted,
    ranks_visit_fn visit, void *context, struct err *e);

/* The rule of the run's first STEP record; NONE if there is none. */
CHECK_RESULT enum err_code rank_scan_rule(struct reader *reader,
    struct run_id run, enum traj_combine *ret_rule, struct err *e);

#endif

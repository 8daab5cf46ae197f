/*
 * rank_scan: the steps of a run, or its probes, or its layers, each one record
 * made of those of all its ranks (pure/ranks.h), through scans.
 *
 * Memory does not grow with the run, and hardly with the ranks: records are
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
#include "pure/layers.h"
#include "pure/ranks.h"
#include "store/reader.h"
#include "store/scan.h"

/* Records of the rank that has most of them, for RANK_SCAN_VALUES; for
 * RANK_SCAN_DIAGNOSIS half of ranks_window: 512, fewer for over 2,048 ranks.
 * The window holds twice as many: other ranks may have steps between these. All
 * records of one step are in one slice. */
#define RANK_SCAN_SLICE 2048

enum rank_scan_for {
    RANK_SCAN_VALUES,    /* the records: for series */
    RANK_SCAN_DIAGNOSIS, /* STEP, and the squares of each rank */
};

struct rank_query {
    /* kind: STEP, PROBE or GROUP. rank is not looked at, and after_* must be
     * 0. SCAN_NEWEST takes of each rank the newest record of a step, see
     * ranks.h; SCAN_ALL and SCAN_ONE take each attempt for itself. */
    struct scan_query scan;
    enum rank_scan_for wanted;
    /* PROBE: of this layer only, its own number in the records; 0 = of all
     * parameters. GROUP: of all layers, rank_step.item is the number less 1. */
    uint32_t layer;
    const struct layers *layers; /* borrowed; may be NULL for layer 0 */
};

/* Room for probes of each class. */
#define RANK_SCAN_CLASSES 8

/*
 * Visits every record that the query selects, in ascending slices: within a
 * slice whole ones ascend and incomplete ones come after them. *ret_records,
 * if it is not NULL: how many records of the kind there were, of all layers.
 * ERR_NOMEM when visit says stop.
 */
CHECK_RESULT enum err_code rank_scan(struct reader *reader,
    const struct rank_query *query, ranks_visit_fn visit, void *context,
    uint64_t *ret_records, struct err *e);

/* What the run's first STEP record says; zero if there is none. */
struct rank_scan_first {
    enum traj_combine rule;
    /* micro_grad_sq beside a norm of all the data: each rank has its own. */
    bool has_parts;
};
CHECK_RESULT enum err_code rank_scan_first(struct reader *reader,
    struct run_id run, struct rank_scan_first *ret_first, struct err *e);

#endif

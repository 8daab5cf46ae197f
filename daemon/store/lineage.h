/*
 * lineage: whose history a run continues. A fork's steps before fork_step are
 * those of the run it was forked from, which may be a fork too.
 */
#ifndef TRAJD_LINEAGE_H
#define TRAJD_LINEAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/trainer.h"
#include "store/reader.h"
#include "store/runs.h"

#define LINEAGE_MAX 16 /* runs before this one; older ones are left out */

struct ancestor {
    struct run_id run;
    struct trainer trainer;
    uint64_t to_step; /* its last step that is part of the history */
};

/*
 * The runs before this one, the nearest first. One that has been deleted ends
 * the line, as does one that would have no step in it, so a circle ends too.
 * Within the caller's snapshot.
 */
CHECK_RESULT enum err_code lineage_of(struct reader *reader,
    const struct run_row *run, struct ancestor ret_line[static LINEAGE_MAX],
    size_t *ret_n, struct err *e);

#endif

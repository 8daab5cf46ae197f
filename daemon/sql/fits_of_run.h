/*
 * fits_of_run: what the table `fits` has of a run: the fits of each class of
 * probes that it has, as GET /fits computes them of the chosen one, with their
 * intervals and tests. The thread of the reader.
 */
#ifndef TRAJD_FITS_OF_RUN_H
#define TRAJD_FITS_OF_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "pure/intervals.h"
#include "pure/rank_tests.h"
#include "pure/run_fit.h"
#include "store/reader.h"

struct fits_of_class {
    struct run_fit fit;
    struct intervals intervals;
    bool has_ranks; /* of pairs, and if they were wanted */
    struct rank_tests ranks;
};

struct fits_of_run {
    struct fits_of_class v[PAIR_ESTIMATORS];
    size_t n;
    unsigned chosen; /* the class that is fitted when none is asked for */
};

enum fits_wanted {
    FITS_WITHOUT_RANKS,
    FITS_WITH_RANKS, /* permutations: what takes longest */
};

/* uid: of a run. */
CHECK_RESULT enum err_code fits_of_run(struct reader *reader, const char *uid,
    enum fits_wanted wanted, struct fits_of_run *ret, struct err *e);

#endif

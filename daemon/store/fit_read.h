/*
 * fit_read: what a fit over any range of steps of a run of any length is made
 * of, through the pyramid: the states (pyramid_fits.h) of the widest bodies
 * that lie within the range, and the records at its two edges, of the log, and
 * of chunks that have none. A fit of 1e8 probes is made of some hundred states.
 *
 * The pairs are those of pair_scan with the same query, but for microbatch
 * probes: their windows begin with each chunk, and are of PAIR_WINDOW_DEFAULT.
 * So n and the counts are the same, sums to their rounding (fit_sums.h), what
 * comes from bins as near as fit_state.h says. Of chunks that retention has
 * emptied the states still count where they lie within the range; the others
 * are left out.
 *
 * States are of one rank's records. In a run of several ranks a pair is of all
 * of them (rank_pairs.h), which no sum of states gives: whoever wants those
 * pairs scans them.
 *
 * The thread of the reader.
 */
#ifndef TRAJD_FIT_READ_H
#define TRAJD_FIT_READ_H

#include "base/err.h"
#include "math/fit_ci.h"
#include "pure/fit_part.h"
#include "store/reader.h"
#include "store/scan.h"

/* Of the rows; see fit_read.rows. */
enum fit_read_rows {
    FIT_READ_PLAIN = 0,
    FIT_READ_WEIGHTED, /* as the relative fit weights pairs: fit_weight */
};

/* Rows for intervals, if the range has so many bodies at all. */
#define FIT_READ_ROWS FIT_BLOCKS_MIN

struct fit_read_query {
    /* Its kind, fields, after_* and above_seq are not looked at. */
    struct scan_query scan;
    uint64_t group;
    int estimator; /* below PAIR_ESTIMATORS, or PAIR_ESTIMATOR_AUTO */
    int regressor; /* enum fit_regressor, or PAIR_REGRESSOR_AUTO */
    enum fit_read_rows rows;
    /* Of WEIGHTED rows, borrowed; NULL: of the range's own fit. */
    const struct fit_weight *weight;
};

struct fit_read {
    /* As asked for, or chosen as pair_census does. */
    unsigned estimator;
    enum fit_regressor regressor;
    uint64_t in_sight; /* pairs and waiting probes of every class */
    struct fit_part part;
    /* Sums of consecutive pairs, in the order of the scan; each of a body of
     * the widest level that gives FIT_READ_ROWS of them, with what lies before
     * it and has no such body. Plain ones add up to part.state.total.plain;
     * there are none of a part without weights if these are asked for. Owned.
     */
    struct fit_sums *rows;
    size_t n_rows, rows_capacity;
    uint64_t states, records; /* that were read for the part */
};

/* On success end with fit_read_done. */
CHECK_RESULT enum err_code fit_read(struct reader *reader,
    const struct fit_read_query *query, struct fit_read *ret, struct err *e);
void fit_read_done(struct fit_read *read);

/* The pairs of each class, whatever class and regressor the query names;
 * *ret_in_sight as fit_read.in_sight. */
CHECK_RESULT enum err_code fit_read_census(struct reader *reader,
    const struct fit_read_query *query, struct pair_census *ret,
    uint64_t *ret_in_sight, struct err *e);

#endif

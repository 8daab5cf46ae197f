/*
 * fit_take: what the records of a chunk or a body of the pyramid give to the
 * fit that is asked for (fit_read.h). The thread of the reader.
 */
#ifndef TRAJD_FIT_TAKE_H
#define TRAJD_FIT_TAKE_H

#include "base/err.h"
#include "base/str.h"
#include "pure/pair_window.h"
#include "store/fit_read.h"
#include "store/records.h"

enum fit_pass { PASS_CENSUS, PASS_STATES, PASS_ROWS };

struct fit_take {
    uint64_t group;
    enum fit_pass pass;
    uint64_t from_step, to_step; /* of what is being read; inclusive */
    struct pair_census census;   /* PASS_CENSUS adds to it */
    uint64_t waiting;     /* PASS_CENSUS: probes of windows that are not full */
    struct fit_sums rest; /* PASS_ROWS adds to it */
    bool is_weighted;     /* with these weights */
    struct fit_weight weight;
    /* Its class and regressor are what PASS_STATES and PASS_ROWS want; the part
     * and the counts are what PASS_STATES adds to. */
    struct fit_read *out;
};

/* The pairs within the range. The window goes on with what is in it. */
CHECK_RESULT enum err_code fit_take_records(struct fit_take *take,
    const struct records *records, struct pair_window *window, struct err *e);

/* Probes that are in no pair, at the end of a window. */
void fit_take_waiting(struct fit_take *take, const struct pair_window *window);

/* What the body of a row or chunk within the range has of it. *ret_taken:
 * that is all; else it has given nothing. */
CHECK_RESULT enum err_code fit_take_body(
    struct fit_take *take, struct str body, bool *ret_taken, struct err *e);

#endif

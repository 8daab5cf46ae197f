/*
 * pair_query: the parameters of what shows pairs: scatter and fits. One thread
 * at a time.
 */
#ifndef TRAJD_PAIR_QUERY_H
#define TRAJD_PAIR_QUERY_H

#include "http/record_query.h"
#include "http/request.h"
#include "store/pair_scan.h"

/* NAME=start|trapezoid|simpson; PAIR_REGRESSOR_AUTO if it is absent. */
int pair_query_regressor(struct request *req, const char *name);

/* estimator=full|subset|...; PAIR_ESTIMATOR_AUTO if it is absent. */
int pair_query_estimator(struct request *req);

/* Which pairs: window of steps, attempt, rank, group, and the window of
 * microbatch probes. */
struct pair_choice {
    struct pair_query query;
    enum record_rank rank;
    uint32_t window;
    uint32_t world;
    struct layers *layers; /* owned */
};

void pair_choice_parse(struct request *req, struct pair_choice *ret_choice);

/* Of that run, within the caller's snapshot: with rank absent, of all ranks
 * together if it has several. ERR_INVALID: it has no such group. End with
 * pair_choice_done, whatever comes of it. */
CHECK_RESULT enum err_code pair_choice_of_run(struct pair_choice *choice,
    struct reader *reader, const struct run_row *run, struct err *e);
void pair_choice_done(struct pair_choice *choice);

/* "global", "all" or the number. */
void pair_choice_write_rank(struct buf *out, const struct pair_choice *choice);

#endif

/*
 * rank_spans: the streams of a run as a rank_scan needs them: of which world an
 * attempt is, and which steps a rank had done before. One thread at a time.
 */
#ifndef TRAJD_RANK_SPANS_H
#define TRAJD_RANK_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/reader.h"
#include "store/scan.h"
#include "store/store.h"

/* One stream of the run that has steps, or records of the kind. */
struct rank_span {
    struct stream_id id;
    uint32_t attempt;
    uint32_t rank;
    uint32_t world; /* of the attempt */
    bool has_steps;
    uint64_t first_step, last_step; /* of STEP records */
    uint64_t records;               /* of the kind */
};

struct rank_spans {
    struct rank_span *v; /* by attempt, then rank */
    size_t n;
    size_t capacity;
    uint64_t *records; /* of all spans, by rank */
    uint32_t n_ranks;
    const struct rank_span **before; /* of the one found last: earlier ones */
    size_t n_before;
    struct scan_query query;
};

/* query: its run, kind and attempts. *ret_world: the largest of them, at least
 * 1. End with rank_spans_done, whatever comes of it. */
CHECK_RESULT enum err_code rank_spans_read(struct rank_spans *spans,
    struct reader *reader, const struct scan_query *query, uint32_t *ret_world,
    struct err *e);
void rank_spans_done(struct rank_spans *spans);

/* Records of the kind that the rank has given; 0 for one never heard of. */
uint64_t rank_spans_records(const struct rank_spans *spans, uint32_t rank);

/* NULL: the stream has nothing of the kind. */
const struct rank_span *rank_spans_find(
    struct rank_spans *spans, uint32_t attempt, uint32_t rank);

/* How many earlier attempts of the span found last had the step: only where
 * the newest attempts are looked at together, else 0. */
uint32_t rank_spans_again(const struct rank_spans *spans, uint64_t step);

#endif

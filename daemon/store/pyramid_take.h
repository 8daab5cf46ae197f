/*
 * pyramid_take: what the records of a chunk or a body of the pyramid give to
 * the series that are asked for. The thread of the reader.
 */
#ifndef TRAJD_PYRAMID_TAKE_H
#define TRAJD_PYRAMID_TAKE_H

#include "base/err.h"
#include "base/str.h"
#include "pure/trainer.h"
#include "store/pyramid_read.h"
#include "store/records.h"

struct pyramid_take {
    struct pyramid_wanted *wanted;
    size_t n;
    unsigned widest; /* nodes within 2^widest steps may be used */
    /* The largest buckets.least: no series ends with narrower buckets, so nodes
     * up to that width may be used for all. */
    unsigned least;
    /* What is being read. */
    enum wire_kind kind;
    uint64_t from_step, to_step; /* inclusive */
    struct trainer trainer;
    struct records records; /* of one chunk, or part of the log */
    /* Of as many records as `capacity`. */
    bool *has;
    double *of_record;
    double *values;
    uint64_t *steps;
    struct str *texts;
    size_t capacity;
};
void pyramid_take_done(struct pyramid_take *take);

#define METRIC_BIT(m) (UINT64_C(1) << (m))

/* The records, for the metrics of the mask. */
CHECK_RESULT enum err_code pyramid_take_records(
    struct pyramid_take *take, uint64_t mask, struct err *e);

/* How a body is to be used. */
enum pyramid_use {
    PYRAMID_IF_FIT,
    PYRAMID_THINNED, /* the same, but below it are no records */
    PYRAMID_ALONE,   /* a chunk without records: there is nothing else */
};

/* What a body gives of the metrics of the mask; *ret_left: those for which
 * others must be asked. */
CHECK_RESULT enum err_code pyramid_take_body(struct pyramid_take *take,
    struct str body, enum pyramid_use use, uint64_t mask, uint64_t *ret_left,
    struct err *e);

#endif

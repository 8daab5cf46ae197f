/*
 * summary: what a chunk's numeric columns hold, for whoever only wants to know
 * whether, and where, to look: struct summary_column x n, by ascending field.
 *
 * Part of the format of the file and read by nobody here yet: a chunk is never
 * rewritten, so what charts of runs of many millions of steps, and an owner's
 * own queries, need in order to pass over a chunk is kept from the first on.
 */
#ifndef TRAJD_SUMMARY_H
#define TRAJD_SUMMARY_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "store/records.h"

/* Of the records that have the field; integers as doubles. Extremes are of
 * the finite values, 0 where there is none; a step is 0 where the record of
 * the extreme has none. */
struct summary_column {
    uint32_t field;
    uint32_t count;
    uint32_t nan;
    uint32_t positive_inf;
    uint32_t negative_inf;
    uint32_t reserved; /* 0 */
    double min;
    double max;
    uint64_t min_step; /* of the first record with that value */
    uint64_t max_step;
    double first; /* as measured: may be NaN or infinite */
    double last;
};
static_assert(sizeof(struct summary_column) == 72, "as it lies in the file");

struct summary {
    struct summary_column columns[WIRE_FIELDS_MAX];
    size_t n;
};

/* records: all fields kept. */
void summary_of(const struct records *records, struct summary *ret_summary);

/* The bytes to store; borrowed from the summary. */
struct str summary_bytes(const struct summary *summary);

#endif

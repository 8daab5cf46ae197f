/*
 * rank_slices: where the slices of a rank_scan begin: one light scan over the
 * steps of the rank that has most records. One thread at a time.
 */
#ifndef TRAJD_RANK_SLICES_H
#define TRAJD_RANK_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/reader.h"
#include "store/scan.h"

/* Is a record of that rank one that counts? */
typedef bool (*rank_slices_fn)(
    const void *context, const struct scan_batch *batch, size_t i);

struct rank_slices {
    uint64_t *starts; /* ascending; the first is the query's from_step */
    size_t n;
    size_t capacity;
};

/* query: of that rank, with the fields that counts needs. A slice has
 * `records` that count, and the rest of its last step. End with
 * rank_slices_done, whatever comes of it. */
CHECK_RESULT enum err_code rank_slices_find(struct rank_slices *slices,
    struct reader *reader, const struct scan_query *query, size_t records,
    rank_slices_fn counts, const void *context, struct err *e);
void rank_slices_done(struct rank_slices *slices);

#endif

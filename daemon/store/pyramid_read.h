/*
 * pyramid_read: series of any range of any run, through the pyramid: nodes
 * where they are narrow enough, the records where they are not, and the log.
 *
 * What comes out is what the values give one by one, bit for bit, j included
 * (buckets.h): a node is used only where all its values are within the range
 * and fall into one bucket. How wide a bucket may be is not known beforehand.
 * So the whole is read with the widest nodes first, then with narrower ones,
 * until there are too many buckets: the j at which that happens is the one.
 * A series of 1e8 steps is a few thousand nodes, however it is asked for.
 *
 * The thread of the reader. Memory: the buckets, a chunk, a row.
 */
#ifndef TRAJD_PYRAMID_READ_H
#define TRAJD_PYRAMID_READ_H

#include "base/err.h"
#include "pure/buckets.h"
#include "pure/derived.h"
#include "store/reader.h"
#include "store/scan.h"

#define PYRAMID_WANTED_MAX 64

/* A metric that is asked for. */
struct pyramid_wanted {
    struct metric metric;
    struct buckets buckets; /* made and ended by the caller */
    /* Of buckets.rows those whose records retention has taken: they exist as
     * nodes alone, which may be wider than others would ask for. Where the
     * range cuts such a node it is left out. */
    uint64_t thinned;
};

/*
 * Fills the buckets of n metrics with what the query selects, in the order of
 * scan.h, on one grid: the coarsest that one of them needs. Of its own, an
 * attempt's trainer and layers are those of its HELLO. Of a root the buckets
 * are of its square: buckets_take_roots. The query's kind, fields and after_*
 * are not looked at.
 */
CHECK_RESULT enum err_code pyramid_read(struct reader *reader,
    const struct scan_query *query, struct pyramid_wanted *wanted, size_t n,
    struct err *e);

/* Records of the query's kind and range in chunks that retention has emptied:
 * for whoever reads records, and so leaves these out. */
CHECK_RESULT enum err_code pyramid_thinned(struct reader *reader,
    const struct scan_query *query, uint64_t *ret_records, struct err *e);

#endif

/* record_query: the parameters that everything which lists records shares. */
#ifndef TRAJD_RECORD_QUERY_H
#define TRAJD_RECORD_QUERY_H

#include <stdint.h>

#include "http/request.h"
#include "store/scan.h"
#include "wire.h"

enum record_format { RECORD_JSON, RECORD_NDJSON, RECORD_CSV };

/*
 * Reads attempt=newest|all|N, rank=0|N|all, from=, to= into a scan of all
 * fields; run and cursor are the caller's.
 */
void record_query_window(
    struct request *req, enum wire_kind kind, struct scan_query *ret_query);

/* Of which process records are wanted, where they can be put together. */
enum record_rank {
    RECORD_RANK_GIVEN,  /* scan_query.rank */
    RECORD_RANK_GLOBAL, /* one of all: rank_scan.h; scan_query.rank is 0 */
    RECORD_RANK_AUTO,   /* not said; scan_query.rank is 0 */
};

/* The same where rank=global is possible. */
enum record_rank record_query_ranks(
    struct request *req, enum wire_kind kind, struct scan_query *ret_query);

/* fields=a,b,...: a mask; every field if the parameter is absent. */
uint64_t record_query_fields(struct request *req, enum wire_kind kind);

/* Every field of the kind. */
uint64_t record_fields_all(enum wire_kind kind);

#endif

/*
 * batch: many messages, one transaction. What became of each, and of each
 * stream they belong to; the writer acknowledges, publishes and seals by it.
 */
#ifndef TRAJD_BATCH_H
#define TRAJD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"
#include "threads/jobs.h"
#include "threads/stream_cache.h"

#define BATCH_MAX 256 /* jobs of one transaction */
#define BATCH_PLACES (2 * BATCH_MAX)

/* A stream that the batch has to do with, as the batch leaves it. */
struct batch_stream {
    struct stream_uid uid;
    struct stream_state state;
    bool known;      /* it has a HELLO; else state is nothing */
    bool ended;      /* its BYE is in the batch */
    size_t last_job; /* of the batch */
};

struct outcome {
    struct batch_stream *stream;
    enum wire_ack_status status;
    uint32_t new_records;
};

struct batch {
    size_t n;
    struct job *jobs[BATCH_MAX];
    struct outcome outcomes[BATCH_MAX]; /* of each job */
    size_t n_streams;
    struct batch_stream streams[BATCH_MAX];
    uint16_t places[BATCH_PLACES]; /* of streams by uid: 1 + index, 0 = none */
    uint64_t duplicates;           /* records that were there before */
    uint64_t chunks;               /* sealed at once */
    char refusal[240]; /* why a HELLO was refused, the last one; or "" */
};

/*
 * The writer thread. Stores n messages, all or none of them: ERR_NONE, and
 * *batch says what became of each; or why the store could not, and then *batch
 * says nothing. What a sender did wrong is an outcome, not an error. The cache
 * is only read.
 */
CHECK_RESULT enum err_code batch_commit(struct batch *batch,
    struct store *store, struct stream_cache *cache, struct job *const *jobs,
    size_t n, struct err *e);

#endif

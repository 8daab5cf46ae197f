/* acks: the writer's end of the acknowledgements (ingest.h). The writer thread.
 */
#ifndef TRAJD_ACKS_H
#define TRAJD_ACKS_H

#include <stdint.h>

#include "base/err.h"
#include "threads/batch.h"

struct analysis;
struct live;
struct probe_rates;

/* What an acknowledgement says beside how far its stream is; all borrowed. */
struct acks {
    void *socket;
    uint32_t window;
    struct probe_rates *rates;
    struct live *live;         /* NULL: nobody looks on */
    struct analysis *analysis; /* whom to ask for advice; NULL: nobody */
};

CHECK_RESULT enum err_code acks_open(
    struct acks *acks, void *zmq, struct err *e);
void acks_close(struct acks *acks);

/* The answer to a message of this stream. */
void acks_send(struct acks *acks, struct job *job,
    const struct batch_stream *stream, enum wire_ack_status status);
/* Tells ingest that it may read again. */
void acks_jobs_are_spare(struct acks *acks);

#endif

/* sync: one spooled stream to the daemon, in the calling thread. */
#ifndef TRAJ_TRANSPORT_SYNC_H
#define TRAJ_TRANSPORT_SYNC_H

#include <stdint.h>

#include "transport/drain.h"
#include "transport/link.h"

enum sync_result {
    SYNC_DONE = 0, /* what can be read is acknowledged, closed, removed */
    SYNC_LIVE,     /* its process lives: left alone */
    SYNC_REFUSED,  /* the daemon does not want it; it is kept */
    SYNC_TIMEOUT,  /* no acknowledgement for too long; the rest is kept */
    SYNC_DAMAGED,  /* cannot be read: traj_last_error says why */
};

struct sync_counts {
    uint64_t records;    /* that this call had acknowledged */
    uint64_t left;       /* not acknowledged */
    uint64_t unreadable; /* of those not known to be acknowledged when it
                            began: lost, unless the daemon has them anyway */
};

/* Send the stream `name` of the run's folder run_fd. Gives up when nothing has
 * been acknowledged for timeout_ns. */
enum sync_result sync_stream(struct link *link, int run_fd,
    const struct stream_name *name, int64_t timeout_ns,
    struct drain_buffer *buffer, struct sync_counts *ret_counts);

#endif

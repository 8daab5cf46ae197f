/*
 * sender: the library's thread. It keeps the spool ahead of the trainer and
 * brings it to the daemon, together with what earlier attempts left.
 *
 * It owns the socket, the leftovers and the drainer's side of the live spool.
 * It comes by itself, every 2 to 100 ms, or a quarter of what records may wait
 * if that is more, and sends when they have waited: the trainer never wakes it,
 * because waking costs the trainer a hundred times what recording does.
 */
#ifndef TRAJ_TRANSPORT_SENDER_H
#define TRAJ_TRANSPORT_SENDER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/drain.h"
#include "transport/law.h"
#include "transport/link.h"

#define SENDER_LEFTOVERS_MAX 64u /* more wait for the next open, or sync */

/* For traj_get_stats: written by the sender, read by anyone, relaxed. */
struct sender_report {
    struct drain_counters counters;
    _Atomic int64_t heard_mono_ns;  /* last ACK; 0 = none yet */
    _Atomic int64_t oldest_wall_ns; /* unacknowledged; 0 = none */
    _Atomic uint32_t leftovers;     /* streams of earlier attempts to send */
    _Atomic int socket_errno;       /* there can be no socket: why */
};

struct sender {
    struct stream *live;      /* borrowed; its drainer is this thread */
    const char *endpoint;     /* borrowed; NULL = offline */
    struct stream *leftovers; /* owned: n_leftovers of them */
    size_t n_leftovers;
    struct drain *drains;        /* owned: [0] is live, then the leftovers */
    struct drain_buffer *buffer; /* owned */
    struct link link;
    bool linked;
    pthread_t thread;
    int wake_fds[2];
    _Atomic bool stopping;            /* release, after the deadline */
    _Atomic int64_t deadline_mono_ns; /* of what is left to do */
    struct sender_report report;
    struct law_board law; /* written by the thread, read by anyone */
};

/* leftovers is taken (with its streams) on success. */
TRAJ_CHECK enum traj_status sender_start(struct sender *sender,
    struct stream *live, const char *endpoint, struct stream *leftovers,
    size_t n_leftovers);

/*
 * Send the rest until the deadline at the latest, then end the thread. The
 * live stream stays the caller's; *ret_state says how far it came.
 * TRAJ_OK: acknowledged. TRAJ_EREFUSED, TRAJ_ETIMEDOUT: still spooled.
 */
TRAJ_CHECK enum traj_status sender_stop(struct sender *sender,
    int64_t deadline_mono_ns, enum drain_state *ret_state);

#endif

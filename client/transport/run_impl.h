/*
 * run_impl: struct traj_run, for the files that implement the public face of
 * the transport: run.c (open, close, statistics), run_record.c (records). It
 * owns what hangs on the handle: options, the rank's lock, the live stream,
 * the sender.
 *
 * In a forked child every call leaves all of it alone: mutexes, threads and
 * sockets of the parent are not there, and its files are the parent's.
 */
#ifndef TRAJ_TRANSPORT_RUN_IMPL_H
#define TRAJ_TRANSPORT_RUN_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "transport/fold.h"
#include "transport/forked.h"
#include "transport/lock.h"
#include "transport/options.h"
#include "transport/record.h"
#include "transport/rundir.h"
#include "transport/sender.h"
#include "transport/spool.h"

/* A step that is recorded when more of it is known; see run_draft.h. */
struct draft {
    const void *owner; /* NULL: there is none */
    struct traj_step step;
    struct times at; /* when it was made */
};

struct traj_run {
    uint32_t forked_generation;
    struct options options;
    struct quota quota;
    struct lock rank_lock;
    struct stream stream;
    struct sender sender;
    struct fold fold;   /* the appender's; used if options.fold_steps > 1 */
    struct draft draft; /* the appender's; else */
};

static inline bool run_is_inert(const traj_run *run)
{
    return run->options.mode == TRAJ_MODE_DISABLED;
}

/* TRAJ_OK: the run may be used by this process. */
static inline enum traj_status run_admit(const traj_run *run)
{
    if (run == NULL) {
        return error_set_static(TRAJ_EINVAL, "run is NULL");
    }
    if (run->forked_generation != forked_generation) {
        return error_set_static(
            TRAJ_EFORKED, "the run was opened before this process forked");
    }
    return TRAJ_OK;
}

/* What a recording call returns, with drops counted. */
enum traj_status run_settle(traj_run *run, enum traj_status status);

/* At the end of a run: records the fold that is open, or the draft as it is, if
 * there is one, into the room kept for the last records; waits for nobody. */
enum traj_status run_record_last(traj_run *run);

#endif

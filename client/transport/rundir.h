/*
 * rundir: the folder of one run, DIR/RUN_ID.
 *
 *   rRRRRR.lock      held by the trainer of that rank as long as it lives;
 *                    holds the last attempt number given out
 *   aNNNN-rRRRRR/    one stream, see spool.h
 *   new-rRRRRR/      a stream being made, renamed when it is whole
 *   aNNNN-rRRRRR-NNNNNNNN.damaged  a file of a stream that holds records that
 *                    cannot be read; the user's
 *   gone-aNNNN-rRRRRR/  an acknowledged one being deleted; whoever lists the
 *                    streams finishes that
 */
#ifndef TRAJ_TRANSPORT_RUNDIR_H
#define TRAJ_TRANSPORT_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "traj.h"
#include "transport/hello.h"
#include "transport/lock.h"
#include "transport/options.h"
#include "transport/spool.h"

#define STREAM_NAME_BYTES 40

struct stream_name {
    char text[STREAM_NAME_BYTES]; /* aNNNN-rRRRRR */
    uint32_t attempt;
    uint32_t rank;
};

/* true and *ret if text names a stream's folder. */
bool rundir_parse_stream_name(const char *text, struct stream_name *ret);

/* Whether an entry of a run's folder is a file of that stream that was put
 * aside. */
bool rundir_is_put_aside(const char *entry, const struct stream_name *name);

/* One stream with its folder, taken over or made. */
struct stream {
    struct stream_name name;
    int run_fd; /* of the run's folder; the stream's own */
    struct spool spool;
    struct text hello;
};

/* Take the rank's lock of DIR/RUN_ID (made if need be).
 * TRAJ_EBUSY: a living process records this rank of the run. */
TRAJ_CHECK enum traj_status rundir_open(
    const struct options *options, int *ret_run_fd, struct lock *ret_lock);

/* A new attempt. lock is the rank's, held. *stream must not move after. */
TRAJ_CHECK enum traj_status rundir_new_stream(int run_fd,
    const struct lock *lock, const struct options *options, struct quota *quota,
    struct stream *stream);

/* Names of the streams in the folder, oldest attempt first; free() them. */
TRAJ_CHECK enum traj_status rundir_list(
    int run_fd, struct stream_name **ret_names, size_t *ret_n);

/* Take over what a dead process left. *stream must not move after.
 * TRAJ_EBUSY: alive. */
TRAJ_CHECK enum traj_status stream_recover(int run_fd,
    const struct stream_name *name, struct quota *quota, struct stream *stream);

/* Close; the files stay. */
void stream_close(struct stream *stream);

/* Close and remove: everything in it that can be read has been acknowledged.
 * A folder whose damaged files cannot be put aside stays. */
void stream_remove(struct stream *stream);

#endif

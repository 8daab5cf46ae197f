/*
 * lock: a file that one process holds until it ends, however it ends.
 *
 * POSIX record locks, because a forked child does not inherit them: flock and
 * open-file-description locks would stay held by a data-loader worker that
 * outlives its trainer. Their two traps are dealt with here: they do not
 * exclude one process from itself (a table of what this process holds does),
 * and closing any descriptor of the file drops them (so nobody else may open
 * a locked file, and lock_take looks into the table before it opens).
 */
#ifndef TRAJ_TRANSPORT_LOCK_H
#define TRAJ_TRANSPORT_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "traj.h"

struct lock {
    int fd; /* of the locked file, read-write; -1 = not held */
    dev_t dev;
    ino_t ino;
    struct lock *next; /* in the table of this process */
};

#define LOCK_NONE                                                              \
    (struct lock)                                                              \
    {                                                                          \
        .fd = -1                                                               \
    }

/*
 * Open name (in dir_fd; created if create) and lock it. *lock must stay where
 * it is until lock_release. TRAJ_EBUSY: held, by the process in the error
 * text. Does not wait.
 */
TRAJ_CHECK enum traj_status lock_take(
    struct lock *lock, int dir_fd, const char *name, bool create);

/* Nothing if it is not held. */
void lock_release(struct lock *lock);

#endif

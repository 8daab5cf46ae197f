/*
 * spool_impl: the parts of spool.c that spool_recover.c takes a spool over
 * with.
 */
#ifndef TRAJ_TRANSPORT_SPOOL_IMPL_H
#define TRAJ_TRANSPORT_SPOOL_IMPL_H

#include "transport/spool.h"

#define STATE_MAGIC 0x534a5254u /* "TRJS" */
#define STATE_VERSION 1u

/* A spool without segments. */
void spool_begin(struct spool *spool, int dir_fd, struct quota *quota);

/* Take the lock of the state file, and map it. */
TRAJ_CHECK enum traj_status spool_lock_and_map(
    struct spool *spool, bool create);
void spool_unmap_and_unlock(struct spool *spool);

/* One more segment at the end, even if the quota is used up: to record that it
 * is. No other thread has the spool yet. */
TRAJ_CHECK enum traj_status spool_add_segment(struct spool *spool);

/* Unmap all; their files stay, but for one made ahead. */
void spool_close_segments(struct spool *spool);

/* Put one file aside. */
TRAJ_CHECK enum traj_status spool_put_file_aside(
    const struct spool *spool, uint64_t number);

#endif

/*
 * spool_rig: a folder of its own for spools, a stream in it, and steps whose
 * every value follows from their number, so that any record can be checked
 * alone.
 */
#ifndef TRAJD_TEST_SPOOL_RIG_H
#define TRAJD_TEST_SPOOL_RIG_H

#include <stdint.h>

#include "fake_daemon.h"
#include "traj.h"
#include "transport/rundir.h"

struct spool_rig {
    char dir[64];
    struct options options;
    struct quota quota;
    int run_fd;
    struct lock lock;
    struct stream stream;
};

/* A stream of run "r", its spool limited to limit bytes (0 = 64 MiB). */
void spool_rig_open(struct spool_rig *rig, uint64_t limit);
/* Close the stream and take it over again, as after a death. */
void spool_rig_recover(struct spool_rig *rig);
/* Both close everything and remove the folder. */
void spool_rig_close(struct spool_rig *rig);
void spool_rig_close_removed(
    struct spool_rig *rig); /* stream_remove was done */

void test_dir_make(char dir[static 64]);
void test_dir_remove(const char *dir);

/* Step number i: 16 values, among them NaNs with payloads, Inf and -0. */
struct traj_step rig_traj_step(uint64_t i);
/* Record steps from..to-1 into the rig's spool; all must succeed. */
void spool_rig_record(struct spool_rig *rig, uint64_t from, uint64_t to);

/* The records of a spool, read front to back; each that is a step is checked
 * bit for bit: seq i + 1 holds step i. */
struct spool_contents {
    uint64_t n;
    uint64_t first_seq, last_seq;
    uint64_t holes; /* records between that are not there */
};
struct spool_contents spool_rig_read(const struct spool *spool);

/* Whether values and presence are those of rig_traj_step(i), bit for bit. */
void assert_is_rig_step(
    uint64_t i, unsigned kind, uint64_t present, const uint64_t *values);
/* Stream holds records of steps from..to-1 with seqs from 1 on and no more. */
void assert_fake_stream_has_steps(
    const struct fake_stream *stream, uint64_t from, uint64_t to);

#endif

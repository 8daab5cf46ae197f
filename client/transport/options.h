/* options: what traj_open was asked for, with defaults and the environment,
 * checked. */
#ifndef TRAJ_TRANSPORT_OPTIONS_H
#define TRAJ_TRANSPORT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "traj.h"
#include "transport/run_groups.h"

#define OPTIONS_SPOOL_BYTES_MIN (1u << 20)
#define OPTIONS_RUN_ID_MAX 64u
#define OPTIONS_FOLD_STEPS_MAX 1000000u

/* Texts are owned, never NULL but for optimizer and fork_run. */
struct options {
    char *endpoint;
    char *dir;
    char *project;
    char *name;
    char *run_id;
    char *config_json;
    char *tags;
    char *optimizer; /* NULL: not said */
    char *fork_run;  /* NULL: no fork */
    uint64_t fork_step;
    struct run_groups groups;
    enum traj_mode mode;
    enum traj_full full;
    uint64_t spool_bytes;
    uint32_t rank;
    uint32_t world;
    uint32_t fold_steps; /* in one record; 0 or 1: each has its own */
};

/* given may be NULL, or of an older (shorter) version. On failure nothing is
 * to be freed. */
TRAJ_CHECK enum traj_status options_init(
    struct options *options, const struct traj_options *given);
void options_done(struct options *options);

/* "tcp://HOST:PORT", "ipc://PATH" or "inproc://NAME". */
TRAJ_CHECK enum traj_status options_check_endpoint(const char *endpoint);

/* 1..64 of A-Z a-z 0-9 . _ - and neither "." nor "..". */
bool options_is_run_id(const char *text);

#endif

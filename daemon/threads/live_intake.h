/*
 * live_intake: what the writer thread leaves for live's thread and for the
 * analysis thread: the rows of watched runs and the names of changed runs.
 *
 * Its lock is held for copies of at most one message's rows and never while
 * anything is formatted, sent or allocated: so the writer never waits longer.
 * Order of locks: live's, then this one.
 */
#ifndef TRAJD_LIVE_INTAKE_H
#define TRAJD_LIVE_INTAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/live_rows.h"
#include "threads/live.h"

#define INTAKE_RUNS_MAX (2 * LIVE_STREAMS_MAX)

/* One run that has, or lately had, a stream. Two sets of rows: the writer
 * fills one while live's thread formats the other. */
struct watched {
    char uid[RUN_UID_MAX + 1];
    uint64_t hash;
    struct live_rows rows[2];
    unsigned filling; /* which of them the writer adds to */
    /* The rest belongs to live.c, under live's lock. */
    size_t streams;
    int64_t idle_since_mono_ns;
    uint64_t since_event; /* events after this one are complete */
};

struct intake {
    pthread_mutex_t lock;   /* guards everything here and watched.rows */
    pthread_cond_t work;    /* rows wait, or stopping */
    pthread_cond_t changes; /* a run changed, or interrupted */
    struct watched *runs[INTAKE_RUNS_MAX]; /* owned; in any order */
    size_t n_runs;
    bool pending;     /* some run has rows */
    bool stopping;    /* of live's thread */
    bool interrupted; /* of live_changed */
    uint64_t changed_hashes[LIVE_CHANGED_MAX];
    struct live_changed changed;
};

CHECK_RESULT enum err_code intake_init(struct intake *intake, struct err *e);
void intake_done(struct intake *intake);

/* The writer. */
void intake_publish(struct intake *intake, const char *run_uid,
    const struct live_source *source, const struct message *message);
void intake_touch(struct intake *intake, const char *run_uid);

/* The analysis thread. */
void intake_changed(
    struct intake *intake, int64_t timeout_ns, struct live_changed *ret);
void intake_interrupt(struct intake *intake);

/* live.c. NULL from intake_watch: INTAKE_RUNS_MAX runs, or out of memory. */
struct watched *intake_find(struct intake *intake, const char *run_uid);
struct watched *intake_watch(struct intake *intake, const char *run_uid);
void intake_unwatch(struct intake *intake, struct watched *watched);

/* live's thread: the i-th watched run, or NULL. */
struct watched *intake_at(struct intake *intake, size_t i);
/* live's thread: waits until rows are there, or timeout_ns. false: stop. */
bool intake_wait(struct intake *intake, int64_t timeout_ns);
/* Takes the rows that wait for one run and gives the writer the other set.
 * NULL if there are none. Valid until the next call for that run. */
const struct live_rows *intake_take(
    struct intake *intake, struct watched *watched);
/* live's thread: waits for the end of a tick, or for intake_stop. */
void intake_rest(struct intake *intake, int64_t until_mono_ns);
void intake_stop(struct intake *intake);

#endif

/*
 * writer: the thread that owns the store. It takes jobs, commits many of them
 * in one transaction, and only then acknowledges them, tells live, and seals
 * what is ripe (sealing.h); what comes in plenty is sealed as it is committed
 * (store_settle). What has come while it worked is the next transaction;
 * DURABILITY_GROUP waits up to WRITER_GROUP_MS for a window of messages, or one
 * whose sender waits for its answer (HELLO, BYE).
 *
 * When the store fails (disk full, say), the transaction is rolled back, its
 * messages are tried one by one, and what still fails is answered BUSY with
 * what was committed before: the senders keep it and send it again. Meanwhile
 * it tries to make room, and whether a commit succeeds again, every second.
 *
 * DURABILITY_RELAXED: what was acknowledged is on disk WAL_SYNC_MS and the
 * length of a sync later (wal.h).
 */
#ifndef TRAJD_WRITER_H
#define TRAJD_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/retention.h"
#include "store/store.h"
#include "threads/jobs.h"
#include "threads/live.h"

#define WRITER_GROUP_MS 20

struct analysis;
struct writer;

struct writer_options {
    struct store_options store;
    void *zmq;         /* context; borrowed until writer_stop returns */
    struct jobs *jobs; /* these three: the same */
    struct live *live; /* NULL: nobody watches */
    uint32_t window;   /* frames that a sender may have unacknowledged */
    struct retention_policy retention;
};

/* Opens the store in its thread; returns when that is done, or why not. */
CHECK_RESULT enum err_code writer_start(const struct writer_options *options,
    struct writer **ret_writer, struct err *e);

/* Before the first job is submitted: whom to ask for advice to trainers;
 * borrowed until writer_stop returns. */
void writer_set_analysis(struct writer *writer, struct analysis *analysis);

/* Any thread. The probe interval that the run's trainers are told in every ACK
 * from now on, in steps; 0: as they like. See probe_rates.h. */
CHECK_RESULT enum err_code writer_set_probe_every(struct writer *writer,
    const char *run_uid, uint32_t probe_every, struct err *e);
uint32_t writer_probe_every(struct writer *writer, const char *run_uid);

/* Any thread. Why the last message could not be committed, by itself either:
 * the disk is full, say. Until one can be; ERR_NONE: commits succeed. */
CHECK_RESULT enum err_code writer_commits(struct writer *writer, struct err *e);

/* Takes no more jobs; returns when those submitted are committed and
 * acknowledged. The store stays open. */
void writer_drain(struct writer *writer);

/* Moves the log into the database, closes the store, ends the thread; drains
 * before if that was not done. Readers are closed by now, or the log stays
 * beside the database. NULL is allowed. */
void writer_stop(struct writer *writer);

#endif

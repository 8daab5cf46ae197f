/*
 * jobs: what is on its way from the ingest thread (and from HTTP and the
 * analysis) to the writer. A fixed number of jobs, made at the start, goes
 * round: spare, being filled, waiting, in the writer's hands, spare again.
 */
#ifndef TRAJD_JOBS_H
#define TRAJD_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <zmq.h>

#include "base/err.h"
#include "base/promise.h"
#include "pure/decode.h"
#include "store/store.h"

#define JOBS_MAX 1024u                     /* jobs there are */
#define JOBS_BYTES_MAX (64u * 1024 * 1024) /* of the messages that wait */

enum job_kind {
    JOB_MESSAGE, /* a message of a trainer */
    JOB_REQUEST, /* of another thread: requests.h */
};

enum job_what { JOB_DELETE_RUN, JOB_ADD_ALERT };

struct alert;

/* Pointers: borrowed from the thread that waits for the promise. */
struct job_request {
    enum job_what what;
    char run_uid[RUN_UID_MAX + 1];
    const struct alert *alert; /* JOB_ADD_ALERT; so is ret_new */
    bool *ret_new;
    struct promise *promise;
};

struct job {
    enum job_kind kind;
    /* JOB_MESSAGE. message borrows from bytes. Both zmq_msg_t are always
     * initialised, empty when the job is spare. */
    zmq_msg_t route;
    zmq_msg_t bytes;
    struct message message;
    struct job_request request; /* JOB_REQUEST */
};

struct jobs;

CHECK_RESULT enum err_code jobs_new(struct jobs **ret_jobs, struct err *e);
/* Nobody uses them any more. NULL is allowed. */
void jobs_free(struct jobs *jobs);

/* Any thread. NULL: all are under way, or JOBS_BYTES_MAX wait. */
struct job *jobs_spare(struct jobs *jobs);
/* To the writer. false: closed; the job is the caller's still. */
bool jobs_submit(struct jobs *jobs, struct job *job);
/* Empties the job. The writer's, or one that could not be submitted. */
void jobs_return(struct jobs *jobs, struct job *job);

/* The writer: up to max jobs in order; waits for the first one. */
size_t jobs_take(
    struct jobs *jobs, struct job **ret_jobs, size_t max, int timeout_ms);

/* No job is submitted any more; those that wait can still be taken. */
void jobs_close(struct jobs *jobs);
bool jobs_are_over(struct jobs *jobs); /* closed, and none waits */

#endif

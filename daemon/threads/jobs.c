/*
 * jobs.c: owns all jobs and the two queues they stand in; any thread.
 *
 * 1. A job is in the spare queue, in the waiting queue, or in the hands of
 *    one thread; so each queue has room for all of them.
 * 2. A spare job holds no memory of ZeroMQ.
 * 3. bytes is the sum of the messages that wait.
 */
#include "threads/jobs.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/counters.h"
#include "base/queue.h"

struct jobs {
    struct queue *spare;
    struct queue *waiting;
    _Atomic size_t bytes; /* relaxed: a bound, not an order */
    struct job all[JOBS_MAX];
};

enum err_code jobs_new(struct jobs **ret_jobs, struct err *e)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for the job queue");
    }
    enum err_code code = queue_new(JOBS_MAX, &jobs->spare, e);
    if (code == ERR_NONE) {
        code = queue_new(JOBS_MAX, &jobs->waiting, e);
    }
    if (code != ERR_NONE) {
        queue_free(jobs->spare);
        free(jobs);
        return code;
    }
    for (size_t i = 0; i < JOBS_MAX; i++) {
        (void)zmq_msg_init(&jobs->all[i].route); /* cannot fail */
        (void)zmq_msg_init(&jobs->all[i].bytes);
        bool fits = queue_push(jobs->spare, &jobs->all[i]);
        assert(fits);
        (void)fits;
    }
    *ret_jobs = jobs;
    return ERR_NONE;
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    for (size_t i = 0; i < JOBS_MAX; i++) {
        (void)zmq_msg_close(&jobs->all[i].route); /* cannot fail on these */
        (void)zmq_msg_close(&jobs->all[i].bytes);
    }
    queue_free(jobs->waiting);
    queue_free(jobs->spare);
    free(jobs);
}

struct job *jobs_spare(struct jobs *jobs)
{
    void *job = NULL;
    if (atomic_load_explicit(&jobs->bytes, memory_order_relaxed) >=
        JOBS_BYTES_MAX) {
        return NULL;
    }
    return queue_pop(jobs->spare, &job, 1, 0) == 1 ? job : NULL;
}

bool jobs_submit(struct jobs *jobs, struct job *job)
{
    size_t bytes = zmq_msg_size(&job->bytes);
    atomic_fetch_add_explicit(&jobs->bytes, bytes, memory_order_relaxed);
    gauge_add(GAUGE_QUEUE_DEPTH, 1);
    if (queue_push(jobs->waiting, job)) {
        return true;
    }
    gauge_add(GAUGE_QUEUE_DEPTH, -1);
    atomic_fetch_sub_explicit(&jobs->bytes, bytes, memory_order_relaxed);
    return false;
}

/* An empty message in the place of this one. */
static size_t release(zmq_msg_t *message)
{
    size_t bytes = zmq_msg_size(message);
    (void)zmq_msg_close(message); /* cannot fail on an initialised one */
    (void)zmq_msg_init(message);
    return bytes;
}

void jobs_return(struct jobs *jobs, struct job *job)
{
    (void)release(&job->route);
    (void)release(&job->bytes);
    job->kind = JOB_MESSAGE;
    job->request = (struct job_request){ 0 };
    bool fits = queue_push(jobs->spare, job);
    assert(fits);
    (void)fits;
}

size_t jobs_take(
    struct jobs *jobs, struct job **ret_jobs, size_t max, int timeout_ms)
{
    void *items[256];
    max = max < 256 ? max : 256;
    size_t n = queue_pop(jobs->waiting, items, max, timeout_ms);
    for (size_t i = 0; i < n; i++) {
        ret_jobs[i] = items[i];
        atomic_fetch_sub_explicit(&jobs->bytes,
            zmq_msg_size(&ret_jobs[i]->bytes), memory_order_relaxed);
    }
    gauge_add(GAUGE_QUEUE_DEPTH, -(int64_t)n);
    return n;
}

void jobs_close(struct jobs *jobs)
{
    queue_close(jobs->waiting);
}

bool jobs_are_over(struct jobs *jobs)
{
    return queue_is_over(jobs->waiting);
}

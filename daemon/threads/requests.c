/* requests.c: owns nothing; any thread. What a job points to is on the stack of
 * the thread that waits for its promise. */
#include "threads/requests.h"

#include <string.h>

/* wanted: what the job is to be, but for its run and its promise. */
static enum err_code ask(struct jobs *jobs, const char *run_uid,
    const struct job_request *wanted, struct err *e)
{
    struct promise promise = PROMISE_INIT;
    const size_t n = strlen(run_uid);
    if (n > RUN_UID_MAX) {
        return err_set(e, ERR_NOT_FOUND, "no such run");
    }
    struct job *job = jobs_spare(jobs);
    if (job == NULL) {
        return err_set(e, ERR_BUSY, "the writer is busy");
    }
    job->kind = JOB_REQUEST;
    job->request = *wanted;
    job->request.promise = &promise;
    memcpy(job->request.run_uid, run_uid, n + 1);
    if (!jobs_submit(jobs, job)) {
        jobs_return(jobs, job);
        return err_set(e, ERR_BUSY, "trajd is stopping");
    }
    return promise_wait(&promise, e);
}

enum err_code request_delete_run(
    struct jobs *jobs, const char *run_uid, struct err *e)
{
    const struct job_request wanted = { .what = JOB_DELETE_RUN };
    return ask(jobs, run_uid, &wanted, e);
}

enum err_code request_add_alert(struct jobs *jobs, const char *run_uid,
    const struct alert *alert, bool *ret_new, struct err *e)
{
    const struct job_request wanted = {
        .what = JOB_ADD_ALERT, .alert = alert, .ret_new = ret_new
    };
    return ask(jobs, run_uid, &wanted, e);
}

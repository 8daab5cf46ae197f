/* requests: what other threads want of the writer, and wait for. Any thread;
 * each returns when the writer has answered. */
#ifndef TRAJD_REQUESTS_H
#define TRAJD_REQUESTS_H

#include <stdbool.h>

#include "base/err.h"
#include "pure/alert.h"
#include "threads/jobs.h"

/* ERR_NOT_FOUND; ERR_BUSY: no job is spare, or stopping; ERR_STORE. */
CHECK_RESULT enum err_code request_delete_run(
    struct jobs *jobs, const char *run_uid, struct err *e);

/* The same. *ret_new: the run had none of this rule, attempt and step. */
CHECK_RESULT enum err_code request_add_alert(struct jobs *jobs,
    const char *run_uid, const struct alert *alert, bool *ret_new,
    struct err *e);

#endif

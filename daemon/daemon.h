/*
 * daemon: all parts of trajd, started in order and stopped in reverse.
 *
 *   lock of the database, jobs, live, writer (store), notify, analysis, ingest,
 *   http
 */
#ifndef TRAJD_DAEMON_H
#define TRAJD_DAEMON_H

#include <stdio.h>

#include "base/config.h"
#include "base/err.h"

struct daemon;

/* Signals are blocked by now: the threads inherit that. On success the daemon
 * serves, and ends with daemon_stop. config: borrowed until then. */
CHECK_RESULT enum err_code daemon_start(
    const struct config *config, struct daemon **ret_daemon, struct err *e);

/* "trajd ready http=... ingest=... db=... pid=...": the one line on stdout. */
void daemon_announce(const struct daemon *daemon, FILE *out);

/* Drains: no new connections, what has been received is committed and
 * acknowledged, event streams get their bye, the log moves into the database.
 * A few seconds at most. NULL is allowed. */
void daemon_stop(struct daemon *daemon);

#endif

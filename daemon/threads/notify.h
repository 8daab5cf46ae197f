/*
 * notify: a thread that sends alerts out: to a command, which reads the JSON of
 * one alert on its standard input, and to a webhook, which gets the same by
 * POST. One alert after the other; up to NOTIFY_QUEUE wait, and more are
 * dropped and counted. Nothing of it is kept over a restart.
 */
#ifndef TRAJD_NOTIFY_H
#define TRAJD_NOTIFY_H

#include "base/err.h"
#include "pure/alert_rules.h"

#define NOTIFY_QUEUE 256u
/* Of the command; of one try of the webhook. */
#define NOTIFY_TIMEOUT_MS 10000
#define NOTIFY_TRIES 3         /* of the webhook */
#define NOTIFY_BACKOFF_MS 1000 /* before the second try; then twice as long */
#define NOTIFY_DRAIN_MS 2000   /* notify_stop waits no longer */

struct notify;

struct notify_options {
    const char *command; /* a file; NULL or "": none. Borrowed, both */
    const char *webhook; /* a URL, http or https; the same */
};

/* ERR_INVALID: the command cannot be run. */
CHECK_RESULT enum err_code notify_start(const struct notify_options *options,
    struct notify **ret_notify, struct err *e);

/* Any thread; never waits. */
void notify_add(
    struct notify *notify, const char *run_uid, const struct alert *alert);

/* What waits is sent for up to NOTIFY_DRAIN_MS, the rest is dropped and
 * counted. NULL is allowed. */
void notify_stop(struct notify *notify);

#endif

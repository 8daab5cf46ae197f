/* notice: one alert on its way out, and the two ways. The notify thread. */
#ifndef TRAJD_NOTICE_H
#define TRAJD_NOTICE_H

#include "base/err.h"
#include "base/str.h"
#include "pure/alert_rules.h"
#include "store/store.h"
#include "threads/patience.h"

struct notice {
    enum alert_rule rule;
    char run_uid[RUN_UID_MAX + 1];
    struct buf json; /* owned */
};

/*
 * Runs the file without a shell and without arguments, with the JSON as its
 * standard input and TRAJD_ALERT_RULE and TRAJD_ALERT_RUN in its environment;
 * what it writes to standard output is dropped. It has a process group of its
 * own, which is killed when it takes longer than NOTIFY_TIMEOUT_MS or than the
 * patience lasts. ERR_IO: it does not start, is killed, or ends with another
 * status than 0.
 */
CHECK_RESULT enum err_code notice_command(const char *path,
    const struct notice *notice, struct patience *patience, struct err *e);

/* Posts the JSON, NOTIFY_TRIES times until the answer is a 2xx; no redirect is
 * followed. ERR_IO: none was. */
CHECK_RESULT enum err_code notice_webhook(const char *url,
    const struct notice *notice, struct patience *patience, struct err *e);

#endif

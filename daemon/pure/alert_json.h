/* alert_json: an alert as one JSON object: in lists, in an event, on the stdin
 * of a command, in the body of a webhook. Pure. */
#ifndef TRAJD_ALERT_JSON_H
#define TRAJD_ALERT_JSON_H

#include "base/str.h"
#include "pure/alert.h"

/* Appends; look at out->failed. */
void alert_json(
    struct buf *out, const char *run_uid, const struct alert *alert);

#endif

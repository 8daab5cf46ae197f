/* find_run: the run that a user means by an id, a prefix of one or a name. */
#ifndef TRAJ_CLI_FIND_RUN_H
#define TRAJ_CLI_FIND_RUN_H

#include <stdbool.h>

#include "cli/client_http.h"

/* "/api/v1/runs/ID", escaped; the caller frees it. false: there is none, or
 * more than one; that has been told on stderr. */
bool find_run(struct client *client, const char *text, char **ret_path);

/* Visits the runs whose `parameter` is `value` (both NULL: all), newest first.
 * false: it did not come about, and that is told. */
typedef void (*find_visit_fn)(void *context, const cJSON *run);
bool find_each_run(struct client *client, const char *parameter,
    const char *value, find_visit_fn visit, void *context);

#endif

/* run_get: what the API says of a run that was found. */
#ifndef TRAJ_CLI_RUN_GET_H
#define TRAJ_CLI_RUN_GET_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "cli/client_http.h"

/* GET path, which is client_path's and is freed here; NULL is a failure that
 * is told. gone: what a 404 means. false: it did not come about, and that is
 * told. The caller ends *ret_body with cJSON_Delete. */
bool run_get(
    struct client *client, char *path, const char *gone, cJSON **ret_body);

/* What a 404 means of a run that find_run has just found. */
#define RUN_GONE "the run has been deleted"

#endif

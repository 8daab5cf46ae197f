/* run_get.c: keeps nothing; one thread. */
#include "cli/run_get.h"

#include <stdio.h>
#include <stdlib.h>

bool run_get(
    struct client *client, char *path, const char *gone, cJSON **ret_body)
{
    if (path == NULL) {
        return false;
    }
    enum client_result result = client_get_json(client, path, ret_body);
    if (result == CLIENT_NOT_FOUND) {
        fprintf(stderr, "traj: %s\n", gone);
    }
    free(path);
    return result == CLIENT_OK;
}

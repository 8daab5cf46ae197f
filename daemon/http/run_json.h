/* run_json: a run as JSON, the same in lists, replies and events. */
#ifndef TRAJD_RUN_JSON_H
#define TRAJD_RUN_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/str.h"
#include "pure/run_state.h"
#include "store/runs.h"

enum run_state run_row_state(const struct run_row *run, int64_t now_wall_ns);

/* Schema Run of schema/openapi.yaml. NULL: out of memory. */
cJSON *run_json_object(const struct run_row *run, int64_t now_wall_ns);

/* The same as one line of text. */
void run_json(struct buf *out, const struct run_row *run, int64_t now_wall_ns);

#endif

/* hello: the JSON of a HELLO (schema/wire.md), checked against its bounds. */
#ifndef TRAJD_HELLO_H
#define TRAJD_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct cJSON;

struct hello {
    struct cJSON *json; /* owns the texts below */
    struct str run_id;
    struct str project;
    struct str name;
    uint32_t attempt;
    uint32_t rank;
    int64_t started_wall_ns; /* 0 = not said */
    struct str fork_of;      /* a run's uid; empty = no fork */
    uint64_t fork_step;      /* at most INT64_MAX */
    /* As they stand in the text; borrowed from it. */
    struct str config;
    struct str tags;
    const struct cJSON *tag_list; /* NULL = none */
};

/* Nothing is kept of the text but the borrowed parts. ERR_INVALID says which
 * field is out of bounds. On success end with hello_done. */
CHECK_RESULT enum err_code hello_parse(
    struct str text, struct hello *ret_hello, struct err *e);
void hello_done(struct hello *hello);

#endif

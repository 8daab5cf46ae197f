/* runs: what there is, as lists: projects, runs, their streams. */
#ifndef TRAJD_RUNS_H
#define TRAJD_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/reader.h"
#include "store/store.h"
#include "base/str.h"
#include "pure/run_state.h"

struct run_row {
    struct run_id id;
    char uid[RUN_UID_MAX + 1]; /* the run's id outside: URLs, CLI */
    /* The run whose steps before fork_step come before its own; "" = none, and
     * it may have been deleted. */
    char fork_of[RUN_UID_MAX + 1];
    uint64_t fork_step;
    char *project; /* these five: owned, see run_row_done */
    char *name;
    char *config_json; /* a JSON object */
    char *tags_json;   /* a JSON array of texts */
    char *hello_json;  /* of the newest attempt's lowest rank; NULL in lists:
                          with thousands of groups it is long */
    int64_t created_wall_ns;
    int64_t updated_wall_ns; /* last commit that touched it */
    uint32_t attempts;
    uint32_t ranks;            /* streams of the newest attempt */
    uint64_t records[8];       /* by enum wire_kind, all streams */
    uint64_t group_probes;     /* of the PROBE records */
    uint64_t lost_records;     /* gaps declared by senders */
    uint64_t dropped_records;  /* DROPPED events */
    uint64_t thinned_records;  /* of records: only their summaries are left */
    uint64_t bytes;            /* of its chunks and its log */
    uint64_t repeated_records; /* came again, and were left out */
    uint64_t late_records;     /* came after the end of their stream */
    uint64_t alerts;           /* raised of it: alerts.h */
    uint64_t alert_errors;     /* of these, the errors */
    unsigned gaps;             /* enum run_gap; 0: complete */
    uint64_t last_step;
    bool has_last_step;
    uint64_t revision;      /* rises with every commit that touches it */
    struct run_facts facts; /* see run_state_at */
};
void run_row_done(struct run_row *row);

/* Newest first (created, id). Filters: NULL = all. */
struct run_query {
    const char *project;
    const char *tag;
    const char *text;              /* in name or id */
    int64_t after_created_wall_ns; /* keyset cursor: rows strictly after */
    int64_t after_id;              /* 0 = from the start */
    uint32_t limit;
};

/* Calls visit for each row; it must not keep the row. Stops at ERR != NONE. */
typedef enum err_code (*run_visit_fn)(
    void *context, const struct run_row *row, struct err *e);
CHECK_RESULT enum err_code runs_list(struct reader *reader,
    const struct run_query *query, run_visit_fn visit, void *context,
    struct err *e);

/* ERR_NOT_FOUND. On success the caller ends *ret_row with run_row_done. */
CHECK_RESULT enum err_code runs_get(struct reader *reader, const char *uid,
    struct run_row *ret_row, struct err *e);

struct project_row {
    const char *name;
    uint64_t runs;
    int64_t updated_wall_ns;
};
typedef enum err_code (*project_visit_fn)(
    void *context, const struct project_row *row, struct err *e);
CHECK_RESULT enum err_code runs_projects(struct reader *reader,
    project_visit_fn visit, void *context, struct err *e);

struct stream_row {
    struct stream_id id;
    uint32_t attempt;
    uint32_t rank;
    uint64_t committed_seq;
    uint64_t records[8]; /* by enum wire_kind */
    uint64_t lost_records;
    uint64_t dropped_records;
    uint64_t repeated_records;
    uint64_t late_records;
    bool closed;
    bool has_first_step;
    uint64_t first_step; /* lowest step of its STEP records */
    uint64_t last_step;  /* of the last of them */
    /* What an attempt after the first begins with: first_step; of one without
     * STEP records the step of its first PROBE record. */
    bool has_began;
    uint64_t began;
    struct run_facts facts; /* of this process alone */
    int64_t created_wall_ns;
    int64_t heard_wall_ns;
};
typedef enum err_code (*stream_visit_fn)(
    void *context, const struct stream_row *row, struct err *e);
/* Ordered by attempt, then rank. */
CHECK_RESULT enum err_code runs_streams(struct reader *reader,
    struct run_id run, stream_visit_fn visit, void *context, struct err *e);

/* The HELLO's JSON of a stream, terminated; must not be kept. */
typedef enum err_code (*hello_visit_fn)(
    void *context, const char *hello_json, struct err *e);
/* ERR_NOT_FOUND: no such stream. */
CHECK_RESULT enum err_code runs_hello(struct reader *reader,
    struct stream_id stream, hello_visit_fn visit, void *context,
    struct err *e);

#endif

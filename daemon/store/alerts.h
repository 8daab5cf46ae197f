/* alerts: what was raised of runs, as it is stored. */
#ifndef TRAJD_ALERTS_H
#define TRAJD_ALERTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pure/alert_cases.h"
#include "store/reader.h"
#include "store/store.h"

/* Stores an alert unless the run has one of this rule, attempt and step;
 * *ret_new: it had none, and the run's revision has risen. ERR_NOT_FOUND: no
 * such run. The writer, in its transaction. */
CHECK_RESULT enum err_code store_add_alert(struct store *store,
    const char *run_uid, const struct alert *alert, bool *ret_new,
    struct err *e);

struct alert_row {
    int64_t id;
    char run_uid[RUN_UID_MAX + 1];
    struct alert alert;
};

/* Newest first (wall_ns, id). */
struct alert_query {
    const char *run_uid; /* NULL: all runs */
    const char *rule;    /* NULL: all rules */
    bool has_rank;       /* only those of the rank */
    uint32_t rank;
    int64_t since_wall_ns;  /* not older */
    int64_t before_wall_ns; /* keyset cursor: rows strictly after this one */
    int64_t before_id;      /* 0: from the newest */
    uint32_t limit;
};

/* Must not keep the row. Stops at ERR != NONE. */
typedef enum err_code (*alert_visit_fn)(
    void *context, const struct alert_row *row, struct err *e);
CHECK_RESULT enum err_code alerts_list(struct reader *reader,
    const struct alert_query *query, alert_visit_fn visit, void *context,
    struct err *e);

/* What there is of a run, by rule: to go on from after a start. */
CHECK_RESULT enum err_code alerts_past(struct reader *reader, struct run_id run,
    struct alert_past *ret_past, struct err *e);

#endif

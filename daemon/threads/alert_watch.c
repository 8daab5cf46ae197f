/* alert_watch.c: see the header; the analysis thread. */
#include "threads/alert_watch.h"

#include "base/clock.h"
#include "base/counters.h"
#include "pure/trainer.h"
#include "store/alerts.h"
#include "store/scan.h"

static enum err_code set_up(struct alert_watch *watch, struct reader *reader,
    const struct run_row *row, const struct alert_limits *limits, struct err *e)
{
    struct alert_past past[ALERT_RULES];
    if (watch->is_set_up) {
        return ERR_NONE;
    }
    enum err_code code = alerts_past(reader, row->id, past, e);
    if (code == ERR_NONE) {
        alert_rules_init(&watch->rules, limits, past);
        watch->is_set_up = true;
    }
    return code;
}

/* ---- how much has come ----------------------------------------------------
 */

/* The records of rank 0 behind the watch's place, stream by stream. */
struct backlog {
    struct alert_watch *watch;
    uint64_t records;
    uint64_t skip; /* so many of the first of them */
    uint32_t last_attempt;
    uint64_t last_seq; /* of the newest attempt */
};

static uint64_t waiting(
    const struct alert_watch *watch, const struct stream_row *row)
{
    if (row->rank != 0 || row->attempt < watch->attempt) {
        return 0;
    }
    const uint64_t seen = row->attempt == watch->attempt ? watch->seq : 0;
    return row->committed_seq > seen ? row->committed_seq - seen : 0;
}

static enum err_code count_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    struct backlog *backlog = context;
    backlog->records += waiting(backlog->watch, row);
    if (row->rank == 0) {
        backlog->last_attempt = row->attempt;
        backlog->last_seq = row->committed_seq;
    }
    return ERR_NONE;
}

static enum err_code skip_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    struct backlog *backlog = context;
    struct alert_watch *watch = backlog->watch;
    const uint64_t n = waiting(watch, row);
    if (backlog->skip == 0 || n == 0) {
        return ERR_NONE;
    }
    const uint64_t taken = n < backlog->skip ? n : backlog->skip;
    watch->seq = row->attempt == watch->attempt ? watch->seq + taken : taken;
    watch->attempt = row->attempt;
    backlog->skip -= taken;
    return ERR_NONE;
}

static enum err_code skip_old(struct alert_watch *watch, struct reader *reader,
    const struct run_row *row, struct backlog *ret, struct err *e)
{
    *ret = (struct backlog){ .watch = watch };
    watch->left_out = 0;
    enum err_code code = runs_streams(reader, row->id, count_stream, ret, e);
    if (code != ERR_NONE || ret->records <= ALERT_LOOK_RECORDS) {
        return code;
    }
    ret->skip = ret->records - ALERT_LOOK_RECORDS;
    watch->left_out = ret->skip;
    counter_add(COUNTER_ALERT_RECORDS_SKIPPED, ret->skip);
    return runs_streams(reader, row->id, skip_stream, ret, e);
}

/* ---- reading --------------------------------------------------------------
 */

/* false: there may be no room for what the next record raises. */
static bool look_at_batch(
    struct alert_watch *watch, const struct scan_batch *batch, uint32_t world)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (watch->raised.n + ALERT_STEP_MAX > ALERT_LIST_MAX) {
            return false;
        }
        const struct row row = { batch->columns, batch->present[i], i };
        alert_rules_step(
            &watch->rules, batch->attempt, &row, world, &watch->raised);
        watch->attempt = batch->attempt;
        watch->seq = batch->seq[i];
    }
    return true;
}

static enum err_code read_steps(struct alert_watch *watch,
    struct reader *reader, const struct run_row *row, bool *ret_more,
    struct err *e)
{
    const struct scan_query query = { .run = row->id,
        .kind = WIRE_STEP,
        .fields = ALERT_STEP_FIELDS,
        .attempts = SCAN_ALL,
        .to_step = UINT64_MAX,
        .after_attempt = watch->attempt,
        .after_seq = watch->seq };
    const uint32_t world = trainer_of_hello(row->hello_json).world;
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    bool room = true;
    enum err_code code = scan_open(reader, &query, &scan, e);
    while (code == ERR_NONE && room && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        room = code != ERR_NONE || look_at_batch(watch, &batch, world);
    }
    scan_close(scan);
    *ret_more = !room;
    return code;
}

enum err_code alert_watch_read(struct alert_watch *watch, struct reader *reader,
    const struct run_row *row, const struct alert_limits *limits,
    bool *ret_more, struct err *e)
{
    struct backlog backlog;
    *ret_more = true;
    enum err_code code = set_up(watch, reader, row, limits, e);
    if (code == ERR_NONE) {
        code = skip_old(watch, reader, row, &backlog, e);
    }
    if (code == ERR_NONE) {
        code = read_steps(watch, reader, row, ret_more, e);
    }
    if (code != ERR_NONE || *ret_more) {
        return code;
    }
    /* Records of other kinds behind the last step were seen too. */
    watch->attempt = backlog.last_attempt;
    watch->seq = backlog.last_seq;
    if (watch->raised.n == ALERT_LIST_MAX) {
        *ret_more = true;
        return ERR_NONE;
    }
    const struct alert_situation now = { .facts = &row->facts,
        .now_wall_ns = clock_wall_ns(),
        .attempt = backlog.last_attempt,
        .last_step = row->has_last_step ? row->last_step : 0 };
    alert_rules_state(&watch->rules, &now, &watch->raised);
    return ERR_NONE;
}

void alert_watch_verdict(struct alert_watch *watch,
    const struct run_verdict *verdict, uint64_t last_step)
{
    if (watch->is_set_up &&
        watch->raised.n + ALERT_VERDICT_MAX <= ALERT_LIST_MAX) {
        alert_rules_verdict(
            &watch->rules, verdict, watch->attempt, last_step, &watch->raised);
    }
}

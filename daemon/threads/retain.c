/* retain.c: the writer thread, which owns the state. */
#include "threads/retain.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"

#define PLAN_EVERY_NS (60 * NS_PER_S)
#define BUSY_EVERY_NS NS_PER_S

void retain_init(struct retain *retain, const struct retention_policy *policy,
    const char *path)
{
    *retain = (struct retain){ .policy = *policy, .path = path };
}

void retain_done(struct retain *retain)
{
    retention_plan_done(&retain->plan);
}

bool retain_has_work(const struct retain *retain)
{
    return retain->at < retain->plan.n;
}

static enum err_code make_plan(struct retain *r, struct err *e)
{
    struct reader *reader = NULL;
    r->plan_mono_ns = clock_mono_ns() + PLAN_EVERY_NS;
    r->at = 0;
    retention_plan_done(&r->plan);
    enum err_code code = reader_open(r->path, &reader, e);
    if (code == ERR_NONE) {
        code = retention_plan_make(
            reader, &r->policy, clock_wall_ns(), &r->plan, e);
    }
    reader_close(reader);
    return code;
}

static void end_item(struct retain *r)
{
    const struct retention_item *item = &r->plan.items[r->at];
    bool deleted = item->act == RETENTION_DELETE;
    log_line(LOG_INFO, "writer", "event=%s run=%s why=%s bytes=%" PRIu64,
        deleted ? "run_expired" : "run_thinned", item->run_uid,
        retention_why_name(item->why), r->freed);
    counter_add(COUNTER_RUNS_EXPIRED, deleted);
    r->freed = 0;
    r->at++;
    if (r->at == r->plan.n) {
        r->plan_mono_ns = clock_mono_ns(); /* room may not be enough yet */
    }
}

static enum err_code work_on_item(struct retain *r, struct store *store,
    char ret_deleted[static RUN_UID_MAX + 1], struct err *e)
{
    struct retention_item *item = &r->plan.items[r->at];
    struct retention_done done = { 0 };
    enum err_code code = retention_step(store, item, &done, e);
    if (code == ERR_NOT_FOUND) {
        r->at++; /* somebody deleted it, or goes on with it */
        return ERR_NONE;
    }
    if (code != ERR_NONE) {
        r->at = r->plan.n; /* the next plan tries again */
        return code;
    }
    r->freed += done.thinned.bytes;
    counter_add(COUNTER_CHUNKS_THINNED, done.thinned.chunks);
    counter_add(COUNTER_ROWS_THINNED, done.thinned.records);
    if (done.item_is_over && item->act == RETENTION_DELETE) {
        memcpy(ret_deleted, item->run_uid, RUN_UID_MAX + 1);
    }
    if (done.item_is_over) {
        end_item(r);
    }
    return ERR_NONE;
}

enum err_code retain_step(struct retain *retain, struct store *store, bool idle,
    char ret_deleted[static RUN_UID_MAX + 1], struct err *e)
{
    int64_t now = clock_mono_ns();
    ret_deleted[0] = '\0';
    if (!idle && now - retain->step_mono_ns < BUSY_EVERY_NS) {
        return ERR_NONE;
    }
    retain->step_mono_ns = now;
    if (retain->at < retain->plan.n) {
        return work_on_item(retain, store, ret_deleted, e);
    }
    if (retention_is_on(&retain->policy) && now >= retain->plan_mono_ns) {
        return make_plan(retain, e);
    }
    return ERR_NONE;
}

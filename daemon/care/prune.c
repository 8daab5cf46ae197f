/* prune.c: the main thread of a command. */
#include "care/prune.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/log.h"
#include "care/wal_keep.h"
#include "store/lock.h"
#include "store/reader.h"
#include "store/store.h"

static enum err_code make_plan(const char *path,
    const struct retention_policy *policy, struct retention_plan *ret_plan,
    struct err *e)
{
    struct reader *reader = NULL;
    enum err_code code = reader_open(path, &reader, e);
    if (code == ERR_NONE) {
        code =
            retention_plan_make(reader, policy, clock_wall_ns(), ret_plan, e);
    }
    reader_close(reader);
    return code;
}

static void write_item(FILE *out, const struct retention_item *item,
    const char *act, uint64_t bytes)
{
    char uid[4 * RUN_UID_MAX];
    (void)fprintf(out, "%s run=%s why=%s bytes=%" PRIu64 "\n", act,
        log_quoted(uid, sizeof uid, item->run_uid),
        retention_why_name(item->why), bytes);
}

enum err_code prune_show(const char *path,
    const struct retention_policy *policy, FILE *out, struct err *e)
{
    struct retention_plan plan = { 0 };
    enum err_code code = make_plan(path, policy, &plan, e);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t i = 0; i < plan.n; i++) {
        const struct retention_item *item = &plan.items[i];
        bool thins = item->act == RETENTION_THIN;
        write_item(out, item, thins ? "would thin" : "would delete",
            item->bytes - (thins ? item->goal : 0));
    }
    (void)fprintf(out, "%zu runs; the file uses %" PRIu64 " bytes%s\n", plan.n,
        plan.used_bytes,
        policy->keep_bytes > 0 ? "; what it then uses decides what comes next"
                               : "");
    retention_plan_done(&plan);
    return ERR_NONE;
}

static enum err_code do_item(struct store *store, struct retention_item *item,
    FILE *out, uint64_t *freed, struct err *e)
{
    struct retention_done done = { 0 };
    uint64_t bytes = 0;
    while (!done.item_is_over) {
        enum err_code code = retention_step(store, item, &done, e);
        if (code != ERR_NONE) {
            return code;
        }
        bytes += done.thinned.bytes;
    }
    bool deletes = item->act == RETENTION_DELETE;
    write_item(out, item, deletes ? "deleted" : "thinned", bytes);
    *freed += bytes + deletes;
    return ERR_NONE;
}

static enum err_code do_plans(struct store *store, const char *path,
    const struct retention_policy *policy, FILE *out, struct err *e)
{
    for (;;) {
        struct retention_plan plan = { 0 };
        uint64_t freed = 0;
        enum err_code code = make_plan(path, policy, &plan, e);
        for (size_t i = 0; code == ERR_NONE && i < plan.n; i++) {
            code = do_item(store, &plan.items[i], out, &freed, e);
        }
        retention_plan_done(&plan);
        if (code != ERR_NONE || freed == 0) {
            return code;
        }
    }
}

enum err_code prune_database(const char *path,
    const struct retention_policy *policy, FILE *out, struct err *e)
{
    const struct store_options options = { .path = path };
    struct store *store = NULL;
    int lock = -1;
    enum err_code code = lock_take(path, &lock, e);
    code = code != ERR_NONE ? code : wal_require_whole(path, e);
    code = code != ERR_NONE ? code : store_open(&options, &store, e);
    code = code != ERR_NONE ? code : do_plans(store, path, policy, out, e);
    store_close(store);
    lock_give(lock);
    return code;
}

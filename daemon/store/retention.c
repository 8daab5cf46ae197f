/* retention.c: plans are made by any reader, steps by the writer. */
#include "store/retention.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/db.h"
#include "store/reader_impl.h"
#include "store/runs.h"
#include "store/store_impl.h"

#define DAY_NS (INT64_C(86400) * NS_PER_S)

/* Whether a run has chunks that store_thin would empty, and how old it is. */
static const char sql_look[] =
    "SELECT EXISTS (SELECT 1 FROM stream AS s "
    "JOIN stream_progress AS p ON p.stream = s.id "
    "WHERE s.run = ?1 AND EXISTS (SELECT 1 FROM chunk AS c "
    "WHERE c.stream = s.id AND c.kind IN " STORE_THINNED_KINDS
    " AND c.last_seq > p.thinned_seq)), " STORE_LAST_OF_RUN ";";

bool retention_is_on(const struct retention_policy *policy)
{
    return policy->keep_days > 0 || policy->thin_days > 0 ||
           policy->keep_bytes > 0 || policy->run_bytes > 0;
}

const char *retention_why_name(enum retention_why why)
{
    static const char *const names[] = {
        [RETENTION_KEEP_DAYS] = "keep_days",
        [RETENTION_THIN_DAYS] = "thin_days",
        [RETENTION_KEEP_BYTES] = "keep_bytes",
        [RETENTION_RUN_BYTES] = "run_bytes",
    };
    return names[why];
}

/* ---- what there is ------------------------------------------------------- */

/* A run as the policy looks at it. */
struct candidate {
    struct run_id run;
    char uid[RUN_UID_MAX + 1];
    bool has_ended; /* nobody is heard of it */
    int64_t last_wall_ns;
    uint64_t bytes;
    bool thinnable;
    bool planned; /* to be deleted */
};

struct candidates {
    struct candidate *v; /* oldest first, once sorted */
    size_t n;
    size_t capacity;
    int64_t now_wall_ns;
};

static enum err_code take_run(
    void *context, const struct run_row *row, struct err *e)
{
    struct candidates *all = context;
    if (all->n == all->capacity) {
        size_t capacity = all->capacity == 0 ? 64 : all->capacity * 2;
        struct candidate *grown = db_realloc(all->v, capacity * sizeof *grown);
        if (grown == NULL) {
            return db_nomem(e, "retention");
        }
        all->v = grown;
        all->capacity = capacity;
    }
    enum run_state state =
        run_state_at(&row->facts, all->now_wall_ns, run_limits());
    struct candidate *c = &all->v[all->n++];
    *c = (struct candidate){ .run = row->id,
        .has_ended = state != RUN_LIVE && state != RUN_STALLED,
        .bytes = row->bytes };
    memcpy(c->uid, row->uid, sizeof c->uid);
    return ERR_NONE;
}

static int by_age(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return (x->last_wall_ns > y->last_wall_ns) -
           (x->last_wall_ns < y->last_wall_ns);
}

static enum err_code look(
    struct candidate *c, sqlite3_stmt *stmt, struct err *e)
{
    if (sqlite3_bind_int64(stmt, 1, c->run.v) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "retention");
    }
    bool row = false;
    enum err_code code = db_step(stmt, &row, "retention", e);
    if (code == ERR_NONE && row) {
        c->thinnable = sqlite3_column_int(stmt, 0) != 0;
        c->last_wall_ns = sqlite3_column_int64(stmt, 1);
        (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
    }
    return code;
}

static enum err_code read_candidates(
    struct reader *reader, struct candidates *all, struct err *e)
{
    const struct run_query query = { .limit = INT32_MAX };
    sqlite3_stmt *stmt = NULL;
    enum err_code code = runs_list(reader, &query, take_run, all, e);
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, sql_look, &stmt, e);
    }
    for (size_t i = 0; code == ERR_NONE && i < all->n; i++) {
        code = look(&all->v[i], stmt, e);
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    if (code == ERR_NONE && all->n > 0) {
        qsort(all->v, all->n, sizeof *all->v, by_age);
    }
    return code;
}

static enum err_code read_used(
    struct reader *reader, uint64_t *ret_bytes, struct err *e)
{
    int64_t pages = 0;
    int64_t unused = 0;
    int64_t size = 0;
    enum err_code code = db_number(reader->db, "PRAGMA page_count;", &pages, e);
    if (code == ERR_NONE) {
        code = db_number(reader->db, "PRAGMA freelist_count;", &unused, e);
    }
    if (code == ERR_NONE) {
        code = db_number(reader->db, "PRAGMA page_size;", &size, e);
    }
    *ret_bytes = (uint64_t)((pages - unused) * size);
    return code;
}

/* ---- the plan ------------------------------------------------------------ */

static enum err_code plan_add(struct retention_plan *plan,
    const struct candidate *c, enum retention_act act, enum retention_why why,
    uint64_t goal, struct err *e)
{
    if (plan->n == plan->capacity) {
        size_t capacity = plan->capacity == 0 ? 16 : plan->capacity * 2;
        struct retention_item *grown =
            db_realloc(plan->items, capacity * sizeof *grown);
        if (grown == NULL) {
            return db_nomem(e, "retention");
        }
        plan->items = grown;
        plan->capacity = capacity;
    }
    struct retention_item *item = &plan->items[plan->n++];
    *item = (struct retention_item){
        .act = act,
        .why = why,
        .run = c->run,
        .last_wall_ns = c->last_wall_ns,
        .bytes = c->bytes,
        .goal = goal,
    };
    memcpy(item->run_uid, c->uid, sizeof item->run_uid);
    return ERR_NONE;
}

static bool is_older(
    const struct candidate *c, uint32_t days, int64_t now_wall_ns)
{
    return days > 0 && c->has_ended &&
           now_wall_ns - c->last_wall_ns > (int64_t)days * DAY_NS;
}

static enum err_code plan_one(struct retention_plan *plan, struct candidate *c,
    const struct retention_policy *policy, int64_t now_wall_ns, struct err *e)
{
    if (is_older(c, policy->keep_days, now_wall_ns)) {
        c->planned = true;
        return plan_add(plan, c, RETENTION_DELETE, RETENTION_KEEP_DAYS, 0, e);
    }
    if (!c->thinnable) {
        return ERR_NONE;
    }
    if (is_older(c, policy->thin_days, now_wall_ns)) {
        c->thinnable = false;
        return plan_add(plan, c, RETENTION_THIN, RETENTION_THIN_DAYS, 0, e);
    }
    return policy->run_bytes > 0 && c->bytes > policy->run_bytes
               ? plan_add(plan, c, RETENTION_THIN, RETENTION_RUN_BYTES,
                     policy->run_bytes, e)
               : ERR_NONE;
}

/*
 * What thinning frees is known only when it is done, so a plan never deletes
 * for room what the same plan may make room for: that is the next plan's, which
 * sees the file as it is then.
 */
static enum err_code plan_room(struct retention_plan *plan,
    struct candidates *all, uint64_t keep_bytes, struct err *e)
{
    if (keep_bytes == 0 || plan->used_bytes <= keep_bytes || plan->n > 0) {
        return ERR_NONE;
    }
    uint64_t excess = plan->used_bytes - keep_bytes;
    uint64_t freed = 0;
    for (size_t i = 0; i < all->n && freed < excess; i++) {
        struct candidate *c = &all->v[i];
        if (!c->has_ended || !c->thinnable) {
            continue;
        }
        freed += c->bytes;
        enum err_code code =
            plan_add(plan, c, RETENTION_THIN, RETENTION_KEEP_BYTES, 0, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    for (size_t i = 0; i < all->n && plan->n == 0; i++) {
        if (all->v[i].has_ended) {
            return plan_add(
                plan, &all->v[i], RETENTION_DELETE, RETENTION_KEEP_BYTES, 0, e);
        }
    }
    return ERR_NONE;
}

static enum err_code plan_all(struct reader *reader,
    const struct retention_policy *policy, struct candidates *all,
    struct retention_plan *plan, struct err *e)
{
    enum err_code code = read_candidates(reader, all, e);
    code = code != ERR_NONE ? code : read_used(reader, &plan->used_bytes, e);
    for (size_t i = 0; code == ERR_NONE && i < all->n; i++) {
        code = plan_one(plan, &all->v[i], policy, all->now_wall_ns, e);
    }
    return code != ERR_NONE ? code
                            : plan_room(plan, all, policy->keep_bytes, e);
}

enum err_code retention_plan_make(struct reader *reader,
    const struct retention_policy *policy, int64_t now_wall_ns,
    struct retention_plan *ret_plan, struct err *e)
{
    struct candidates all = { .now_wall_ns = now_wall_ns };
    struct retention_plan plan = { 0 };
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = plan_all(reader, policy, &all, &plan, e);
    reader_end(reader);
    db_free(all.v);
    if (code != ERR_NONE) {
        retention_plan_done(&plan);
        return code;
    }
    *ret_plan = plan;
    return ERR_NONE;
}

void retention_plan_done(struct retention_plan *plan)
{
    db_free(plan->items);
    *plan = (struct retention_plan){ 0 };
}

/* ---- doing it ------------------------------------------------------------ */

/* A plan may take minutes to be done, and a trainer may go on with a run
 * meanwhile. What a run has beyond run_bytes goes while it is heard, too. */
static enum err_code require_unheard(
    struct store *store, const struct retention_item *item, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_LAST_OF_RUN];
    bool row = false;
    if (item->why == RETENTION_RUN_BYTES) {
        return ERR_NONE;
    }
    if (sqlite3_bind_int64(stmt, 1, item->run.v) != SQLITE_OK) {
        return db_fail(store->db, e, "retention");
    }
    enum err_code code = db_step(stmt, &row, "retention", e);
    if (code != ERR_NONE) {
        return code;
    }
    bool heard = row && sqlite3_column_int64(stmt, 0) > item->last_wall_ns;
    (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
    return heard ? err_set(e, ERR_NOT_FOUND, "heard since the plan was made")
                 : ERR_NONE;
}

static enum err_code step(struct store *store,
    const struct retention_item *item, struct retention_done *done,
    struct err *e)
{
    uint64_t excess = item->bytes > item->goal ? item->bytes - item->goal : 0;
    uint64_t wanted = item->act == RETENTION_THIN ? excess : UINT64_MAX;
    enum err_code code =
        wanted == 0 ? ERR_NONE
                    : store_thin(store, item->run, wanted, &done->thinned, e);
    done->item_is_over = done->thinned.looked_at == 0;
    if (code == ERR_NONE && done->item_is_over &&
        item->act == RETENTION_DELETE) {
        code = store_delete_run(store, item->run, e);
    }
    return code;
}

/* A run that is to be deleted is thinned first: to delete it all at once would
 * stop the writer for as long as it takes. */
enum err_code retention_step(struct store *store, struct retention_item *item,
    struct retention_done *ret_done, struct err *e)
{
    struct retention_done done = { 0 };
    enum err_code code = store_begin(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = require_unheard(store, item, e);
    code = code != ERR_NONE ? code : step(store, item, &done, e);
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
        return code;
    }
    uint64_t bytes = done.thinned.bytes;
    item->bytes -= bytes < item->bytes ? bytes : item->bytes;
    *ret_done = done;
    return ERR_NONE;
}

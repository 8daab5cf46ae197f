/* scan_plan.c: owns the list of streams; the thread of the reader. */
#include "store/scan_plan.h"

#include <assert.h>
#include <string.h>

#include "store/db.h"
#include "store/first_probe.h"

static const char sql_streams[] =
    "SELECT s.id, s.attempt, s.rank, p.first_step, p.committed_seq, s.uid, "
    "p.thinned_seq, p.probes "
    "FROM stream AS s "
    "JOIN stream_progress AS p ON p.stream = s.id "
    "WHERE s.run = ?1 ORDER BY s.attempt, s.rank;";

void scan_plan_done(struct scan_plan *plan)
{
    db_free(plan->streams);
    *plan = (struct scan_plan){ 0 };
}

static enum err_code add(
    struct scan_plan *plan, const struct scan_stream *stream, struct err *e)
{
    if (plan->n == plan->capacity) {
        size_t capacity = plan->capacity == 0 ? 16 : plan->capacity * 2;
        struct scan_stream *grown =
            db_realloc(plan->streams, capacity * sizeof *grown);
        if (grown == NULL) {
            return db_nomem(e, "scan");
        }
        plan->streams = grown;
        plan->capacity = capacity;
    }
    plan->streams[plan->n++] = *stream;
    return ERR_NONE;
}

static enum err_code read_streams(
    struct scan_plan *plan, sqlite3_stmt *stmt, int64_t run, struct err *e)
{
    if (sqlite3_bind_int64(stmt, 1, run) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "scan");
    }
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "scan", e);
        if (code != ERR_NONE || !more) {
            return code;
        }
        struct scan_stream stream = {
            .id = sqlite3_column_int64(stmt, 0),
            .attempt = (uint32_t)db_u64(stmt, 1),
            .rank = (uint32_t)db_u64(stmt, 2),
            .has_step = sqlite3_column_type(stmt, 3) != SQLITE_NULL,
            .first_step = db_u64(stmt, 3),
            .until_seq = db_u64(stmt, 4),
            .thinned_seq = db_u64(stmt, 6),
            .has_probes = db_u64(stmt, 7) > 0,
        };
        struct str uid = db_blob(stmt, 5);
        if (uid.n == sizeof stream.uid.v) {
            memcpy(stream.uid.v, uid.p, uid.n);
        }
        code = add(plan, &stream, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

/* What a later attempt of each rank has done again, while going back through
 * the streams. */
struct redone {
    bool any;
    uint64_t from_step;
};

/* Of attempts that have something before them. */
static enum err_code find_first_probes(
    struct scan_plan *plan, sqlite3 *db, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < plan->n; i++) {
        struct scan_stream *s = &plan->streams[i];
        if (!s->has_step && s->has_probes && s->attempt > 1) {
            code = first_probe_step(db, s->id, &s->has_step, &s->first_step, e);
        }
    }
    return code;
}

static enum err_code cut_redone(struct scan_plan *plan, struct err *e)
{
    size_t ranks = 0;
    for (size_t i = 0; i < plan->n; i++) {
        size_t rank = plan->streams[i].rank;
        ranks = rank >= ranks ? rank + 1 : ranks;
    }
    struct redone *redone = db_malloc((ranks + 1) * sizeof *redone);
    if (redone == NULL) {
        return db_nomem(e, "scan");
    }
    memset(redone, 0, (ranks + 1) * sizeof *redone);
    for (size_t i = plan->n; i > 0; i--) {
        struct scan_stream *s = &plan->streams[i - 1];
        struct redone *later = &redone[s->rank];
        s->is_cut = later->any;
        s->cut_step = later->from_step;
        if (s->has_step && (!later->any || s->first_step < later->from_step)) {
            *later = (struct redone){ true, s->first_step };
        }
    }
    db_free(redone);
    return ERR_NONE;
}

/* -1, 0, 1: the stream comes before, is, or comes after the cursor's. */
static int compare_to_cursor(
    const struct scan_stream *s, const struct scan_query *query)
{
    if (s->attempt != query->after_attempt) {
        return s->attempt < query->after_attempt ? -1 : 1;
    }
    if (s->rank != query->after_rank) {
        return s->rank < query->after_rank ? -1 : 1;
    }
    return 0;
}

static bool is_wanted(
    const struct scan_stream *s, const struct scan_query *query)
{
    return (query->rank == SCAN_ALL_RANKS || s->rank == query->rank) &&
           (query->attempts != SCAN_ONE || s->attempt == query->attempt) &&
           compare_to_cursor(s, query) >= 0;
}

static void keep_wanted(struct scan_plan *plan, const struct scan_query *query)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->n; i++) {
        struct scan_stream s = plan->streams[i];
        if (!is_wanted(&s, query)) {
            continue;
        }
        s.after_seq = query->above_seq;
        if (query->above != NULL) {
            s.after_seq = query->above(query->above_context, s.attempt, s.rank);
            if (s.after_seq >= s.until_seq) {
                continue; /* of many streams most may have nothing new */
            }
        }
        if (compare_to_cursor(&s, query) == 0 &&
            query->after_seq > s.after_seq) {
            s.after_seq = query->after_seq;
        }
        plan->streams[kept++] = s;
    }
    plan->n = kept;
}

enum err_code scan_plan_init(struct scan_plan *plan, sqlite3 *db,
    const struct scan_query *query, struct err *e)
{
    *plan = (struct scan_plan){ 0 };
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(db, sql_streams, &stmt, e);
    if (code == ERR_NONE) {
        code = read_streams(plan, stmt, query->run.v, e);
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    if (code == ERR_NONE && query->attempts == SCAN_NEWEST) {
        code = find_first_probes(plan, db, e);
        code = code == ERR_NONE ? cut_redone(plan, e) : code;
    }
    if (code != ERR_NONE) {
        scan_plan_done(plan);
        return code;
    }
    keep_wanted(plan, query);
    return ERR_NONE;
}

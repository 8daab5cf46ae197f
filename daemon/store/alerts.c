/* alerts.c: owns nothing; the writer's thread, or that of the reader. */
#include "store/alerts.h"

#include <math.h>
#include <string.h>

#include "store/reader_impl.h"
#include "store/store_impl.h"

/* ---- writing --------------------------------------------------------------
 */

/* Binding a NaN gives NULL, which is what it is stored as. */
static int bind_alert(
    sqlite3_stmt *stmt, int64_t run, const struct alert *alert)
{
    int rc = sqlite3_bind_int64(stmt, 1, run);
    rc |= sqlite3_bind_int64(stmt, 2, alert->attempt);
    rc |= db_bind_u64(stmt, 3, alert->step);
    rc |= db_bind_text(stmt, 4, str_of(alert_rule_name(alert->rule)));
    rc |= db_bind_text(stmt, 5, str_of(alert_severity_name(alert->severity)));
    rc |= sqlite3_bind_int64(stmt, 6, alert->wall_ns);
    rc |= sqlite3_bind_double(stmt, 7, alert->value);
    rc |= sqlite3_bind_double(stmt, 8, alert->limit);
    rc |= db_bind_text(stmt, 9, str_of(alert->sentence));
    rc |= alert->rank == ALERT_NO_RANK
              ? sqlite3_bind_null(stmt, 10)
              : sqlite3_bind_int64(stmt, 10, alert->rank);
    return rc;
}

static enum err_code find_run(
    struct store *store, const char *run_uid, int64_t *ret_run, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_FIND_RUN];
    bool found = false;
    if (db_bind_text(stmt, 1, str_of(run_uid)) != SQLITE_OK) {
        return db_fail(store->db, e, "alert");
    }
    enum err_code code = db_step(stmt, &found, "alert", e);
    if (code == ERR_NONE && found) {
        *ret_run = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_reset(stmt); /* a SELECT that has told */
    (void)sqlite3_clear_bindings(stmt);
    if (code == ERR_NONE && !found) {
        code = err_set(e, ERR_NOT_FOUND, "no such run");
    }
    return code;
}

/* Lists show how many alerts a run has. When it was last heard of stays. */
static enum err_code touch_run(struct store *store, int64_t run, struct err *e)
{
    sqlite3_stmt *stmt = store->stmts[STMT_TOUCH_RUN];
    int rc = sqlite3_bind_int64(stmt, 1, run);
    rc |= sqlite3_bind_int64(stmt, 2, 0);
    return rc == SQLITE_OK ? db_run(stmt, "alert", e)
                           : db_fail(store->db, e, "alert");
}

enum err_code store_add_alert(struct store *store, const char *run_uid,
    const struct alert *alert, bool *ret_new, struct err *e)
{
    int64_t run = 0;
    enum err_code code = store_require_transaction(store, e);
    if (code == ERR_NONE) {
        code = find_run(store, run_uid, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_ALERT];
    code = bind_alert(stmt, run, alert) == SQLITE_OK
               ? db_run(stmt, "alert", e)
               : db_fail(store->db, e, "alert");
    (void)sqlite3_clear_bindings(stmt); /* texts were borrowed for the call */
    if (code != ERR_NONE) {
        return code;
    }
    const bool is_new = sqlite3_changes(store->db) > 0;
    code = is_new ? touch_run(store, run, e) : ERR_NONE;
    if (code == ERR_NONE) {
        *ret_new = is_new;
    }
    return code;
}

/* ---- reading --------------------------------------------------------------
 */

/* ?1, ?2: rows strictly after this one; ?3: not older; ?4: limit; ?5: run; ?6:
 * rule; ?7: rank, NULL for any. Of a rank there are few: no index is for them.
 */
#define ALERT_SELECT                                                           \
    "SELECT a.id, r.uid, a.rule, a.severity, a.attempt, a.step, a.wall_ns, "   \
    "a.value, a.limit_value, a.sentence, a.rank "                              \
    "FROM alert AS a JOIN run AS r ON r.id = a.run "                           \
    "WHERE (a.wall_ns, a.id) < (?1, ?2) AND a.wall_ns >= ?3 "                  \
    "AND (?7 IS NULL OR a.rank = ?7) "
#define ALERT_ORDER "ORDER BY a.wall_ns DESC, a.id DESC LIMIT ?4;"
#define OF_RUN "AND a.run = (SELECT id FROM run WHERE uid = ?5) "
#define OF_RULE "AND a.rule = ?6 "

static const char sql_all[] = ALERT_SELECT ALERT_ORDER;
static const char sql_run[] = ALERT_SELECT OF_RUN ALERT_ORDER;
static const char sql_rule[] = ALERT_SELECT OF_RULE ALERT_ORDER;
/* +: by the run's index, for there are more of the rule than of the run. */
static const char sql_both[] =
    ALERT_SELECT OF_RUN "AND +a.rule = ?6 " ALERT_ORDER;
static const char sql_past[] =
    "SELECT rule, attempt, step, rank FROM alert WHERE run = ?1 ORDER BY id;";

static const char *list_sql(const struct alert_query *query)
{
    if (query->run_uid != NULL) {
        return query->rule != NULL ? sql_both : sql_run;
    }
    return query->rule != NULL ? sql_rule : sql_all;
}

/* Parameters that a statement does not have are left out. */
static int bind_query(sqlite3_stmt *stmt, const struct alert_query *query)
{
    const bool newest = query->before_id == 0;
    int rc =
        sqlite3_bind_int64(stmt, 1, newest ? INT64_MAX : query->before_wall_ns);
    rc |= sqlite3_bind_int64(stmt, 2, newest ? INT64_MAX : query->before_id);
    rc |= sqlite3_bind_int64(stmt, 3, query->since_wall_ns);
    rc |= sqlite3_bind_int64(stmt, 4, query->limit);
    if (query->run_uid != NULL) {
        rc |= db_bind_text(stmt, 5, str_of(query->run_uid));
    }
    if (query->rule != NULL) {
        rc |= db_bind_text(stmt, 6, str_of(query->rule));
    }
    if (query->has_rank) {
        rc |= sqlite3_bind_int64(stmt, 7, query->rank);
    }
    return rc;
}

/* A text of at most size - 1 bytes. */
static void copy_text(char *out, size_t size, struct str text)
{
    const size_t n = text.n < size ? text.n : size - 1;
    memcpy(out, text.p == NULL ? "" : text.p, n);
    out[n] = '\0';
}

static double real_or_nan(sqlite3_stmt *stmt, int i)
{
    return sqlite3_column_type(stmt, i) == SQLITE_NULL
               ? (double)NAN
               : sqlite3_column_double(stmt, i);
}

static uint32_t rank_of(sqlite3_stmt *stmt, int i)
{
    return sqlite3_column_type(stmt, i) == SQLITE_NULL
               ? ALERT_NO_RANK
               : (uint32_t)db_u64(stmt, i);
}

static enum err_code read_row(
    sqlite3_stmt *stmt, struct alert_row *row, struct err *e)
{
    struct alert *alert = &row->alert;
    *row = (struct alert_row){ .id = sqlite3_column_int64(stmt, 0),
        .alert = { .severity = str_equal(db_text(stmt, 3), STR("error"))
                                   ? ALERT_ERROR
                                   : ALERT_WARNING,
            .rank = rank_of(stmt, 10),
            .attempt = (uint32_t)db_u64(stmt, 4),
            .step = db_u64(stmt, 5),
            .wall_ns = sqlite3_column_int64(stmt, 6),
            .value = real_or_nan(stmt, 7),
            .limit = real_or_nan(stmt, 8) } };
    if (!alert_rule_find(db_text(stmt, 2), &alert->rule)) {
        return err_set(e, ERR_STORE, "alerts: a rule that is none");
    }
    copy_text(row->run_uid, sizeof row->run_uid, db_text(stmt, 1));
    copy_text(alert->sentence, sizeof alert->sentence, db_text(stmt, 9));
    return ERR_NONE;
}

static enum err_code visit_rows(
    sqlite3_stmt *stmt, alert_visit_fn visit, void *context, struct err *e)
{
    for (;;) {
        bool more = false;
        struct alert_row row;
        enum err_code code = db_step(stmt, &more, "alerts", e);
        if (code != ERR_NONE || !more) {
            return code;
        }
        code = read_row(stmt, &row, e);
        if (code == ERR_NONE) {
            code = visit(context, &row, e);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
}

enum err_code alerts_list(struct reader *reader,
    const struct alert_query *query, alert_visit_fn visit, void *context,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(reader->db, list_sql(query), &stmt, e);
    if (code == ERR_NONE && bind_query(stmt, query) != SQLITE_OK) {
        code = db_fail(reader->db, e, "alerts");
    }
    if (code == ERR_NONE) {
        code = visit_rows(stmt, visit, context, e);
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

/* One of a rule that this version does not know counts for none. */
static void add_past(sqlite3_stmt *stmt, struct alert_past *past)
{
    enum alert_rule rule = ALERT_RULES;
    const struct alert_told told = { .rank = rank_of(stmt, 3),
        .attempt = (uint32_t)db_u64(stmt, 1),
        .step = db_u64(stmt, 2) };
    if (alert_rule_find(db_text(stmt, 0), &rule)) {
        alert_past_add(past, rule, &told);
    }
}

enum err_code alerts_past(struct reader *reader, struct run_id run,
    struct alert_past *ret_past, struct err *e)
{
    struct alert_past past = { .n = { 0 } };
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(reader->db, sql_past, &stmt, e);
    if (code == ERR_NONE && sqlite3_bind_int64(stmt, 1, run.v) != SQLITE_OK) {
        code = db_fail(reader->db, e, "alerts");
    }
    bool more = code == ERR_NONE;
    while (code == ERR_NONE && more) {
        code = db_step(stmt, &more, "alerts", e);
        if (code == ERR_NONE && more) {
            add_past(stmt, &past);
        }
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    if (code == ERR_NONE) {
        *ret_past = past;
    }
    return code;
}

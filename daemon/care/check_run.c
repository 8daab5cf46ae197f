/* check_run.c: the thread that checks. */
#include "care/check_run.h"

#include <string.h>

#include "pure/alert.h"
#include "store/db.h"
#include "store/hello.h"

/* The stream that describes a run is the newest attempt's lowest rank. */
static const char sql_streams[] =
    "SELECT s.attempt, s.rank, length(s.uid), s.hello, r.uid, r.project, "
    "r.name, r.tags, r.config, s.id = (SELECT id FROM stream WHERE run = r.id "
    "ORDER BY attempt DESC, rank LIMIT 1), "
    "s.world IS CASE WHEN json_valid(s.hello) THEN "
    "coalesce(json_extract(s.hello, '$.world'), 1) ELSE s.world END "
    "FROM stream AS s JOIN run AS r ON r.id = s.run ORDER BY s.id;";
static const char sql_runs[] =
    "SELECT r.uid, q.run IS NOT NULL, "
    "(SELECT count(*) FROM stream WHERE run = r.id), "
    "(SELECT count(*) FROM run_tag AS t WHERE t.run = r.id AND "
    "t.created_wall_ns = r.created_wall_ns AND "
    "t.tag IN (SELECT value FROM json_each(r.tags))), "
    "(SELECT count(*) FROM run_tag WHERE run = r.id), "
    "(SELECT count(DISTINCT value) FROM json_each(r.tags)), "
    "coalesce((SELECT json_extract(hello, '$.fork_of') IS NOT NULL AND "
    "(json_extract(hello, '$.fork_of') IS NOT r.fork_of OR "
    "CAST(json_extract(hello, '$.fork_step') AS INTEGER) IS NOT r.fork_step) "
    "FROM stream WHERE run = r.id AND json_valid(hello) "
    "ORDER BY id LIMIT 1), 0) "
    "FROM run AS r LEFT JOIN run_progress AS q ON q.run = r.id "
    "WHERE json_valid(r.tags) ORDER BY r.id;";
static const char sql_odd_runs[] =
    "SELECT uid FROM run WHERE NOT json_valid(tags) OR NOT json_valid(config) "
    "ORDER BY id;";

static const char sql_alerts[] =
    "SELECT r.uid, a.rule, a.severity IN ('warning', 'error') "
    "FROM alert AS a JOIN run AS r ON r.id = a.run ORDER BY a.id;";

static struct finding_stream stream_name(
    struct str run_uid, uint32_t attempt, uint32_t rank)
{
    struct finding_stream name = { .attempt = attempt, .rank = rank };
    size_t n = run_uid.n > RUN_UID_MAX ? RUN_UID_MAX : run_uid.n;
    memcpy(name.run_uid, run_uid.p == NULL ? "" : run_uid.p, n);
    return name;
}

/* What is wrong with the run beside the HELLO that describes it, or NULL. */
static const char *run_disagrees(sqlite3_stmt *stmt, const struct hello *hello)
{
    if (!str_equal(db_text(stmt, 5), hello->project)) {
        return "the run's project is not what its HELLO says";
    }
    if (!str_equal(db_text(stmt, 6), hello->name)) {
        return "the run's name is not what its HELLO says";
    }
    if (!str_equal(db_text(stmt, 7), hello->tags)) {
        return "the run's tags are not what its HELLO says";
    }
    return str_equal(db_text(stmt, 8), hello->config)
               ? NULL
               : "the run's config is not what its HELLO says";
}

static const char *stream_disagrees(
    sqlite3_stmt *stmt, const struct hello *hello)
{
    if (sqlite3_column_int64(stmt, 2) != 16) {
        return "the stream's id is not of 16 bytes";
    }
    if (!str_equal(hello->run_id, db_text(stmt, 4))) {
        return "the stream's HELLO names another run";
    }
    if (hello->rank != db_u64(stmt, 1)) {
        return "the stream's HELLO names another rank";
    }
    if (hello->attempt > db_u64(stmt, 0)) {
        return "the stream has a lower attempt than its HELLO asked for";
    }
    if (sqlite3_column_int(stmt, 10) == 0) {
        return "the stream's HELLO names another number of ranks";
    }
    bool describes = sqlite3_column_int(stmt, 9) != 0;
    return describes ? run_disagrees(stmt, hello) : NULL;
}

static void check_hello(sqlite3_stmt *stmt, struct findings *findings)
{
    struct finding_stream name = stream_name(
        db_text(stmt, 4), (uint32_t)db_u64(stmt, 0), (uint32_t)db_u64(stmt, 1));
    struct hello hello = { 0 };
    struct err e = { 0 };
    if (hello_parse(db_text(stmt, 3), &hello, &e) != ERR_NONE) {
        findings_add(findings, FINDING_RUN, &name, 0, 0,
            "the stream's HELLO does not read: %s", e.text);
        return;
    }
    const char *wrong = stream_disagrees(stmt, &hello);
    if (wrong != NULL) {
        findings_add(findings, FINDING_RUN, &name, 0, 0, "%s", wrong);
    }
    hello_done(&hello);
}

static void check_run(sqlite3_stmt *stmt, struct findings *findings)
{
    struct finding_stream name = stream_name(db_text(stmt, 0), 0, 0);
    const char *wrong = NULL;
    if (sqlite3_column_int(stmt, 1) == 0) {
        wrong = "the run's revision is not there: lists leave it out";
    } else if (sqlite3_column_int64(stmt, 2) == 0) {
        wrong = "the run has no stream";
    } else if (sqlite3_column_int64(stmt, 3) != sqlite3_column_int64(stmt, 4) ||
               sqlite3_column_int64(stmt, 4) != sqlite3_column_int64(stmt, 5)) {
        wrong = "lists by tag do not have the tags of the run";
    } else if (sqlite3_column_int(stmt, 6) != 0) {
        wrong = "the run continues another one than its first HELLO says";
    }
    if (wrong != NULL) {
        findings_add(findings, FINDING_RUN, &name, 0, 0, "%s", wrong);
    }
}

static void check_odd_run(sqlite3_stmt *stmt, struct findings *findings)
{
    struct finding_stream name = stream_name(db_text(stmt, 0), 0, 0);
    findings_add(findings, FINDING_RUN, &name, 0, 0,
        "the run's tags or config are no JSON");
}

static void check_alert(sqlite3_stmt *stmt, struct findings *findings)
{
    struct finding_stream name = stream_name(db_text(stmt, 0), 0, 0);
    enum alert_rule rule = ALERT_RULES;
    if (!alert_rule_find(db_text(stmt, 1), &rule) ||
        sqlite3_column_int(stmt, 2) == 0) {
        findings_add(findings, FINDING_RUN, &name, 0, 0,
            "an alert of the run has a rule or severity that is none");
    }
}

static enum err_code each_row(sqlite3 *db, const char *sql,
    void (*check)(sqlite3_stmt *stmt, struct findings *findings),
    struct findings *findings, uint64_t *ret_rows, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    *ret_rows = 0;
    enum err_code code = db_prepare(db, sql, &stmt, e);
    while (code == ERR_NONE && more) {
        code = db_step(stmt, &more, "runs", e);
        if (code == ERR_NONE && more) {
            check(stmt, findings);
            ++*ret_rows;
        }
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

enum err_code check_run_rows(
    sqlite3 *db, struct findings *findings, uint64_t *ret_runs, struct err *e)
{
    uint64_t ignored = 0;
    enum err_code code =
        each_row(db, sql_runs, check_run, findings, ret_runs, e);
    if (code == ERR_NONE) {
        code = each_row(db, sql_odd_runs, check_odd_run, findings, &ignored, e);
    }
    if (code == ERR_NONE) {
        code = each_row(db, sql_streams, check_hello, findings, &ignored, e);
    }
    if (code == ERR_NONE) {
        code = each_row(db, sql_alerts, check_alert, findings, &ignored, e);
    }
    return code;
}

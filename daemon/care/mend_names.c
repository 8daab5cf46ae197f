/* mend_names.c: the main thread of a command. */
#include "care/mend_names.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/log.h"
#include "store/db.h"
#include "store/hello.h"
#include "store/store.h"

/* Those of a run that is gone go before another one may get its number. */
#define SQL_OWNED_ALERTS                                                       \
    "DELETE FROM alert WHERE run NOT IN (SELECT id FROM run);"

/* Nobody sends to such a stream any more, unless a message in the log knows its
 * uid: else any will do. Its run is made from its HELLO, below. */
static const char sql_orphans[] = SQL_OWNED_ALERTS
    "INSERT INTO stream (id, uid, run, attempt, rank, created_wall_ns, hello) "
    "SELECT o.stream, coalesce((SELECT substr(l.frame, 17, 16) FROM log AS l "
    "WHERE l.stream = o.stream AND substr(l.frame, 17, 16) NOT IN "
    "(SELECT uid FROM stream) LIMIT 1), randomblob(16)), -o.stream, 1, 0, 0, ''"
    " FROM (SELECT stream FROM chunk UNION SELECT stream FROM log) AS o "
    "WHERE o.stream NOT IN (SELECT id FROM stream);";

/* ?1: a stream whose HELLO does not read. What its run says, if that is there,
 * is what its HELLO said, or that of another attempt. */
static const char sql_new_hello[] =
    "UPDATE stream SET hello = json_object('run_id', coalesce("
    "(SELECT uid FROM run WHERE id = stream.run), 'recovered-' || abs(run)), "
    "'project', coalesce((SELECT project FROM run WHERE id = stream.run), "
    "'recovered'), "
    "'name', coalesce((SELECT name FROM run WHERE id = stream.run), "
    "'records without a run'), "
    "'tags', json(coalesce((SELECT tags FROM run WHERE id = stream.run), "
    "'[]')), "
    "'config', json(coalesce((SELECT config FROM run WHERE id = stream.run), "
    "'{}')), 'attempt', min(max(attempt, 1), 1000000), "
    "'rank', min(max(rank, 0), 65535), "
    "'world', min(max(rank, 0), 65535) + 1) WHERE id = ?1;";
/* And when what the run says is no HELLO either. */
static const char sql_plain_hello[] =
    "UPDATE stream SET hello = json_object('run_id', 'recovered-' || id, "
    "'project', 'recovered', 'name', 'records without a run', "
    "'attempt', 1, 'rank', 0) WHERE id = ?1;";

/* A run that is made anew may get the number of another that is gone: nobody is
 * in any until all are placed. */
static const char sql_displace[] = "UPDATE stream SET run = -id;";

/* ?1 stream; ?2 uid of its run; ?3, ?4 attempt and rank of its HELLO. Of two
 * that say the same the later one becomes another attempt. */
static const char sql_place[] =
    "UPDATE stream SET run = (SELECT id FROM run WHERE uid = ?2), rank = ?4, "
    "attempt = CASE WHEN attempt BETWEEN ?3 AND 2147483647 "
    "AND NOT EXISTS (SELECT 1 FROM stream AS o WHERE o.id <> ?1 AND "
    "o.run = (SELECT id FROM run WHERE uid = ?2) AND o.rank = ?4 AND "
    "o.attempt = stream.attempt) THEN attempt ELSE "
    "(SELECT max(coalesce(max(attempt), 0) + 1, ?3) FROM stream AS o "
    "WHERE o.id <> ?1 AND o.run = (SELECT id FROM run WHERE uid = ?2) "
    "AND o.rank = ?4 AND o.attempt < 2147483647) END WHERE id = ?1;";

static const char sql_add_run[] =
    "INSERT OR IGNORE INTO run (uid, created_wall_ns, project, name, tags, "
    "config, fork_of, fork_step) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8);";
static const char sql_describe_run[] =
    "UPDATE run SET project = ?2, name = ?3, tags = ?4, config = ?5 "
    "WHERE uid = ?1;";

static const char sql_each[] =
    "SELECT id, hello, created_wall_ns FROM stream ORDER BY id;";
static const char sql_speakers[] =
    "SELECT s.id, s.hello, s.created_wall_ns FROM stream AS s "
    "JOIN run AS r ON r.id = s.run WHERE s.id = (SELECT id FROM stream "
    "WHERE run = r.id ORDER BY attempt DESC, rank LIMIT 1) ORDER BY s.id;";
static const char sql_empty_runs[] =
    "SELECT uid FROM run WHERE id NOT IN (SELECT run FROM stream);";

/* What belongs to runs and streams, made to. */
static const char sql_rest[] =
    "DELETE FROM run WHERE id NOT IN (SELECT run FROM stream);" SQL_OWNED_ALERTS
    "UPDATE stream SET world = coalesce(json_extract(hello, '$.world'), 1);"
    "DELETE FROM run_progress WHERE run NOT IN (SELECT id FROM run);"
    "INSERT OR IGNORE INTO run_progress (run, revision, updated_wall_ns) "
    "SELECT id, 0, created_wall_ns FROM run;"
    "UPDATE run_progress SET revision = revision + 1;"
    "UPDATE run SET fork_of = json_extract(s.hello, '$.fork_of'), "
    "fork_step = CAST(json_extract(s.hello, '$.fork_step') AS INTEGER) "
    "FROM stream AS s WHERE s.id = (SELECT min(id) FROM stream "
    "WHERE run = run.id) AND json_extract(s.hello, '$.fork_of') IS NOT NULL;"
    "DELETE FROM stream_progress WHERE stream NOT IN (SELECT id FROM stream);"
    "INSERT OR IGNORE INTO stream_progress (stream) SELECT id FROM stream;"
    "DELETE FROM run_tag;"
    "INSERT OR IGNORE INTO run_tag (tag, created_wall_ns, run) "
    "SELECT t.value, r.created_wall_ns, r.id "
    "FROM run AS r, json_each(r.tags) AS t;";

typedef enum err_code (*each_fn)(
    sqlite3_stmt *row, sqlite3_stmt *stmt, FILE *out, struct err *e);

/* visit for each row of one statement, with another to run. */
static enum err_code each(sqlite3 *db, const char *rows, const char *sql,
    each_fn visit, FILE *out, struct err *e)
{
    sqlite3_stmt *row = NULL;
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    enum err_code code = db_prepare(db, rows, &row, e);
    if (code == ERR_NONE && sql != NULL) {
        code = db_prepare(db, sql, &stmt, e);
    }
    while (code == ERR_NONE && more) {
        code = db_step(row, &more, "mend", e);
        if (code == ERR_NONE && more) {
            code = visit(row, stmt, out, e);
        }
    }
    (void)sqlite3_finalize(row); /* the steps have told */
    (void)sqlite3_finalize(stmt);
    return code;
}

static enum err_code run(sqlite3_stmt *stmt, int rc, struct err *e)
{
    enum err_code code = rc == SQLITE_OK
                             ? db_run(stmt, "mend", e)
                             : db_fail(sqlite3_db_handle(stmt), e, "mend");
    (void)sqlite3_clear_bindings(stmt); /* all were borrowed for the call */
    return code;
}

static enum err_code mend_hello(
    sqlite3_stmt *row, sqlite3_stmt *stmt, FILE *out, struct err *e)
{
    struct hello hello = { 0 };
    (void)out;
    enum err_code code = hello_parse(db_text(row, 1), &hello, e);
    if (code == ERR_NONE) {
        hello_done(&hello);
        return ERR_NONE;
    }
    return code == ERR_INVALID
               ? run(stmt,
                     sqlite3_bind_int64(stmt, 1, sqlite3_column_int64(row, 0)),
                     e)
               : code;
}

static int bind_run(sqlite3_stmt *stmt, int at, const struct hello *hello)
{
    int rc = db_bind_text(stmt, 1, hello->run_id);
    rc |= db_bind_text(stmt, at, hello->project);
    rc |= db_bind_text(stmt, at + 1, hello->name);
    rc |= db_bind_text(stmt, at + 2, hello->tags);
    return rc | db_bind_text(stmt, at + 3, hello->config);
}

typedef int (*bind_fn)(
    sqlite3_stmt *stmt, sqlite3_stmt *row, const struct hello *hello);

/* What bind makes of the HELLO of a row. */
static enum err_code write_of_hello(
    sqlite3_stmt *row, sqlite3_stmt *stmt, bind_fn bind, struct err *e)
{
    struct hello hello = { 0 };
    enum err_code code = hello_parse(db_text(row, 1), &hello, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = run(stmt, bind(stmt, row, &hello), e);
    hello_done(&hello);
    return code;
}

static int bind_new_run(
    sqlite3_stmt *stmt, sqlite3_stmt *row, const struct hello *hello)
{
    int rc = bind_run(stmt, 3, hello);
    rc |= sqlite3_bind_int64(stmt, 2, sqlite3_column_int64(row, 2));
    if (hello->fork_of.n > 0) {
        rc |= db_bind_text(stmt, 7, hello->fork_of);
        rc |= db_bind_u64(stmt, 8, hello->fork_step);
    }
    return rc;
}

static enum err_code add_run(
    sqlite3_stmt *row, sqlite3_stmt *stmt, FILE *out, struct err *e)
{
    (void)out;
    return write_of_hello(row, stmt, bind_new_run, e);
}

static int bind_place(
    sqlite3_stmt *stmt, sqlite3_stmt *row, const struct hello *hello)
{
    int rc = sqlite3_bind_int64(stmt, 1, sqlite3_column_int64(row, 0));
    rc |= db_bind_text(stmt, 2, hello->run_id);
    rc |= sqlite3_bind_int64(stmt, 3, hello->attempt);
    return rc | sqlite3_bind_int64(stmt, 4, hello->rank);
}

static enum err_code place(
    sqlite3_stmt *row, sqlite3_stmt *stmt, FILE *out, struct err *e)
{
    (void)out;
    return write_of_hello(row, stmt, bind_place, e);
}

static int bind_description(
    sqlite3_stmt *stmt, sqlite3_stmt *row, const struct hello *hello)
{
    (void)row;
    return bind_run(stmt, 2, hello);
}

static enum err_code describe_run(
    sqlite3_stmt *row, sqlite3_stmt *stmt, FILE *out, struct err *e)
{
    (void)out;
    return write_of_hello(row, stmt, bind_description, e);
}

static enum err_code tell_empty_run(
    sqlite3_stmt *row, sqlite3_stmt *stmt, FILE *out, struct err *e)
{
    char uid[4 * RUN_UID_MAX];
    (void)stmt;
    (void)e;
    const char *text = db_text(row, 0).p;
    (void)fprintf(out, "run=%s: nothing of it is left\n",
        log_quoted(uid, sizeof uid, text == NULL ? "" : text));
    return ERR_NONE;
}

enum err_code mend_names(sqlite3 *db, FILE *out, struct err *e)
{
    enum err_code code = db_exec(db, sql_orphans, "mend", e);
    if (code == ERR_NONE) {
        code = each(db, sql_each, sql_new_hello, mend_hello, out, e);
    }
    if (code == ERR_NONE) {
        code = each(db, sql_each, sql_plain_hello, mend_hello, out, e);
    }
    if (code == ERR_NONE) {
        code = each(db, sql_each, sql_add_run, add_run, out, e);
    }
    if (code == ERR_NONE) {
        code = db_exec(db, sql_displace, "mend", e);
    }
    if (code == ERR_NONE) {
        code = each(db, sql_each, sql_place, place, out, e);
    }
    if (code == ERR_NONE) {
        code = each(db, sql_speakers, sql_describe_run, describe_run, out, e);
    }
    if (code == ERR_NONE) {
        code = each(db, sql_empty_runs, NULL, tell_empty_run, out, e);
    }
    return code == ERR_NONE ? db_exec(db, sql_rest, "mend", e) : code;
}

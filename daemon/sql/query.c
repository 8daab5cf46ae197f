/* query.c: one connection and at most one statement; one thread. */
#include "sql/query.h"

#include <stddef.h>
#include <string.h>

#include "sql/tables.h"
#include "store/db.h"
#include "store/reader_impl.h"

#define STOP_EVERY 4096 /* operations of SQLite's machine: well below 1 ms */

#define READS_ONLY "only reading is allowed: SELECT, WITH, VALUES, EXPLAIN"

struct query {
    struct reader *reader;
    sqlite3_stmt *stmt;
    query_stop_fn stop;
};

static int is_to_stop(void *context)
{
    const struct query *query = context;
    return query->stop();
}

/* Those that say something of the database and change nothing. */
static bool may_pragma(const char *name, const char *argument)
{
    static const char *const bare[] = { "application_id", "user_version",
        "table_list", "database_list", "function_list", "compile_options" };
    static const char *const of_table[] = { "table_info", "table_xinfo",
        "index_list", "index_info" };
    for (size_t i = 0; i < sizeof of_table / sizeof of_table[0]; i++) {
        if (strcmp(name, of_table[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; argument == NULL && i < sizeof bare / sizeof bare[0];
         i++) {
        if (strcmp(name, bare[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What sqlite3_stmt_readonly lets by and is more than reading: other files,
 * others' code, a transaction that stays. Not what writes, for SQLite asks for
 * that too when it declares a virtual table, its own among them. */
static int authorize(void *context, int action, const char *first,
    const char *second, const char *database, const char *trigger)
{
    (void)context;
    (void)database;
    (void)trigger;
    switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return SQLITE_DENY;
    case SQLITE_FUNCTION:
        return sqlite3_stricmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                              : SQLITE_OK;
    case SQLITE_PRAGMA:
        return may_pragma(first, second) ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_OK;
    }
}

enum err_code query_open(const char *path, query_stop_fn stop,
    struct query **ret_query, struct err *e)
{
    struct query *query = db_malloc(sizeof *query);
    if (query == NULL) {
        return db_nomem(e, "query");
    }
    *query = (struct query){ .stop = stop };
    enum err_code code = reader_open(path, &query->reader, e);
    if (code == ERR_NONE) {
        code = tables_register(query->reader->db, e);
    }
    if (code == ERR_NONE && sqlite3_set_authorizer(query->reader->db, authorize,
                                NULL) != SQLITE_OK) {
        code = db_fail(query->reader->db, e, "query");
    }
    if (code != ERR_NONE) {
        query_close(query);
        return code;
    }
    sqlite3_progress_handler(query->reader->db, STOP_EVERY, is_to_stop, query);
    *ret_query = query;
    return ERR_NONE;
}

void query_close(struct query *query)
{
    if (query == NULL) {
        return;
    }
    (void)sqlite3_finalize(query->stmt); /* the steps have told */
    reader_close(query->reader);
    db_free(query);
}

/* In SQLite's words alone: there is one statement, and it is the user's. */
static enum err_code fail(sqlite3 *db, struct err *e)
{
    enum err_code code = db_fail(db, e, "query");
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_AUTH:
        return err_set(e, ERR_INVALID, READS_ONLY);
    case SQLITE_INTERRUPT:
        code = ERR_BUSY;
        break;
    case SQLITE_ERROR:
        code = ERR_INVALID;
        break;
    default:
        break;
    }
    return err_set(e, code, "%s", sqlite3_errmsg(db));
}

static enum err_code prepare(struct query *query, const char *sql,
    sqlite3_stmt **ret_stmt, const char **ret_rest, struct err *e)
{
    sqlite3 *db = query->reader->db;
    int rc = sqlite3_prepare_v2(db, sql, -1, ret_stmt, ret_rest);
    return rc == SQLITE_OK ? ERR_NONE : fail(db, e);
}

/* Blanks and comments make no statement. */
static enum err_code check_alone(
    struct query *query, const char *rest, struct err *e)
{
    sqlite3_stmt *second = NULL;
    while (*rest != '\0') {
        const char *at = rest;
        enum err_code code = prepare(query, at, &second, &rest, e);
        (void)sqlite3_finalize(second); /* it has not run */
        if (code != ERR_NONE || second != NULL || rest == at) {
            return err_set(e, ERR_INVALID, "one statement at a time");
        }
    }
    return ERR_NONE;
}

enum err_code query_prepare(struct query *query, const char *sql,
    sqlite3_stmt **ret_stmt, struct err *e)
{
    const char *rest = NULL;
    (void)sqlite3_finalize(query->stmt); /* its steps have told */
    query->stmt = NULL;
    enum err_code code = prepare(query, sql, &query->stmt, &rest, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (query->stmt == NULL) {
        return err_set(e, ERR_INVALID, "there is no statement");
    }
    if (!sqlite3_stmt_readonly(query->stmt)) {
        return err_set(e, ERR_INVALID, READS_ONLY);
    }
    code = check_alone(query, rest, e);
    if (code == ERR_NONE) {
        *ret_stmt = query->stmt;
    }
    return code;
}

enum err_code query_step(struct query *query, bool *ret_row, struct err *e)
{
    int rc = sqlite3_step(query->stmt);
    *ret_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_NONE
                                                 : fail(query->reader->db, e);
}

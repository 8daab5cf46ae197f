/* vtab.c: the thread of the connection. */
#include "sql/vtab.h"

#include "store/migrate.h"

static int code_of(const struct err *e)
{
    switch (e->code) {
    case ERR_NOMEM:
        return SQLITE_NOMEM;
    case ERR_BUSY:
        return SQLITE_BUSY;
    case ERR_STORE:
        return SQLITE_CORRUPT_VTAB;
    default:
        return SQLITE_ERROR;
    }
}

int vtab_fail(sqlite3_vtab *table, sqlite3 *db, const struct err *e)
{
    int rc =
        sqlite3_errcode(db) == SQLITE_INTERRUPT ? SQLITE_INTERRUPT : code_of(e);
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sqlite3_mprintf("%s", e->text);
    return rc;
}

static enum err_code check_database(sqlite3 *db, struct err *e)
{
    size_t version = 0;
    enum err_code code = migrate_version(db, migrations_count, &version, e);
    if (code == ERR_NONE && version < migrations_count) {
        code = err_set(e, ERR_INVALID,
            version == 0 ? "not a database of trajd"
                         : "the database is of an "
                           "older version; start "
                           "trajd on it once");
    }
    return code;
}

int vtab_declare(sqlite3 *db, const struct buf *sql, char **ret_message)
{
    struct err e = { 0 };
    if (sql->failed) {
        return SQLITE_NOMEM;
    }
    if (check_database(db, &e) != ERR_NONE) {
        *ret_message = sqlite3_mprintf("%s", e.text);
        return code_of(&e);
    }
    int rc = sqlite3_declare_vtab(db, sql->p);
    if (rc == SQLITE_OK) {
        /* A view or a trigger of the file may use them: they only read. */
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    }
    return rc;
}

void vtab_result_u64(sqlite3_context *context, uint64_t value)
{
    if (value <= INT64_MAX) {
        sqlite3_result_int64(context, (sqlite3_int64)value);
    } else {
        sqlite3_result_double(context, (double)value);
    }
}

void vtab_result_text(sqlite3_context *context, const char *terminated)
{
    sqlite3_result_text(context, terminated, -1, SQLITE_TRANSIENT);
}

void vtab_result_buf(sqlite3_context *context, struct buf *text)
{
    if (text->failed) {
        sqlite3_result_error_nomem(context);
    } else {
        sqlite3_result_text64(
            context, text->p, text->n, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    buf_done(text);
}

/* migrate.c: runs in the thread that opens the connection. */
#include "store/migrate.h"

#include <stdbool.h>

#include "store/db.h"

static enum err_code read_identity(sqlite3 *db, int64_t *ret_application,
    int64_t *ret_version, int64_t *ret_objects, struct err *e)
{
    enum err_code code =
        db_number(db, "PRAGMA application_id;", ret_application, e);
    if (code == ERR_NONE) {
        code = db_number(db, "PRAGMA user_version;", ret_version, e);
    }
    if (code == ERR_NONE) {
        code = db_number(
            db, "SELECT count(*) FROM sqlite_schema;", ret_objects, e);
    }
    return code;
}

enum err_code migrate_version(
    sqlite3 *db, size_t known, size_t *ret_version, struct err *e)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t objects = 0;
    enum err_code code = read_identity(db, &application, &version, &objects, e);
    if (code != ERR_NONE) {
        return code;
    }
    bool empty = application == 0 && version == 0 && objects == 0;
    if (!empty && (application != TRAJD_APPLICATION_ID || version < 1)) {
        return err_set(e, ERR_INVALID, "not a database of trajd");
    }
    if (version > (int64_t)known) {
        return err_set(e, ERR_INVALID,
            "the database is of version %lld, made by a newer trajd; this one "
            "knows up to %zu",
            (long long)version, known);
    }
    *ret_version = (size_t)version;
    return ERR_NONE;
}

/* One migration in one transaction; it sets user_version itself. */
static enum err_code apply(
    sqlite3 *db, const struct migration *migration, int64_t to, struct err *e)
{
    enum err_code code = db_exec(db, "BEGIN IMMEDIATE;", "migrate", e);
    if (code != ERR_NONE) {
        return code;
    }
    int64_t version = 0;
    code = db_number(db, "PRAGMA user_version;", &version, e);
    bool raced = code == ERR_NONE && version >= to; /* by another process */
    if (code == ERR_NONE && !raced) {
        code = db_exec(db, migration->sql, "migrate", e);
    }
    if (code == ERR_NONE) {
        code = db_number(db, "PRAGMA user_version;", &version, e);
    }
    if (code == ERR_NONE && version < to) {
        code = err_set(e, ERR_STORE, "migrate: did not set user_version");
    }
    if (code == ERR_NONE) {
        code = db_exec(db, "COMMIT;", "migrate", e);
    }
    if (code != ERR_NONE && !sqlite3_get_autocommit(db)) {
        (void)sqlite3_exec(db, "ROLLBACK;", NULL, NULL, NULL);
    }
    return code;
}

enum err_code migrate(
    sqlite3 *db, const struct migration *table, size_t n, struct err *e)
{
    size_t version = 0;
    enum err_code code = migrate_version(db, n, &version, e);
    for (size_t i = version; code == ERR_NONE && i < n; i++) {
        code = apply(db, &table[i], (int64_t)i + 1, e);
        if (code != ERR_NONE) {
            (void)err_prefix(e, "version %zu", i + 1);
        }
    }
    return code;
}

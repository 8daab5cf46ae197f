/*
 * extension.c: the tables as a loadable extension of SQLite, trajd_tables.so,
 * for the sqlite3 shell, Python's sqlite3 and their like. Keeps one pointer,
 * which the host sets when it loads the extension; not part of any program.
 */
#include <sqlite3ext.h>

#include "sql/tables.h"

SQLITE_EXTENSION_INIT1

/* STRICT tables, which the database has, are known from here on. */
#define VERSION_LEAST 3037000

/* SQLite finds it by the name of the file. */
__attribute__((visibility("default"))) int sqlite3_trajdtables_init(
    sqlite3 *db, char **ret_message, const sqlite3_api_routines *api);

int sqlite3_trajdtables_init(
    sqlite3 *db, char **ret_message, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    struct err e = { 0 };
    if (sqlite3_libversion_number() < VERSION_LEAST) {
        *ret_message = sqlite3_mprintf(
            "trajd_tables needs SQLite 3.37, not %s", sqlite3_libversion());
        return SQLITE_ERROR;
    }
    if (tables_register(db, &e) != ERR_NONE) {
        *ret_message = sqlite3_mprintf("%s", e.text);
        return SQLITE_ERROR;
    }
    return SQLITE_OK;
}

/* migrate: is this file ours, and of which version; bring it to this one. */
#ifndef TRAJD_MIGRATE_H
#define TRAJD_MIGRATE_H

#include <stddef.h>
#include <sqlite3.h>

#include "base/err.h"
#include "store/migrations.h"

#define TRAJD_APPLICATION_ID 0x54524a31 /* "TRJ1", as the first migration */

/*
 * The version of the database; 0 = an empty file, which may become ours.
 * ERR_INVALID: the file is another application's, or was made by a newer
 * trajd than one that knows `known` versions. Writes nothing.
 */
CHECK_RESULT enum err_code migrate_version(
    sqlite3 *db, size_t known, size_t *ret_version, struct err *e);

/* Applies the migrations of table the database has not seen, each in one
 * transaction. Refuses what migrate_version refuses. */
CHECK_RESULT enum err_code migrate(
    sqlite3 *db, const struct migration *table, size_t n, struct err *e);

#endif

/*
 * db: one SQLite connection: how it is opened, how its statements run, and how
 * its failures become struct err. The rest of the store is built on this.
 */
#ifndef TRAJD_DB_H
#define TRAJD_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/durability.h"
#include "base/err.h"
#include "base/str.h"

/*
 * The store's own memory comes from SQLite's allocator too, so that one fault
 * injected there reaches every allocation of the store.
 */
#define db_malloc(bytes) sqlite3_malloc64(bytes)
#define db_realloc(p, bytes) sqlite3_realloc64(p, bytes)
#define db_free(p) sqlite3_free(p)

enum db_mode { DB_READ, DB_WRITE };

/* Opens (DB_WRITE: or creates) and sets what every connection needs. Writes
 * nothing yet. */
CHECK_RESULT enum err_code db_open(
    const char *path, enum db_mode mode, sqlite3 **ret_db, struct err *e);
/* What the writer needs, once it is known that the file is ours. */
CHECK_RESULT enum err_code db_set_up_writer(sqlite3 *db, struct err *e);

enum db_sync {
    DB_SYNC_COMMIT, /* a commit is on disk when it returns */
    DB_SYNC_LATER,  /* when the log is synced next */
};
/* Outside of a transaction. */
CHECK_RESULT enum err_code db_set_sync(
    sqlite3 *db, enum db_sync sync, struct err *e);
/* All statements must be finalized. NULL is fine. */
void db_close(sqlite3 *db);

/* The connection's last failure as an error: "append: disk is full". */
enum err_code db_fail(sqlite3 *db, struct err *e, const char *what);
enum err_code db_nomem(struct err *e, const char *what);

CHECK_RESULT enum err_code db_exec(
    sqlite3 *db, const char *sql, const char *what, struct err *e);
/* A statement that lives as long as its owner. */
CHECK_RESULT enum err_code db_prepare(
    sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct err *e);

/* Runs a bound statement that returns no row. */
CHECK_RESULT enum err_code db_run(
    sqlite3_stmt *stmt, const char *what, struct err *e);
/* Steps to the next row. At the end or on failure the statement is reset. */
CHECK_RESULT enum err_code db_step(
    sqlite3_stmt *stmt, bool *ret_row, const char *what, struct err *e);

/* The number in the first row of a statement without parameters; *ret stays as
 * it was if there is no row. */
CHECK_RESULT enum err_code db_number(
    sqlite3 *db, const char *sql, int64_t *ret, struct err *e);

/* Binding fails only for want of memory or by a wrong index; either way the
 * statement then holds a NULL or an old value, so it must not run: bind
 * everything, then look at the sum. */
int db_bind_u64(sqlite3_stmt *stmt, int i, uint64_t value);
int db_bind_text(sqlite3_stmt *stmt, int i, struct str text); /* borrowed */

uint64_t db_u64(sqlite3_stmt *stmt, int i);
/* Valid until the next step or reset. */
struct str db_text(sqlite3_stmt *stmt, int i);
struct str db_blob(sqlite3_stmt *stmt, int i);

#endif

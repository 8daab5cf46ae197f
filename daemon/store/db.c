/* db.c: runs in the thread that uses the connection. */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/wal_file.h"

enum err_code db_nomem(struct err *e, const char *what)
{
    return err_set(e, ERR_NOMEM, "%s: out of memory", what);
}

/* What SQLite calls an error of the disk has a better name of the system's:
 * that there is no room shows only so where a file cannot be made. (An error
 * that no call of the system gave may get that of an older one.) */
static enum err_code disk_fail(sqlite3 *db, struct err *e, const char *what)
{
    const int number = sqlite3_system_errno(db);
    if (number == 0) {
        return err_set(e, ERR_STORE, "%s: %s", what, sqlite3_errmsg(db));
    }
    return err_set(e, number == ENOSPC ? ERR_FULL : ERR_STORE, "%s: %s: %s",
        what, sqlite3_errmsg(db), strerror(number));
}

enum err_code db_fail(sqlite3 *db, struct err *e, const char *what)
{
    int extended = sqlite3_extended_errcode(db);
    if (extended == SQLITE_IOERR_NOMEM) {
        return db_nomem(e, what);
    }
    enum err_code code = ERR_STORE;
    switch (extended & 0xff) {
    case SQLITE_NOMEM:
        code = ERR_NOMEM;
        break;
    case SQLITE_NOTADB:
        return err_set(e, ERR_INVALID, "%s: not a SQLite database", what);
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
        code = ERR_FULL;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = ERR_BUSY;
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return disk_fail(db, e, what);
    default:
        break;
    }
    return err_set(e, code, "%s: %s", what, sqlite3_errmsg(db));
}

enum err_code db_exec(
    sqlite3 *db, const char *sql, const char *what, struct err *e)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return db_fail(db, e, what);
    }
    return ERR_NONE;
}

/*
 * What every connection needs, and why:
 * - busy_timeout: a checkpoint or another process may hold the lock briefly;
 * - foreign_keys: deleting a run deletes all it has;
 * - trusted_schema off: the file may come from elsewhere;
 * - page_size before anything is written: chunk bodies fill overflow pages,
 *   larger pages waste more of the last one (measured: 73 B/step at 4 KiB, 293
 *   at 16 KiB for 4 KiB blobs);
 * - no auto_vacuum: that the file could shrink by itself would cost a quarter
 *   more time a record (measured); free pages are used again, and trajd compact
 *   gives them back;
 * - secure_delete FAST: to overwrite what is deleted would write as much again
 *   (measured: thinning 80 MB wrote 82 MB instead of 8, in ten times the time;
 *   sealing took a tenth longer);
 * - WAL: readers never wait for the writer, a commit is one sequential write;
 * - synchronous=FULL: a commit survives a power cut; with group commit it
 *   costs little (where it need not: db_set_sync);
 * - wal_autocheckpoint: none in a commit, which others wait for; the writer
 *   says when (threads/checkpointer.h);
 * - journal_size_limit: after a long reader the WAL file shrinks again;
 * - secure_delete, which Debian's SQLite has on: the log's rows live for
 *   seconds, and zeros over each of their pages are a third of all that is
 *   written.
 */
static const char pragmas_all[] = "PRAGMA foreign_keys = ON;"
                                  "PRAGMA trusted_schema = OFF;";
static const char pragmas_write[] = "PRAGMA page_size = 4096;"
                                    "PRAGMA secure_delete = FAST;"
                                    "PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = FULL;"
                                    "PRAGMA wal_autocheckpoint = 0;"
                                    "PRAGMA journal_size_limit = 67108864;"
                                    "PRAGMA secure_delete = OFF;"
                                    "PRAGMA cache_size = -32768;";

#define BUSY_TIMEOUT_MS 5000

static enum err_code set_up(sqlite3 *db, struct err *e)
{
    (void)sqlite3_extended_result_codes(db, 1);
    if (sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS) != SQLITE_OK) {
        return db_fail(db, e, "open");
    }
    return db_exec(db, pragmas_all, "open", e);
}

enum err_code db_set_up_writer(sqlite3 *db, struct err *e)
{
    return db_exec(db, pragmas_write, "open", e);
}

enum err_code db_set_sync(sqlite3 *db, enum db_sync sync, struct err *e)
{
    const char *sql = sync == DB_SYNC_COMMIT ? "PRAGMA synchronous = FULL;"
                                             : "PRAGMA synchronous = NORMAL;";
    return db_exec(db, sql, "begin", e);
}

enum err_code db_open(
    const char *path, enum db_mode mode, sqlite3 **ret_db, struct err *e)
{
    int flags = mode == DB_READ ? SQLITE_OPEN_READONLY
                                : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    sqlite3 *db = NULL;
    const char *vfs = mode == DB_READ ? NULL : wal_file_vfs();
    if (mode != DB_READ && vfs == NULL) {
        return db_nomem(e, "open");
    }
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, vfs);
    if (db == NULL) {
        return db_nomem(e, "open");
    }
    enum err_code code =
        rc == SQLITE_OK ? set_up(db, e) : db_fail(db, e, "open");
    if (code != ERR_NONE) {
        db_close(db);
        return code;
    }
    *ret_db = db;
    return ERR_NONE;
}

void db_close(sqlite3 *db)
{
    int rc = sqlite3_close(db);
    assert(rc == SQLITE_OK); /* else a statement or blob was forgotten */
    (void)rc;
}

enum err_code db_prepare(
    sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct err *e)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt,
            NULL) != SQLITE_OK) {
        return db_fail(db, e, "prepare");
    }
    return ERR_NONE;
}

enum err_code db_run(sqlite3_stmt *stmt, const char *what, struct err *e)
{
    (void)sqlite3_step(stmt); /* the reset gives the verdict */
    if (sqlite3_reset(stmt) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, what);
    }
    return ERR_NONE;
}

enum err_code db_step(
    sqlite3_stmt *stmt, bool *ret_row, const char *what, struct err *e)
{
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *ret_row = true;
        return ERR_NONE;
    }
    if (sqlite3_reset(stmt) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, what);
    }
    *ret_row = false;
    return ERR_NONE;
}

enum err_code db_number(
    sqlite3 *db, const char *sql, int64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(db, sql, &stmt, e);
    if (code != ERR_NONE) {
        return code;
    }
    bool row = false;
    code = db_step(stmt, &row, "read", e);
    if (code == ERR_NONE && row) {
        *ret = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_finalize(stmt); /* the step has told */
    return code;
}

int db_bind_u64(sqlite3_stmt *stmt, int i, uint64_t value)
{
    return sqlite3_bind_int64(stmt, i, (sqlite3_int64)value);
}

int db_bind_text(sqlite3_stmt *stmt, int i, struct str text)
{
    const char *p = text.p == NULL ? "" : text.p; /* NULL would bind a NULL */
    return sqlite3_bind_text64(stmt, i, p, text.n, SQLITE_STATIC, SQLITE_UTF8);
}

uint64_t db_u64(sqlite3_stmt *stmt, int i)
{
    return (uint64_t)sqlite3_column_int64(stmt, i);
}

struct str db_text(sqlite3_stmt *stmt, int i)
{
    const char *p = (const char *)sqlite3_column_text(stmt, i);
    return (
        struct str){ p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, i) };
}

struct str db_blob(sqlite3_stmt *stmt, int i)
{
    const char *p = sqlite3_column_blob(stmt, i);
    return (
        struct str){ p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, i) };
}

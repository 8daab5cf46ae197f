/* compact.c: the main thread of a command. */
#include "care/compact.h"

#include "care/copy.h"
#include "care/replace.h"
#include "care/wal_keep.h"
#include "store/db.h"
#include "store/lock.h"
#include "store/store.h"

static const char sql_with_log[] =
    "SELECT stream FROM stream_progress WHERE log_bytes > 0 LIMIT 1;";

static enum err_code seal_once(
    struct store *store, int64_t stream, struct err *e)
{
    uint64_t sealed = 0;
    enum err_code code = store_begin(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_seal(store, (struct stream_id){ stream }, true, &sealed, e);
    if (code == ERR_NONE && sealed == 0) {
        code = err_set(e, ERR_STORE, "a log that cannot be sealed");
    }
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    return code;
}

static enum err_code seal_streams(
    struct store *store, sqlite3 *db, struct err *e)
{
    for (;;) {
        int64_t stream = 0;
        enum err_code code = db_number(db, sql_with_log, &stream, e);
        if (code != ERR_NONE || stream == 0) {
            return code;
        }
        code = seal_once(store, stream, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

static enum err_code rebuild_once(
    struct store *store, int64_t stream, struct err *e)
{
    enum err_code code = store_begin(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_rebuild_pyramid(store, (struct stream_id){ stream }, e);
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    return code;
}

/* Of every stream: those that an older version sealed have none. */
static enum err_code rebuild_pyramids(
    struct store *store, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        db_prepare(db, "SELECT id FROM stream ORDER BY id;", &stmt, e);
    bool more = true;
    while (code == ERR_NONE && more) {
        code = db_step(stmt, &more, "compact", e);
        if (code == ERR_NONE && more) {
            code = rebuild_once(store, sqlite3_column_int64(stmt, 0), e);
        }
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

static enum err_code seal_all(const char *path, struct err *e)
{
    const struct store_options options = { .path = path };
    struct store *store = NULL;
    sqlite3 *db = NULL;
    enum err_code code = store_open(&options, &store, e);
    if (code == ERR_NONE) {
        code = db_open(path, DB_READ, &db, e);
    }
    if (code == ERR_NONE) {
        code = seal_streams(store, db, e);
    }
    if (code == ERR_NONE) {
        code = rebuild_pyramids(store, db, e);
    }
    db_close(db);
    store_close(store);
    return code;
}

/* Out of WAL mode: a log that stayed beside the file would be taken for the
 * copy's. Nobody may have it open for that, so this is the last look too. */
static enum err_code drop_log(const char *path, struct err *e)
{
    sqlite3 *db = NULL;
    enum err_code code = db_open(path, DB_WRITE, &db, e);
    if (code == ERR_NONE) {
        code = db_exec(db, "PRAGMA journal_mode = DELETE;", "compact", e);
    }
    db_close(db);
    if (code == ERR_NONE && replace_file_bytes(path, "-wal") > 0) {
        code = err_set(e, ERR_BUSY, "%s: somebody has it open", path);
    }
    return code;
}

static enum err_code make_copy(struct replace *replace, struct err *e)
{
    uint64_t bytes = replace_file_bytes(replace->path, "");
    enum err_code code = replace_needs(replace, bytes + bytes / 16, e);
    code = code != ERR_NONE ? code : seal_all(replace->path, e);
    code = code != ERR_NONE ? code
                            : copy_database(replace->path, replace->temp, e);
    if (code == ERR_NONE && copy_verify(replace->temp, e) != ERR_NONE) {
        code = err_prefix(e, "the copy is not whole, and was not used");
    }
    return code != ERR_NONE ? code : drop_log(replace->path, e);
}

static enum err_code compact_locked(
    const char *path, struct compact_result *ret_result, struct err *e)
{
    struct replace replace;
    struct compact_result result = { replace_file_bytes(path, ""), 0 };
    enum err_code code = lock_nobody_reads(path, e);
    code = code != ERR_NONE ? code
                            : replace_begin(&replace, path, ".compact-tmp", e);
    if (code != ERR_NONE) {
        return code;
    }
    code = make_copy(&replace, e);
    if (code != ERR_NONE) {
        replace_abandon(&replace);
        return code;
    }
    code = replace_commit(&replace, e);
    result.bytes_after = replace_file_bytes(path, "");
    *ret_result = result;
    return code;
}

enum err_code compact_database(
    const char *path, struct compact_result *ret_result, struct err *e)
{
    int lock = -1;
    enum err_code code = lock_take(path, &lock, e);
    code = code != ERR_NONE ? code : wal_require_whole(path, e);
    if (code == ERR_NONE) {
        code = compact_locked(path, ret_result, e);
    }
    lock_give(lock);
    return code;
}

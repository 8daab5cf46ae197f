/* checkpoint.c: owns its connection; the writer's own checkpoints are here too.
 */
#include "store/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/db.h"
#include "store/store_impl.h"

#define PATH_BYTES 1100 /* of a database (config.h), and a suffix */

struct checkpoint {
    sqlite3 *db;
    char wal_path[PATH_BYTES];
};

enum err_code checkpoint_open(
    const char *path, struct checkpoint **ret_checkpoint, struct err *e)
{
    struct checkpoint *c = db_malloc(sizeof *c);
    if (c == NULL) {
        return db_nomem(e, "checkpoint");
    }
    *c = (struct checkpoint){ 0 };
    int n = snprintf(c->wal_path, sizeof c->wal_path, "%s-wal", path);
    assert(n > 0 && (size_t)n < sizeof c->wal_path);
    (void)n;
    enum err_code code = db_open(path, DB_WRITE, &c->db, e);
    if (code != ERR_NONE) {
        db_free(c);
        return code;
    }
    /* A connection that has read nothing does not know that there is a log,
     * and would move nothing. */
    code = db_exec(c->db, "SELECT 1 FROM sqlite_schema LIMIT 1;", "open", e);
    if (code != ERR_NONE) {
        checkpoint_close(c);
        return code;
    }
    *ret_checkpoint = c;
    return ERR_NONE;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (checkpoint != NULL) {
        db_close(checkpoint->db);
        db_free(checkpoint);
    }
}

static enum err_code move(sqlite3 *db, int how, struct err *e)
{
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, how, NULL, NULL);
    if (rc == SQLITE_BUSY) {
        return err_set(e, ERR_BUSY, "checkpoint: readers are at work");
    }
    return rc == SQLITE_OK ? ERR_NONE : db_fail(db, e, "checkpoint");
}

enum err_code checkpoint_move(struct checkpoint *checkpoint, struct err *e)
{
    return move(checkpoint->db, SQLITE_CHECKPOINT_PASSIVE, e);
}

/* By a descriptor of its own: SQLite has no call for it, and locks nothing of
 * this file, so that closing it here drops no lock. */
enum err_code checkpoint_sync(struct checkpoint *checkpoint, struct err *e)
{
    int fd = open(checkpoint->wal_path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fdatasync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok ? ERR_NONE
              : err_set(e, ERR_STORE, "%s: %s", checkpoint->wal_path,
                    strerror(error));
}

/* ---- the writer's connection --------------------------------------------- */

uint32_t store_wal_pages(const struct store *store)
{
    return store->wal_pages;
}

enum err_code store_checkpoint(
    struct store *store, enum store_checkpoint mode, struct err *e)
{
    return move(store->db,
        mode == STORE_CHECKPOINT_TRUNCATE ? SQLITE_CHECKPOINT_TRUNCATE
                                          : SQLITE_CHECKPOINT_PASSIVE,
        e);
}

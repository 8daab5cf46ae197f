/*
 * repair.c: the main thread of a command. The damaged file is never opened by
 * SQLite, only its pages are read: nothing can change in it.
 */
#include "care/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "care/copy.h"
#include "care/mend.h"
#include "care/pages.h"
#include "care/replace.h"
#include "care/salvage.h"
#include "store/db.h"
#include "store/lock.h"
#include "store/migrate.h"
#include "store/store.h"

/* ---- making it ----------------------------------------------------------- */

/* An empty database of this version. */
static enum err_code make_empty(const char *path, struct err *e)
{
    const struct store_options options = { .path = path };
    struct store *store = NULL;
    enum err_code code = store_open(&options, &store, e);
    store_close(store);
    return code;
}

static void tell(FILE *out, const struct salvage_counts *salvaged,
    const struct mend_counts *mended)
{
    (void)fprintf(out,
        "%" PRIu64 " records in %" PRIu64 " chunks and %" PRIu64
        " log rows are there, %" PRIu64 " are lost",
        mended->records, salvaged->chunks, salvaged->log_rows, mended->lost);
    if (mended->unknown > 0) {
        (void)fprintf(out,
            ", and those at the end of %" PRIu64 " streams, if any",
            mended->unknown);
    }
    (void)fprintf(out, " (%" PRIu64 " damaged rows, %" PRIu64 " pages)\n",
        salvaged->refused, salvaged->broken);
}

/* What a newer trajd has made is read by that one only. */
static enum err_code require_known(const struct pages *pages, struct err *e)
{
    bool newer = pages->application_id == TRAJD_APPLICATION_ID &&
                 pages->user_version > migrations_count &&
                 pages->user_version <= INT32_MAX;
    return newer ? err_set(e, ERR_INVALID,
                       "the database is of version %" PRIu32
                       ", made by a newer trajd; this one knows up to %zu",
                       pages->user_version, migrations_count)
                 : ERR_NONE;
}

/* Else it is no database of trajd, or nothing is left of it: an empty one in
 * its place is no help. */
static enum err_code require_a_run(sqlite3 *db, struct err *e)
{
    int64_t runs = 0;
    enum err_code code = db_number(db, "SELECT count(*) FROM run;", &runs, e);
    return code != ERR_NONE || runs > 0
               ? code
               : err_set(e, ERR_INVALID,
                     "no run of trajd can be read in it; it is left alone");
}

/* Until it has a place the file needs no syncs and no log. */
static enum err_code fill(
    const struct pages *pages, sqlite3 *db, FILE *out, struct err *e)
{
    struct salvage_counts salvaged = { 0 };
    struct mend_counts mended = { 0 };
    enum err_code code = db_exec(db,
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
        "PRAGMA foreign_keys = OFF; BEGIN;",
        "repair", e);
    code = code != ERR_NONE ? code : salvage(pages, db, &salvaged, e);
    code = code != ERR_NONE ? code : mend(db, out, &mended, e);
    code = code != ERR_NONE ? code : require_a_run(db, e);
    code = code != ERR_NONE ? code : db_exec(db, "COMMIT;", "repair", e);
    if (code == ERR_NONE) {
        tell(out, &salvaged, &mended);
    }
    return code;
}

static enum err_code make_repaired(
    const struct replace *replace, FILE *out, struct err *e)
{
    struct pages pages = { .fd = -1 };
    sqlite3 *db = NULL;
    uint64_t bytes = replace_file_bytes(replace->path, "");
    enum err_code code = replace_needs(replace, bytes + bytes / 16, e);
    code = code != ERR_NONE ? code : make_empty(replace->temp, e);
    code = code != ERR_NONE ? code : pages_open(replace->path, &pages, e);
    code = code != ERR_NONE ? code : require_known(&pages, e);
    code = code != ERR_NONE ? code : db_open(replace->temp, DB_WRITE, &db, e);
    code = code != ERR_NONE ? code : fill(&pages, db, out, e);
    db_close(db);
    pages_close(&pages);
    if (code == ERR_NONE && copy_verify(replace->temp, e) != ERR_NONE) {
        code = err_prefix(e, "what was repaired is not whole");
    }
    return code;
}

/* ---- its place ----------------------------------------------------------- */

#define NAMES_MAX 100u /* of one second */

/* A name that nothing has, for a second time with the file. */
static enum err_code link_damaged(
    const char *path, char ret[static REPLACE_NAME_MAX], struct err *e)
{
    char suffix[48];
    struct tm parts;
    time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
    (void)gmtime_r(&now, &parts);
    size_t n =
        strftime(suffix, sizeof suffix, ".damaged-%Y%m%dT%H%M%SZ", &parts);
    for (unsigned i = 2; i <= NAMES_MAX; i++) {
        replace_name(ret, path, suffix);
        if (link(path, ret) == 0) {
            return ERR_NONE;
        }
        if (errno != EEXIST) {
            break;
        }
        (void)snprintf(suffix + n, sizeof suffix - n, "-%u", i);
    }
    return err_set(e, ERR_IO, "%s: %s", ret, strerror(errno));
}

/* Its log goes with it: the new file must not find it. */
static enum err_code move_log(
    const char *path, const char *damaged, const char *suffix, struct err *e)
{
    char from[REPLACE_NAME_MAX];
    char to[REPLACE_NAME_MAX];
    replace_name(from, path, suffix);
    replace_name(to, damaged, suffix);
    return access(from, F_OK) == 0 ? replace_rename(from, to, e) : ERR_NONE;
}

/* The damaged file gets a second name, so that its own is never without a file:
 * trajd would begin a new one. */
static enum err_code keep_damaged(
    const char *path, char ret_damaged[static REPLACE_NAME_MAX], struct err *e)
{
    static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
    enum err_code code = link_damaged(path, ret_damaged, e);
    for (size_t i = 0;
         code == ERR_NONE && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        code = move_log(path, ret_damaged, suffixes[i], e);
    }
    return code;
}

static enum err_code repair_locked(const char *path, FILE *out, struct err *e)
{
    struct replace replace;
    char damaged[REPLACE_NAME_MAX];
    enum err_code code = lock_nobody_reads(path, e);
    code = code != ERR_NONE ? code
                            : replace_begin(&replace, path, ".repaired-tmp", e);
    if (code != ERR_NONE) {
        return code;
    }
    code = make_repaired(&replace, out, e);
    code = code != ERR_NONE ? code : keep_damaged(path, damaged, e);
    if (code != ERR_NONE) {
        replace_abandon(&replace);
        return code;
    }
    code = replace_commit(&replace, e);
    if (code == ERR_NONE) {
        (void)fprintf(out, "%s: whole; what it was is %s\n", path, damaged);
    }
    return code;
}

enum err_code repair_database(const char *path, FILE *out, struct err *e)
{
    int lock = -1;
    enum err_code code = lock_take(path, &lock, e);
    if (code == ERR_NONE) {
        code = repair_locked(path, out, e);
    }
    lock_give(lock);
    return code;
}

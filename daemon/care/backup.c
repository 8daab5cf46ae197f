/* backup.c: the main thread of a command. */
#include "care/backup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "care/copy.h"
#include "care/replace.h"
#include "store/lock.h"

/* What is written over must not be a database in use, nor leave its log to the
 * one that takes its place. */
static enum err_code check_unused(const char *destination, struct err *e)
{
    if (replace_file_bytes(destination, "-wal") > 0) {
        return err_set(e, ERR_BUSY, "%s-wal: is not empty", destination);
    }
    return lock_nobody_reads(destination, e);
}

/* Over the database itself, by whatever name, would leave none. */
static enum err_code check_destination(const char *path,
    const char *destination, enum backup_mode mode, struct err *e)
{
    struct stat source;
    struct stat there;
    if (stat(path, &source) != 0) {
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (stat(destination, &there) != 0) {
        return errno == ENOENT
                   ? ERR_NONE
                   : err_set(e, ERR_IO, "%s: %s", destination, strerror(errno));
    }
    if (source.st_dev == there.st_dev && source.st_ino == there.st_ino) {
        return err_set(e, ERR_INVALID, "%s: is the database", destination);
    }
    if (!S_ISREG(there.st_mode)) {
        return err_set(e, ERR_INVALID, "%s: is not a file", destination);
    }
    return mode == BACKUP_OVER
               ? check_unused(destination, e)
               : err_set(e, ERR_INVALID, "%s: is there; --force writes over it",
                     destination);
}

static enum err_code make_copy(
    const struct replace *replace, const char *path, struct err *e)
{
    enum err_code code =
        replace_needs(replace, replace_file_bytes(path, ""), e);
    code = code != ERR_NONE ? code : copy_database(path, replace->temp, e);
    if (code == ERR_NONE && copy_verify(replace->temp, e) != ERR_NONE) {
        code = err_prefix(e, "%s: not whole, see trajd check", path);
    }
    return code;
}

enum err_code backup_database(const char *path, const char *destination,
    enum backup_mode mode, struct err *e)
{
    struct replace replace;
    enum err_code code = check_destination(path, destination, mode, e);
    if (code == ERR_NONE) {
        code = replace_begin(&replace, destination, ".backup-tmp", e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = make_copy(&replace, path, e);
    if (code != ERR_NONE) {
        replace_abandon(&replace);
        return code;
    }
    return replace_commit(&replace, e);
}

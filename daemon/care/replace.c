/* replace.c: owns nothing between calls; the main thread of a command. */
#define _XOPEN_SOURCE 700 /* fchown */
#include "care/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static enum err_code fail(struct err *e, const char *path)
{
    return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", path,
        strerror(errno));
}

void replace_name(
    char ret[static REPLACE_NAME_MAX], const char *path, const char *suffix)
{
    /* The paths of a process are shorter than PATH_MAX, or do not open. */
    (void)snprintf(ret, REPLACE_NAME_MAX, "%s%s", path, suffix);
}

/* What SQLite may have beside a database. */
static void remove_all(const char *path)
{
    static const char *const suffixes[] = { "", "-journal", "-wal", "-shm" };
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[REPLACE_NAME_MAX];
        replace_name(name, path, suffixes[i]);
        (void)unlink(name); /* most are not there */
    }
}

enum err_code replace_begin(struct replace *replace, const char *path,
    const char *suffix, struct err *e)
{
    if (strlen(path) >= PATH_MAX) {
        return err_set(e, ERR_INVALID, "its name is too long");
    }
    replace_name(replace->path, path, "");
    replace_name(replace->temp, path, suffix);
    remove_all(replace->temp);
    return ERR_NONE;
}

static void folder_of(const char *path, char ret[static REPLACE_NAME_MAX])
{
    char copy[REPLACE_NAME_MAX];
    replace_name(copy, path, "");
    replace_name(ret, dirname(copy), "");
}

enum err_code replace_needs(
    const struct replace *replace, uint64_t bytes, struct err *e)
{
    char folder[REPLACE_NAME_MAX];
    struct statvfs status;
    folder_of(replace->temp, folder);
    if (statvfs(folder, &status) != 0) {
        return fail(e, folder);
    }
    uint64_t room = (uint64_t)status.f_bavail * status.f_frsize;
    return room >= bytes ? ERR_NONE
                         : err_set(e, ERR_FULL,
                               "%s: needs %" PRIu64
                               " bytes for a copy, and %" PRIu64 " are free",
                               folder, bytes, room);
}

static enum err_code sync_path(const char *path, int flags, struct err *e)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return fail(e, path);
    }
    enum err_code code = fsync(fd) == 0 ? ERR_NONE : fail(e, path);
    (void)close(fd); /* the sync has told */
    return code;
}

enum err_code replace_rename(const char *from, const char *to, struct err *e)
{
    char folder[REPLACE_NAME_MAX];
    folder_of(to, folder);
    if (rename(from, to) != 0) {
        return fail(e, to);
    }
    return sync_path(folder, O_RDONLY | O_DIRECTORY, e);
}

static enum err_code take_over_mode(
    const struct replace *replace, struct err *e)
{
    struct stat old;
    if (stat(replace->path, &old) != 0) {
        return errno == ENOENT ? ERR_NONE : fail(e, replace->path);
    }
    int fd = open(replace->temp, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return fail(e, replace->temp);
    }
    enum err_code code = fchmod(fd, old.st_mode & 07777) == 0
                             ? ERR_NONE
                             : fail(e, replace->temp);
    (void)!fchown(fd, old.st_uid, old.st_gid); /* only root can do more */
    (void)close(fd);
    return code;
}

enum err_code replace_commit(struct replace *replace, struct err *e)
{
    enum err_code code = take_over_mode(replace, e);
    if (code == ERR_NONE) {
        code = sync_path(replace->temp, O_RDONLY, e);
    }
    if (code == ERR_NONE) {
        code = replace_rename(replace->temp, replace->path, e);
    }
    if (code != ERR_NONE) {
        replace_abandon(replace);
    }
    return code;
}

void replace_abandon(struct replace *replace)
{
    remove_all(replace->temp);
}

uint64_t replace_file_bytes(const char *path, const char *suffix)
{
    struct stat status;
    char name[REPLACE_NAME_MAX];
    replace_name(name, path, suffix);
    return stat(name, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* wal_keep.c: owns the descriptors; whoever has the database's lock. SQLite
 * locks nothing of the log, so closing a descriptor of it drops no lock. */
#include "care/wal_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "care/wal_check.h"

#define SALTS_AT 16 /* in the log's header */
#define SALTS_BYTES 8

static enum err_code fail(struct err *e, const char *name)
{
    return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", name,
        strerror(errno));
}

static enum err_code name_copy(
    int log_fd, const char *log, struct wal_damage *ret, struct err *e)
{
    uint8_t salts[SALTS_BYTES];
    if (pread(log_fd, salts, sizeof salts, SALTS_AT) != sizeof salts) {
        return fail(e, log);
    }
    int n = snprintf(ret->copy, sizeof ret->copy, "%s.damaged-", log);
    for (size_t i = 0; i < sizeof salts && n < REPLACE_NAME_MAX; i++) {
        n += snprintf(ret->copy + n, sizeof ret->copy - (size_t)n, "%02x",
            (unsigned)salts[i]);
    }
    return ERR_NONE;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0) {
            return false;
        }
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

/* The names are for what is said. */
static enum err_code copy_bytes(
    int from, const char *log, int to, const char *copy, struct err *e)
{
    char bytes[1 << 16];
    ssize_t n = 0;
    do {
        n = read(from, bytes, sizeof bytes);
        if (n < 0) {
            return fail(e, log);
        }
        if (!write_all(to, bytes, (size_t)n)) {
            return fail(e, copy);
        }
    } while (n > 0);
    return fsync(to) == 0 ? ERR_NONE : fail(e, copy);
}

/* All of it, or no file. */
static enum err_code make_copy(
    int from, const char *log, const char *copy, struct err *e)
{
    struct stat info;
    char temp[REPLACE_NAME_MAX];
    replace_name(temp, copy, "-tmp");
    if (fstat(from, &info) != 0) {
        return fail(e, log);
    }
    int to = open(
        temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, info.st_mode & 0777);
    if (to < 0) {
        return fail(e, temp);
    }
    enum err_code code = copy_bytes(from, log, to, temp, e);
    (void)close(to); /* the sync has told */
    code = code != ERR_NONE ? code : replace_rename(temp, copy, e);
    if (code != ERR_NONE) {
        (void)unlink(temp); /* a part is of no use */
    }
    return code;
}

enum err_code wal_keep(const char *path, struct wal_damage *ret, struct err *e)
{
    char log[REPLACE_NAME_MAX];
    *ret = (struct wal_damage){ .commits = 0 };
    enum err_code code = wal_check(path, &ret->commits, e);
    if (code != ERR_NONE || ret->commits == 0) {
        return code;
    }
    replace_name(log, path, "-wal");
    int from = open(log, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return fail(e, log);
    }
    code = name_copy(from, log, ret, e);
    ret->is_known = code == ERR_NONE && access(ret->copy, F_OK) == 0;
    if (code == ERR_NONE && !ret->is_known) {
        code = make_copy(from, log, ret->copy, e);
    }
    (void)close(from); /* only read from */
    return code;
}

enum err_code wal_require_whole(const char *path, struct err *e)
{
    uint64_t commits = 0;
    enum err_code code = wal_check(path, &commits, e);
    if (code != ERR_NONE || commits == 0) {
        return code;
    }
    return err_set(e, ERR_STORE,
        "the log: %" PRIu64 " commits lie behind a damaged frame and would be "
        "lost: start trajd, which keeps a copy of it, and stop it again",
        commits);
}

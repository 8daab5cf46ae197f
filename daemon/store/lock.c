/* lock.c: owns nothing; the thread that opens or closes the database. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where SQLite keeps a shared lock while a connection has a database in WAL
 * mode, or reads one in another: bytes that are never of the file. Part of its
 * file format ("SHARED_FIRST", "SHARED_SIZE"). */
#define SQLITE_SHARED_FIRST (0x40000000 + 2)
#define SQLITE_SHARED_SIZE 510

/* A lock of its own file: closing any descriptor of the database itself would
 * drop SQLite's locks. The file stays, since removing it would let two
 * processes lock two files of one name. */
enum err_code lock_take(const char *path, int *ret_fd, struct err *e)
{
    char name[PATH_MAX];
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int n = snprintf(name, sizeof name, "%s.lock", path);
    if (n < 0 || (size_t)n >= sizeof name) {
        return err_set(e, ERR_INVALID, "%s: its name is too long", path);
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(e, ERR_IO, "%s: %s", name, strerror(errno));
    }
    if (fcntl(fd, F_SETLK, &whole) == 0) {
        *ret_fd = fd;
        return ERR_NONE;
    }
    int error = errno;
    struct flock other = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    bool held =
        (error == EACCES || error == EAGAIN) && fcntl(fd, F_GETLK, &other) == 0;
    (void)close(fd); /* nothing was locked */
    return held ? err_set(e, ERR_BUSY, "%s: in use by another trajd (pid %ld)",
                      path, (long)other.l_pid)
                : err_set(e, ERR_IO, "%s: %s", name, strerror(error));
}

void lock_give(int fd)
{
    if (fd >= 0) {
        (void)close(fd); /* the lock goes with it */
    }
}

enum err_code lock_nobody_reads(const char *path, struct err *e)
{
    struct flock lock = { .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = SQLITE_SHARED_FIRST,
        .l_len = SQLITE_SHARED_SIZE };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    }
    int rc = fcntl(fd, F_GETLK, &lock);
    int error = errno;
    (void)close(fd); /* only read from */
    if (rc != 0) {
        return err_set(e, ERR_IO, "%s: %s", path, strerror(error));
    }
    return lock.l_type == F_UNLCK
               ? ERR_NONE
               : err_set(e, ERR_BUSY, "%s: open in another process (pid %ld)",
                     path, (long)lock.l_pid);
}

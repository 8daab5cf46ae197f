/*
 * lock: who may write a database: the one process that holds FILE.lock. trajd
 * takes it while it runs, and so does what changes or replaces the file.
 */
#ifndef TRAJD_LOCK_H
#define TRAJD_LOCK_H

#include "base/err.h"

/* ERR_BUSY: another trajd has it; the text says which. On success end with
 * lock_give. */
CHECK_RESULT enum err_code lock_take(
    const char *path, int *ret_fd, struct err *e);
void lock_give(int fd); /* -1 is fine */

/*
 * ERR_BUSY: another process has the database itself open, sqlite3 say. One that
 * is to be replaced must have no reader: that one would go on with the log of
 * the new file. Call it before this process opens the file, for closing any
 * descriptor of it drops SQLite's own locks.
 */
CHECK_RESULT enum err_code lock_nobody_reads(const char *path, struct err *e);

#endif

/*
 * wal_keep: what becomes of commits that damage hides in a write-ahead log
 * (wal_check.h). SQLite writes over them, or removes the log, as soon as it has
 * the database open for writing; so whoever does that asks here first, with the
 * lock of the database (store/lock.h).
 */
#ifndef TRAJD_WAL_KEEP_H
#define TRAJD_WAL_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "care/replace.h"

struct wal_damage {
    uint64_t commits; /* that are not read; 0: nothing else is set */
    bool is_known;    /* the copy was there: this has been told before */
    char copy[REPLACE_NAME_MAX];
};

/*
 * Copies a log with such commits to a file beside it, unless that is there: its
 * name has the log's salts, which are others in each use of the log. It is on
 * disk, whole, when this returns. On failure there is none, and ret->commits
 * tells whether one was wanted (0: the log could not be looked at).
 */
CHECK_RESULT enum err_code wal_keep(
    const char *path, struct wal_damage *ret, struct err *e);

/* For a command that has nobody to keep one for: ERR_STORE where there are. */
CHECK_RESULT enum err_code wal_require_whole(const char *path, struct err *e);

#endif

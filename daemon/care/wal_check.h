/*
 * wal_check: what lies in a write-ahead log and SQLite will not read. It reads
 * a log up to the first frame whose checksum is wrong, which after a crash is
 * the end; and it says nothing when there are commits behind that.
 */
#ifndef TRAJD_WAL_CHECK_H
#define TRAJD_WAL_CHECK_H

#include <stdint.h>

#include "base/err.h"

/*
 * *ret_commits: those behind a damaged frame of the log beside the database at
 * path; 0 where a crash explains it, or there is no log. The end of trajd alone
 * leaves one at most. A power cut may leave more of those that are not synced
 * before the next begins: sealing's, and with --durability relaxed those of two
 * seconds. The log may be written meanwhile.
 */
CHECK_RESULT enum err_code wal_check(
    const char *path, uint64_t *ret_commits, struct err *e);

#endif

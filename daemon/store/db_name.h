/*
 * db_name: what a database is called where it lies. SQLite follows a link to a
 * database before it names the log beside it; so must the lock, and what
 * replaces the file.
 */
#ifndef TRAJD_DB_NAME_H
#define TRAJD_DB_NAME_H

#include "base/err.h"

#define DB_NAME_BYTES 1025 /* with the NUL; config.h has no longer ones */

/* The path itself if it is no link, or nothing yet. */
CHECK_RESULT enum err_code db_name(
    const char *path, char ret_name[static DB_NAME_BYTES], struct err *e);

#endif

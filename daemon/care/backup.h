/* backup: a copy of a database, made while trajd writes to it or not. */
#ifndef TRAJD_BACKUP_H
#define TRAJD_BACKUP_H

#include "base/err.h"

enum backup_mode {
    BACKUP_NEW, /* the destination must not be there */
    BACKUP_OVER,
};

/*
 * One committed state: all that was acknowledged before the call is in it. At
 * the destination when it has been read back and is on disk, or not at all.
 */
CHECK_RESULT enum err_code backup_database(const char *path,
    const char *destination, enum backup_mode mode, struct err *e);

#endif

/*
 * copy: a database written anew into another file, without its free pages, and
 * read back: how a backup and a compact database are made.
 */
#ifndef TRAJD_COPY_H
#define TRAJD_COPY_H

#include "base/err.h"

/*
 * One committed state of the database at path into a new file `to`, in WAL mode
 * or not, open elsewhere or not. Readers and the writer go on; the log of the
 * database cannot be emptied before this is over.
 */
CHECK_RESULT enum err_code copy_database(
    const char *path, const char *to, struct err *e);

/* ERR_STORE: a check of the file finds something; the text is the first. */
CHECK_RESULT enum err_code copy_verify(const char *path, struct err *e);

#endif

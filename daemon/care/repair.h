/*
 * repair: a whole database of what can still be read of a damaged one. The
 * damaged file is only read, and kept.
 */
#ifndef TRAJD_REPAIR_H
#define TRAJD_REPAIR_H

#include <stdio.h>

#include "base/err.h"

/*
 * Takes the database's lock for as long as it works. What is lost is written to
 * out, a line a stream and range of seqs. When the new file has been checked it
 * takes the place of the old one, which becomes PATH.damaged-TIME.
 */
CHECK_RESULT enum err_code repair_database(
    const char *path, FILE *out, struct err *e);

#endif

/*
 * mend_names: the runs and streams of what was salvaged. A HELLO says all that
 * a run's row has; records that have lost their stream get one of a run of
 * their own, "recovered-...".
 */
#ifndef TRAJD_MEND_NAMES_H
#define TRAJD_MEND_NAMES_H

#include <stdio.h>
#include <sqlite3.h>

#include "base/err.h"

/* db: as salvage leaves it, in its transaction. */
CHECK_RESULT enum err_code mend_names(sqlite3 *db, FILE *out, struct err *e);

#endif

/* check_run: runs and streams against the HELLOs that made them. */
#ifndef TRAJD_CHECK_RUN_H
#define TRAJD_CHECK_RUN_H

#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "care/finding.h"

/* In the caller's read transaction. Any error: the lists cannot be read. */
CHECK_RESULT enum err_code check_run_rows(
    sqlite3 *db, struct findings *findings, uint64_t *ret_runs, struct err *e);

#endif

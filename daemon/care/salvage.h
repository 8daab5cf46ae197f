/*
 * salvage: the rows of a damaged file that can be believed, into a database
 * that is new and empty. A chunk and a message have checksums: they are taken
 * whole or not at all, and their row is made anew from what is in them. What
 * has none is taken when it is well-formed; mend.h makes it agree.
 */
#ifndef TRAJD_SALVAGE_H
#define TRAJD_SALVAGE_H

#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "care/pages.h"

struct salvage_counts {
    uint64_t chunks;   /* taken */
    uint64_t log_rows; /* taken */
    uint64_t refused;  /* rows of any table that were damaged */
    uint64_t broken;   /* pages and cells that could not be followed */
};

/* to: in a transaction; its foreign keys are off. */
CHECK_RESULT enum err_code salvage(const struct pages *pages, sqlite3 *to,
    struct salvage_counts *ret_counts, struct err *e);

#endif

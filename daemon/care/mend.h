/*
 * mend: what was salvaged becomes a database that agrees with itself: every
 * stream has a run, every record is there once, and what is kept beside the
 * records is counted anew. Records that are gone count as lost.
 */
#ifndef TRAJD_MEND_H
#define TRAJD_MEND_H

#include <stdint.h>
#include <stdio.h>
#include <sqlite3.h>

#include "base/err.h"

/* What a repair could not bring back. */
struct mend_counts {
    uint64_t records; /* that are there */
    uint64_t lost;    /* that were acknowledged, and are no more */
    uint64_t unknown; /* streams whose loss cannot be told: how far they went
                         was lost too */
};

/* db: as salvage leaves it, in its transaction. Writes to out what is lost of
 * each stream, and where. */
CHECK_RESULT enum err_code mend(
    sqlite3 *db, FILE *out, struct mend_counts *ret_counts, struct err *e);

#endif

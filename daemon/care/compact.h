/* compact: a database that is not in use, with all its records sealed and no
 * free pages. */
#ifndef TRAJD_COMPACT_H
#define TRAJD_COMPACT_H

#include <stdint.h>

#include "base/err.h"

struct compact_result {
    uint64_t bytes_before;
    uint64_t bytes_after;
};

/*
 * Takes the database's lock for as long as it works. Records go from the log
 * into chunks first, as trajd does by itself; the copy takes the file's place
 * when it has been read back. ERR_BUSY: somebody has it open; ERR_FULL: no room
 * for the copy.
 */
CHECK_RESULT enum err_code compact_database(
    const char *path, struct compact_result *ret_result, struct err *e);

#endif

/* first_probe: where a stream begins that has PROBE records and no STEP
 * records: of these the lowest step is kept (struct progress), of those it is
 * read. The thread of the connection. */
#ifndef TRAJD_FIRST_PROBE_H
#define TRAJD_FIRST_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"

/* The lowest step of the stream's first chunk of PROBE records; without one, of
 * the first message in its log that has some. *ret_has false: there is none,
 * and *ret_step is as it was. */
CHECK_RESULT enum err_code first_probe_step(sqlite3 *db, int64_t stream,
    bool *ret_has, uint64_t *ret_step, struct err *e);

#endif

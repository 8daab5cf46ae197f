/*
 * check: whether a database is whole: its structure, that every record of every
 * stream reads and is there once, and that what is kept beside the records is
 * of them. Reads one committed state, so it works while trajd writes; the log
 * of the database (-wal) cannot be emptied meanwhile.
 */
#ifndef TRAJD_CHECK_H
#define TRAJD_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "care/finding.h"

enum check_depth {
    CHECK_QUICK, /* not: the values of sealed records, the order of indices */
    CHECK_ALL,
};

/* What has been looked at. */
struct check_counts {
    uint64_t runs;
    uint64_t streams;
    uint64_t chunks;
    uint64_t records; /* without the thinned ones */
    uint64_t thinned_records;
    uint64_t findings;
    uint64_t old_version; /* not 0: only the structure was looked at */
};

struct check_options {
    const char *path;
    enum check_depth depth;
    finding_fn found;
    void (*progress)(void *context, const struct check_counts *); /* or NULL */
    void *context;                                                /* of both */
};

/*
 * ERR_INVALID: no database of trajd, or of a newer one. Other errors: it could
 * not be opened, or no memory. What is wrong inside is no error but a
 * finding.
 */
CHECK_RESULT enum err_code check_database(const struct check_options *options,
    struct check_counts *ret_counts, struct err *e);

#endif

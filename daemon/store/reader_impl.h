/* reader_impl: struct reader, for the files that read through it. */
#ifndef TRAJD_READER_IMPL_H
#define TRAJD_READER_IMPL_H

#include <sqlite3.h>

#include "store/reader.h"

struct reader {
    sqlite3 *db;
    sqlite3_stmt *end; /* COMMIT; NULL where db is borrowed */
    unsigned depth; /* of reader_begin; the transaction is the outermost's */
};

#endif

/* reader_impl: struct reader, for the files that read through it. */
#ifndef TRAJD_READER_IMPL_H
#define TRAJD_READER_IMPL_H

#include <sqlite3.h>

#include "store/reader.h"

struct reader {
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *look; /* any read: it takes the snapshot */
    sqlite3_stmt *end;  /* prepared: want of memory must not keep one open */
    unsigned depth; /* of reader_begin; the transaction is the outermost's */
};

#endif

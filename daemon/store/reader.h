/*
 * reader: a read-only connection. One thread at a time per reader; any number
 * of readers. Each call sees one committed state of the database.
 */
#ifndef TRAJD_READER_H
#define TRAJD_READER_H

#include "base/err.h"

struct reader;

CHECK_RESULT enum err_code reader_open(
    const char *path, struct reader **ret_reader, struct err *e);
void reader_close(struct reader *reader);

/* A snapshot over several calls: reader_begin .. reader_end see one state. */
CHECK_RESULT enum err_code reader_begin(struct reader *reader, struct err *e);
void reader_end(struct reader *reader);

#endif

/*
 * rows: the rows of a SELECT for people (a table) and for programs (CSV, JSON,
 * NDJSON), one at a time.
 *
 * For programs a number reads back exactly: doubles with as many digits as
 * that takes, integers with all of theirs, in JSON as a text beyond 2^53 - 1,
 * where a browser would lose some; infinities are the words Infinity and
 * -Infinity, in JSON as texts. A NULL is an empty field in CSV, where an empty
 * text is "", and null in JSON. Bytes that are no text are hexadecimal digits.
 *
 * A table is for the eye: doubles have 10 digits, long texts are cut, and the
 * widths are those of the first ROWS_MEASURED rows; later rows may run over.
 */
#ifndef TRAJ_CLI_ROWS_H
#define TRAJ_CLI_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sqlite3.h>

#include "base/str.h"

enum rows_format { ROWS_TABLE, ROWS_CSV, ROWS_JSON, ROWS_NDJSON };

#define ROWS_MEASURED 500
#define ROWS_CELL_MAX 60 /* characters of a text in a table */

struct rows {
    FILE *out;
    enum rows_format format;
    sqlite3_stmt *stmt; /* borrowed: the current row is read from it */
    uint64_t n;
    struct buf line;
    /* ROWS_TABLE: cells of the rows not printed yet, each ended by a NUL, with
     * a byte before it that says whether it is a number. */
    struct buf cells;
    size_t kept;    /* rows in cells */
    size_t *widths; /* owned; NULL: not measured yet */
};

/* false: out of memory, or the output takes no more (errno says why). End with
 * rows_done in any case. */
bool rows_begin(
    struct rows *rows, FILE *out, enum rows_format format, sqlite3_stmt *stmt);
bool rows_add(struct rows *rows);
bool rows_end(struct rows *rows); /* what is kept, and the closing bracket */
void rows_done(struct rows *rows);

#endif

/*
 * record_plan: what of a WHERE is done by the scan and not row by row:
 *
 *   run = ?, attempt = ?, rank = ?
 *   step and seq: =, >, >=, and of step <, <=
 *   view = ?
 *
 * The plan travels from SQLite's planner to the cursor as a text: the columns
 * in use in hexadecimal, then a letter for each argument. SQLite checks each
 * row again, but for `run` and `view`; so a scan may give more than asked for,
 * never less.
 */
#ifndef TRAJD_RECORD_PLAN_H
#define TRAJD_RECORD_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "sql/record_columns.h"
#include "store/scan.h"

/* An SQLite result code, as xBestIndex is to return. */
int record_plan_make(
    const struct record_columns *columns, sqlite3_index_info *info);

struct record_plan {
    uint64_t used;          /* columns */
    bool empty;             /* no row can be what is asked for */
    const char *run;        /* borrowed from an argument; NULL: all */
    struct scan_query scan; /* but for the run and the fields */
};

/* ERR_INVALID: no such view. */
CHECK_RESULT enum err_code record_plan_read(struct record_plan *plan,
    enum wire_kind kind, const char *text, int n, sqlite3_value **arguments,
    struct err *e);

/* 'all' or 'newest'. */
const char *record_plan_view(enum scan_attempts attempts);

#endif

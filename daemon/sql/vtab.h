/* vtab: what the tables share: their first use, and how they fail. */
#ifndef TRAJD_VTAB_H
#define TRAJD_VTAB_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"

extern const sqlite3_module record_module;
extern const sqlite3_module fits_module;

/* The error as SQLite's: its code returned, its text set at the table. */
int vtab_fail(sqlite3_vtab *table, sqlite3 *db, const struct err *e);

/*
 * Checks that the connection's main database is trajd's and of this version,
 * and declares a table from the text of its CREATE TABLE. On failure
 * *ret_message is SQLite's to free.
 */
int vtab_declare(sqlite3 *db, const struct buf *sql, char **ret_message);

/* Beyond 2^63 - 1, where SQLite has no integers, the nearest double. */
void vtab_result_u64(sqlite3_context *context, uint64_t value);
void vtab_result_text(sqlite3_context *context, const char *terminated);
/* The buffer's text, or out of memory; ends the buffer. */
void vtab_result_buf(sqlite3_context *context, struct buf *text);

#endif

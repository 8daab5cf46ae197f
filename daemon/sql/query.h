/*
 * query: a database that is only asked, for `traj query`: opened read-only,
 * with the tables of tables.h, and with an authorizer that lets nothing by but
 * reading. One thread.
 *
 * trajd may write meanwhile and never waits: a statement sees the state of its
 * start, and till it ends the write-ahead log cannot start afresh.
 */
#ifndef TRAJD_QUERY_H
#define TRAJD_QUERY_H

#include <stdbool.h>
#include <sqlite3.h>

#include "base/err.h"

struct query;

/* Asked every few thousand operations of SQLite; true: end the statement. */
typedef bool (*query_stop_fn)(void);

CHECK_RESULT enum err_code query_open(const char *path, query_stop_fn stop,
    struct query **ret_query, struct err *e);
void query_close(struct query *query); /* NULL is fine */

/*
 * The one statement of the text, for sqlite3_column_*; the query's, until it
 * is closed. ERR_INVALID: no or several statements, one that does more than
 * read, or SQL that SQLite does not take.
 */
CHECK_RESULT enum err_code query_prepare(struct query *query, const char *sql,
    sqlite3_stmt **ret_stmt, struct err *e);

/* ERR_BUSY also after the stop; ERR_STORE names a damaged chunk. */
CHECK_RESULT enum err_code query_step(
    struct query *query, bool *ret_row, struct err *e);

#endif

/*
 * tables: a database of trajd, sealed chunks and log alike, as SQL tables.
 * Read-only virtual tables of one connection, whose main database is trajd's:
 *
 *   steps, probes, metrics, events, sharpness, groups   record_table.c
 *   fits                                                fits_table.c
 *
 * A statement sees one state of the database, as any SELECT does: the tables
 * read through the connection that they are asked on, within the transaction
 * of the statement. Nothing is read but what a statement wants: runs, ranks,
 * steps and columns are left out before they are decoded. Memory is bounded by
 * a batch of records (store/scan.h) for each table that is open.
 *
 * Compiled twice: for programs that link SQLite (traj query), and with
 * extension_api.h for the loadable extension (extension.c).
 */
#ifndef TRAJD_TABLES_H
#define TRAJD_TABLES_H

#include <sqlite3.h>

#include "base/err.h"

/* Whether the database is trajd's is asked when a table is first used. */
CHECK_RESULT enum err_code tables_register(sqlite3 *db, struct err *e);

#endif

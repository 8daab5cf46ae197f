/*
 * extension_api: included before everything (-include) when the store's and
 * the tables' files are compiled for the loadable extension: every sqlite3_*
 * is then called through the table that the host hands to the extension. The
 * host may have a SQLite of its own, linked in or of another version, and two
 * of them must never work on one connection.
 */
#ifndef TRAJD_EXTENSION_API_H
#define TRAJD_EXTENSION_API_H

#include <sqlite3ext.h>

extern const sqlite3_api_routines *sqlite3_api; /* extension.c */

#endif

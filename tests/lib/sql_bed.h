/* sql_bed: a store_rig, and a read-only connection to it with the tables of
 * daemon/sql, for cmocka tests. Fails the test by itself. */
#ifndef TRAJD_TEST_SQL_BED_H
#define TRAJD_TEST_SQL_BED_H

#include <sqlite3.h>

#include "store_rig.h"

struct sql_bed {
    struct rig rig; /* chunks of 128 records or more */
    sqlite3 *db;
};

int sql_bed_open(void **state); /* setup and teardown: *state is the bed */
int sql_bed_close(void **state);

sqlite3_stmt *sql_bed_prepare(struct sql_bed *bed, const char *sql);

/* Values with bars between them, rows with semicolons behind them. */
#define SQL_BED_TEXT 4000
void sql_bed_text(
    struct sql_bed *bed, const char *sql, char out[static SQL_BED_TEXT]);

#define assert_rows(bed, sql, expected)                                        \
    do {                                                                       \
        char text_[SQL_BED_TEXT];                                              \
        sql_bed_text(bed, sql, text_);                                         \
        assert_string_equal(text_, expected);                                  \
    } while (0)

/* The code of the statement's failure, SQLITE_DONE if it has none; its
 * message in the connection. */
int sql_bed_fails(struct sql_bed *bed, const char *sql);

#endif

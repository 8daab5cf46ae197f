/* sql_bed.c: test support; one thread. */
#include "sql_bed.h"

#include <stdio.h>
#include <stdlib.h>

#include "sql/tables.h"

#define MUST(condition, what)                                                  \
    do {                                                                       \
        bool holds_ = (condition);                                             \
        if (!holds_) {                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, what);          \
            abort();                                                           \
        }                                                                      \
    } while (0)

int sql_bed_open(void **state)
{
    static struct sql_bed bed;
    struct err e = { 0 };
    rig_open(&bed.rig, 100);
    MUST(sqlite3_open_v2(bed.rig.path, &bed.db, SQLITE_OPEN_READONLY, NULL) ==
             SQLITE_OK,
        "open");
    MUST(tables_register(bed.db, &e) == ERR_NONE, e.text);
    *state = &bed;
    return 0;
}

int sql_bed_close(void **state)
{
    struct sql_bed *bed = *state;
    MUST(sqlite3_close(bed->db) == SQLITE_OK, "a statement is open");
    rig_close(&bed->rig);
    return 0;
}

sqlite3_stmt *sql_bed_prepare(struct sql_bed *bed, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(bed->db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK) {
        fprintf(stderr, "%s\n", sql);
    }
    MUST(rc == SQLITE_OK, sqlite3_errmsg(bed->db));
    return stmt;
}

void sql_bed_text(
    struct sql_bed *bed, const char *sql, char out[static SQL_BED_TEXT])
{
    sqlite3_stmt *stmt = sql_bed_prepare(bed, sql);
    size_t n = 0;
    out[0] = '\0';
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);
            n += (size_t)snprintf(out + n, SQL_BED_TEXT - n, "%s%s",
                i == 0 ? "" : "|", text == NULL ? "NULL" : text);
        }
        n += (size_t)snprintf(out + n, SQL_BED_TEXT - n, ";");
        MUST(n < SQL_BED_TEXT, "too long");
    }
    int rc = sqlite3_finalize(stmt);
    MUST(rc == SQLITE_OK, sqlite3_errmsg(bed->db));
}

int sql_bed_fails(struct sql_bed *bed, const char *sql)
{
    sqlite3_stmt *stmt = sql_bed_prepare(bed, sql);
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
    }
    (void)sqlite3_finalize(stmt); /* the same again */
    return rc;
}

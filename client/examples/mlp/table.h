/*
 * table: a CSV file of numbers: a line of names, then rows of as many
 * numbers, separated by commas. Names may be quoted. Read whole; one thread.
 */
#ifndef MLP_TABLE_H
#define MLP_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    TABLE_BYTES_MAX = 1 << 28, /* of the file */
    TABLE_COLUMNS_MAX = 1024,
    TABLE_REASON_BYTES = 160,
};

struct table {
    size_t rows, columns;
    double *values; /* [row * columns + column]; owned */
    char *text;     /* owned; the names are in it */
    const char *names[TABLE_COLUMNS_MAX];
};

/* false: reason says why, and *ret_table is as it was. Else the caller
 * releases *ret_table with table_done. */
bool table_read(const char *path, struct table *ret_table,
    char reason[static TABLE_REASON_BYTES]);
void table_done(struct table *table);

/* The column of that name, or columns if there is none. */
size_t table_find(const struct table *table, const char *name);

/* Each column to mean 0 and variance 1; a constant one to 0. */
void table_standardize(struct table *table);

#endif

/*
 * fit_file.c: columns of numbers from a CSV file. One thread.
 */
#include "cli/fit_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/csv.h"
#include "cli/print.h"

void fit_table_done(struct fit_table *table)
{
    for (size_t k = 0; k < FIT_COLUMNS; k++) {
        free(table->column[k]);
    }
}

static bool grow(double **array, size_t capacity)
{
    double *grown = realloc(*array, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    return true;
}

static bool table_append(struct fit_table *table, const double *values)
{
    if (table->n == table->capacity) {
        size_t capacity = table->capacity > 0 ? 2 * table->capacity : 1024;
        for (size_t k = 0; k < FIT_COLUMNS; k++) {
            if (!grow(&table->column[k], capacity)) {
                return false;
            }
        }
        table->capacity = capacity;
    }
    for (size_t k = 0; k < FIT_COLUMNS; k++) {
        table->column[k][table->n] = values[k];
    }
    table->n++;
    return true;
}

static bool complain(const struct csv *csv, const char *text)
{
    fprintf(stderr, "traj fit: %s:%zu: %s\n", csv->name, csv->row_line, text);
    return false;
}

/* What a file holds, in an error: it may be no CSV at all. */
static void show_cell(const char *text)
{
    char start[41];
    (void)snprintf(start, sizeof start, "%s", text);
    fputc('\'', stderr);
    print_text(stderr, start);
    fputc('\'', stderr);
}

static bool find_column(const struct csv *csv, const char *name, size_t *ret)
{
    for (size_t i = 0; i < csv->fields; i++) {
        if (strcmp(csv_field(csv, i), name) == 0) {
            *ret = i;
            return true;
        }
    }
    fprintf(
        stderr, "traj fit: %s: no column '%s'; there are:", csv->name, name);
    for (size_t i = 0; i < csv->fields; i++) {
        fputs(i > 0 ? ", " : " ", stderr);
        show_cell(csv_field(csv, i));
    }
    fputs("\n", stderr);
    return false;
}

static bool read_cell(
    const struct csv *csv, size_t column, const char *name, double *ret)
{
    const char *text = csv_field(csv, column);
    *ret = (double)NAN;
    if (csv_number(text, ret) == CSV_NO_NUMBER) {
        fprintf(stderr, "traj fit: %s:%zu: column '%s': ", csv->name,
            csv->row_line, name);
        show_cell(text);
        fputs(" is not a number\n", stderr);
        return false;
    }
    return true;
}

/* x and y must be there; of another column that is not, the value is NaN. */
static bool take_row(const struct csv *csv, const char *const *names,
    const size_t *columns, struct fit_table *table)
{
    double values[FIT_COLUMNS];
    for (size_t k = 0; k < FIT_COLUMNS; k++) {
        values[k] = (double)NAN;
        if (names[k] != NULL &&
            !read_cell(csv, columns[k], names[k], &values[k])) {
            return false;
        }
    }
    if (!isfinite(values[FIT_COLUMN_X]) || !isfinite(values[FIT_COLUMN_Y])) {
        table->excluded++;
        return true;
    }
    return table_append(table, values) || complain(csv, "out of memory");
}

static bool find_columns(
    const struct csv *csv, const char *const *names, size_t *ret)
{
    for (size_t k = 0; k < FIT_COLUMNS; k++) {
        if (names[k] != NULL && !find_column(csv, names[k], &ret[k])) {
            return false;
        }
    }
    return true;
}

static bool read_rows(
    struct csv *csv, const char *const *names, struct fit_table *table)
{
    size_t columns[FIT_COLUMNS] = { 0 };
    enum csv_result result = csv_next(csv);
    if (result == CSV_END) {
        fprintf(stderr, "traj fit: %s: is empty\n", csv->name);
        return false;
    }
    if (result == CSV_ROW && !find_columns(csv, names, columns)) {
        return false;
    }
    const size_t width = csv->fields;
    while (result == CSV_ROW) {
        result = csv_next(csv);
        if (result != CSV_ROW) {
            break;
        }
        if (csv->fields != width) {
            fprintf(stderr,
                "traj fit: %s:%zu: %zu fields, but the header has %zu\n",
                csv->name, csv->row_line, csv->fields, width);
            return false;
        }
        if (!take_row(csv, names, columns, table)) {
            return false;
        }
    }
    if (result == CSV_ERROR) {
        fprintf(stderr, "traj fit: %s\n", csv->error);
    }
    return result == CSV_END;
}

bool fit_table_read(
    const char *file, const char *const *names, struct fit_table *table)
{
    const bool standard = strcmp(file, "-") == 0;
    FILE *in = standard ? stdin : fopen(file, "rb");
    if (in == NULL) {
        fprintf(stderr, "traj fit: %s: %s\n", file, strerror(errno));
        return false;
    }
    struct csv csv;
    csv_init(&csv, in, standard ? "standard input" : file);
    bool read = read_rows(&csv, names, table);
    csv_done(&csv);
    if (!standard) {
        (void)fclose(in); /* only read from */
    }
    return read;
}

/* table: the caller owns it; a failed read leaves nothing behind. */
#include "examples/mlp/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the file ----------------------------------------------------------- */

/* Returned: the caller frees it. NULL: reason says why. */
static char *read_stream(FILE *in, char *reason)
{
    size_t used = 0;
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text != NULL) {
        used += fread(text + used, 1, capacity - 1 - used, in);
        if (used < capacity - 1) {
            break;
        }
        capacity *= 2;
        char *larger =
            capacity <= TABLE_BYTES_MAX ? realloc(text, capacity) : NULL;
        if (larger == NULL) {
            free(text);
        }
        text = larger;
    }
    if (text == NULL) {
        (void)snprintf(reason, TABLE_REASON_BYTES,
            "is larger than %d bytes, or than the memory", TABLE_BYTES_MAX);
        return NULL;
    }
    if (ferror(in)) {
        (void)snprintf(reason, TABLE_REASON_BYTES, "%s", strerror(errno));
        free(text);
        return NULL;
    }
    text[used] = '\0'; /* a NUL in the file ends it: the rest is no number */
    return text;
}

static char *read_file(const char *path, char *reason)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        (void)snprintf(reason, TABLE_REASON_BYTES, "%s", strerror(errno));
        return NULL;
    }
    char *text = read_stream(in, reason);
    (void)fclose(in); /* only read from */
    return text;
}

/* ---- its lines ---------------------------------------------------------- */

/* Ends the line at *at with a NUL and moves *at to the next one. */
static char *take_line(char **at)
{
    char *line = *at;
    size_t length = strcspn(line, "\n");
    *at = line + length + (line[length] == '\n');
    if (length > 0 && line[length - 1] == '\r') {
        length--;
    }
    line[length] = '\0';
    return line;
}

static char *unquoted(char *name)
{
    size_t length = strlen(name);
    if (length < 2 || name[0] != '"' || name[length - 1] != '"') {
        return name;
    }
    name[length - 1] = '\0';
    return name + 1;
}

static bool parse_names(char *line, struct table *table, char *reason)
{
    while (line != NULL) {
        if (table->columns == TABLE_COLUMNS_MAX) {
            (void)snprintf(reason, TABLE_REASON_BYTES,
                "has more than %d columns", TABLE_COLUMNS_MAX);
            return false;
        }
        char *comma = strchr(line, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        table->names[table->columns++] = unquoted(line);
        line = comma;
    }
    if (table->columns < 2) {
        (void)snprintf(reason, TABLE_REASON_BYTES,
            "has one column: nothing to learn from");
        return false;
    }
    return true;
}

static bool parse_row(
    const char *line, struct table *table, size_t number, char *reason)
{
    double *row = table->values + table->rows * table->columns;
    const char *at = line;
    for (size_t i = 0; i < table->columns; i++) {
        char *end = NULL;
        row[i] = strtod(at, &end);
        const bool last = i + 1 == table->columns;
        if (end == at || (*end != ',' && *end != '\0') || !isfinite(row[i])) {
            (void)snprintf(reason, TABLE_REASON_BYTES,
                "line %zu: %.40s in column %.40s is no finite number", number,
                *at == '\0' ? "nothing" : at, table->names[i]);
            return false;
        }
        if ((*end == '\0') != last) {
            (void)snprintf(reason, TABLE_REASON_BYTES,
                "line %zu has %s than the %zu numbers that the first line "
                "names",
                number, last ? "more" : "fewer", table->columns);
            return false;
        }
        at = end + 1;
    }
    table->rows++;
    return true;
}

static bool parse(struct table *table, char *reason)
{
    char *at = table->text;
    size_t lines = 1;
    for (const char *p = at; *p != '\0'; p++) {
        lines += *p == '\n';
    }
    if (!parse_names(take_line(&at), table, reason)) {
        return false;
    }
    table->values = calloc(lines * table->columns, sizeof *table->values);
    if (table->values == NULL) {
        (void)snprintf(reason, TABLE_REASON_BYTES, "does not fit the memory");
        return false;
    }
    for (size_t number = 2; *at != '\0'; number++) {
        if (!parse_row(take_line(&at), table, number, reason)) {
            return false;
        }
    }
    if (table->rows < 2) {
        (void)snprintf(reason, TABLE_REASON_BYTES,
            "is too short: %zu rows of numbers, and training needs 2",
            table->rows);
        return false;
    }
    return true;
}

bool table_read(const char *path, struct table *ret_table,
    char reason[static TABLE_REASON_BYTES])
{
    struct table table = { .text = read_file(path, reason) };
    if (table.text == NULL) {
        return false;
    }
    if (!parse(&table, reason)) {
        table_done(&table);
        return false;
    }
    *ret_table = table;
    return true;
}

void table_done(struct table *table)
{
    free(table->values);
    free(table->text);
    *table = (struct table){ 0 };
}

size_t table_find(const struct table *table, const char *name)
{
    size_t i = 0;
    while (i < table->columns && strcmp(table->names[i], name) != 0) {
        i++;
    }
    return i;
}

static void standardize_column(double *at, size_t rows, size_t stride)
{
    double mean = 0;
    double variance = 0;
    for (size_t i = 0; i < rows; i++) {
        mean += at[i * stride] / (double)rows;
    }
    for (size_t i = 0; i < rows; i++) {
        at[i * stride] -= mean;
        variance += at[i * stride] * at[i * stride] / (double)rows;
    }
    for (size_t i = 0; i < rows; i++) {
        at[i * stride] = variance > 0 ? at[i * stride] / sqrt(variance) : 0;
    }
}

void table_standardize(struct table *table)
{
    for (size_t i = 0; i < table->columns; i++) {
        standardize_column(table->values + i, table->rows, table->columns);
    }
}

/* rows.c: one thread. */
#include "cli/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"

static bool write_line(struct rows *rows)
{
    if (rows->line.failed) {
        errno = ENOMEM;
        return false;
    }
    size_t n = rows->line.n;
    bool ok = n == 0 || fwrite(rows->line.p, 1, n, rows->out) == n;
    buf_clear(&rows->line);
    return ok;
}

/* ---- values -------------------------------------------------------------- */

static struct str text_at(sqlite3_stmt *stmt, int i)
{
    const char *p = (const char *)sqlite3_column_text(stmt, i);
    return (struct str){ p, (size_t)sqlite3_column_bytes(stmt, i) };
}

/* At most max bytes of a blob. */
static void put_hex(struct buf *out, sqlite3_stmt *stmt, int i, size_t max)
{
    const unsigned char *p = sqlite3_column_blob(stmt, i);
    size_t n = (size_t)sqlite3_column_bytes(stmt, i);
    for (size_t at = 0; at < n && at < max; at++) {
        buf_printf(out, "%02x", p[at]);
    }
}

static void put_csv_text(struct buf *out, struct str text)
{
    bool plain = text.n > 0;
    for (size_t i = 0; plain && i < text.n; i++) {
        plain = strchr("\",\r\n", text.p[i]) == NULL; /* a NUL too is found */
    }
    if (plain) {
        buf_append(out, text.p, text.n);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"') {
            buf_char(out, '"');
        }
        buf_char(out, text.p[i]);
    }
    buf_char(out, '"');
}

static void put_csv(struct buf *out, sqlite3_stmt *stmt, int i)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        buf_i64(out, sqlite3_column_int64(stmt, i));
        break;
    case SQLITE_FLOAT:
        buf_double(out, sqlite3_column_double(stmt, i));
        break;
    case SQLITE_TEXT:
        put_csv_text(out, text_at(stmt, i));
        break;
    case SQLITE_BLOB:
        put_hex(out, stmt, i, SIZE_MAX);
        break;
    default:
        break;
    }
}

static void put_json_integer(struct buf *out, sqlite3_int64 value)
{
    const sqlite3_int64 exact = (INT64_C(1) << 53) - 1;
    const char *quote = value > exact || value < -exact ? "\"" : "";
    buf_text(out, quote);
    buf_i64(out, value);
    buf_text(out, quote);
}

static void put_json(struct buf *out, sqlite3_stmt *stmt, int i)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        put_json_integer(out, sqlite3_column_int64(stmt, i));
        break;
    case SQLITE_FLOAT:
        buf_json_double(out, sqlite3_column_double(stmt, i));
        break;
    case SQLITE_TEXT:
        buf_json_text(out, text_at(stmt, i));
        break;
    case SQLITE_BLOB:
        buf_char(out, '"');
        put_hex(out, stmt, i, SIZE_MAX);
        buf_char(out, '"');
        break;
    default:
        buf_text(out, "null");
        break;
    }
}

static void put_csv_row(struct buf *out, sqlite3_stmt *stmt)
{
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        buf_comma(out, (size_t)i);
        put_csv(out, stmt, i);
    }
    buf_char(out, '\n');
}

static void put_object(struct buf *out, sqlite3_stmt *stmt)
{
    buf_char(out, '{');
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        buf_comma(out, (size_t)i);
        buf_json_text(out, str_of(sqlite3_column_name(stmt, i)));
        buf_char(out, ':');
        put_json(out, stmt, i);
    }
    buf_char(out, '}');
}

/* ---- tables -------------------------------------------------------------- */

#define CELL_NUMBER 'n'
#define CELL_TEXT 't'

/* Of a text that is cut in any case no more is kept: four bytes make a
 * character. */
#define CELL_BYTES ((size_t)4 * (ROWS_CELL_MAX + 1))

static void put_rounded(struct buf *out, double value)
{
    if (isfinite(value)) {
        buf_printf(out, "%.10g", value);
    } else {
        buf_double(out, value);
    }
}

static void put_cell(struct buf *out, sqlite3_stmt *stmt, int i)
{
    int type = sqlite3_column_type(stmt, i);
    bool number = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
    buf_char(out, number ? CELL_NUMBER : CELL_TEXT);
    if (type == SQLITE_FLOAT) {
        put_rounded(out, sqlite3_column_double(stmt, i));
    } else if (type == SQLITE_BLOB) {
        put_hex(out, stmt, i, CELL_BYTES);
    } else if (type == SQLITE_NULL) {
        buf_text(out, "NULL");
    } else { /* up to a NUL, if it has one */
        struct str text = text_at(stmt, i);
        buf_append(out, text.p, text.n < CELL_BYTES ? text.n : CELL_BYTES);
    }
    buf_char(out, '\0');
}

static void keep_cells(struct rows *rows)
{
    for (int i = 0; i < sqlite3_column_count(rows->stmt); i++) {
        put_cell(&rows->cells, rows->stmt, i);
    }
    rows->kept++;
}

static size_t width_of(const char *text)
{
    size_t n = print_width(text);
    return n < ROWS_CELL_MAX ? n : ROWS_CELL_MAX;
}

/* Of the cells that are kept, a header's among them. */
static bool measure(struct rows *rows)
{
    size_t columns = (size_t)sqlite3_column_count(rows->stmt);
    rows->widths = calloc(columns, sizeof *rows->widths);
    if (rows->widths == NULL) {
        errno = ENOMEM;
        return false;
    }
    const char *cell = rows->cells.p;
    for (size_t i = 0; i < rows->kept * columns; i++) {
        size_t n = width_of(cell + 1);
        size_t *width = &rows->widths[i % columns];
        *width = n > *width ? n : *width;
        cell += strlen(cell) + 1;
    }
    return true;
}

/* Numbers to the right, texts to the left, no blanks at the end of a line. */
static void print_cell(
    const struct rows *rows, const char *cell, size_t width, bool last)
{
    size_t n = width_of(cell + 1);
    if (*cell == CELL_NUMBER) {
        fprintf(rows->out, "%*s%s%s", (int)(width > n ? width - n : 0), "",
            cell + 1, last ? "" : "  ");
    } else if (last) {
        print_cut(rows->out, cell + 1, ROWS_CELL_MAX);
    } else {
        print_column(rows->out, cell + 1, width + 1, true);
        fputc(' ', rows->out);
    }
}

static void print_rule(const struct rows *rows, size_t columns)
{
    for (size_t i = 0; i < columns; i++) {
        for (size_t n = 0; n < rows->widths[i]; n++) {
            fputc('-', rows->out);
        }
        fputs(i + 1 < columns ? "  " : "\n", rows->out);
    }
}

static bool print_kept(struct rows *rows)
{
    size_t columns = (size_t)sqlite3_column_count(rows->stmt);
    bool first = rows->widths == NULL;
    if (rows->cells.failed) {
        errno = ENOMEM;
        return false;
    }
    if (first && !measure(rows)) {
        return false;
    }
    const char *cell = rows->cells.p;
    for (size_t i = 0; i < rows->kept * columns; i++) {
        bool last = i % columns + 1 == columns;
        print_cell(rows, cell, rows->widths[i % columns], last);
        cell += strlen(cell) + 1;
        if (last) {
            fputc('\n', rows->out);
        }
        if (first && i + 1 == columns) {
            print_rule(rows, columns);
        }
    }
    buf_clear(&rows->cells);
    rows->kept = 0;
    return ferror(rows->out) == 0;
}

/* ---- all of it ----------------------------------------------------------- */

static void put_header(struct rows *rows)
{
    for (int i = 0; i < sqlite3_column_count(rows->stmt); i++) {
        const char *name = sqlite3_column_name(rows->stmt, i);
        if (rows->format == ROWS_CSV) {
            buf_comma(&rows->line, (size_t)i);
            put_csv_text(&rows->line, str_of(name));
        } else if (rows->format == ROWS_TABLE) {
            buf_char(&rows->cells, CELL_TEXT);
            buf_text(&rows->cells, name == NULL ? "" : name);
            buf_char(&rows->cells, '\0');
        }
    }
    rows->kept = rows->format == ROWS_TABLE;
    if (rows->format == ROWS_CSV) {
        buf_char(&rows->line, '\n');
    }
}

bool rows_begin(
    struct rows *rows, FILE *out, enum rows_format format, sqlite3_stmt *stmt)
{
    *rows = (struct rows){ .out = out, .format = format, .stmt = stmt };
    put_header(rows);
    if (format == ROWS_JSON) {
        buf_char(&rows->line, '[');
    }
    return write_line(rows);
}

bool rows_add(struct rows *rows)
{
    bool first = rows->n++ == 0;
    switch (rows->format) {
    case ROWS_TABLE:
        keep_cells(rows);
        return (rows->widths == NULL && rows->kept <= ROWS_MEASURED) ||
               print_kept(rows);
    case ROWS_CSV:
        put_csv_row(&rows->line, rows->stmt);
        break;
    case ROWS_JSON:
        buf_text(&rows->line, first ? "\n" : ",\n");
        put_object(&rows->line, rows->stmt);
        break;
    case ROWS_NDJSON:
        put_object(&rows->line, rows->stmt);
        buf_char(&rows->line, '\n');
        break;
    }
    return write_line(rows);
}

bool rows_end(struct rows *rows)
{
    if (rows->format == ROWS_TABLE && rows->kept > 0 && !print_kept(rows)) {
        return false;
    }
    if (rows->format == ROWS_JSON) {
        buf_text(&rows->line, "\n]\n");
    }
    return write_line(rows) && fflush(rows->out) == 0;
}

void rows_done(struct rows *rows)
{
    buf_done(&rows->line);
    buf_done(&rows->cells);
    free(rows->widths);
}

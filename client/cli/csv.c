/* csv.c: a state machine over bytes; owns the text of one row. One thread. */
#include "cli/csv.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum state {
    AT_START, /* of a field */
    IN_PLAIN,
    IN_QUOTES,
    AFTER_QUOTE, /* a quote within quotes: the end, or half of "" */
};

void csv_init(struct csv *csv, FILE *in, const char *name)
{
    *csv = (struct csv){ .in = in, .name = name, .line = 1 };
}

void csv_done(struct csv *csv)
{
    free(csv->text);
    free(csv->starts);
    *csv = (struct csv){ .in = NULL };
}

const char *csv_field(const struct csv *csv, size_t i)
{
    return csv->text + csv->starts[i];
}

static enum csv_result refuse(struct csv *csv, size_t line, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

static enum csv_result refuse(
    struct csv *csv, size_t line, const char *format, ...)
{
    int n =
        snprintf(csv->error, sizeof csv->error, "%s:%zu: ", csv->name, line);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof csv->error) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(
            csv->error + used, sizeof csv->error - used, format, arguments);
        va_end(arguments);
    }
    return CSV_ERROR;
}

static enum csv_result put(struct csv *csv, int c)
{
    if (csv->used == CSV_ROW_MAX) {
        return refuse(csv, csv->row_line,
            "a row of more than %u bytes "
            "(is a quote not closed?)",
            CSV_ROW_MAX);
    }
    if (csv->used == csv->capacity) {
        size_t capacity = csv->capacity > 0 ? 2 * csv->capacity : 256;
        char *text = realloc(csv->text, capacity);
        if (text == NULL) {
            return refuse(csv, csv->row_line, "out of memory");
        }
        csv->text = text;
        csv->capacity = capacity;
    }
    csv->text[csv->used++] = (char)c;
    return CSV_ROW;
}

static enum csv_result begin_field(struct csv *csv)
{
    if (csv->fields == CSV_FIELDS_MAX) {
        return refuse(
            csv, csv->row_line, "more than %u fields", CSV_FIELDS_MAX);
    }
    if (csv->fields == csv->starts_capacity) {
        size_t capacity =
            csv->starts_capacity > 0 ? 2 * csv->starts_capacity : 16;
        size_t *starts = realloc(csv->starts, capacity * sizeof *starts);
        if (starts == NULL) {
            return refuse(csv, csv->row_line, "out of memory");
        }
        csv->starts = starts;
        csv->starts_capacity = capacity;
    }
    csv->starts[csv->fields++] = csv->used;
    return CSV_ROW;
}

/* One byte inside a row; c is no line end, unless within quotes. */
static enum csv_result take(struct csv *csv, enum state *state, int c)
{
    if (c == '\0') {
        return refuse(csv, csv->line, "a NUL byte: this is no text");
    }
    if (*state == IN_QUOTES && c != '"') {
        return put(csv, c);
    }
    if (c == ',') {
        *state = AT_START;
        enum csv_result result = put(csv, '\0');
        return result != CSV_ROW ? result : begin_field(csv);
    }
    if (c == '"' && *state == AT_START) {
        *state = IN_QUOTES;
        return CSV_ROW;
    }
    if (c == '"' && *state == IN_QUOTES) {
        *state = AFTER_QUOTE;
        return CSV_ROW;
    }
    if (*state == AFTER_QUOTE) {
        if (c != '"') {
            return refuse(csv, csv->line, "text after a closing quote");
        }
        *state = IN_QUOTES;
        return put(csv, c);
    }
    *state = IN_PLAIN;
    return put(csv, c);
}

static int get(struct csv *csv)
{
    return csv->n_ahead > 0 ? csv->ahead[--csv->n_ahead] : getc(csv->in);
}

static void put_back(struct csv *csv, int c)
{
    if (c != EOF) {
        csv->ahead[csv->n_ahead++] = c;
    }
}

static void skip_mark(struct csv *csv)
{
    static const int mark[] = { 0xef, 0xbb, 0xbf };
    int seen[3];
    size_t n = 0;
    bool equal = true;
    while (n < 3 && equal) {
        seen[n] = get(csv);
        equal = seen[n] == mark[n];
        n++;
    }
    while (!equal && n > 0) {
        put_back(csv, seen[--n]);
    }
}

/* The next byte, with CRLF as LF. */
static int next_byte(struct csv *csv, enum state state)
{
    int c = get(csv);
    if (c != '\r' || state == IN_QUOTES) {
        return c;
    }
    int next = get(csv);
    if (next == '\n') {
        return next;
    }
    put_back(csv, next);
    return c;
}

static enum csv_result end_of_file(struct csv *csv, enum state state)
{
    if (ferror(csv->in)) {
        return refuse(csv, csv->line, "cannot be read");
    }
    if (state == IN_QUOTES) {
        return refuse(csv, csv->row_line, "a quote is not closed");
    }
    return CSV_END;
}

/* One row, which may be blank; CSV_END if there was not a byte. */
static enum csv_result read_row(struct csv *csv)
{
    csv->row_line = csv->line;
    csv->used = 0;
    csv->fields = 0;
    enum state state = AT_START;
    bool any = false;
    enum csv_result result = begin_field(csv);
    while (result == CSV_ROW) {
        int c = next_byte(csv, state);
        if (c == EOF) {
            result = end_of_file(csv, state);
            break;
        }
        any = true;
        csv->line += c == '\n';
        if (c == '\n' && state != IN_QUOTES) {
            break;
        }
        result = take(csv, &state, c);
    }
    if (result == CSV_ERROR || !any) {
        return result;
    }
    return put(csv, '\0');
}

static bool is_blank(const struct csv *csv)
{
    return csv->fields == 1 && csv->used == 1;
}

enum csv_result csv_next(struct csv *csv)
{
    if (!csv->begun) {
        skip_mark(csv);
        csv->begun = true;
    }
    enum csv_result result = CSV_ROW;
    do {
        result = read_row(csv);
    } while (result == CSV_ROW && is_blank(csv));
    return result;
}

static bool is_missing(const char *text, size_t n)
{
    static const char *const words[] = { "", "NA", "N/A", "null", "none", "-" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == n && strncasecmp(words[i], text, n) == 0) {
            return true;
        }
    }
    return false;
}

enum csv_number csv_number(const char *text, double *ret)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) {
        n--;
    }
    if (is_missing(text, n)) {
        return CSV_MISSING;
    }
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text + n || strpbrk(text, "xX") != NULL) {
        return CSV_NO_NUMBER;
    }
    if (!isfinite(value)) {
        return CSV_NONFINITE;
    }
    *ret = value;
    return CSV_NUMBER;
}

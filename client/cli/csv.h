/*
 * csv: reads CSV (RFC 4180) one row at a time, so that a file may be larger
 * than memory. Lines end in LF or CRLF; a byte-order mark and blank lines are
 * passed over; a quoted field may hold commas, line ends and "" for a quote.
 */
#ifndef TRAJ_CSV_H
#define TRAJ_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Bounds; a row that crosses one is an error. */
#define CSV_ROW_MAX (16u << 20) /* bytes */
#define CSV_FIELDS_MAX 65536u

enum csv_result {
    CSV_ROW = 0,
    CSV_END = 1,
    CSV_ERROR = 2, /* csv->error says "FILE:LINE: what"; read no further */
};

struct csv {
    FILE *in;         /* borrowed until csv_done */
    const char *name; /* for errors; borrowed until csv_done */
    bool begun;       /* the byte-order mark has been looked for */
    int ahead[3];     /* bytes to read again before in, the last one first */
    size_t n_ahead;
    size_t line;     /* the line that is being read, from 1 */
    size_t row_line; /* the line that the row begins on */
    size_t fields;   /* of the row */
    char *text;      /* its fields, each ended by a NUL */
    size_t used, capacity;
    size_t *starts; /* of each field, in text */
    size_t starts_capacity;
    char error[320];
};

void csv_init(struct csv *csv, FILE *in, const char *name);
void csv_done(struct csv *csv);

enum csv_result csv_next(struct csv *csv);

/* Field i < csv->fields; valid until the next csv_next. */
const char *csv_field(const struct csv *csv, size_t i);

enum csv_number {
    CSV_NUMBER = 0,  /* finite */
    CSV_MISSING = 1, /* empty, or a usual word for it (NA, null, ...) */
    CSV_NONFINITE = 2,
    CSV_NO_NUMBER = 3,
};

/* The whole text as a decimal number, spaces around it allowed. */
enum csv_number csv_number(const char *text, double *ret);

#endif

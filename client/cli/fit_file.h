/* fit_file: the columns of a CSV file that `traj fit` is asked for. */
#ifndef TRAJ_FIT_FILE_H
#define TRAJ_FIT_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum fit_column {
    FIT_COLUMN_X = 0,
    FIT_COLUMN_Y = 1,
    FIT_COLUMN_LENGTH = 2, /* of the step */
    FIT_COLUMN_LOSS = 3,
};
#define FIT_COLUMNS 4

/* Rows in the order of the file whose x and y are finite; the others are
 * counted. All zero to begin with. */
struct fit_table {
    double *column[FIT_COLUMNS]; /* owned; n each, NaN where nothing is */
    size_t n, capacity;
    size_t excluded;
};

/* names[k] is in the header, or NULL: nobody asked. False: stderr says why. */
bool fit_table_read(
    const char *file, const char *const *names, struct fit_table *table);
void fit_table_done(struct fit_table *table);

#endif

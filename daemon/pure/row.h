/*
 * row: one record of columns as scan.h and decode.h give them. Pure.
 */
#ifndef TRAJD_ROW_H
#define TRAJD_ROW_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ROW_BIT(field) (UINT64_C(1) << (field))

struct row {
    const uint64_t *const *columns; /* bits; NULL: nobody has the field */
    uint64_t present;               /* of record i */
    size_t i;
};

static inline bool row_has(const struct row *row, unsigned field)
{
    return (row->present & ROW_BIT(field)) != 0 && row->columns[field] != NULL;
}

/* 0 where it is absent. */
static inline uint64_t row_u64(const struct row *row, unsigned field)
{
    return row_has(row, field) ? row->columns[field][row->i] : 0;
}

/* NaN where it is absent; a NaN may also be what was measured. */
static inline double row_f64(const struct row *row, unsigned field)
{
    double value = (double)NAN;
    if (row_has(row, field)) {
        memcpy(&value, &row->columns[field][row->i], sizeof value);
    }
    return value;
}

#endif

/*
 * derived: the metrics that charts can ask for by name, and how each follows
 * from the fields of one record. Pure tables and functions.
 *
 * Names: every numeric field of STEP by its own name (loss, lr, grad_sq, ...);
 * the derived ones of derived.c; "metric:NAME" for the METRIC records of that
 * name.
 */
#ifndef TRAJD_DERIVED_H
#define TRAJD_DERIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "wire.h"

struct metric {
    struct str name; /* as asked for; borrowed from the caller */
    enum wire_kind kind;
    uint64_t needs;   /* fields that a record must have, `step` included */
    struct str match; /* METRIC: the record's name; else empty */
    unsigned how;     /* enum in derived.c */
    unsigned field;   /* of a plain field */
};

/* false: there is no such metric. */
bool metric_find(struct str name, struct metric *ret_metric);

/* Has this record the metric? texts: of METRIC records, else NULL. */
bool metric_has(const struct metric *metric, const uint64_t *present,
    const struct str *texts, size_t i);

/* Of record i, which has it. columns: as of scan.h; bits. */
double metric_value(const struct metric *metric,
    const uint64_t *const columns[static WIRE_FIELDS_MAX], size_t i);

#endif

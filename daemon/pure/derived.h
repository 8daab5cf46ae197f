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
#include "pure/row.h"
#include "pure/trainer.h"
#include "wire.h"

struct metric;

/* Of a row that has all of metric->needs. false: not measured after all: a
 * factor is missing, a divisor is 0, the optimizer has no such thing. */
typedef bool (*metric_fn)(const struct metric *metric, const struct row *row,
    const struct trainer *trainer, double *ret);

struct metric {
    struct str name; /* as asked for; borrowed from the caller */
    enum wire_kind kind;
    uint64_t needs;   /* fields that a record must have, `step` included */
    uint64_t wants;   /* fields that make a difference where they are */
    struct str match; /* METRIC: the record's name; else empty */
    metric_fn of;
    unsigned field; /* of a plain field or its root */
};

/* false: there is no such metric. */
bool metric_find(struct str name, struct metric *ret_metric);

/* The name of the i-th derived metric, from 0; NULL behind the last. */
const char *metric_derived_name(size_t i);

/*
 * The metric of record i; false: not measured. columns: as of scan.h, of at
 * least the fields needs | wants; present: of all records; texts: of METRIC
 * records, else NULL; trainer: of the run.
 */
bool metric_read(const struct metric *metric, const struct trainer *trainer,
    const uint64_t *const columns[static WIRE_FIELDS_MAX],
    const uint64_t *present, const struct str *texts, size_t i,
    double *ret_value);

#endif

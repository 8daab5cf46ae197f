/*
 * derived: the metrics that charts can ask for by name, and how each follows
 * from the fields of one record. Pure tables and functions.
 *
 * Names: every numeric field of STEP by its own name (loss, lr, grad_sq, ...);
 * the derived ones of derived.c; "metric:NAME" for the METRIC records of that
 * name; "group:FIELD:NAME" for what GROUP records of the layer NAME measured:
 * their own fields, and grad_norm, param_norm and update_norm, the roots of
 * grad_sq, param_sq and delta_sq (delta_norm is a field, of another norm).
 *
 * Charts of long runs are made of what store/pyramid.h keeps, and it keeps
 * values, not formulas: whoever changes what a metric is of a record raises
 * PYRAMID_VERSION. A root is kept as its field, see metric_values.
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
    uint64_t needs; /* fields that a record must have, `step` included */
    uint64_t wants; /* fields that make a difference where they are */
    /* The name that METRIC records have, or the layer of GROUP records; empty:
     * any. */
    struct str match;
    uint64_t group; /* GROUP: the layer's number in the stream; 0: any */
    metric_fn of;
    unsigned field;  /* of a plain field or its root */
    bool is_root;    /* of the field, nothing else */
    bool of_trainer; /* depends on who trains */
    struct str kept; /* under this name in the pyramid; borrowed as name is,
                        or constant */
};

/* false: there is no such metric. The group's number is the caller's to find,
 * from match. */
bool metric_find(struct str name, struct metric *ret_metric);

/* The name of the i-th derived metric, from 0; NULL behind the last. */
const char *metric_derived_name(size_t i);

/*
 * What the pyramid keeps of records of a kind, by number from 0; false: no
 * more. No roots among them, and of METRIC and GROUP any name and any group.
 * It holds all that metric_find finds.
 */
bool metric_kept(enum wire_kind kind, size_t i, struct metric *ret_metric);

/*
 * The metric of record i; false: not measured. columns: as of scan.h, of at
 * least the fields needs | wants; present: of all records; texts: of METRIC
 * records, else NULL; trainer: of the run.
 */
bool metric_read(const struct metric *metric, const struct trainer *trainer,
    const uint64_t *const columns[static WIRE_FIELDS_MAX],
    const uint64_t *present, const struct str *texts, size_t i,
    double *ret_value);

/*
 * Of n records at once, the columns as above: ret_has[i] says whether record i
 * has the metric. Of a root the field itself, a negative one as NaN: extremes
 * are those of the field, and buckets_take_roots comes last.
 */
void metric_values(const struct metric *metric, const struct trainer *trainer,
    const uint64_t *const columns[static WIRE_FIELDS_MAX],
    const uint64_t *present, const struct str *texts, size_t n, bool *ret_has,
    double *ret_values);

#endif

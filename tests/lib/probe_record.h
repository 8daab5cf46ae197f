/* probe_record: a record of a PROBE, field by field, and the row that it is. */
#ifndef TRAJ_TESTS_PROBE_RECORD_H
#define TRAJ_TESTS_PROBE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "pure/row.h"
#include "wire.h"

#define RECORD_POINTS 3

/* Zero has no field. */
struct record {
    uint64_t bits[WIRE_FIELDS_MAX];
    const uint64_t *columns[WIRE_FIELDS_MAX]; /* record_row fills them */
    struct row row;
    double points[RECORD_POINTS][4]; /* of gammas: see wire.h */
    size_t n_points;
};

void record_set_bits(struct record *r, unsigned field, uint64_t bits);
void record_set(struct record *r, unsigned field, double value);

/* Borrowed; of the fields that are set by now. */
const struct row *record_row(struct record *r);

#endif

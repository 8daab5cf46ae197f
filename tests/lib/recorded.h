/* recorded: a run that only spools, and what it recorded, read back from the
 * spool by the code that sends it. */
#ifndef TRAJD_TEST_RECORDED_H
#define TRAJD_TEST_RECORDED_H

#include <stddef.h>
#include <stdint.h>

#include "traj.h"
#include "wire.h"

struct recorded_one {
    unsigned kind;
    uint64_t present;
    uint64_t values[WIRE_FIELDS_MAX];
    char text[256]; /* its beginning, terminated */
};

struct recorded {
    char dir[64];
    traj_run *run;
    struct recorded_one *records; /* owned, after recorded_close_run */
    size_t n;
};

/* An offline run in a folder of its own. groups may be NULL. */
void recorded_open(struct recorded *recorded, const struct traj_group *groups,
    uint32_t n_groups);
/* Close the run and read its records. */
void recorded_close_run(struct recorded *recorded);
void recorded_done(struct recorded *recorded);

size_t recorded_count(const struct recorded *recorded, unsigned kind);
/* The i-th of a kind, counted from 0; there must be one. */
const struct recorded_one *recorded_at(
    const struct recorded *recorded, unsigned kind, size_t i);

/* The field must be there. */
double recorded_f64(const struct recorded_one *record, unsigned field);
uint64_t recorded_u64(const struct recorded_one *record, unsigned field);
int recorded_has(const struct recorded_one *record, unsigned field);

#endif

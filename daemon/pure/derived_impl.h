/* derived_impl: the table of derived metrics, for the file that looks names up
 * in it. */
#ifndef TRAJD_DERIVED_IMPL_H
#define TRAJD_DERIVED_IMPL_H

#include "pure/derived.h"

struct derived {
    const char *name;
    enum wire_kind kind;
    metric_fn of;
    unsigned field;
    uint64_t needs; /* without the step */
    uint64_t wants;
    bool of_trainer;
};
extern const struct derived derived_metrics[];
extern const size_t derived_count;

/* Of one field: its square root; itself, by its type. */
extern const metric_fn derived_root;
metric_fn derived_of_type(enum wire_field_type type);

#endif

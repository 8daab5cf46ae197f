/* fields: the field tables of schema/wire.h as data, by kind and by name. */
#ifndef TRAJ_WIRE_FIELDS_H
#define TRAJ_WIRE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct wire_field {
    const char *name; /* as in wire.md, the HTTP API and the CSV header */
    enum wire_field_type type;
};

struct wire_kind_info {
    const char *name; /* "step", "probe", ..., as in the HTTP API */
    size_t n_fields;
    const struct wire_field *fields; /* index = bit of the presence mask */
};

/* NULL for a kind that is not in use. */
const struct wire_kind_info *wire_kind_info(unsigned kind);

/* Field of that name (n bytes), or -1. */
int wire_field_find(unsigned kind, const char *name, size_t n);

#endif

/*
 * rank_rules: how each field of a record of all ranks follows from the fields
 * of theirs, for the kinds that are put together: STEP, PROBE and GROUP. Pure
 * tables.
 */
#ifndef TRAJD_RANK_RULES_H
#define TRAJD_RANK_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* Of shards. */
enum rank_how {
    RANK_SAME, /* every rank says it: the lowest rank's */
    RANK_ADD,
    RANK_ADD_COUNT,
    RANK_LARGEST,
    RANK_LARGEST_COUNT,
    RANK_OR,
    RANK_LOST, /* does not follow from the shards' alone */
};

/* Who has to agree on a field. */
enum rank_who {
    RANK_WHO_ALL,      /* ranks by any rule: it is said of the step */
    RANK_WHO_REPLICAS, /* of the same parameters */
    RANK_WHO_DATA,     /* replicas, or shards, with the same data */
    RANK_WHO_GRADIENT, /* replicas with the same data */
};

/* A field that is compared over ranks. Where it is the square of a difference
 * of vectors, it inherits the rounding of these: `of` is their square. */
struct rank_compared {
    uint8_t field;
    uint8_t who; /* enum rank_who */
    bool is_count;
    uint8_t of; /* `field` itself where there is none */
};

#define RANK_SPREADS 17             /* compared fields of a kind, at most */
#define RANK_FIELDS_MAX STEP_FIELDS /* fields of a kind, at most */
#define RANK_NO_FIELD UINT8_MAX

struct rank_rules {
    enum wire_kind kind;
    unsigned n_fields;
    const uint8_t *hows; /* enum rank_how, by field */
    const struct rank_compared *compared;
    size_t n_compared;
    uint8_t step, combine; /* fields */
    uint8_t stage;         /* or RANK_NO_FIELD */
    /* What a gradient went into: unknown where each rank has its own. */
    uint64_t of_gradient;
};

/* kind: STEP, PROBE or GROUP. */
const struct rank_rules *rank_rules_of(enum wire_kind kind);

/* The comparison of that field, or NULL. */
const struct rank_compared *rank_rules_compared(
    const struct rank_rules *rules, unsigned field);

/* Is a compared field measured on the parameters that the rank has? Else it is
 * said of the step. */
static inline bool rank_is_measured(const struct rank_compared *compared)
{
    return compared->who == RANK_WHO_REPLICAS ||
           compared->who == RANK_WHO_GRADIENT;
}

/* Does it follow from the data that the rank has? */
static inline bool rank_has_data(const struct rank_compared *compared)
{
    return compared->who == RANK_WHO_DATA || compared->who == RANK_WHO_GRADIENT;
}

#endif

/*
 * fit_part: what a set of pairs of one class leaves behind for fits with one
 * regressor: the state (math/fit_state.h) of those that are used, and how many
 * are left out for which reason. Parts add up. Any thread, one at a time; owns
 * memory.
 */
#ifndef TRAJD_FIT_PART_H
#define TRAJD_FIT_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "math/fit_state.h"
#include "pure/pairs.h"

/* Of all of them, but for the state. */
struct fit_facts {
    uint64_t uses[PAIR_USES];       /* PAIR_USED: the pairs of the state */
    uint64_t first_step, last_step; /* of the used ones; 0 if there are none */
    unsigned flags;                 /* TRAJ_PROBE_* of any used one */
    uint64_t ceilings;              /* used pairs that have a ceiling */
    uint64_t near_ceiling; /* of those: y > FIT_CEILING_RATIO_MAX ceiling */
};

/* All zero: of no pair. */
struct fit_part {
    struct fit_facts facts;
    struct fit_state state;
};

/* false: out of memory; the part is as it was. */
bool fit_part_add(struct fit_part *part, const struct pair *pair,
    enum fit_regressor regressor);
/* *of's state may be another than its part's. */
bool fit_part_merge(struct fit_part *part, const struct fit_facts *facts,
    const struct fit_state *state);
void fit_part_done(struct fit_part *part);

void fit_facts_merge(struct fit_facts *facts, const struct fit_facts *of);
/* Those that are not used. */
uint64_t fit_facts_excluded(const struct fit_facts *facts);
/* As if each pair had been given to pair_census_add. */
void fit_facts_census(const struct fit_facts *facts, unsigned estimator,
    enum fit_regressor regressor, struct pair_census *census);

#endif

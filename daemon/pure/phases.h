/*
 * phases: the stretches of a run within which one law may hold. A run is cut
 * where something is known to have happened (an attempt began, the learning
 * rate has reached its peak, fell or rose at once), and within what is left
 * where one line stops describing it (fit_change.h). Pure but for its memory;
 * any thread.
 */
#ifndef TRAJD_PHASES_H
#define TRAJD_PHASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/fit_sample.h"

#define PHASES_MAX 16u

enum phase_cause {
    PHASE_START,
    PHASE_ATTEMPT, /* the run was resumed here */
    PHASE_LR_PEAK, /* warm-up is over */
    PHASE_LR_DROP,
    PHASE_LR_RISE,
    PHASE_CLIP, /* another clip threshold */
    PHASE_CHANGE_POINT,
    PHASE_CAUSES,
};
/* "start", "attempt", "lr_peak", ... */
const char *phase_cause_name(enum phase_cause cause);

struct phase {
    uint64_t from_step, to_step; /* inclusive */
    enum phase_cause cause;      /* of its beginning */
};

struct phases {
    struct phase v[PHASES_MAX];
    size_t n;     /* at least 1 */
    bool is_full; /* there was more to cut */
};

struct phase_cut {
    uint64_t step;
    enum phase_cause cause;
};

/* A learning rate that is above, or below, so much of the one before has
 * jumped. One that jumps more often follows a rule of its own, and begins no
 * phases; neither does such a clip threshold. */
#define PHASE_LR_JUMP 0.7
#define PHASE_JUMPS_MAX 8u

struct phases_query {
    uint64_t from_step, to_step; /* inclusive */
    bool changes;                /* look for change points too */
    /* Cuts that are known from elsewhere, in any order; those outside are left
     * out. */
    const struct phase_cut *known;
    size_t n_known;
};

/* sample: the pairs of these steps, in their order. false: out of memory. */
bool phases_find(const struct fit_sample *sample,
    const struct phases_query *query, struct phases *ret);

#endif

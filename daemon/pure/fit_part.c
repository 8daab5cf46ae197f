/* fit_part.c: see the header. */
#include "pure/fit_part.h"

#include <math.h>

#include "math/fit_limits.h"

static void note_step(struct fit_facts *facts, uint64_t first, uint64_t last)
{
    const bool is_first = facts->uses[PAIR_USED] == 0;
    if (is_first || first < facts->first_step) {
        facts->first_step = first;
    }
    if (is_first || last > facts->last_step) {
        facts->last_step = last;
    }
}

bool fit_part_add(struct fit_part *part, const struct pair *pair,
    enum fit_regressor regressor)
{
    struct fit_facts *facts = &part->facts;
    const enum pair_use use = pair_use(pair, regressor);
    const double y = pair->y[regressor];
    const double ceiling = pair->ceiling[regressor];
    if (use != PAIR_USED) {
        facts->uses[use]++;
        return true;
    }
    if (!fit_state_add(&part->state, pair->step, pair->x[regressor], y)) {
        return false;
    }
    note_step(facts, pair->step, pair->step);
    facts->uses[use]++;
    facts->flags |= pair->flags;
    if (ceiling > 0 && isfinite(ceiling)) {
        facts->ceilings++;
        facts->near_ceiling += y / ceiling > FIT_CEILING_RATIO_MAX ? 1 : 0;
    }
    return true;
}

void fit_facts_merge(struct fit_facts *facts, const struct fit_facts *of)
{
    if (of->uses[PAIR_USED] > 0) {
        note_step(facts, of->first_step, of->last_step);
    }
    for (unsigned use = 0; use < PAIR_USES; use++) {
        facts->uses[use] += of->uses[use];
    }
    facts->flags |= of->flags;
    facts->ceilings += of->ceilings;
    facts->near_ceiling += of->near_ceiling;
}

bool fit_part_merge(struct fit_part *part, const struct fit_facts *facts,
    const struct fit_state *state)
{
    if (!fit_state_merge(&part->state, state)) {
        return false;
    }
    fit_facts_merge(&part->facts, facts);
    return true;
}

void fit_part_done(struct fit_part *part)
{
    fit_state_done(&part->state);
    *part = (struct fit_part){ 0 };
}

uint64_t fit_facts_excluded(const struct fit_facts *facts)
{
    uint64_t n = 0;
    for (unsigned use = PAIR_USED + 1; use < PAIR_USES; use++) {
        n += facts->uses[use];
    }
    return n;
}

void fit_facts_census(const struct fit_facts *facts, unsigned estimator,
    enum fit_regressor regressor, struct pair_census *census)
{
    census->usable[estimator][regressor] += facts->uses[PAIR_USED];
    if (regressor == FIT_REGRESSOR_START) { /* each pair once */
        census->n[estimator] += facts->uses[PAIR_USED] +
                                fit_facts_excluded(facts) -
                                facts->uses[PAIR_WINDOW_OPEN];
    }
}

/* rank_pairs.c: pure; one thread at a time per struct rank_pairs. */
#include "pure/rank_pairs.h"

#include <math.h>
#include <stdlib.h>

struct row rank_step_row(const struct rank_step *step,
    const uint64_t *columns[static WIRE_FIELDS_MAX])
{
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        columns[f] = f < step->rules->n_fields ? &step->values[f] : NULL;
    }
    return (struct row){ columns, step->present, 0 };
}

static enum pair_use left_out(const struct rank_step *step)
{
    return rank_step_is_whole(step)               ? PAIR_USED
           : (step->flags & RANK_MIXED) != 0      ? PAIR_RANKS_DIFFER
           : (step->flags & RANK_INCOMPLETE) != 0 ? PAIR_INCOMPLETE
                                                  : PAIR_GAMMAS_DIFFER;
}

bool rank_pair_read(
    const struct rank_step *step, const struct row *row, struct pair *ret_pair)
{
    const enum pair_use use = left_out(step);
    if (use == PAIR_USED) {
        return pair_read(row, ret_pair);
    }
    *ret_pair = (struct pair){
        .step = step->step,
        .estimator = (uint8_t)step->item,
        .left_out = (uint8_t)use,
    };
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        ret_pair->x[k] = ret_pair->y[k] = (double)NAN;
        ret_pair->ceiling[k] = (double)NAN;
    }
    return step->item < PAIR_ESTIMATORS;
}

bool rank_pairs_init(struct rank_pairs *pairs, uint32_t world)
{
    *pairs = (struct rank_pairs){ .world = world };
    pairs->missing = calloc(((size_t)world + 63) / 64, sizeof *pairs->missing);
    return pairs->missing != NULL;
}

void rank_pairs_done(struct rank_pairs *pairs)
{
    free(pairs->missing);
    *pairs = (struct rank_pairs){ 0 };
}

static void note_missing(struct rank_pairs *pairs, const struct rank_step *step)
{
    for (uint32_t rank = 0; rank < step->world && rank < pairs->world; rank++) {
        if (rank_step_lacks(step, rank)) {
            pairs->missing[rank / 64] |= UINT64_C(1) << rank % 64;
        }
    }
}

static uint64_t count_of(const struct rank_step *step, unsigned field)
{
    return (step->present & ROW_BIT(field)) != 0 ? step->values[field] : 0;
}

static void add_taken(struct rank_pairs *pairs, const struct rank_step *step)
{
    const bool all = (step->flags & RANK_INCOMPLETE) == 0;
    pairs->whole += all;
    pairs->unchecked += !all;
    pairs->disagree += (step->flags & RANK_DISAGREE) != 0;
    pairs->cost_ns += count_of(step, PROBE_cost_ns);
    pairs->grad_evals += count_of(step, PROBE_grad_evals);
    if (!pairs->has_last_whole || step->step > pairs->last_whole) {
        pairs->has_last_whole = true;
        pairs->last_whole = step->step;
    }
}

void rank_pairs_add(struct rank_pairs *pairs, const struct rank_step *step)
{
    const enum pair_use use = left_out(step);
    pairs->incomplete += use == PAIR_INCOMPLETE;
    pairs->mixed += use == PAIR_RANKS_DIFFER;
    pairs->gammas += use == PAIR_GAMMAS_DIFFER;
    if (use == PAIR_USED) {
        add_taken(pairs, step);
    }
    if ((step->flags & RANK_INCOMPLETE) != 0) {
        note_missing(pairs, step);
    }
}

uint32_t rank_pairs_missing(
    const struct rank_pairs *pairs, uint32_t max, uint32_t *ret_ranks)
{
    uint32_t n = 0;
    for (uint32_t rank = 0; rank < pairs->world; rank++) {
        if ((pairs->missing[rank / 64] >> rank % 64 & 1) != 0) {
            if (n < max) {
                ret_ranks[n] = rank;
            }
            n++;
        }
    }
    return n;
}

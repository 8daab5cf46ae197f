/*
 * rank_pairs: the pairs of a run of several processes, each made of the probes
 * of all its ranks (rank_sum.h), and what became of those that are none. Pure
 * but for the memory of a struct rank_pairs.
 *
 * A probe of shards of which one is missing is of a part of the model: it is
 * no pair, whatever its norms. One of replicas is the whole model's though
 * another replica is missing, but nobody has checked it.
 */
#ifndef TRAJD_RANK_PAIRS_H
#define TRAJD_RANK_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/pairs.h"
#include "pure/rank_sum.h"

/* Of PROBE. Its row, which reads *columns, borrows step. */
struct row rank_step_row(const struct rank_step *step,
    const uint64_t *columns[static WIRE_FIELDS_MAX]);

/* false: no pair at all, see pair_read. One that is not of the whole has only
 * its step, class and left_out. */
bool rank_pair_read(
    const struct rank_step *step, const struct row *row, struct pair *ret_pair);

struct rank_pairs {
    uint64_t whole;     /* all ranks that have a part are in */
    uint64_t unchecked; /* replicas, of which one is missing */
    uint64_t incomplete;
    uint64_t mixed;    /* PAIR_RANKS_DIFFER */
    uint64_t gammas;   /* PAIR_GAMMAS_DIFFER */
    uint64_t disagree; /* taken, though ranks disagree */
    bool has_last_whole;
    uint64_t last_whole; /* the highest step */
    /* Of those that are taken: of each the slowest rank's time, and the most
     * gradients that a rank took part in: they evaluate them together. */
    uint64_t cost_ns, grad_evals;
    uint32_t world;
    uint64_t *missing; /* bit r: rank r's part was missing; owned */
};

/* world: the largest of the run. false: out of memory. */
bool rank_pairs_init(struct rank_pairs *pairs, uint32_t world);
void rank_pairs_done(struct rank_pairs *pairs);
void rank_pairs_add(struct rank_pairs *pairs, const struct rank_step *step);
/* How many ranks, and the lowest `max` of them. */
uint32_t rank_pairs_missing(
    const struct rank_pairs *pairs, uint32_t max, uint32_t *ret_ranks);

#endif

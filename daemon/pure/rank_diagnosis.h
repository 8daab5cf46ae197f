/*
 * rank_diagnosis: what is wrong with the norms of a run of several processes,
 * from its steps (ranks.h, with values kept) and its probes over any window.
 * Pure.
 *
 * - Replicas that disagree, and anything else that ranks say of one step and
 *   do not agree on: by how much, who, since when.
 * - A norm that is off by sqrt(k) or k. Two independent signs:
 *   (a) k ranks that say REPLICA or NONE have squares of one size and yet not
 *       one value: sum over ranks within RANK_ALIKE of k times the median, and
 *       most of them off by more than RANK_APART. If their ||x|| differ too,
 *       they are shards: the norm of each is about 1/sqrt(k) of the run's. If
 *       ||x|| agrees, each rank has its own data.
 *   (b) plain SGD makes d = -lr c g, c the clip's factor. A steady
 *       ||d||/(lr c ||g||) that is not 1 but within RANK_FACTOR_WITHIN of k,
 *       sqrt(k) or the inverse of them, k the world, the microbatches or the
 *       loss scale, names what was done to ||g||.
 */
#ifndef TRAJD_RANK_DIAGNOSIS_H
#define TRAJD_RANK_DIAGNOSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/grad_norm.h"
#include "pure/rank_sum.h"
#include "pure/trainer.h"

/* Squares of shards of the same kind differ by their sampling, 1/sqrt(size),
 * and by which layers they hold; those of replicas that drift apart hardly. */
#define RANK_APART 1e-3
#define RANK_ALIKE 2.0
#define RANK_FACTOR_WITHIN 0.01
#define RANK_FACTOR_STEPS 3    /* fewer steps name no factor */
#define RANK_FACTOR_STEADY 0.9 /* of the steps must show the same */

enum rank_finding_code {
    RANK_FINDING_MIXED,     /* ranks give different rules or stages */
    RANK_FINDING_ONE_SHARD, /* (a): a shard's norm passes for the run's */
    RANK_FINDING_OWN_DATA,  /* (a): each rank's own gradient does */
    RANK_FINDING_FACTOR,    /* (b) */
    RANK_FINDING_DISAGREE,  /* replicas disagree on what they measure */
    RANK_FINDING_DIFFER,    /* ranks differ on what they say of the step */
    RANK_FINDING_GAMMAS,    /* probes of ranks have not the same points */
};
const char *rank_finding_name(enum rank_finding_code code);

#define RANK_FINDING_RANKS 16
#define RANK_FINDING_TEXT 320
struct rank_finding {
    enum rank_finding_code code;
    enum wire_kind kind; /* STEP or PROBE */
    const char *field;   /* of it; NULL where it is about no single one */
    /* What ||g|| must be multiplied by (ONE_SHARD, FACTOR); the largest
     * relative difference seen (DISAGREE, DIFFER); else NaN. */
    double factor;
    uint64_t first_step;                /* where it showed first */
    uint64_t steps;                     /* how many show it */
    uint32_t n_ranks;                   /* whom it is about; 0 = all */
    uint32_t ranks[RANK_FINDING_RANKS]; /* the lowest of them */
    char text[RANK_FINDING_TEXT];       /* one sentence of English */
};

#define RANK_FINDINGS_MAX (2 * RANK_SPREADS + 6)

/* The fields that it looks at, those that are compared included. */
#define RANK_DIAGNOSIS_FIELDS                                                  \
    (RANK_SPREAD_FIELDS | GRAD_DIVISOR_FIELDS | ROW_BIT(STEP_step) |           \
        ROW_BIT(STEP_combine) | ROW_BIT(STEP_flags))

struct rank_diagnosis;

/* NULL: out of memory. */
struct rank_diagnosis *rank_diagnosis_new(const struct trainer *trainer);
void rank_diagnosis_free(struct rank_diagnosis *diagnosis); /* NULL is fine */

/* A STEP with values kept, or a PROBE; of a world of at most
 * TRAINER_WORLD_MAX. */
void rank_diagnosis_add(
    struct rank_diagnosis *diagnosis, const struct rank_step *step);

/* The findings of what there was so far, the gravest first: how many. */
size_t rank_diagnosis_findings(const struct rank_diagnosis *diagnosis,
    struct rank_finding ret_findings[static RANK_FINDINGS_MAX]);

#endif

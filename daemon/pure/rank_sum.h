/*
 * rank_sum: one record of a run, put together from those of its ranks: of a
 * step (STEP), of a probe of one class and group (PROBE), of a layer (GROUP),
 * by the rule that they give (enum traj_combine):
 *   SHARD    disjoint parameters: sums of squares, inner products and counts
 *            of NaN and Inf add up, the largest |g_i| is the largest of all;
 *            what is a norm or a ratio of a probe follows from the sums
 *            (rank_probe.h), and its cost is that of the slowest rank: the
 *            ranks evaluate each gradient of the whole together
 *   REPLICA  the same on each: the lowest rank's, and they must agree
 *   NONE     rank 0 speaks for all; of a layer that rank 0 has no part of, the
 *            lowest that has
 * What every rank says of the step (loss, lr, ...) is the lowest rank's. The
 * result is a record of the same kind again, so whatever reads records
 * (derived.h, grad_norm.h, pairs.h) reads it too. Pure.
 *
 * Records of stage LOCAL are of each rank's own data: ||g||^2 of the run does
 * not follow from them and is left out with everything that g went into; the
 * mean of ||g_r||^2 over the ranks is the run's micro_grad_sq, with
 * micro_batches = world and batch_samples the sum. micro_grad_sq of replicas
 * that are not LOCAL is of each rank's own microbatches: the mean over ranks.
 *
 * A sum over shards that is not of all of them is no sum: an incomplete record
 * keeps only what every rank says. Also left out for shards: the extremes of a
 * fold's ||g||^2 and its count of steps that are not finite, which do not
 * follow from those of the shards.
 */
#ifndef TRAJD_RANK_SUM_H
#define TRAJD_RANK_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/rank_probe.h"
#include "pure/rank_rules.h"
#include "pure/row.h"
#include "traj.h"
#include "wire.h"

enum rank_flag {
    RANK_INCOMPLETE = 1, /* a rank that has a part has not given its record */
    RANK_DISAGREE = 2,   /* see rank_step.disagree */
    RANK_MIXED = 4,      /* rules differ, or some are LOCAL and some are not:
                            the lowest rank's record, as it is */
    RANK_LOCAL = 8,
    RANK_GAMMAS = 16, /* a probe, and not all measured at the same points */
};

/* The range of one field over the ranks; counts as doubles. */
struct rank_spread {
    double least, most; /* of those that are no NaN */
    uint32_t least_rank, most_rank;
    uint32_t n;     /* ranks that have it, NaN or not */
    uint32_t n_nan; /* of them */
    uint32_t nan_rank;
};

/* The fields of STEP that are compared. */
#define RANK_SPREAD_FIELDS                                                     \
    (ROW_BIT(STEP_loss) | ROW_BIT(STEP_lr) | ROW_BIT(STEP_clip_threshold) |    \
        ROW_BIT(STEP_clip_scale) | ROW_BIT(STEP_loss_scale) |                  \
        ROW_BIT(STEP_momentum) | ROW_BIT(STEP_epoch) |                         \
        ROW_BIT(STEP_micro_batches) | ROW_BIT(STEP_grad_sq) |                  \
        ROW_BIT(STEP_grad_clipped_sq) | ROW_BIT(STEP_grad_max_abs) |           \
        ROW_BIT(STEP_grad_nan) | ROW_BIT(STEP_grad_inf) |                      \
        ROW_BIT(STEP_param_sq) | ROW_BIT(STEP_delta_sq) |                      \
        ROW_BIT(STEP_param_nan) | ROW_BIT(STEP_param_inf))

/* One record of the run. */
struct rank_step {
    const struct rank_rules *rules; /* of its kind */
    uint64_t step;
    uint32_t item;    /* which of the step's records, see ranks.h */
    uint32_t attempt; /* the newest among its ranks */
    uint32_t world;
    uint32_t holders; /* ranks that have a part of it */
    uint32_t n_in;    /* ranks that have given their record */
    enum traj_combine rule;
    unsigned flags; /* enum rank_flag */
    /* Fields that should be the same on each rank and are not. */
    uint64_t disagree;
    uint64_t present;                  /* of a record of the kind */
    uint64_t values[RANK_FIELDS_MAX];  /* no blobs */
    const struct rank_spread *spreads; /* as rules->compared */
    const uint64_t *in;                /* bit r: rank r is in */
    /* As ranks_options has it; NULL: every rank has a part. */
    bool (*holds)(void *context, uint32_t world, uint32_t rank, uint32_t item);
    void *context;
    /* By rank, NaN where it gave none; NULL unless they are kept. */
    const double *grad_sq;
    const double *param_sq;
};

/* Has the rank a part that it has not given? */
bool rank_step_lacks(const struct rank_step *step, uint32_t rank);

/* Are the values those of the whole? Not so where a shard is missing, or who
 * speaks for all, or where ranks do not fit together. Of replicas one will
 * do. */
bool rank_step_is_whole(const struct rank_step *step);

/* What is known of a record while its ranks come in, in any order. */
struct rank_sum {
    const struct rank_rules *rules;
    struct rank_probe *probe; /* borrowed; NULL unless the kind is PROBE */
    uint32_t n_in;
    uint32_t low_rank; /* whose record is `low` */
    uint64_t low_present;
    uint64_t low[RANK_FIELDS_MAX];
    uint64_t all_present; /* fields that every rank has */
    uint64_t any_present; /* fields that a rank has */
    double sums[RANK_FIELDS_MAX];
    uint64_t counts[RANK_FIELDS_MAX];
    unsigned rules_seen; /* bit k: a rank gave rule k */
    uint32_t n_local;
    double local_sq; /* sum of ||g_r||^2 */
    uint64_t batch_samples;
    struct rank_spread spreads[RANK_SPREADS];
};

/* kind: STEP, PROBE or GROUP; a PROBE with room for its points. */
void rank_sum_init(
    struct rank_sum *sum, enum wire_kind kind, struct rank_probe *probe);
/* Each rank once. points: a probe's gammas, empty where it has none. */
void rank_sum_add(struct rank_sum *sum, uint32_t rank, const struct row *record,
    struct str points);

/* Whose record it is. */
struct rank_holders {
    uint32_t world;
    uint32_t n;      /* ranks that have a part; at least 1 */
    uint32_t lowest; /* of them */
};

/* All but step, item, attempt, in, holds, context, grad_sq and param_sq, which
 * are the caller's. spreads stays borrowed from sum, which has had a record. */
void rank_sum_result(const struct rank_sum *sum,
    const struct rank_holders *holders, struct rank_step *ret_step);

/*
 * Relative difference up to which replicas agree. Two replicas that do the
 * same arithmetic have the same bits; where the order of a reduction differs,
 * an element of float32 is off by its rounding, 2^-24 of itself, and a sum of
 * squares by at most 2^-23 = 1.2e-7 of itself, were all of them off the same
 * way. 1e-6 is eight roundings; a rank whose parameters drift apart, or which
 * has other data, is beyond it by orders of magnitude. Compared are sums
 * without cancellation: an inner product of nearly orthogonal vectors has no
 * relative accuracy. An update is a difference of parameters, whose rounding
 * it inherits, so ||d||^2 may also be off by RANK_AGREE ||d|| ||x||; so may
 * ||dg||^2 of a probe by RANK_AGREE ||dg|| ||g||.
 */
#define RANK_AGREE 1e-6

/* Do the values of a compared field agree? of_sq: the square of what it is the
 * difference of (rank_compared.of), or NaN. */
bool rank_spread_agrees(
    bool is_difference, const struct rank_spread *spread, double of_sq);

#endif

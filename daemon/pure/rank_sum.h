/*
 * rank_sum: one step of a run, put together from the STEP records of its ranks
 * by the rule that they give (enum traj_combine):
 *   SHARD    disjoint parameters: sums of squares, inner products and counts
 *            of NaN and Inf add up, the largest |g_i| is the largest of all
 *   REPLICA  the same on each: the lowest rank's, and they must agree
 *   NONE     rank 0 speaks for all
 * What every rank says of the step (loss, lr, ...) is the lowest rank's. The
 * result is a STEP record again, so whatever reads records (derived.h,
 * grad_norm.h) reads it too. Pure.
 *
 * Records of stage LOCAL are of each rank's own data: ||g||^2 of the run does
 * not follow from them and is left out with everything that g went into; the
 * mean of ||g_r||^2 over the ranks is the run's micro_grad_sq, with
 * micro_batches = world and batch_samples the sum.
 *
 * A sum over shards that is not of all of them is no sum: an incomplete step
 * keeps only what every rank says. Also left out for shards: the extremes of a
 * fold's ||g||^2 and its count of steps that are not finite, which do not
 * follow from those of the shards.
 */
#ifndef TRAJD_RANK_SUM_H
#define TRAJD_RANK_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/row.h"
#include "traj.h"
#include "wire.h"

enum rank_flag {
    RANK_INCOMPLETE = 1, /* a rank of the world has not given its record */
    RANK_DISAGREE = 2,   /* see rank_step.disagree */
    RANK_MIXED = 4,      /* rules differ, or some are LOCAL and some are not:
                            the lowest rank's record, as it is */
    RANK_LOCAL = 8,
};

/* The range of one field over the ranks; counts as doubles. */
struct rank_spread {
    double least, most; /* of those that are no NaN */
    uint32_t least_rank, most_rank;
    uint32_t n;     /* ranks that have it, NaN or not */
    uint32_t n_nan; /* of them */
    uint32_t nan_rank;
};

#define RANK_SPREADS 17 /* the fields that are compared: */
#define RANK_SPREAD_FIELDS                                                     \
    (ROW_BIT(STEP_loss) | ROW_BIT(STEP_lr) | ROW_BIT(STEP_clip_threshold) |    \
        ROW_BIT(STEP_clip_scale) | ROW_BIT(STEP_loss_scale) |                  \
        ROW_BIT(STEP_momentum) | ROW_BIT(STEP_epoch) |                         \
        ROW_BIT(STEP_micro_batches) | ROW_BIT(STEP_grad_sq) |                  \
        ROW_BIT(STEP_grad_clipped_sq) | ROW_BIT(STEP_grad_max_abs) |           \
        ROW_BIT(STEP_grad_nan) | ROW_BIT(STEP_grad_inf) |                      \
        ROW_BIT(STEP_param_sq) | ROW_BIT(STEP_delta_sq) |                      \
        ROW_BIT(STEP_param_nan) | ROW_BIT(STEP_param_inf))
/* STEP's number of the i-th. */
unsigned rank_spread_field(size_t i);
/* Is a compared field measured on the parameters that the rank has? Else it is
 * said of the step. */
bool rank_field_is_measured(unsigned field);
/* Does it follow from the data that the rank has? */
bool rank_field_has_data(unsigned field);

/* One step of the run. */
struct rank_step {
    uint64_t step;
    uint32_t attempt; /* the newest among its ranks */
    uint32_t world;
    uint32_t n_in; /* ranks that have given their record */
    enum traj_combine rule;
    unsigned flags; /* enum rank_flag */
    /* Fields that should be the same on each rank and are not. */
    uint64_t disagree;
    uint64_t present; /* of a STEP record */
    uint64_t values[STEP_FIELDS];
    const struct rank_spread *spreads; /* RANK_SPREADS; by rank_spread_field */
    const uint64_t *in;                /* bit r: rank r is in */
    /* By rank, NaN where it gave none; NULL unless they are kept. */
    const double *grad_sq;
    const double *param_sq;
};

/* What is known of a step while its ranks come in, in any order. */
struct rank_sum {
    uint32_t n_in;
    uint32_t low_rank; /* whose record is `low` */
    uint64_t low_present;
    uint64_t low[STEP_FIELDS];
    uint64_t all_present; /* fields that every rank has */
    uint64_t any_present; /* fields that a rank has */
    double sums[STEP_FIELDS];
    uint64_t counts[STEP_FIELDS];
    unsigned rules; /* bit k: a rank gave rule k */
    uint32_t n_local;
    double local_sq; /* sum of ||g_r||^2 */
    uint64_t batch_samples;
    struct rank_spread spreads[RANK_SPREADS];
};

void rank_sum_init(struct rank_sum *sum);
/* Each rank once. */
void rank_sum_add(
    struct rank_sum *sum, uint32_t rank, const struct row *record);

/* All but step, attempt, in, grad_sq and param_sq, which are the caller's.
 * spreads stays borrowed from sum, which has had a record. */
void rank_sum_result(
    const struct rank_sum *sum, uint32_t world, struct rank_step *ret_step);

/*
 * Relative difference up to which replicas agree. Two replicas that do the
 * same arithmetic have the same bits; where the order of a reduction differs,
 * an element of float32 is off by its rounding, 2^-24 of itself, and a sum of
 * squares by at most 2^-23 = 1.2e-7 of itself, were all of them off the same
 * way. 1e-6 is eight roundings; a rank whose parameters drift apart, or which
 * has other data, is beyond it by orders of magnitude. Compared are sums
 * without cancellation: an inner product of nearly orthogonal vectors has no
 * relative accuracy. An update is a difference of parameters, whose rounding
 * it inherits, so ||d||^2 may also be off by RANK_AGREE ||d|| ||x||.
 */
#define RANK_AGREE 1e-6

/* Do the values of the i-th compared field agree? param_sq: ||x||^2 or NaN. */
bool rank_spread_agrees(
    size_t i, const struct rank_spread *spread, double param_sq);

#endif

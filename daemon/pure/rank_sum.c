/* rank_sum.c: pure; one thread at a time per struct rank_sum. */
#include "pure/rank_sum.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum how {
    HOW_SAME, /* every rank says it: the lowest rank's */
    HOW_ADD,
    HOW_ADD_COUNT,
    HOW_LARGEST,
    HOW_OR,
    HOW_LOST, /* does not follow from the shards' */
};

/* Of shards, by field of STEP. */
static const uint8_t hows[STEP_FIELDS] = {
    [STEP_grad_sq] = HOW_ADD,
    [STEP_param_sq] = HOW_ADD,
    [STEP_delta_sq] = HOW_ADD,
    [STEP_grad_delta] = HOW_ADD,
    [STEP_dgrad_sq] = HOW_ADD,
    [STEP_dgrad_delta] = HOW_ADD,
    [STEP_grad_prev] = HOW_ADD,
    [STEP_grad_clipped_sq] = HOW_ADD,
    [STEP_micro_grad_sq] = HOW_ADD,
    [STEP_fold_grad_sq_sum] = HOW_ADD,
    [STEP_fold_delta_sq_sum] = HOW_ADD,
    [STEP_grad_nan] = HOW_ADD_COUNT,
    [STEP_grad_inf] = HOW_ADD_COUNT,
    [STEP_param_nan] = HOW_ADD_COUNT,
    [STEP_param_inf] = HOW_ADD_COUNT,
    [STEP_grad_max_abs] = HOW_LARGEST,
    [STEP_flags] = HOW_OR,
    [STEP_fold_grad_sq_min] = HOW_LOST,
    [STEP_fold_grad_sq_min_step] = HOW_LOST,
    [STEP_fold_grad_sq_max] = HOW_LOST,
    [STEP_fold_grad_sq_max_step] = HOW_LOST,
    [STEP_fold_nonfinite] = HOW_LOST,
};

/* What a gradient went into: unknown where each rank has its own. */
#define OF_GRADIENT                                                            \
    (ROW_BIT(STEP_grad_sq) | ROW_BIT(STEP_grad_delta) |                        \
        ROW_BIT(STEP_dgrad_sq) | ROW_BIT(STEP_dgrad_delta) |                   \
        ROW_BIT(STEP_grad_prev) | ROW_BIT(STEP_grad_max_abs) |                 \
        ROW_BIT(STEP_grad_nan) | ROW_BIT(STEP_grad_inf) |                      \
        ROW_BIT(STEP_grad_clipped_sq) | ROW_BIT(STEP_fold_grad_sq_sum) |       \
        ROW_BIT(STEP_fold_grad_sq_min) | ROW_BIT(STEP_fold_grad_sq_min_step) | \
        ROW_BIT(STEP_fold_grad_sq_max) | ROW_BIT(STEP_fold_grad_sq_max_step))

/* Who has to agree on a field. */
enum who {
    WHO_ALL,      /* ranks by any rule: it is said of the step */
    WHO_REPLICAS, /* of the same parameters */
    WHO_DATA,     /* replicas, or shards, with the same data */
    WHO_GRADIENT, /* replicas with the same data */
};

static const struct {
    unsigned field;
    enum who who;
    bool is_count;
} compared[RANK_SPREADS] = {
    { STEP_loss, WHO_DATA, false },
    { STEP_lr, WHO_ALL, false },
    { STEP_clip_threshold, WHO_ALL, false },
    { STEP_clip_scale, WHO_DATA, false },
    { STEP_loss_scale, WHO_ALL, false },
    { STEP_momentum, WHO_ALL, false },
    { STEP_epoch, WHO_ALL, false },
    { STEP_micro_batches, WHO_ALL, true },
    { STEP_grad_sq, WHO_GRADIENT, false },
    { STEP_grad_clipped_sq, WHO_GRADIENT, false },
    { STEP_grad_max_abs, WHO_GRADIENT, false },
    { STEP_grad_nan, WHO_GRADIENT, true },
    { STEP_grad_inf, WHO_GRADIENT, true },
    { STEP_param_sq, WHO_REPLICAS, false },
    { STEP_delta_sq, WHO_REPLICAS, false },
    { STEP_param_nan, WHO_REPLICAS, true },
    { STEP_param_inf, WHO_REPLICAS, true },
};

unsigned rank_spread_field(size_t i)
{
    assert(i < RANK_SPREADS);
    return compared[i].field;
}

static enum who who_of(unsigned field)
{
    for (size_t i = 0; i < RANK_SPREADS; i++) {
        if (compared[i].field == field) {
            return compared[i].who;
        }
    }
    return WHO_ALL;
}

bool rank_field_is_measured(unsigned field)
{
    enum who who = who_of(field);
    return who == WHO_REPLICAS || who == WHO_GRADIENT;
}

bool rank_field_has_data(unsigned field)
{
    enum who who = who_of(field);
    return who == WHO_DATA || who == WHO_GRADIENT;
}

void rank_sum_init(struct rank_sum *sum)
{
    *sum = (struct rank_sum){ .all_present = UINT64_MAX };
}

/* ---- adding ------------------------------------------------------------- */

static void spread_add(struct rank_spread *spread, double value, uint32_t rank)
{
    bool first = spread->n++ == spread->n_nan;
    if (isnan(value)) {
        spread->n_nan++;
        spread->nan_rank = rank;
        return;
    }
    if (first || value < spread->least) {
        spread->least = value;
        spread->least_rank = rank;
    }
    if (first || value > spread->most) {
        spread->most = value;
        spread->most_rank = rank;
    }
}

static void compare(
    struct rank_sum *sum, uint32_t rank, const struct row *record)
{
    for (size_t i = 0; i < RANK_SPREADS; i++) {
        unsigned field = compared[i].field;
        if (row_has(record, field)) {
            double value = compared[i].is_count ? (double)row_u64(record, field)
                                                : row_f64(record, field);
            spread_add(&sum->spreads[i], value, rank);
        }
    }
}

static void add_field(
    struct rank_sum *sum, const struct row *record, unsigned field)
{
    switch ((enum how)hows[field]) {
    case HOW_ADD:
        sum->sums[field] += row_f64(record, field);
        break;
    case HOW_ADD_COUNT:
        sum->counts[field] += row_u64(record, field);
        break;
    case HOW_LARGEST:
        sum->sums[field] = fmax(sum->sums[field], row_f64(record, field));
        break;
    case HOW_OR:
        sum->counts[field] |= row_u64(record, field);
        break;
    case HOW_SAME:
    case HOW_LOST:
        break;
    }
}

/* ||g_r||^2 of the mean over the rank's own microbatches; NaN: not known. */
static double local_square(const struct row *record)
{
    bool summed = (row_u64(record, STEP_stage) & TRAJ_STAGE_ACCUMULATED) != 0;
    double count = row_has(record, STEP_micro_batches)
                       ? (double)row_u64(record, STEP_micro_batches)
                       : (double)NAN;
    double square = row_f64(record, STEP_grad_sq);
    return summed ? square / (count * count) : square;
}

void rank_sum_add(struct rank_sum *sum, uint32_t rank, const struct row *record)
{
    uint64_t present = 0;
    bool lowest = sum->n_in == 0 || rank < sum->low_rank;
    for (unsigned f = 0; f < STEP_FIELDS; f++) {
        if (!row_has(record, f)) {
            continue;
        }
        present |= ROW_BIT(f);
        add_field(sum, record, f);
        if (lowest) {
            sum->low[f] = row_u64(record, f);
        }
    }
    if (lowest) {
        sum->low_rank = rank;
        sum->low_present = present;
    }
    sum->n_in++;
    sum->all_present &= present;
    sum->any_present |= present;
    uint64_t rule = row_u64(record, STEP_combine);
    sum->rules |= 1u << (rule > TRAJ_COMBINE_REPLICA ? 3 : rule);
    if ((row_u64(record, STEP_stage) & TRAJ_STAGE_LOCAL) != 0) {
        sum->n_local++;
        sum->local_sq += local_square(record);
    }
    sum->batch_samples += row_u64(record, STEP_batch_samples);
    compare(sum, rank, record);
}

/* ---- what comes of it ---------------------------------------------------- */

static void put(struct rank_step *step, unsigned field, uint64_t bits)
{
    step->values[field] = bits;
    step->present |= ROW_BIT(field);
}

static void put_f64(struct rank_step *step, unsigned field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put(step, field, bits);
}

/* Of disjoint parameters. */
static void add_up(const struct rank_sum *sum, struct rank_step *step)
{
    bool whole = (step->flags & RANK_INCOMPLETE) == 0;
    for (unsigned f = 0; f < STEP_FIELDS; f++) {
        enum how how = (enum how)hows[f];
        if (how == HOW_SAME) {
            continue;
        }
        step->present &= ~ROW_BIT(f);
        if (how == HOW_OR && (sum->any_present & ROW_BIT(f)) != 0) {
            put(step, f, sum->counts[f]);
        } else if (how == HOW_OR || !whole || how == HOW_LOST ||
                   (sum->all_present & ROW_BIT(f)) == 0) {
            continue;
        } else if (how == HOW_ADD_COUNT) {
            put(step, f, sum->counts[f]);
        } else {
            put_f64(step, f, sum->sums[f]);
        }
    }
}

/* Of each rank's own data: how they vary is what is known. */
static void take_local(const struct rank_sum *sum, struct rank_step *step)
{
    step->present &=
        ~(OF_GRADIENT | ROW_BIT(STEP_micro_grad_sq) |
            ROW_BIT(STEP_micro_batches) | ROW_BIT(STEP_batch_samples));
    put(step, STEP_stage,
        sum->low[STEP_stage] &
            ~(uint64_t)(TRAJ_STAGE_LOCAL | TRAJ_STAGE_ACCUMULATED));
    if ((step->flags & (RANK_INCOMPLETE | RANK_MIXED)) != 0 ||
        step->rule == TRAJ_COMBINE_SHARD ||
        (sum->all_present & ROW_BIT(STEP_grad_sq)) == 0) {
        return;
    }
    put_f64(step, STEP_micro_grad_sq, sum->local_sq / step->world);
    put(step, STEP_micro_batches, step->world);
    if ((sum->all_present & ROW_BIT(STEP_batch_samples)) != 0) {
        put(step, STEP_batch_samples, sum->batch_samples);
    }
}

static enum traj_combine rule_of(const struct rank_sum *sum)
{
    uint64_t low = (sum->low_present & ROW_BIT(STEP_combine)) != 0
                       ? sum->low[STEP_combine]
                       : TRAJ_COMBINE_NONE;
    return low > TRAJ_COMBINE_REPLICA ? TRAJ_COMBINE_NONE
                                      : (enum traj_combine)low;
}

static unsigned flags_of(
    const struct rank_sum *sum, uint32_t world, enum traj_combine rule)
{
    unsigned flags = 0;
    bool mixed = (sum->rules & (sum->rules - 1)) != 0 ||
                 (sum->n_local > 0 && sum->n_local < sum->n_in);
    bool spoken = !mixed && rule == TRAJ_COMBINE_NONE && sum->n_local == 0 &&
                  sum->low_rank == 0;
    flags |= mixed ? RANK_MIXED : 0;
    flags |= sum->n_local > 0 ? RANK_LOCAL : 0;
    flags |= sum->n_in < world && !spoken ? RANK_INCOMPLETE : 0;
    return flags;
}

static bool must_agree(size_t i, const struct rank_step *step)
{
    bool alone = step->rule == TRAJ_COMBINE_NONE &&
                 (step->flags & (RANK_MIXED | RANK_LOCAL)) == 0;
    bool shards = step->rule == TRAJ_COMBINE_SHARD;
    bool same_data = (step->flags & RANK_LOCAL) == 0;
    switch (compared[i].who) {
    case WHO_ALL:
        return !alone;
    case WHO_REPLICAS:
        return !alone && !shards;
    case WHO_DATA:
        return !alone && same_data;
    case WHO_GRADIENT:
        return !alone && !shards && same_data;
    }
    return false;
}

bool rank_spread_agrees(
    size_t i, const struct rank_spread *spread, double param_sq)
{
    if (spread->n_nan > 0) {
        return spread->n_nan == spread->n;
    }
    double most = fmax(fabs(spread->least), fabs(spread->most));
    double allowed = RANK_AGREE * most;
    if (compared[i].field == STEP_delta_sq && !isnan(param_sq)) {
        allowed += RANK_AGREE * sqrt(most) * sqrt(param_sq);
    }
    double off = spread->most - spread->least;
    /* Inf - Inf is NaN: all have the same. Inf - finite is beyond all. */
    return isnan(off) || (isfinite(off) && off <= allowed);
}

static uint64_t disagreement(
    const struct rank_sum *sum, const struct rank_step *step)
{
    double param_sq = (double)NAN;
    uint64_t fields = 0;
    for (size_t i = 0; i < RANK_SPREADS; i++) {
        if (compared[i].field == STEP_param_sq && sum->spreads[i].n > 0) {
            param_sq = sum->spreads[i].most;
        }
        if (must_agree(i, step) &&
            !rank_spread_agrees(i, &sum->spreads[i], param_sq)) {
            fields |= ROW_BIT(compared[i].field);
        }
    }
    return fields;
}

void rank_sum_result(
    const struct rank_sum *sum, uint32_t world, struct rank_step *ret_step)
{
    assert(sum->n_in > 0 && world > 0);
    enum traj_combine rule = rule_of(sum);
    struct rank_step step = {
        .world = world,
        .n_in = sum->n_in,
        .rule = rule,
        .flags = flags_of(sum, world, rule),
        .present = sum->low_present,
        .spreads = sum->spreads,
    };
    memcpy(step.values, sum->low, sizeof step.values);
    if (world > 1) {
        step.disagree = disagreement(sum, &step);
        step.flags |= step.disagree != 0 ? RANK_DISAGREE : 0;
        if (rule == TRAJ_COMBINE_SHARD && (step.flags & RANK_MIXED) == 0) {
            add_up(sum, &step);
        }
        if (rule == TRAJ_COMBINE_NONE && sum->low_rank != 0) {
            /* Who speaks for all has not spoken. */
            step.present &= ROW_BIT(STEP_step) | ROW_BIT(STEP_combine);
        }
        if ((step.flags & RANK_LOCAL) != 0) {
            take_local(sum, &step);
        }
    }
    *ret_step = step;
}

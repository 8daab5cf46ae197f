/* rank_sum.c: pure; one thread at a time per struct rank_sum. */
#include "pure/rank_sum.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void rank_sum_init(
    struct rank_sum *sum, enum wire_kind kind, struct rank_probe *probe)
{
    assert((kind == WIRE_PROBE) == (probe != NULL));
    *sum = (struct rank_sum){
        .rules = rank_rules_of(kind),
        .probe = probe,
        .all_present = UINT64_MAX,
    };
    if (probe != NULL) {
        rank_probe_init(probe);
    }
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
    for (size_t i = 0; i < sum->rules->n_compared; i++) {
        const struct rank_compared *compared = &sum->rules->compared[i];
        unsigned field = compared->field;
        if (row_has(record, field)) {
            double value = compared->is_count ? (double)row_u64(record, field)
                                              : row_f64(record, field);
            spread_add(&sum->spreads[i], value, rank);
        }
    }
}

static void add_field(
    struct rank_sum *sum, const struct row *record, unsigned field)
{
    uint64_t count = 0;
    switch ((enum rank_how)sum->rules->hows[field]) {
    case RANK_ADD:
        sum->sums[field] += row_f64(record, field);
        break;
    case RANK_ADD_COUNT:
        sum->counts[field] += row_u64(record, field);
        break;
    case RANK_LARGEST:
        sum->sums[field] = fmax(sum->sums[field], row_f64(record, field));
        break;
    case RANK_LARGEST_COUNT:
        count = row_u64(record, field);
        sum->counts[field] =
            count > sum->counts[field] ? count : sum->counts[field];
        break;
    case RANK_OR:
        sum->counts[field] |= row_u64(record, field);
        break;
    case RANK_SAME:
    case RANK_LOST:
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

static bool is_local(const struct rank_rules *rules, const struct row *record)
{
    return rules->stage != RANK_NO_FIELD &&
           (row_u64(record, rules->stage) & TRAJ_STAGE_LOCAL) != 0;
}

/* What only a STEP says of its data. */
static void add_data(struct rank_sum *sum, const struct row *record)
{
    if (is_local(sum->rules, record)) {
        sum->local_sq += local_square(record);
    }
    sum->batch_samples += row_u64(record, STEP_batch_samples);
}

void rank_sum_add(struct rank_sum *sum, uint32_t rank, const struct row *record,
    struct str points)
{
    uint64_t present = 0;
    bool lowest = sum->n_in == 0 || rank < sum->low_rank;
    for (unsigned f = 0; f < sum->rules->n_fields; f++) {
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
    uint64_t rule = row_u64(record, sum->rules->combine);
    sum->rules_seen |= 1u << (rule > TRAJ_COMBINE_REPLICA ? 3 : rule);
    sum->n_local += is_local(sum->rules, record);
    if (sum->rules->kind == WIRE_STEP) {
        add_data(sum, record);
    }
    if (sum->probe != NULL) {
        rank_probe_add(sum->probe, record, points);
    }
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

/* A field over shards; false: it does not follow. */
static bool add_field_up(const struct rank_sum *sum, bool whole, unsigned field,
    struct rank_step *step)
{
    const enum rank_how how = (enum rank_how)sum->rules->hows[field];
    if (how == RANK_OR && (sum->any_present & ROW_BIT(field)) != 0) {
        put(step, field, sum->counts[field]);
        return true;
    }
    if (how == RANK_OR || how == RANK_LOST || !whole ||
        (sum->all_present & ROW_BIT(field)) == 0) {
        return false;
    }
    if (how == RANK_ADD || how == RANK_LARGEST) {
        put_f64(step, field, sum->sums[field]);
    } else {
        put(step, field, sum->counts[field]);
    }
    return true;
}

/* Of disjoint parameters. */
static void add_up(const struct rank_sum *sum, struct rank_step *step)
{
    bool whole = (step->flags & (RANK_INCOMPLETE | RANK_GAMMAS)) == 0;
    for (unsigned f = 0; f < sum->rules->n_fields; f++) {
        if (sum->rules->hows[f] != RANK_SAME &&
            !add_field_up(sum, whole, f, step)) {
            step->present &= ~ROW_BIT(f);
        }
    }
    if (whole && sum->probe != NULL) {
        rank_probe_finish(sum->probe, &step->present, step->values);
    }
}

/* Of each rank's own data: how they vary is what is known. */
static void take_local(const struct rank_sum *sum, struct rank_step *step)
{
    const uint8_t stage = sum->rules->stage;
    step->present &= ~sum->rules->of_gradient;
    put(step, stage,
        sum->low[stage] &
            ~(uint64_t)(TRAJ_STAGE_LOCAL | TRAJ_STAGE_ACCUMULATED));
    if (sum->rules->kind != WIRE_STEP) {
        return;
    }
    step->present &=
        ~(ROW_BIT(STEP_micro_grad_sq) | ROW_BIT(STEP_micro_batches) |
            ROW_BIT(STEP_batch_samples));
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

/* What each replica has of its own: its microbatches, its time. */
static void take_replicas(const struct rank_sum *sum, struct rank_step *step)
{
    for (unsigned f = 0; f < sum->rules->n_fields; f++) {
        if (sum->rules->hows[f] == RANK_LARGEST_COUNT &&
            (sum->any_present & ROW_BIT(f)) != 0) {
            put(step, f, sum->counts[f]);
        }
    }
    if (sum->rules->kind == WIRE_STEP &&
        (sum->all_present & ROW_BIT(STEP_micro_grad_sq)) != 0) {
        put_f64(step, STEP_micro_grad_sq,
            sum->sums[STEP_micro_grad_sq] / sum->n_in);
    }
}

static enum traj_combine rule_of(const struct rank_sum *sum)
{
    const uint8_t combine = sum->rules->combine;
    uint64_t low = (sum->low_present & ROW_BIT(combine)) != 0
                       ? sum->low[combine]
                       : TRAJ_COMBINE_NONE;
    return low > TRAJ_COMBINE_REPLICA ? TRAJ_COMBINE_NONE
                                      : (enum traj_combine)low;
}

static unsigned flags_of(const struct rank_sum *sum,
    const struct rank_holders *holders, enum traj_combine rule)
{
    unsigned flags = 0;
    bool mixed = (sum->rules_seen & (sum->rules_seen - 1)) != 0 ||
                 (sum->n_local > 0 && sum->n_local < sum->n_in);
    bool spoken = !mixed && rule == TRAJ_COMBINE_NONE && sum->n_local == 0 &&
                  sum->low_rank == holders->lowest;
    bool points = rule != TRAJ_COMBINE_NONE && sum->probe != NULL &&
                  sum->probe->gammas_differ;
    flags |= mixed ? RANK_MIXED : 0;
    flags |= sum->n_local > 0 ? RANK_LOCAL : 0;
    flags |= sum->n_in < holders->n && !spoken ? RANK_INCOMPLETE : 0;
    flags |= points ? RANK_GAMMAS : 0;
    return flags;
}

static bool must_agree(
    const struct rank_compared *compared, const struct rank_step *step)
{
    bool alone = step->rule == TRAJ_COMBINE_NONE &&
                 (step->flags & (RANK_MIXED | RANK_LOCAL)) == 0;
    bool shards = step->rule == TRAJ_COMBINE_SHARD;
    bool same_data = (step->flags & RANK_LOCAL) == 0;
    switch ((enum rank_who)compared->who) {
    case RANK_WHO_ALL:
        return !alone;
    case RANK_WHO_REPLICAS:
        return !alone && !shards;
    case RANK_WHO_DATA:
        return !alone && same_data;
    case RANK_WHO_GRADIENT:
        return !alone && !shards && same_data;
    }
    return false;
}

bool rank_spread_agrees(
    bool is_difference, const struct rank_spread *spread, double of_sq)
{
    if (spread->n_nan > 0) {
        return spread->n_nan == spread->n;
    }
    double most = fmax(fabs(spread->least), fabs(spread->most));
    double allowed = RANK_AGREE * most;
    if (is_difference && !isnan(of_sq)) {
        allowed += RANK_AGREE * sqrt(most) * sqrt(of_sq);
    }
    double off = spread->most - spread->least;
    /* Inf - Inf is NaN: all have the same. Inf - finite is beyond all. */
    return isnan(off) || (isfinite(off) && off <= allowed);
}

/* The largest over the ranks; NaN: nobody has it. */
static double most_of(const struct rank_sum *sum, unsigned field)
{
    for (size_t i = 0; i < sum->rules->n_compared; i++) {
        if (sum->rules->compared[i].field == field && sum->spreads[i].n > 0) {
            return sum->spreads[i].most;
        }
    }
    return (double)NAN;
}

static uint64_t disagreement(
    const struct rank_sum *sum, const struct rank_step *step)
{
    uint64_t fields = 0;
    for (size_t i = 0; i < sum->rules->n_compared; i++) {
        const struct rank_compared *c = &sum->rules->compared[i];
        if (must_agree(c, step) && !rank_spread_agrees(c->of != c->field,
                                       &sum->spreads[i], most_of(sum, c->of))) {
            fields |= ROW_BIT(c->field);
        }
    }
    return fields;
}

/* Shards of a probe with other numbers of microbatches have no U together. */
static bool fits_together(const struct rank_step *step)
{
    return step->rules->kind != WIRE_PROBE ||
           step->rule != TRAJ_COMBINE_SHARD ||
           (step->disagree & ROW_BIT(PROBE_micro_batches)) == 0;
}

/* Ranks beside each other. */
static void combine(const struct rank_sum *sum,
    const struct rank_holders *holders, struct rank_step *step)
{
    step->disagree = disagreement(sum, step);
    step->flags |= step->disagree != 0 ? RANK_DISAGREE : 0;
    step->flags |= fits_together(step) ? 0 : RANK_MIXED;
    bool mixed = (step->flags & RANK_MIXED) != 0;
    if (step->rule == TRAJ_COMBINE_SHARD && !mixed) {
        add_up(sum, step);
    }
    if (step->rule == TRAJ_COMBINE_REPLICA && !mixed) {
        take_replicas(sum, step);
    }
    if (step->rule == TRAJ_COMBINE_NONE && sum->low_rank != holders->lowest) {
        /* Who speaks for all has not spoken. */
        step->present &=
            ROW_BIT(sum->rules->step) | ROW_BIT(sum->rules->combine);
    }
    if ((step->flags & RANK_LOCAL) != 0) {
        take_local(sum, step);
    }
}

void rank_sum_result(const struct rank_sum *sum,
    const struct rank_holders *holders, struct rank_step *ret_step)
{
    assert(sum->n_in > 0 && holders->n > 0);
    enum traj_combine rule = rule_of(sum);
    struct rank_step step = {
        .rules = sum->rules,
        .world = holders->world,
        .holders = holders->n,
        .n_in = sum->n_in,
        .rule = rule,
        .flags = flags_of(sum, holders, rule),
        .present = sum->low_present,
        .spreads = sum->spreads,
    };
    memcpy(step.values, sum->low, sizeof step.values);
    if (holders->world > 1) {
        combine(sum, holders, &step);
    }
    *ret_step = step;
}

bool rank_step_is_whole(const struct rank_step *step)
{
    bool of_one =
        step->rule == TRAJ_COMBINE_REPLICA && (step->flags & RANK_LOCAL) == 0;
    unsigned spoils = RANK_MIXED | RANK_GAMMAS | (of_one ? 0 : RANK_INCOMPLETE);
    return (step->flags & spoils) == 0;
}

bool rank_step_lacks(const struct rank_step *step, uint32_t rank)
{
    return (step->in[rank / 64] >> rank % 64 & 1) == 0 &&
           (step->holds == NULL ||
               step->holds(step->context, step->world, rank, step->item));
}

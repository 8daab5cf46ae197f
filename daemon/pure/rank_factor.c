/* rank_factor.c: pure; one thread at a time per struct rank_factor. */
#include "pure/rank_factor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pure/grad_norm.h"
#include "pure/rank_diagnosis.h"

static const char *const causes[RANK_OFS][RANK_POWERS] = {
    [RANK_OF_LOSS_SCALE] = {
        [RANK_TIMES_K] = "it is divided by a loss scale that is not in it "
                         "(stage SCALED is wrong)",
        [RANK_TIMES_ROOT] = "a factor sqrt(loss scale) is missing",
        [RANK_BY_K] = "the loss scale is in it (stage SCALED is missing)",
        [RANK_BY_ROOT] = "a factor sqrt(loss scale) is in it",
    },
    [RANK_OF_MICRO_BATCHES] = {
        [RANK_TIMES_K] = "it is a mean over the microbatches already (stage "
                         "ACCUMULATED is wrong)",
        [RANK_TIMES_ROOT] = "a factor sqrt(microbatches) is missing",
        [RANK_BY_K] = "it is the sum over the microbatches, not their mean "
                      "(stage ACCUMULATED is missing)",
        [RANK_BY_ROOT] = "it is sqrt(microbatches) too large: one "
                         "microbatch's, or a root of summed squares",
    },
    [RANK_OF_WORLD] = {
        [RANK_TIMES_K] = "it is a mean over the ranks already (stage REDUCED "
                         "is wrong)",
        [RANK_TIMES_ROOT] = "it is one shard's (combine SHARD is missing)",
        [RANK_BY_K] = "it is the sum over the ranks, not their mean (stage "
                      "REDUCED is missing)",
        [RANK_BY_ROOT] = "every replica's square is in it (combine REPLICA "
                         "instead of SHARD?)",
    },
};

static double power(double k, enum rank_factor_power power)
{
    switch (power) {
    case RANK_TIMES_K:
        return k;
    case RANK_TIMES_ROOT:
        return sqrt(k);
    case RANK_BY_K:
        return 1 / k;
    default:
        return 1 / sqrt(k);
    }
}

static double clip_of(const struct row *row)
{
    if (row_has(row, STEP_clip_scale)) {
        return row_f64(row, STEP_clip_scale);
    }
    return row_has(row, STEP_clip_threshold) ? (double)NAN : 1;
}

/* ||d||/(lr c ||g||); false: not a step of plain SGD, or not measured. */
static bool ratio_of(const struct row *row, uint32_t world, double *ret)
{
    const uint64_t no_step = TRAJ_STEP_SKIPPED | TRAJ_STEP_FROM_DELTA;
    double momentum = row_f64(row, STEP_momentum);
    double norm = 0;
    if ((row_u64(row, STEP_flags) & no_step) != 0 ||
        (row_has(row, STEP_momentum) && momentum != 0) ||
        !grad_norm(row, STEP_grad_sq, world, &norm)) {
        return false;
    }
    *ret = sqrt(row_f64(row, STEP_delta_sq)) /
           (row_f64(row, STEP_lr) * clip_of(row) * norm);
    return isfinite(*ret) && *ret > 0;
}

void rank_factor_add(struct rank_factor *factor, const struct rank_step *step)
{
    const uint64_t *columns[WIRE_FIELDS_MAX] = { NULL };
    for (unsigned f = 0; f < STEP_FIELDS; f++) {
        columns[f] = &step->values[f];
    }
    const struct row row = { columns, step->present, 0 };
    double ratio = 0;
    if (!ratio_of(&row, step->world, &ratio)) {
        return;
    }
    factor->judged++;
    const double ks[RANK_OFS] = {
        [RANK_OF_LOSS_SCALE] = row_f64(&row, STEP_loss_scale),
        [RANK_OF_MICRO_BATCHES] = (double)row_u64(&row, STEP_micro_batches),
        [RANK_OF_WORLD] = step->world,
    };
    for (int of = 0; of < RANK_OFS; of++) {
        for (int p = 0; p < RANK_POWERS; p++) {
            double expected = power(ks[of], (enum rank_factor_power)p);
            double off = ratio / expected - 1;
            /* k = 1 is no mistake that shows. */
            if (!(ks[of] > 1) || !(fabs(off) <= RANK_FACTOR_WITHIN)) {
                continue;
            }
            if (factor->seen[of][p].steps++ == 0) {
                factor->seen[of][p].first_step = step->step;
            }
            factor->seen[of][p].factor = expected;
        }
    }
}

bool rank_factor_verdict(const struct rank_factor *factor,
    struct rank_factor_verdict *ret_verdict, char *ret_text, size_t size)
{
    bool any = false;
    if (factor->judged < RANK_FACTOR_STEPS) {
        return false;
    }
    for (int i = 0; i < RANK_OFS * RANK_POWERS; i++) {
        int of = i / RANK_POWERS;
        int p = i % RANK_POWERS;
        uint64_t steps = factor->seen[of][p].steps;
        if ((double)steps < RANK_FACTOR_STEADY * (double)factor->judged) {
            continue;
        }
        if (!any) {
            *ret_verdict = (struct rank_factor_verdict){
                .factor = factor->seen[of][p].factor,
                .first_step = factor->seen[of][p].first_step,
                .steps = steps,
            };
            (void)snprintf(ret_text, size,
                "||d||/(lr ||g||) is %.4g where plain SGD has 1: ||g|| is off "
                "by that; ",
                ret_verdict->factor);
        }
        size_t n = strlen(ret_text);
        (void)snprintf(
            ret_text + n, size - n, "%s%s", any ? ", or " : "", causes[of][p]);
        any = true;
    }
    return any;
}

/* rank_rules.c: pure; any thread. */
#include "pure/rank_rules.h"

#include <assert.h>

#define BIT(field) (UINT64_C(1) << (field))

/* ---- STEP --------------------------------------------------------------- */

static const uint8_t step_hows[STEP_FIELDS] = {
    [STEP_grad_sq] = RANK_ADD,
    [STEP_param_sq] = RANK_ADD,
    [STEP_delta_sq] = RANK_ADD,
    [STEP_grad_delta] = RANK_ADD,
    [STEP_dgrad_sq] = RANK_ADD,
    [STEP_dgrad_delta] = RANK_ADD,
    [STEP_grad_prev] = RANK_ADD,
    [STEP_grad_clipped_sq] = RANK_ADD,
    [STEP_micro_grad_sq] = RANK_ADD,
    [STEP_fold_grad_sq_sum] = RANK_ADD,
    [STEP_fold_delta_sq_sum] = RANK_ADD,
    [STEP_grad_nan] = RANK_ADD_COUNT,
    [STEP_grad_inf] = RANK_ADD_COUNT,
    [STEP_param_nan] = RANK_ADD_COUNT,
    [STEP_param_inf] = RANK_ADD_COUNT,
    [STEP_grad_max_abs] = RANK_LARGEST,
    [STEP_flags] = RANK_OR,
    [STEP_fold_grad_sq_min] = RANK_LOST,
    [STEP_fold_grad_sq_min_step] = RANK_LOST,
    [STEP_fold_grad_sq_max] = RANK_LOST,
    [STEP_fold_grad_sq_max_step] = RANK_LOST,
    [STEP_fold_nonfinite] = RANK_LOST,
};

static const struct rank_compared step_compared[] = {
    { STEP_loss, RANK_WHO_DATA, false, STEP_loss },
    { STEP_lr, RANK_WHO_ALL, false, STEP_lr },
    { STEP_clip_threshold, RANK_WHO_ALL, false, STEP_clip_threshold },
    { STEP_clip_scale, RANK_WHO_DATA, false, STEP_clip_scale },
    { STEP_loss_scale, RANK_WHO_ALL, false, STEP_loss_scale },
    { STEP_momentum, RANK_WHO_ALL, false, STEP_momentum },
    { STEP_epoch, RANK_WHO_ALL, false, STEP_epoch },
    { STEP_micro_batches, RANK_WHO_ALL, true, STEP_micro_batches },
    { STEP_grad_sq, RANK_WHO_GRADIENT, false, STEP_grad_sq },
    { STEP_grad_clipped_sq, RANK_WHO_GRADIENT, false, STEP_grad_clipped_sq },
    { STEP_grad_max_abs, RANK_WHO_GRADIENT, false, STEP_grad_max_abs },
    { STEP_grad_nan, RANK_WHO_GRADIENT, true, STEP_grad_nan },
    { STEP_grad_inf, RANK_WHO_GRADIENT, true, STEP_grad_inf },
    { STEP_param_sq, RANK_WHO_REPLICAS, false, STEP_param_sq },
    { STEP_delta_sq, RANK_WHO_REPLICAS, false, STEP_param_sq },
    { STEP_param_nan, RANK_WHO_REPLICAS, true, STEP_param_nan },
    { STEP_param_inf, RANK_WHO_REPLICAS, true, STEP_param_inf },
};

/* ---- PROBE: what is lost here comes of rank_probe.h -----------------------
 */

static const uint8_t probe_hows[PROBE_FIELDS] = {
    [PROBE_grad_sq] = RANK_ADD,
    [PROBE_grad_mid_sq] = RANK_ADD,
    [PROBE_grad_end_sq] = RANK_ADD,
    [PROBE_delta_sq] = RANK_ADD,
    [PROBE_dgrad_sq] = RANK_ADD,
    [PROBE_grad_delta] = RANK_ADD,
    [PROBE_dgrad_delta] = RANK_ADD,
    [PROBE_grad_grad_end] = RANK_ADD,
    [PROBE_param_sq] = RANK_ADD,
    [PROBE_micro_grad_sq] = RANK_ADD,
    [PROBE_micro_dgrad_sq] = RANK_ADD,
    [PROBE_precond_delta_sq] = RANK_ADD,
    [PROBE_precond_dgrad_sq] = RANK_ADD,
    [PROBE_noise_sq] = RANK_ADD,
    [PROBE_cost_ns] = RANK_LARGEST_COUNT,
    [PROBE_grad_evals] = RANK_LARGEST_COUNT,
    [PROBE_flags] = RANK_OR,
    [PROBE_smoothness] = RANK_LOST,
    [PROBE_smoothness_gamma] = RANK_LOST,
    [PROBE_noise_floor] = RANK_LOST,
    [PROBE_rounding_floor] = RANK_LOST,
    [PROBE_idempotence] = RANK_LOST,
    [PROBE_gammas] = RANK_LOST,
    [PROBE_ceiling] = RANK_LOST,
    [PROBE_grad_dual] = RANK_LOST,
    [PROBE_dgrad_dual] = RANK_LOST,
    [PROBE_delta_norm] = RANK_LOST,
};

static const struct rank_compared probe_compared[] = {
    { PROBE_loss, RANK_WHO_DATA, false, PROBE_loss },
    { PROBE_loss_end, RANK_WHO_DATA, false, PROBE_loss_end },
    { PROBE_lr, RANK_WHO_ALL, false, PROBE_lr },
    { PROBE_norm, RANK_WHO_ALL, true, PROBE_norm },
    { PROBE_micro_batches, RANK_WHO_ALL, true, PROBE_micro_batches },
    { PROBE_grad_sq, RANK_WHO_GRADIENT, false, PROBE_grad_sq },
    { PROBE_grad_mid_sq, RANK_WHO_GRADIENT, false, PROBE_grad_mid_sq },
    { PROBE_grad_end_sq, RANK_WHO_GRADIENT, false, PROBE_grad_end_sq },
    { PROBE_dgrad_sq, RANK_WHO_GRADIENT, false, PROBE_grad_sq },
    { PROBE_micro_grad_sq, RANK_WHO_GRADIENT, false, PROBE_micro_grad_sq },
    { PROBE_micro_dgrad_sq, RANK_WHO_GRADIENT, false, PROBE_micro_grad_sq },
    { PROBE_param_sq, RANK_WHO_REPLICAS, false, PROBE_param_sq },
    { PROBE_delta_sq, RANK_WHO_REPLICAS, false, PROBE_param_sq },
};

/* ---- GROUP --------------------------------------------------------------- */

static const uint8_t group_hows[GROUP_FIELDS] = {
    [GROUP_grad_sq] = RANK_ADD,
    [GROUP_param_sq] = RANK_ADD,
    [GROUP_delta_sq] = RANK_ADD,
    [GROUP_grad_delta] = RANK_ADD,
    [GROUP_dgrad_sq] = RANK_ADD,
    [GROUP_dgrad_delta] = RANK_ADD,
    [GROUP_grad_prev] = RANK_ADD,
    [GROUP_grad_max_abs] = RANK_LARGEST,
    [GROUP_grad_nan] = RANK_ADD_COUNT,
    [GROUP_grad_inf] = RANK_ADD_COUNT,
    [GROUP_param_nan] = RANK_ADD_COUNT,
    [GROUP_param_inf] = RANK_ADD_COUNT,
    [GROUP_grad_dual] = RANK_LOST,
    [GROUP_delta_norm] = RANK_LOST,
};

static const struct rank_compared group_compared[] = {
    { GROUP_norm, RANK_WHO_ALL, true, GROUP_norm },
    { GROUP_grad_sq, RANK_WHO_GRADIENT, false, GROUP_grad_sq },
    { GROUP_grad_max_abs, RANK_WHO_GRADIENT, false, GROUP_grad_max_abs },
    { GROUP_param_sq, RANK_WHO_REPLICAS, false, GROUP_param_sq },
    { GROUP_delta_sq, RANK_WHO_REPLICAS, false, GROUP_param_sq },
};

/* ---- public ---------------------------------------------------------------
 */

static_assert((unsigned)PROBE_FIELDS <= (unsigned)RANK_FIELDS_MAX &&
                  (unsigned)GROUP_FIELDS <= (unsigned)RANK_FIELDS_MAX,
    "a STEP has the most fields");

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
static_assert(LENGTH(step_compared) <= RANK_SPREADS &&
                  LENGTH(probe_compared) <= RANK_SPREADS &&
                  LENGTH(group_compared) <= RANK_SPREADS,
    "all have a place");

static const struct rank_rules step_rules = {
    .kind = WIRE_STEP,
    .n_fields = STEP_FIELDS,
    .hows = step_hows,
    .compared = step_compared,
    .n_compared = LENGTH(step_compared),
    .step = STEP_step,
    .combine = STEP_combine,
    .stage = STEP_stage,
    .of_gradient =
        BIT(STEP_grad_sq) | BIT(STEP_grad_delta) | BIT(STEP_dgrad_sq) |
        BIT(STEP_dgrad_delta) | BIT(STEP_grad_prev) | BIT(STEP_grad_max_abs) |
        BIT(STEP_grad_nan) | BIT(STEP_grad_inf) | BIT(STEP_grad_clipped_sq) |
        BIT(STEP_fold_grad_sq_sum) | BIT(STEP_fold_grad_sq_min) |
        BIT(STEP_fold_grad_sq_min_step) | BIT(STEP_fold_grad_sq_max) |
        BIT(STEP_fold_grad_sq_max_step),
};

static const struct rank_rules probe_rules = {
    .kind = WIRE_PROBE,
    .n_fields = PROBE_FIELDS,
    .hows = probe_hows,
    .compared = probe_compared,
    .n_compared = LENGTH(probe_compared),
    .step = PROBE_step,
    .combine = PROBE_combine,
    .stage = RANK_NO_FIELD,
};

static const struct rank_rules group_rules = {
    .kind = WIRE_GROUP,
    .n_fields = GROUP_FIELDS,
    .hows = group_hows,
    .compared = group_compared,
    .n_compared = LENGTH(group_compared),
    .step = GROUP_step,
    .combine = GROUP_combine,
    .stage = GROUP_stage,
    .of_gradient = BIT(GROUP_grad_sq) | BIT(GROUP_grad_delta) |
                   BIT(GROUP_dgrad_sq) | BIT(GROUP_dgrad_delta) |
                   BIT(GROUP_grad_prev) | BIT(GROUP_grad_max_abs) |
                   BIT(GROUP_grad_nan) | BIT(GROUP_grad_inf) |
                   BIT(GROUP_grad_dual),
};

const struct rank_rules *rank_rules_of(enum wire_kind kind)
{
    assert(kind == WIRE_STEP || kind == WIRE_PROBE || kind == WIRE_GROUP);
    return kind == WIRE_STEP    ? &step_rules
           : kind == WIRE_PROBE ? &probe_rules
                                : &group_rules;
}

const struct rank_compared *rank_rules_compared(
    const struct rank_rules *rules, unsigned field)
{
    for (size_t i = 0; i < rules->n_compared; i++) {
        if (rules->compared[i].field == field) {
            return &rules->compared[i];
        }
    }
    return NULL;
}

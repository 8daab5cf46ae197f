/* values.c: the markers of what was not measured. Constants; any thread. */
#include "values.h"

#include <string.h>

#include "traj.h"

double traj_unset(void)
{
    const uint64_t bits = TRAJ_UNSET_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

int traj_is_unset(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == TRAJ_UNSET_BITS;
}

/* A caller built with an older header has a shorter struct: it gets what fits.
 * One built with a newer header gets zeros where we know nothing. */
static void copy_sized(
    void *target, size_t size, const void *source, size_t known)
{
    memset(target, 0, size);
    memcpy(target, source, size < known ? size : known);
}

void traj_step_init_sized(struct traj_step *step, size_t size)
{
    const double unset = traj_unset();
    const struct traj_step empty = {
        .size = size,
        .step = TRAJ_UNSET_COUNT,
        .loss = unset,
        .lr = unset,
        .grad_sq = unset,
        .param_sq = unset,
        .delta_sq = unset,
        .grad_delta = unset,
        .dgrad_sq = unset,
        .dgrad_delta = unset,
        .grad_prev = unset,
        .grad_max_abs = unset,
        .clip_threshold = unset,
        .clip_scale = unset,
        .grad_clipped_sq = unset,
        .loss_scale = unset,
        .momentum = unset,
        .epoch = unset,
        .micro_grad_sq = unset,
        .grad_nan = TRAJ_UNSET_COUNT,
        .grad_inf = TRAJ_UNSET_COUNT,
        .param_nan = TRAJ_UNSET_COUNT,
        .param_inf = TRAJ_UNSET_COUNT,
        .micro_batches = TRAJ_UNSET_COUNT,
        .tokens = TRAJ_UNSET_COUNT,
        .samples = TRAJ_UNSET_COUNT,
        .batch_samples = TRAJ_UNSET_COUNT,
    };
    copy_sized(step, size, &empty, sizeof empty);
}

void traj_probe_init_sized(struct traj_probe *probe, size_t size)
{
    const double unset = traj_unset();
    const struct traj_probe empty = {
        .size = size,
        .step = TRAJ_UNSET_COUNT,
        .smoothness = unset,
        .smoothness_gamma = unset,
        .grad_sq = unset,
        .grad_mid_sq = unset,
        .grad_end_sq = unset,
        .delta_sq = unset,
        .dgrad_sq = unset,
        .grad_delta = unset,
        .dgrad_delta = unset,
        .grad_grad_end = unset,
        .param_sq = unset,
        .loss = unset,
        .loss_end = unset,
        .lr = unset,
        .noise_floor = unset,
        .rounding_floor = unset,
        .idempotence = unset,
        .micro_grad_sq = unset,
        .micro_dgrad_sq = unset,
        .subset_fraction = unset,
        .ceiling = unset,
        .noise_sq = unset,
        .grad_dual = unset,
        .dgrad_dual = unset,
        .delta_norm = unset,
        .cost_ns = TRAJ_UNSET_COUNT,
        .grad_evals = TRAJ_UNSET_COUNT,
        .micro_batches = TRAJ_UNSET_COUNT,
        .batch_samples = TRAJ_UNSET_COUNT,
    };
    copy_sized(probe, size, &empty, sizeof empty);
}

void traj_group_step_init_sized(struct traj_group_step *group, size_t size)
{
    const double unset = traj_unset();
    const struct traj_group_step empty = {
        .size = size,
        .step = TRAJ_UNSET_COUNT,
        .moments = {
            .grad_sq = unset,
            .param_sq = unset,
            .delta_sq = unset,
            .dgrad_sq = unset,
            .grad_delta = unset,
            .dgrad_delta = unset,
            .grad_prev = unset,
            .grad_max_abs = unset,
            .grad_nan = TRAJ_UNSET_COUNT,
            .grad_inf = TRAJ_UNSET_COUNT,
            .param_nan = TRAJ_UNSET_COUNT,
            .param_inf = TRAJ_UNSET_COUNT,
        },
        .grad_dual = unset,
        .delta_norm = unset,
    };
    copy_sized(group, size, &empty, sizeof empty);
}

void traj_sharpness_init_sized(struct traj_sharpness *sharpness, size_t size)
{
    const double unset = traj_unset();
    const struct traj_sharpness empty = {
        .size = size,
        .step = TRAJ_UNSET_COUNT,
        .value = unset,
        .residual = unset,
        .lambda_min = unset,
        .lambda_max = unset,
        .residual_min = unset,
        .residual_max = unset,
        .epsilon = unset,
        .grad_sq = unset,
        .loss = unset,
        .lr = unset,
        .subset_fraction = unset,
        .hvps = TRAJ_UNSET_COUNT,
        .grad_evals = TRAJ_UNSET_COUNT,
        .cost_ns = TRAJ_UNSET_COUNT,
        .batch_samples = TRAJ_UNSET_COUNT,
        .converged = TRAJ_UNSET_COUNT,
    };
    copy_sized(sharpness, size, &empty, sizeof empty);
}

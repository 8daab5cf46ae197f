/*
 * diagnostics: what a window of STEP and PROBE records says beside the fits:
 * clipping, gradient noise, spikes, predicted and realised decrease, faults.
 * Fed row by row; nothing that was not measured becomes a number: every figure
 * travels with its count. Pure but for the memory of diag_clip; one thread at
 * a time.
 */
#ifndef TRAJD_DIAGNOSTICS_H
#define TRAJD_DIAGNOSTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/diag_clip.h"
#include "pure/diag_descent.h"
#include "pure/diag_noise.h"
#include "pure/diag_spikes.h"
#include "pure/grad_norm.h"

/* The columns to feed. */
#define DIAGNOSTICS_STEP_FIELDS                                                \
    (GRAD_DIVISOR_FIELDS | ROW_BIT(STEP_step) | ROW_BIT(STEP_loss) |           \
        ROW_BIT(STEP_lr) | ROW_BIT(STEP_grad_sq) | ROW_BIT(STEP_param_sq) |    \
        ROW_BIT(STEP_delta_sq) | ROW_BIT(STEP_grad_delta) |                    \
        ROW_BIT(STEP_dgrad_sq) | ROW_BIT(STEP_grad_nan) |                      \
        ROW_BIT(STEP_grad_inf) | ROW_BIT(STEP_param_nan) |                     \
        ROW_BIT(STEP_param_inf) | ROW_BIT(STEP_clip_threshold) |               \
        ROW_BIT(STEP_clip_scale) | ROW_BIT(STEP_flags) |                       \
        ROW_BIT(STEP_micro_grad_sq) | ROW_BIT(STEP_batch_samples) |            \
        ROW_BIT(STEP_combine) | ROW_BIT(STEP_fold_count) |                     \
        ROW_BIT(STEP_fold_first_step) | ROW_BIT(STEP_fold_nonfinite) |         \
        ROW_BIT(STEP_fold_clipped))
#define DIAGNOSTICS_PROBE_FIELDS                                               \
    (ROW_BIT(PROBE_step) | ROW_BIT(PROBE_estimator) | ROW_BIT(PROBE_group) |   \
        ROW_BIT(PROBE_grad_sq) | ROW_BIT(PROBE_delta_sq) |                     \
        ROW_BIT(PROBE_grad_delta) | ROW_BIT(PROBE_loss) |                      \
        ROW_BIT(PROBE_loss_end))

struct faults {
    uint64_t n_flags;   /* records that have flags and were measured */
    uint64_t skipped;   /* flag SKIPPED, or d = 0 though g is not */
    uint64_t found_inf; /* flag FOUND_INF */
    uint64_t n_updates; /* records that have ||d|| */
    uint64_t still;     /* of them: d = 0 */
    uint64_t n_values;  /* records with a loss or a norm of g or x */
    uint64_t nonfinite; /* steps: a loss, g or x that is not */
    bool has_nonfinite;
    uint64_t first_nonfinite; /* the step of the first record with one; of a
                                 folded record its first, which is none later */
};

struct diagnostics {
    uint64_t last_step; /* the windows end here */
    uint32_t world;     /* behind the next step */
    uint64_t records;   /* STEP */
    uint64_t steps;     /* in them: folded ones too */
    uint64_t probes;
    struct faults faults;
    struct diag_clip clip;
    struct diag_noise noise;
    struct diag_spikes spikes;
    struct diag_descent descent;
};

struct diagnostics_options {
    uint64_t last_step;
    uint32_t world;
    const double *thresholds; /* at most CLIP_THRESHOLDS_MAX, above 0 */
    size_t n_thresholds;
    const struct fit_line *laws; /* at most FIT_METHODS, L0 and L1 >= 0 */
    size_t n_laws;
};

void diagnostics_init(
    struct diagnostics *diagnostics, const struct diagnostics_options *options);
void diagnostics_done(struct diagnostics *diagnostics);

/* Rows in the order of their steps. A STEP without a step number is left out.
 * false: out of memory. */
bool diagnostics_step(struct diagnostics *diagnostics, const struct row *row);
void diagnostics_probe(struct diagnostics *diagnostics, const struct row *row);

#endif

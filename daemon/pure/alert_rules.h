/*
 * alert_rules: what the STEP records of one process, in their order, need
 * somebody for. Pure; memory only in the structs; one thread at a time.
 *
 * Each rule has hysteresis: what is found once is found again only after it was
 * clear for a while (ALERT_*_CLEAR). What comes of it, in a run of many
 * processes, after a restart, or the hundredth time, is alert_cases.h.
 */
#ifndef TRAJD_ALERT_RULES_H
#define TRAJD_ALERT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/spike.h"
#include "pure/alert.h"
#include "pure/grad_norm.h"
#include "pure/row.h"
#include "wire.h"

#define ALERT_CLIP_WINDOW 1000u
#define ALERT_SKIPPED_WINDOW 100u

/* What it takes for a rule to be clear again. */
#define ALERT_NON_FINITE_CLEAR 100u /* finite steps in a row */
#define ALERT_SPIKE_CLEAR 32u       /* steps in a row without a spike */
#define ALERT_SHARE_CLEAR 0.8       /* share below this part of the limit */

/* Of one rule: found, and not clear since. */
struct alert_gate {
    bool raised;
    uint8_t clear; /* in a row */
};
/* The condition holds; true: it is news. */
bool alert_gate_raise(struct alert_gate *gate);
/* It does not hold; after `wanted` times in a row it is clear. */
void alert_gate_clear(struct alert_gate *gate, uint8_t wanted);

/* A window of yes and no. */
struct alert_share {
    uint64_t bits[(ALERT_CLIP_WINDOW + 63) / 64];
    uint32_t length; /* of the window */
    uint32_t n;      /* in it, at most length */
    uint32_t next;
    uint32_t set;
};

/* Some 4 KiB: what spikes and shares are told from. */
struct alert_windows {
    struct spike loss;
    struct spike grad;
    struct alert_share clipped;
    struct alert_share skipped;
};
void alert_windows_init(struct alert_windows *windows);

struct alert_rules {
    struct alert_gate gates[ALERT_RULES];
    /* Borrowed. NULL: of spikes those that the trainer flags, of shares none.
     */
    struct alert_windows *windows;
};

/* Columns that alert_rules_step looks at. */
#define ALERT_STEP_FIELDS                                                      \
    (ROW_BIT(STEP_step) | ROW_BIT(STEP_loss) | ROW_BIT(STEP_lr) |              \
        ROW_BIT(STEP_grad_sq) | ROW_BIT(STEP_param_sq) |                       \
        ROW_BIT(STEP_delta_sq) | ROW_BIT(STEP_grad_nan) |                      \
        ROW_BIT(STEP_grad_inf) | ROW_BIT(STEP_param_nan) |                     \
        ROW_BIT(STEP_param_inf) | ROW_BIT(STEP_clip_scale) |                   \
        ROW_BIT(STEP_clip_threshold) | ROW_BIT(STEP_flags) |                   \
        ROW_BIT(STEP_fold_count) | ROW_BIT(STEP_fold_loss_max) |               \
        ROW_BIT(STEP_fold_grad_sq_max) | ROW_BIT(STEP_fold_nonfinite) |        \
        ROW_BIT(STEP_fold_clipped) | GRAD_DIVISOR_FIELDS)

/* What one step was found to have; of no rank yet. */
#define ALERT_STEP_MAX 4u
struct alert_found {
    struct alert v[ALERT_STEP_MAX];
    size_t n;
};

/* The next STEP record of an attempt. world: processes of the run. */
void alert_rules_step(struct alert_rules *rules,
    const struct alert_limits *limits, uint32_t attempt, const struct row *row,
    uint32_t world, struct alert_found *ret);

#endif

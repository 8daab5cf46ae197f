/*
 * diag_step: one STEP record as the diagnostics see it: gradients as the
 * optimizer takes them (grad_norm.h), and what was not measured said so. Pure.
 */
#ifndef TRAJD_DIAG_STEP_H
#define TRAJD_DIAG_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/figure.h"
#include "pure/row.h"

struct diag_step {
    const struct row *row; /* borrowed for the call */
    uint64_t step;
    uint64_t steps; /* folded into the record; 1: it is one step's */
    uint64_t flags; /* TRAJ_STEP_* */
    struct figure loss, lr;
    struct figure norm;       /* ||g|| */
    struct figure delta_norm; /* ||d|| */
    struct figure grad_delta; /* <g,d> */
    struct figure dgrad_norm; /* ||g - g of the step before|| */
    double divisor;           /* of g as recorded; 0 = not known */
};

/* What is reported of the last 100, 1,000 and 10,000 steps and of all. */
#define DIAG_WINDOWS 4
static const uint64_t diag_window_steps[DIAG_WINDOWS] = { 100, 1000, 10000,
    UINT64_MAX };

static inline bool diag_in_window(
    unsigned window, uint64_t step, uint64_t last_step)
{
    return step <= last_step && last_step - step < diag_window_steps[window];
}

#endif

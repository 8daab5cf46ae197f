/* alert_verdict: the rules that are over what a verdict says. Pure; one thread
 * at a time. */
#ifndef TRAJD_ALERT_VERDICT_H
#define TRAJD_ALERT_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/alert.h"
#include "pure/alert_rules.h"
#include "pure/run_verdict.h"

/* What it takes for a rule to be clear again. */
#define ALERT_LR_CLEAR 3u       /* verdicts in a row ... */
#define ALERT_LR_CLEAR_PART 0.9 /* ... below this part of the limit */
#define ALERT_L1_APART 500u     /* steps from the last jump to the next */

/* A new verdict, when last_step was the run's last: is its learning rate beyond
 * the limit? true: it is, and that is news. */
bool alert_verdict_lr(struct alert_gate *gate, double limit,
    const struct run_verdict *verdict, uint32_t attempt, uint64_t last_step,
    struct alert *ret);

/* The first jump of L1 after the last one that is known, or NULL. Phases are
 * cut anew with each verdict, and a cut moves a little as records come: one
 * near the last is the same. */
bool alert_verdict_jump(const uint64_t *last_jump, double limit,
    const struct run_verdict *verdict, uint32_t attempt, struct alert *ret);

#endif

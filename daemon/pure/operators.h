/*
 * operators: operator norms of the Hessian beside the gradient norms of the
 * same points, and what they say of a phase. Pure but for its memory; any
 * thread.
 */
#ifndef TRAJD_OPERATORS_H
#define TRAJD_OPERATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/phases.h"
#include "pure/verdict.h"

#define OPERATORS_SHIFTS 999u /* of the permutation test */

struct operator_norms {
    uint64_t *step;            /* n, ascending; owned */
    double *grad_norm, *value; /* |lambda| > 0; n each; owned */
    size_t n, capacity;
};
/* false: out of memory. */
bool operator_norms_add(struct operator_norms *norms, uint64_t step,
    double grad_norm, double value);
void operator_norms_done(struct operator_norms *norms);

/* Fills in the operator_* of facts. y_median: of the phase's pairs. false: out
 * of memory. */
bool operators_judge(const struct operator_norms *norms,
    const struct phase *phase, double y_median, struct verdict_facts *facts);

#endif

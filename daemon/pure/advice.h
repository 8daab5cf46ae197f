/*
 * advice: what a law fitted along this trajectory makes of the clip threshold
 * and the step size (theory.md 5). Pure but for the workspace; any thread.
 *
 * There is none where a guard fails: then `refusal` says which. Steps are those
 * of x -= h g with the raw gradient; lr_limit minds the momentum.
 */
#ifndef TRAJD_ADVICE_H
#define TRAJD_ADVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit.h"
#include "pure/figure.h"
#include "pure/trainer.h"
#include "pure/verdict.h"
#include "traj.h"

struct advice_input {
    enum verdict_kind verdict;
    struct fit_line law;
    const double *x, *y; /* the pairs of the law; n of them */
    size_t n;
    enum optimizer optimizer;
    struct figure grad_norm, lr, momentum; /* now */
    struct figure target;                  /* ||g|| to reach; else q05 of x */
};

/* A learning rate and the threshold that goes with it. */
struct advice_recipe {
    const char *name; /* constant; see advice.c for the theorems */
    double lr;        /* Inf: the law bounds nothing */
    double threshold; /* Inf: no clipping */
};
#define ADVICE_RECIPES 3u

#define ADVICE_RULES 6u /* enum traj_rule, 1.. */

struct advice {
    const char *refusal; /* NULL: there is advice; else constant: a verdict's
                            name, "no_law" or "optimizer" */
    bool unconfirmed;    /* the operator norm was not measured */
    double knee;         /* L0/L1: above it the gradient norm rules; or Inf */
    double share_above;  /* of the pairs */
    struct figure steps[ADVICE_RULES + 1]; /* by rule, at the norm now */
    struct advice_recipe recipes[ADVICE_RECIPES];
    struct figure own_threshold; /* 1/(3 L1 lr): with the lr that is set */
    double most;                 /* largest x: a lower bound of the true one */
    double target;
    struct figure lr_limit; /* trainer_edge over q95(y) */
    struct figure lr_over_limit;
    double bound_ratio; /* math/bounds.h, at most and target */
    /* Free of any fit: sum x^2/y over sum x^2/max y, >= 1: how much a step that
     * follows the smoothness could gain on this trajectory. */
    double adaptivity;
};

/* false: out of memory. */
bool advice_compute(const struct advice_input *input, struct advice *ret);

/* traj_rule's names: "fixed", "clipped", ... */
const char *advice_rule_name(enum traj_rule rule);

#endif

/*
 * advice: what a law fitted along this trajectory makes of the clip threshold
 * and the step size (theory.md 5). Pure but for the workspace; any thread.
 *
 * There is none where a guard fails: then `refusal` says which. Of one layer
 * there is none either, for it does not bound the step of all; what its law
 * bounds is its own part of a step, in its own norm: `radius`. Learning rates
 * are the optimizer's own: those of x -= h g over the gain of its momentum
 * (trainer_gain), since gradients that agree add up to so much.
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
    bool of_layer; /* pairs of one layer, in its norm and the dual one */
    enum optimizer optimizer;
    struct figure grad_norm, lr, momentum; /* now */
    struct figure operator_high;           /* q95 of operator norms */
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
                            name, "no_law", "layer" or "optimizer" */
    bool of_layer;       /* the refusal is "layer" */
    /* Of a layer, beside that refusal, law, unconfirmed, knee and share_above:
     * x/(L0 + L1 x) at x, the gradient norm now (2505.13416, t_i). */
    struct figure grad_norm, radius;
    struct fit_line law; /* that all of it is made of */
    bool unconfirmed;    /* the operator norm does not tell */
    double knee;         /* L0/L1: above it the gradient norm rules; or Inf */
    double share_above;  /* of the pairs */
    struct figure steps[ADVICE_RULES + 1]; /* by rule, at the norm now */
    struct advice_recipe recipes[ADVICE_RECIPES];
    struct figure own_threshold; /* 1/(3 L1 h): with the lr that is set */
    double most;                 /* largest x: a lower bound of the true one */
    double target;
    /* trainer_edge over the larger of q95(y) and operator_high: above it steps
     * are unstable; along directions that were not taken perhaps below it too.
     */
    struct figure lr_limit;
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

/*
 * trainer: what a run's HELLO says that metrics depend on: how many processes
 * train, and by which kind of optimizer. Pure.
 */
#ifndef TRAJD_TRAINER_H
#define TRAJD_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/figure.h"

enum optimizer {
    OPTIMIZER_OTHER = 0, /* or not said */
    OPTIMIZER_SGD,       /* "sgd": with a momentum in its records, HEAVY_BALL */
    OPTIMIZER_HEAVY_BALL, /* "heavy_ball", "momentum": v = b v + g, d = -lr v */
    OPTIMIZER_EMA_MOMENTUM, /* "ema_momentum": v = b v + (1 - b) g */
    OPTIMIZER_NESTEROV,     /* "nesterov" */
    OPTIMIZER_ADAM,         /* "adam", "adamw"; momentum is its beta1 */
};

#define TRAINER_WORLD_MAX 65536 /* a HELLO says no more */

struct trainer {
    uint32_t world; /* processes; at least 1 */
    enum optimizer optimizer;
};

/* Of a HELLO's JSON as the store keeps it, or NULL: one process, OTHER. The
 * optimizer's name in any case of letters. */
struct trainer trainer_of_hello(const char *hello_json);

/*
 * The sharpness times the learning rate at which the optimizer ceases to be
 * stable on a quadratic, as a quotient: 2 of gradient descent, 2 + 2b of heavy
 * ball, ... with momentum b; of Adam's preconditioned Hessian. 2103.00065,
 * 2207.14484. false: the optimizer is another, or its momentum is not known.
 */
bool trainer_edge(enum optimizer optimizer, struct figure momentum,
    double *ret_above, double *ret_below);

/* By how much momentum b lengthens the steps of gradients that agree:
 * 1/(1 - b), 1 for averages of gradients and where b is not known. */
double trainer_gain(enum optimizer optimizer, struct figure momentum);

#endif

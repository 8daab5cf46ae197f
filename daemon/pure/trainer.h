/*
 * trainer: what a run's HELLO says that metrics depend on: how many processes
 * train, and by which kind of optimizer. Pure.
 */
#ifndef TRAJD_TRAINER_H
#define TRAJD_TRAINER_H

#include <stdint.h>

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

#endif

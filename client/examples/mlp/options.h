/*
 * options: the command line of the multilayer perceptron.
 */
#ifndef MLP_OPTIONS_H
#define MLP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/common/args.h"

enum optimizer {
    OPTIMIZER_SGD,        /* x -= lr g */
    OPTIMIZER_HEAVY_BALL, /* v = momentum v + g; x -= lr v */
};

struct options {
    const char *data, *target, *project, *name, *run_id;
    int optimizer; /* enum optimizer */
    int norm;      /* of a weight's update: enum traj_norm */
    double lr, momentum, clip, gain, loss_scale;
    uint64_t steps, batch, micro, hidden, layers, seed;
    uint64_t print_every, probe_every, sharpness_every;
    uint64_t rank, ranks;
    bool shard;    /* a rank watches only its part of each layer */
    bool unbiased; /* smoothness from the microbatches */
    bool no_watch;
};

enum args_result options_parse(
    int argc, char **argv, struct options *ret_options);

#endif

/*
 * options: the command line of the analytic test bed.
 */
#ifndef ANALYTIC_OPTIONS_H
#define ANALYTIC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/common/args.h"

/* In the order of traj.h, after none. */
enum estimator {
    ESTIMATOR_NONE,      /* no probes */
    ESTIMATOR_FULL,      /* there is no noise: all of the data */
    ESTIMATOR_SAME,      /* the step's batch again */
    ESTIMATOR_MICRO,     /* unbiased, from microbatches */
    ESTIMATOR_DIFFERENT, /* consecutive steps: free, and of the noise too */
};

/* NaN and 0: the function's own. Reals of a function that has none: 0. */
struct options {
    const char *function, *project, *name, *run_id;
    int rule; /* enum rule; -1: the function's own */
    int estimator;
    double lr, clip, beta;
    double L0, L1, power, start, noise, swing;
    double times, units;
    uint64_t n, steps, micro, seed, print_every, probe_every;
    uint64_t sharpness_every, sharpness_hvps;
    bool sum, list, no_watch;
};

enum args_result options_parse(
    int argc, char **argv, struct options *ret_options);

#endif

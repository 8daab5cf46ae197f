/*
 * options: the command line of the LSTM trainer.
 */
#ifndef LSTM_OPTIONS_H
#define LSTM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_GAMMAS_MAX = 32 };

/* How a gradient becomes an update; Zhang et al. 2020, section 1. */
enum method {
    METHOD_FIXED,      /* x -= lr g */
    METHOD_CLIPPED,    /* x -= lr min(1, clip / ||g||) g */
    METHOD_NORMALIZED, /* x -= lr / (||g|| + beta) g */
};

struct options {
    const char *text; /* NULL: the default texts in turn */
    const char *project;
    const char *name;   /* NULL: the library's default */
    const char *run_id; /* NULL: the library's default */
    enum method method;
    double lr;
    double clip;
    double beta;
    uint64_t steps;
    uint64_t seed;
    uint64_t print_every;
    size_t hidden;
    size_t layers;
    size_t batch;
    size_t bptt;
    uint64_t measure_every;   /* 0, 1 and 2: measure all updates */
    bool measure;             /* false: no call into libtraj at all */
    uint32_t probe_every;     /* 0: no probes */
    double probe_budget;      /* above 0: by budget, whatever probe_every is */
    uint32_t sharpness_every; /* probes; 0: never */
    uint32_t n_gammas;
    double gammas[OPTIONS_GAMMAS_MAX];
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_HELP, /* the help was asked for and printed to stdout */
    OPTIONS_WRONG /* stderr has the reason */
};

/* Texts of argv are borrowed. ret_options is written in any case. */
enum options_result options_parse(
    int argc, char **argv, struct options *ret_options);

#endif

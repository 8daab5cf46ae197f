/* options: by the main thread, once. */
#include "examples/mlp/options.h"

#include <float.h>
#include <stddef.h>
#include <stdio.h>

#include "examples/mlp/model.h"
#include "traj.h"

static const char about[] =
    "usage: mlp [options]\n"
    "Trains a multilayer perceptron on a CSV file of numbers, and measures "
    "it on\n"
    "the way, through libtraj: all of it and each layer. TRAJ_URL, TRAJ_DIR "
    "and\n"
    "TRAJ_MODE are read by libtraj. Exit status: 0 done, 1 an error or a "
    "loss that\n"
    "is not finite, 2 wrong options.\n"
    "\n";

static const char *const optimizers[] = { "sgd", "heavy-ball" };
static const char *const norms[] = { "l2", "rms", "linf", "spectral" };

static enum args_result check(const struct options *o)
{
    const char *wrong = NULL;
    if (o->batch % o->micro != 0) {
        wrong = "--micro does not divide --batch";
    } else if (o->unbiased && o->micro < 2) {
        wrong = "--unbiased needs a --micro of 2 or more";
    } else if (o->rank >= o->ranks) {
        wrong = "--rank is not below --ranks";
    } else if (o->shard && o->ranks > o->hidden) {
        wrong = "--shard leaves ranks without elements of a layer";
    } else if (o->shard && o->norm == TRAJ_NORM_SPECTRAL) {
        wrong = "--norm spectral needs whole matrices, and --shard cuts them";
    }
    if (wrong == NULL) {
        return ARGS_RUN;
    }
    (void)fprintf(stderr, "mlp: %s: see mlp --help\n", wrong);
    return ARGS_WRONG;
}

enum args_result options_parse(
    int argc, char **argv, struct options *ret_options)
{
    struct options *o = ret_options;
    *o = (struct options){
        .data = "/usr/lib/python3/dist-packages/statsmodels/datasets/fair/"
                "fair.csv",
        .project = "mlp",
        .lr = 0.1,
        .momentum = 0.9,
        .gain = 1,
        .loss_scale = 1,
        .steps = 500,
        .batch = 64,
        .micro = 1,
        .hidden = 16,
        .layers = 3,
        .seed = 1,
        .print_every = 50,
        .probe_every = 4,
        .ranks = 1,
    };
    const struct arg table[] = {
        TEXT_ARG("data", "CSV of numbers (fair.csv of statsmodels)", &o->data),
        TEXT_ARG("target", "column to predict (the last)", &o->target),
        COUNT_ARG("hidden", "width (16)", &o->hidden, 1, 4096),
        COUNT_ARG("layers", "of weights (3)", &o->layers, 1, MLP_LAYERS_MAX),
        REAL_ARG("gain", "of the first weights (1)", &o->gain, 0, DBL_MAX),
        COUNT_ARG("seed", "of weights and batches (1)", &o->seed, 0, 1e15),
        COUNT_ARG("steps", "updates to make (500)", &o->steps, 0, 1e12),
        COUNT_ARG("batch", "rows of a step (64)", &o->batch, 1, 1e6),
        COUNT_ARG("micro", "microbatches of it (1)", &o->micro, 1, 1e6),
        WORD_ARG("optimizer", "(sgd)", &o->optimizer, optimizers),
        REAL_ARG("lr", "step size (0.1)", &o->lr, 0, DBL_MAX),
        REAL_ARG("momentum", "of heavy-ball (0.9)", &o->momentum, 0, 1),
        REAL_ARG("clip", "largest ||g||; 0 = any (0)", &o->clip, 0, DBL_MAX),
        REAL_ARG("loss-scale", "first scale; halved at an overflow (1)",
            &o->loss_scale, DBL_MIN, (double)FLT_MAX),
        COUNT_ARG("probe-every", "steps between probes; 0 = none (4)",
            &o->probe_every, 0, 1e9),
        FLAG_ARG("unbiased", "probe by microbatches", &o->unbiased),
        COUNT_ARG("sharpness", "probes between operator norms; 0 = none (0)",
            &o->sharpness_every, 0, 1e9),
        WORD_ARG("norm", "of the weights' updates (l2)", &o->norm, norms),
        COUNT_ARG("ranks", "processes of this run (1)", &o->ranks, 1, 1024),
        COUNT_ARG("rank", "of this one, from 0 (0)", &o->rank, 0, 1023),
        FLAG_ARG(
            "shard", "watch only this rank's part of each layer", &o->shard),
        COUNT_ARG("print-every", "steps between lines (50)", &o->print_every, 1,
            1e12),
        TEXT_ARG("project", "(mlp)", &o->project),
        TEXT_ARG("name", "of the run, for people", &o->name),
        TEXT_ARG("run-id", "of the run; the same for all ranks", &o->run_id),
        FLAG_ARG("no-watch", "make no call into libtraj", &o->no_watch),
    };
    enum args_result result = args_parse(
        argc, argv, "mlp", about, table, sizeof table / sizeof *table);
    return result == ARGS_RUN ? check(o) : result;
}

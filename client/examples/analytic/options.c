/* options: by the main thread, once. */
#include "examples/analytic/options.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

static const char about[] =
    "usage: analytic --function NAME [options]\n"
    "Descends a function whose smoothness is known in closed form, and "
    "measures\n"
    "it on the way, through libtraj. TRAJ_URL, TRAJ_DIR and TRAJ_MODE are "
    "read by\n"
    "libtraj. Exit status: 0 done, 1 an error or a loss that is not finite,\n"
    "2 wrong options.\n"
    "\n";

static const char *const rules[] = { "fixed", "clipped", "normalized", "l0l1" };
static const char *const estimators[] = { "none", "full", "same", "micro",
    "different" };

enum args_result options_parse(
    int argc, char **argv, struct options *ret_options)
{
    struct options *o = ret_options;
    const double own = (double)NAN;
    *o = (struct options){
        .project = "analytic",
        .rule = -1,
        .estimator = ESTIMATOR_FULL,
        .lr = own,
        .clip = 1,
        .L0 = own,
        .L1 = own,
        .power = own,
        .start = own,
        .noise = own,
        .swing = own,
        .times = 1,
        .units = 1,
        .steps = 500,
        .micro = 1,
        .seed = 1,
        .print_every = 50,
        .probe_every = 1,
    };
    const struct arg table[] = {
        TEXT_ARG("function", "which; see --list", &o->function),
        FLAG_ARG("list", "the functions and their laws", &o->list),
        WORD_ARG("rule", "of the step", &o->rule, rules),
        COUNT_ARG("steps", "updates to make (500)", &o->steps, 0, 1e12),
        REAL_ARG(
            "lr", "step size; the length if normalized", &o->lr, 0, DBL_MAX),
        REAL_ARG(
            "clip", "threshold of clipped (1)", &o->clip, DBL_MIN, DBL_MAX),
        REAL_ARG("beta", "of normalized: lr / (||g|| + beta) (0)", &o->beta, 0,
            DBL_MAX),
        REAL_ARG("L0", "of the function", &o->L0, DBL_MIN, DBL_MAX),
        REAL_ARG("L1", "of the function", &o->L1, DBL_MIN, DBL_MAX),
        REAL_ARG("power", "p of s5", &o->power, 2, 100),
        COUNT_ARG("n", "dimension, where it is free", &o->n, 1, 1e6),
        REAL_ARG("start", "how far from 0", &o->start, -DBL_MAX, DBL_MAX),
        REAL_ARG("noise", "of a microbatch, in each element of g", &o->noise, 0,
            DBL_MAX),
        REAL_ARG("swing", "how far the noise swings, in 100 steps", &o->swing,
            0, 100),
        COUNT_ARG("micro", "microbatches of a step (1)", &o->micro, 1, 1e6),
        FLAG_ARG("sum", "take the sum over them, not the mean", &o->sum),
        COUNT_ARG("seed", "of the noise (1)", &o->seed, 0, 1e15),
        REAL_ARG("loss-times", "the loss is multiplied by this (1)", &o->times,
            DBL_MIN, DBL_MAX),
        REAL_ARG("units", "parameters are in units of this (1)", &o->units,
            DBL_MIN, DBL_MAX),
        WORD_ARG(
            "estimator", "of smoothness (full)", &o->estimator, estimators),
        COUNT_ARG(
            "probe-every", "steps between probes (1)", &o->probe_every, 1, 1e9),
        COUNT_ARG("sharpness", "probes between operator norms; 0 = none (0)",
            &o->sharpness_every, 0, 1e9),
        COUNT_ARG("hvps", "products for an operator norm; 0 = 3 (0)",
            &o->sharpness_hvps, 0, 64),
        COUNT_ARG("print-every", "steps between lines (50)", &o->print_every, 1,
            1e12),
        TEXT_ARG("project", "(analytic)", &o->project),
        TEXT_ARG("name", "of the run, for people", &o->name),
        TEXT_ARG("run-id", "of the run", &o->run_id),
        FLAG_ARG("no-watch", "make no call into libtraj", &o->no_watch),
    };
    return args_parse(
        argc, argv, "analytic", about, table, sizeof table / sizeof *table);
}

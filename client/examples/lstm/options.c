/*
 * options: parsed with getopt, so by the main thread, once. What is wrong is
 * printed here, as for any command line; nothing is allocated.
 */
#include "examples/lstm/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: lstm [options]\n"
    "Trains a character-level LSTM language model and measures the smoothness\n"
    "of its loss along the way, through libtraj.\n"
    "\n"
    "  --text FILE        what to read (default: the GNU GPL 3 of Debian's\n"
    "                     base-files, else ./README.md)\n"
    "  --steps N          updates to make (600)\n"
    "  --lr X             learning rate (2)\n"
    "  --clip C           scale gradients of norm above C down to C; 0 = never"
    " (0)\n"
    "  --normalized BETA  step lr / (||g|| + BETA), instead of --clip\n"
    "  --hidden N         width of embedding and layers, 1..1024 (64)\n"
    "  --layers N         LSTM layers, 1..8 (1)\n"
    "  --batch N          sequences side by side, 1..4096 (8)\n"
    "  --bptt N           tokens of each sequence in a batch, 1..4096 (32)\n"
    "  --seed N           of the initial parameters (1)\n"
    "  --print-every N    steps between printed losses (50)\n"
    "  --probe-every K    steps between probes of smoothness; 0 = no probes"
    " (4)\n"
    "  --probe-budget F   probe by itself, for this fraction of the time of\n"
    "                     training, above 0 and up to 1, instead\n"
    "  --sharpness-every N  probes between two measurements of the operator\n"
    "                     norm of the Hessian; 0 = none (0)\n"
    "  --gammas LIST      where on the update to probe, in (0,1], ascending\n"
    "                     (0.5,1)\n"
    "  --measure-every K  take the norms of the first two of K updates, "
    "without\n"
    "                     a pass over the parameters for each (1: of all)\n"
    "  --no-traj          make no call into libtraj\n"
    "  --project NAME     (lstm)\n"
    "  --name NAME        of the run, for people\n"
    "  --run-id ID        of the run; an id seen before continues that run's\n"
    "                     record as a new attempt\n"
    "  --help\n"
    "\n"
    "TRAJ_URL, TRAJ_DIR and TRAJ_MODE=online|offline|disabled are read by\n"
    "libtraj. Ctrl-C ends training and the run properly.\n"
    "Exit status: 0 done, 1 an error or a loss that is not finite, 2 wrong\n"
    "options, 128 + signal when stopped by one.\n";

static const struct options defaults = {
    .project = "lstm",
    .method = METHOD_FIXED,
    .lr = 2,
    .steps = 600,
    .seed = 1,
    .print_every = 50,
    .hidden = 64,
    .layers = 1,
    .batch = 8,
    .bptt = 32,
    .measure = true,
    .probe_every = 4,
    .n_gammas = 2,
    .gammas = { 0.5, 1 },
};

/* The ids of getopt_long, apart from every character. */
enum option_id {
    OPTION_TEXT = 256,
    OPTION_STEPS,
    OPTION_LR,
    OPTION_CLIP,
    OPTION_NORMALIZED,
    OPTION_HIDDEN,
    OPTION_LAYERS,
    OPTION_BATCH,
    OPTION_BPTT,
    OPTION_SEED,
    OPTION_PRINT_EVERY,
    OPTION_PROBE_EVERY,
    OPTION_PROBE_BUDGET,
    OPTION_SHARPNESS_EVERY,
    OPTION_GAMMAS,
    OPTION_MEASURE_EVERY,
    OPTION_NO_TRAJ,
    OPTION_PROJECT,
    OPTION_NAME,
    OPTION_RUN_ID,
    OPTION_HELP,
};

static const struct option table[] = {
    { "text", required_argument, NULL, OPTION_TEXT },
    { "steps", required_argument, NULL, OPTION_STEPS },
    { "lr", required_argument, NULL, OPTION_LR },
    { "clip", required_argument, NULL, OPTION_CLIP },
    { "normalized", required_argument, NULL, OPTION_NORMALIZED },
    { "hidden", required_argument, NULL, OPTION_HIDDEN },
    { "layers", required_argument, NULL, OPTION_LAYERS },
    { "batch", required_argument, NULL, OPTION_BATCH },
    { "bptt", required_argument, NULL, OPTION_BPTT },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "print-every", required_argument, NULL, OPTION_PRINT_EVERY },
    { "probe-every", required_argument, NULL, OPTION_PROBE_EVERY },
    { "probe-budget", required_argument, NULL, OPTION_PROBE_BUDGET },
    { "sharpness-every", required_argument, NULL, OPTION_SHARPNESS_EVERY },
    { "gammas", required_argument, NULL, OPTION_GAMMAS },
    { "measure-every", required_argument, NULL, OPTION_MEASURE_EVERY },
    { "no-traj", no_argument, NULL, OPTION_NO_TRAJ },
    { "project", required_argument, NULL, OPTION_PROJECT },
    { "name", required_argument, NULL, OPTION_NAME },
    { "run-id", required_argument, NULL, OPTION_RUN_ID },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static bool parse_count(
    const char *text, uint64_t low, uint64_t high, uint64_t *ret_value)
{
    char *end = NULL;
    errno = 0;
    /* strtoull takes "-1" for a large number. */
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        value < low || value > high) {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool parse_size(const char *text, size_t high, size_t *ret_value)
{
    uint64_t value = 0;
    bool good = parse_count(text, 1, high, &value);
    if (good) {
        *ret_value = (size_t)value;
    }
    return good;
}

static bool parse_real(const char *text, double low, double *ret_value)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < low) {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool parse_gammas(const char *text, struct options *options)
{
    double before = 0;
    uint32_t n = 0;

    for (const char *at = text; n < OPTIONS_GAMMAS_MAX; n++) {
        char *end = NULL;
        double gamma = strtod(at, &end);
        if (end == at || !(gamma > before) || gamma > 1) {
            return false;
        }
        options->gammas[n] = gamma;
        before = gamma;
        if (*end == '\0') {
            options->n_gammas = n + 1;
            return true;
        }
        if (*end != ',') {
            return false;
        }
        at = end + 1;
    }
    return false;
}

static bool take_clip(const char *value, struct options *o)
{
    bool good =
        o->method != METHOD_NORMALIZED && parse_real(value, 0, &o->clip);
    o->method = good && o->clip > 0 ? METHOD_CLIPPED : o->method;
    return good;
}

static bool take_beta(const char *value, struct options *o)
{
    bool good = o->method != METHOD_CLIPPED && parse_real(value, 0, &o->beta);
    o->method = good ? METHOD_NORMALIZED : o->method;
    return good;
}

static bool take_probe_every(const char *value, struct options *o)
{
    uint64_t every = 0;
    /* UINT32_MAX means never to libtraj; here that is 0. */
    bool good = parse_count(value, 0, UINT32_MAX - 1, &every);
    o->probe_every = (uint32_t)every;
    return good;
}

static bool take_sharpness_every(const char *value, struct options *o)
{
    uint64_t every = 0;
    bool good = parse_count(value, 0, UINT32_MAX - 1, &every);
    o->sharpness_every = (uint32_t)every;
    return good;
}

static bool take(int id, const char *value, struct options *o)
{
    switch (id) {
    case OPTION_TEXT:
        o->text = value;
        return true;
    case OPTION_STEPS:
        return parse_count(value, 0, UINT64_C(1) << 40, &o->steps);
    case OPTION_LR:
        return parse_real(value, 0, &o->lr);
    case OPTION_CLIP:
        return take_clip(value, o);
    case OPTION_NORMALIZED:
        return take_beta(value, o);
    case OPTION_HIDDEN:
        return parse_size(value, 1024, &o->hidden);
    case OPTION_LAYERS:
        return parse_size(value, 8, &o->layers);
    case OPTION_BATCH:
        return parse_size(value, 4096, &o->batch);
    case OPTION_BPTT:
        return parse_size(value, 4096, &o->bptt);
    case OPTION_SEED:
        return parse_count(value, 0, UINT64_MAX, &o->seed);
    case OPTION_PRINT_EVERY:
        return parse_count(value, 1, UINT64_MAX, &o->print_every);
    case OPTION_PROBE_EVERY:
        return take_probe_every(value, o);
    case OPTION_PROBE_BUDGET:
        return parse_real(value, 0, &o->probe_budget) && o->probe_budget <= 1;
    case OPTION_SHARPNESS_EVERY:
        return take_sharpness_every(value, o);
    case OPTION_GAMMAS:
        return parse_gammas(value, o);
    case OPTION_MEASURE_EVERY:
        return parse_count(value, 1, UINT64_MAX, &o->measure_every);
    case OPTION_NO_TRAJ:
        o->measure = false;
        return true;
    case OPTION_PROJECT:
        o->project = value;
        return true;
    case OPTION_NAME:
        o->name = value;
        return true;
    case OPTION_RUN_ID:
        o->run_id = value;
        return true;
    default:
        return false;
    }
}

enum options_result options_parse(
    int argc, char **argv, struct options *ret_options)
{
    int index = 0;

    *ret_options = defaults;
    for (;;) {
        int id = getopt_long(argc, argv, "", table, &index);
        if (id == -1) {
            break;
        }
        if (id == OPTION_HELP) {
            (void)fputs(help, stdout);
            return OPTIONS_HELP;
        }
        if (id == '?') { /* getopt_long has said what is wrong */
            return OPTIONS_WRONG;
        }
        if (!take(id, optarg, ret_options)) {
            (void)fprintf(stderr, "lstm: --%s %s: see lstm --help\n",
                table[index].name, optarg);
            return OPTIONS_WRONG;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "lstm: %s: see lstm --help\n", argv[optind]);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

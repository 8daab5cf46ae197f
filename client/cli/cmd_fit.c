/*
 * cmd_fit.c: `traj fit FILE.csv --x COL --y COL`: estimates of (L0, L1) from
 * columns of a CSV file. Works without a daemon and without libtraj's
 * transport. One thread.
 */
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/csv.h"
#include "cli/fit_answer.h"

#define SHORT_USAGE                                                            \
    "usage: traj fit FILE.csv --x COLUMN --y COLUMN [--tau T]... "             \
    "[--lambda L]\n"                                                           \
    "                [--rho R] [--at C] [--r COLUMN] [--loss COLUMN "          \
    "[--f-star F]]\n"                                                          \
    "                [--json]\n"

static const char usage_text[] = SHORT_USAGE
    "\n"
    "Fits y <= L0 + L1 x, with x a gradient norm and y a local smoothness, to\n"
    "two columns of a CSV file (RFC 4180, with a header; - is standard "
    "input).\n"
    "Rows whose x or y is missing or not finite are left out and counted. The\n"
    "log-log slope and the power law use the rows with x > 0 (x >= 0) and\n"
    "y > 0. Rows are taken to be in the order of time.\n"
    "\n"
    "  --x COLUMN, --y COLUMN  names in the header\n"
    "  --tau T                 quantile to fit, in (0,1); may be repeated;\n"
    "                          default 0.5, 0.9, 0.95 and 0.99\n"
    "  --lambda L              of the expectile: samples above the line weigh\n"
    "                          1 + L; default 8, which is tau = 0.9\n"
    "  --rho R                 fit L0 + L1 x^R as well, R >= 0\n"
    "  --at C                  the envelope that is lowest at x = C as well\n"
    "  --r COLUMN              lengths of the steps, with x the norm at their\n"
    "                          start: fit y/psi(L1 r) as well\n"
    "  --loss COLUMN           compare x with the loss gap f - f* as what\n"
    "                          predicts y\n"
    "  --f-star F              f*; default: the least loss in the file\n"
    "  --json                  print JSON, doubles with 17 digits\n"
    "  -h, --help              this text\n";

/* What a reader of the numbers must know; on stderr, so that --json stays
 * JSON. */
static void print_notes(const struct fit_answer *answer)
{
    const size_t n = answer->report.n;
    if (answer->n_fits == 0) {
        fprintf(stderr,
            "traj fit: note: %zu pairs determine no line: two different x are "
            "needed\n",
            n);
    } else if (n < FIT_N_MIN) {
        fprintf(stderr,
            "traj fit: note: %zu pairs: fewer than %d are no estimate\n", n,
            FIT_N_MIN);
    }
}

static bool add_tau(struct fit_request *request, const char *text)
{
    double tau = 0;
    if (csv_number(text, &tau) != CSV_NUMBER || !(tau > 0 && tau < 1)) {
        fprintf(stderr, "traj fit: --tau: '%s' is not in (0,1)\n", text);
        return false;
    }
    if (request->n_taus == FIT_TAUS_MAX) {
        fprintf(stderr, "traj fit: --tau: at most %u\n", FIT_TAUS_MAX);
        return false;
    }
    request->taus[request->n_taus++] = tau;
    return true;
}

/* The number of an option, from least (or above it, where it is 0 that stands
 * for nothing) to most. */
static bool set_number(const char *option, const char *text, double least,
    double most, double *ret)
{
    double value = 0;
    if (csv_number(text, &value) != CSV_NUMBER || !isfinite(value) ||
        value < least || value > most) {
        fprintf(stderr, "traj fit: --%s: '%s' is not a number in [%g, %g]\n",
            option, text, least, most);
        return false;
    }
    *ret = value;
    return true;
}

#define LEAST_POSITIVE 1e-300
#define LARGEST 1e300

/* False: not asked rightly, and stderr says so. */
static bool take(struct fit_request *request, int option)
{
    switch (option) {
    case 'x':
        request->names[FIT_COLUMN_X] = optarg;
        return true;
    case 'y':
        request->names[FIT_COLUMN_Y] = optarg;
        return true;
    case 'r':
        request->names[FIT_COLUMN_LENGTH] = optarg;
        return true;
    case 'f':
        request->names[FIT_COLUMN_LOSS] = optarg;
        return true;
    case 't':
        return add_tau(request, optarg);
    case 'l':
        return set_number(
            "lambda", optarg, LEAST_POSITIVE, FIT_LAMBDA_MAX, &request->lambda);
    case 'p':
        return set_number("rho", optarg, 0, 100, &request->rho);
    case 'c':
        return set_number("at", optarg, LEAST_POSITIVE, LARGEST, &request->at);
    case 's':
        return set_number(
            "f-star", optarg, -LARGEST, LARGEST, &request->least_loss);
    case 'j':
        request->json = true;
        return true;
    default:
        return false;
    }
}

static bool is_complete(const struct fit_request *request, int n_files)
{
    if (n_files != 1) {
        fputs(n_files == 0 ? "traj fit: which file?\n"
                           : "traj fit: one file only\n",
            stderr);
        return false;
    }
    if (request->names[FIT_COLUMN_X] == NULL ||
        request->names[FIT_COLUMN_Y] == NULL) {
        fputs("traj fit: --x and --y name the columns\n", stderr);
        return false;
    }
    return true;
}

/* As take; *ret_help: --help was asked. */
static bool parse(
    int argc, char **argv, struct fit_request *request, bool *ret_help)
{
    static const struct option options[] = {
        { "x", required_argument, NULL, 'x' },
        { "y", required_argument, NULL, 'y' },
        { "tau", required_argument, NULL, 't' },
        { "lambda", required_argument, NULL, 'l' },
        { "rho", required_argument, NULL, 'p' },
        { "at", required_argument, NULL, 'c' },
        { "r", required_argument, NULL, 'r' },
        { "loss", required_argument, NULL, 'f' },
        { "f-star", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option = 0;
    while (
        (option = getopt_long(argc, argv, "x:y:t:jh", options, NULL)) != -1) {
        if (option == 'h') {
            *ret_help = true;
            return true;
        }
        if (!take(request, option)) {
            return false;
        }
    }
    if (!traj_is_unset(request->least_loss) &&
        request->names[FIT_COLUMN_LOSS] == NULL) {
        fputs("traj fit: --f-star is of no use without --loss\n", stderr);
        return false;
    }
    request->file = argv[optind]; /* NULL behind the last */
    return is_complete(request, argc - optind);
}

/* False: out of memory. */
static bool answer_table(
    const struct fit_request *request, const struct fit_table *table)
{
    struct fit_answer answer;
    bool done = fit_answer_compute(request, table, &answer);
    if (done && request->json) {
        done = fit_answer_print_json(request, &answer);
    } else if (done) {
        fit_answer_print(request, &answer);
    }
    if (done) {
        print_notes(&answer);
    }
    fit_answer_done(&answer);
    return done;
}

static bool answer_request(const struct fit_request *request)
{
    struct fit_table table = { .n = 0 };
    bool done = fit_table_read(request->file, request->names, &table);
    if (done) {
        done = answer_table(request, &table);
        if (!done) {
            fputs("traj fit: out of memory\n", stderr);
        }
    }
    fit_table_done(&table);
    return done;
}

int cmd_fit(int argc, char **argv)
{
    struct fit_request request = {
        .rho = (double)NAN,
        .least_loss = traj_unset(),
    };
    bool help = false;
    if (!parse(argc, argv, &request, &help)) {
        fputs(SHORT_USAGE, stderr);
        return CLI_USAGE;
    }
    if (help) {
        fputs(usage_text, stdout);
        return CLI_OK;
    }
    return answer_request(&request) ? CLI_OK : CLI_FAILED;
}

/*
 * cmd_fit.c: `traj fit FILE.csv --x COL --y COL`: estimates of (L0, L1) from
 * two columns of a CSV file. Works without a daemon and without libtraj's
 * transport. One thread.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli/cli.h"
#include "cli/csv.h"
#include "cli/print.h"
#include "math/fit.h"

#define TAUS_MAX 16u
/* Of these, a line is determined; FIT_N_MIN is what makes it an estimate. */
#define N_MIN 2u

struct request {
    const char *file;
    const char *x, *y;
    double taus[TAUS_MAX];
    size_t n_taus;
    bool json;
};

struct pairs {
    double *x, *y; /* owned */
    size_t n, capacity;
    size_t excluded;
};

/* One line of the answer. */
struct estimate {
    const char *method;
    double tau; /* NaN: it has none */
    struct fit_line line;
};

struct answer {
    struct fit_report report;
    struct estimate fits[FIT_METHODS + TAUS_MAX];
    size_t n_fits;
};

static const char usage_text[] =
    "usage: traj fit FILE.csv --x COLUMN --y COLUMN [--tau T]... [--json]\n"
    "\n"
    "Fits y <= L0 + L1 x, with x a gradient norm and y a local smoothness, to\n"
    "two columns of a CSV file (RFC 4180, with a header; - is standard "
    "input).\n"
    "Rows whose x or y is missing or not finite are left out and counted. The\n"
    "log-log slope uses the rows with x > 0 and y > 0.\n"
    "\n"
    "  --x COLUMN, --y COLUMN  names in the header\n"
    "  --tau T                 quantile to fit, in (0,1); may be repeated;\n"
    "                          default 0.5 and 0.95\n"
    "  --json                  print JSON, doubles with 17 digits\n"
    "  -h, --help              this text\n";

static void pairs_done(struct pairs *pairs)
{
    free(pairs->x);
    free(pairs->y);
}

static bool grow(double **array, size_t capacity)
{
    double *grown = realloc(*array, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    return true;
}

static bool pairs_append(struct pairs *pairs, double x, double y)
{
    if (pairs->n == pairs->capacity) {
        size_t capacity = pairs->capacity > 0 ? 2 * pairs->capacity : 1024;
        if (!grow(&pairs->x, capacity) || !grow(&pairs->y, capacity)) {
            return false;
        }
        pairs->capacity = capacity;
    }
    pairs->x[pairs->n] = x;
    pairs->y[pairs->n] = y;
    pairs->n++;
    return true;
}

/* ---- reading ------------------------------------------------------------ */

static bool complain(const struct csv *csv, const char *text)
{
    fprintf(stderr, "traj fit: %s:%zu: %s\n", csv->name, csv->row_line, text);
    return false;
}

/* What a file holds, in an error: it may be no CSV at all. */
static void show_cell(const char *text)
{
    char start[41];
    (void)snprintf(start, sizeof start, "%s", text);
    fputc('\'', stderr);
    print_text(stderr, start);
    fputc('\'', stderr);
}

static bool find_column(const struct csv *csv, const char *name, size_t *ret)
{
    for (size_t i = 0; i < csv->fields; i++) {
        if (strcmp(csv_field(csv, i), name) == 0) {
            *ret = i;
            return true;
        }
    }
    fprintf(
        stderr, "traj fit: %s: no column '%s'; there are:", csv->name, name);
    for (size_t i = 0; i < csv->fields; i++) {
        fputs(i > 0 ? ", " : " ", stderr);
        show_cell(csv_field(csv, i));
    }
    fputs("\n", stderr);
    return false;
}

static bool read_cell(
    const struct csv *csv, size_t column, const char *name, double *ret)
{
    const char *text = csv_field(csv, column);
    *ret = (double)NAN;
    if (csv_number(text, ret) == CSV_NO_NUMBER) {
        fprintf(stderr, "traj fit: %s:%zu: column '%s': ", csv->name,
            csv->row_line, name);
        show_cell(text);
        fputs(" is not a number\n", stderr);
        return false;
    }
    return true;
}

static bool take_row(const struct csv *csv, const struct request *request,
    size_t x_column, size_t y_column, struct pairs *pairs)
{
    double x = 0;
    double y = 0;
    if (!read_cell(csv, x_column, request->x, &x) ||
        !read_cell(csv, y_column, request->y, &y)) {
        return false;
    }
    if (!isfinite(x) || !isfinite(y)) {
        pairs->excluded++;
        return true;
    }
    return pairs_append(pairs, x, y) || complain(csv, "out of memory");
}

static bool read_rows(
    struct csv *csv, const struct request *request, struct pairs *pairs)
{
    size_t x_column = 0;
    size_t y_column = 0;
    enum csv_result result = csv_next(csv);
    if (result == CSV_END) {
        fprintf(stderr, "traj fit: %s: is empty\n", csv->name);
        return false;
    }
    if (result == CSV_ROW && (!find_column(csv, request->x, &x_column) ||
                                 !find_column(csv, request->y, &y_column))) {
        return false;
    }
    const size_t width = csv->fields;
    while (result == CSV_ROW) {
        result = csv_next(csv);
        if (result != CSV_ROW) {
            break;
        }
        if (csv->fields != width) {
            fprintf(stderr,
                "traj fit: %s:%zu: %zu fields, but the header has %zu\n",
                csv->name, csv->row_line, csv->fields, width);
            return false;
        }
        if (!take_row(csv, request, x_column, y_column, pairs)) {
            return false;
        }
    }
    if (result == CSV_ERROR) {
        fprintf(stderr, "traj fit: %s\n", csv->error);
    }
    return result == CSV_END;
}

static bool read_file(const struct request *request, struct pairs *pairs)
{
    const bool standard = strcmp(request->file, "-") == 0;
    FILE *in = standard ? stdin : fopen(request->file, "rb");
    if (in == NULL) {
        fprintf(stderr, "traj fit: %s: %s\n", request->file, strerror(errno));
        return false;
    }
    struct csv csv;
    csv_init(&csv, in, standard ? "standard input" : request->file);
    bool read = read_rows(&csv, request, pairs);
    csv_done(&csv);
    if (!standard) {
        (void)fclose(in); /* only read from */
    }
    return read;
}

/* ---- fitting ------------------------------------------------------------ */

static void keep(
    struct answer *answer, const char *method, double tau, struct fit_line line)
{
    answer->fits[answer->n_fits++] =
        (struct estimate){ .method = method, .tau = tau, .line = line };
}

/* The quantiles asked for stand where the report has its own two. */
static bool fit_quantiles(const struct request *request,
    const struct pairs *pairs, struct answer *answer)
{
    double *workspace = malloc((4 * pairs->n + 1) * sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    for (size_t i = 0; i < request->n_taus && pairs->n >= N_MIN; i++) {
        struct fit_line line;
        if (fit_quantile(pairs->x, pairs->y, pairs->n, request->taus[i],
                workspace, &line)) {
            keep(answer, "quantile", request->taus[i], line);
        }
    }
    free(workspace);
    return true;
}

static bool fit_all(const struct request *request, const struct pairs *pairs,
    struct answer *answer)
{
    struct fit_report *report = &answer->report;
    answer->n_fits = 0;
    if (!fit_report(pairs->x, pairs->y, pairs->n, N_MIN, report)) {
        return false;
    }
    report->n_excluded += pairs->excluded;
    bool quantiles_done = request->n_taus == 0;
    for (size_t i = 0; i < FIT_METHODS; i++) {
        const bool quantile = !isnan(report->fits[i].tau);
        if (quantile && request->n_taus > 0) {
            if (!quantiles_done && !fit_quantiles(request, pairs, answer)) {
                return false;
            }
            quantiles_done = true;
        } else if (report->fits[i].valid) {
            keep(answer, report->fits[i].method, report->fits[i].tau,
                report->fits[i].line);
        }
    }
    return true;
}

/* ---- printing ----------------------------------------------------------- */

/* cJSON prints 15 digits where they are "close": these read back exactly. */
static cJSON *json_double(double value)
{
    if (isnan(value)) {
        return cJSON_CreateNull();
    }
    if (isinf(value)) {
        return cJSON_CreateString(value > 0 ? "Infinity" : "-Infinity");
    }
    char text[32];
    (void)snprintf(text, sizeof text, "%.17g", value);
    return cJSON_CreateRaw(text);
}

static void add_double(cJSON *object, const char *name, double value)
{
    (void)cJSON_AddItemToObject(object, name, json_double(value));
}

static void add_range(cJSON *object, const char *name, double min, double max)
{
    cJSON *range = cJSON_AddArrayToObject(object, name);
    (void)cJSON_AddItemToArray(range, json_double(min));
    (void)cJSON_AddItemToArray(range, json_double(max));
}

static cJSON *json_fits(const struct answer *answer)
{
    cJSON *fits = cJSON_CreateArray();
    for (size_t i = 0; i < answer->n_fits; i++) {
        const struct estimate *fit = &answer->fits[i];
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(object, "method", fit->method);
        add_double(object, "tau", fit->tau);
        add_double(object, "L0", fit->line.L0);
        add_double(object, "L1", fit->line.L1);
        (void)cJSON_AddItemToArray(fits, object);
    }
    return fits;
}

static cJSON *json_loglog(const struct fit_report *report)
{
    if (!report->has_loglog) {
        return cJSON_CreateNull();
    }
    cJSON *object = cJSON_CreateObject();
    add_double(object, "n", (double)report->loglog.n);
    add_double(object, "slope", report->loglog.slope);
    add_double(object, "intercept", report->loglog.intercept);
    add_double(object, "pearson_r", report->loglog.pearson_r);
    return object;
}

/* cJSON's adding to NULL does nothing, so one look at the text is enough. */
static bool print_answer_json(const struct answer *answer)
{
    const struct fit_report *report = &answer->report;
    cJSON *root = cJSON_CreateObject();
    add_double(root, "n", (double)report->n);
    add_double(root, "n_excluded", (double)report->n_excluded);
    add_range(root, "x_range", report->x_min, report->x_max);
    add_range(root, "y_range", report->y_min, report->y_max);
    (void)cJSON_AddItemToObject(root, "fits", json_fits(answer));
    (void)cJSON_AddItemToObject(root, "loglog", json_loglog(report));
    add_double(root, "spearman",
        report->has_spearman ? report->spearman : (double)NAN);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (text == NULL) {
        return false;
    }
    puts(text);
    cJSON_free(text);
    return true;
}

static void print_table(
    const struct request *request, const struct answer *answer)
{
    const struct fit_report *report = &answer->report;
    printf("%s <= L0 + L1 %s\n%zu pairs", request->y, request->x, report->n);
    if (report->n_excluded > 0) {
        printf(", %zu left out (missing or not finite)", report->n_excluded);
    }
    if (answer->n_fits == 0) {
        puts(""); /* a note says why there is no more */
        return;
    }
    printf("\n%s in [%g, %g], %s in [%g, %g]\n\n", request->x, report->x_min,
        report->x_max, request->y, report->y_min, report->y_max);
    printf("%-16s %6s %14s %14s\n", "method", "tau", "L0", "L1");
    for (size_t i = 0; i < answer->n_fits; i++) {
        const struct estimate *fit = &answer->fits[i];
        char tau[16] = "";
        if (!isnan(fit->tau)) {
            (void)snprintf(tau, sizeof tau, "%g", fit->tau);
        }
        printf("%-16s %6s %14.6g %14.6g\n", fit->method, tau, fit->line.L0,
            fit->line.L1);
    }
    puts("");
    if (report->has_spearman) {
        printf("Spearman          %+.4f\n", report->spearman);
    }
    if (report->has_loglog) {
        printf("log-log slope     %+.4f (r %+.4f, %zu pairs with x, y > 0)\n",
            report->loglog.slope, report->loglog.pearson_r, report->loglog.n);
    }
}

/* What a reader of the numbers must know; on stderr, so that --json stays
 * JSON. */
static void print_notes(const struct answer *answer)
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

/* ---- the command -------------------------------------------------------- */

static bool add_tau(struct request *request, const char *text)
{
    double tau = 0;
    if (csv_number(text, &tau) != CSV_NUMBER || !(tau > 0 && tau < 1)) {
        fprintf(stderr, "traj fit: --tau: '%s' is not in (0,1)\n", text);
        return false;
    }
    if (request->n_taus == TAUS_MAX) {
        fprintf(stderr, "traj fit: --tau: at most %u\n", TAUS_MAX);
        return false;
    }
    request->taus[request->n_taus++] = tau;
    return true;
}

/* False: not asked rightly, and stderr says so. *ret_help: --help was asked. */
static bool parse(
    int argc, char **argv, struct request *request, bool *ret_help)
{
    static const struct option options[] = {
        { "x", required_argument, NULL, 'x' },
        { "y", required_argument, NULL, 'y' },
        { "tau", required_argument, NULL, 't' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option = 0;
    while (
        (option = getopt_long(argc, argv, "x:y:t:jh", options, NULL)) != -1) {
        switch (option) {
        case 'x':
            request->x = optarg;
            break;
        case 'y':
            request->y = optarg;
            break;
        case 't':
            if (!add_tau(request, optarg)) {
                return false;
            }
            break;
        case 'j':
            request->json = true;
            break;
        case 'h':
            *ret_help = true;
            return true;
        default:
            return false;
        }
    }
    request->file = optind + 1 == argc ? argv[optind] : NULL;
    return request->file != NULL && request->x != NULL && request->y != NULL;
}

static bool answer_request(const struct request *request)
{
    struct pairs pairs = { .x = NULL };
    struct answer answer;
    bool done = read_file(request, &pairs);
    if (done) {
        done = fit_all(request, &pairs, &answer);
        if (done && request->json) {
            done = print_answer_json(&answer);
        } else if (done) {
            print_table(request, &answer);
        }
        if (done) {
            print_notes(&answer);
        } else {
            fputs("traj fit: out of memory\n", stderr);
        }
    }
    pairs_done(&pairs);
    return done;
}

int cmd_fit(int argc, char **argv)
{
    struct request request = { .file = NULL };
    bool help = false;
    if (!parse(argc, argv, &request, &help)) {
        fputs("usage: traj fit FILE.csv --x COLUMN --y COLUMN [--tau T]... "
              "[--json]\n",
            stderr);
        return CLI_USAGE;
    }
    if (help) {
        fputs(usage_text, stdout);
        return CLI_OK;
    }
    if (!answer_request(&request)) {
        return CLI_FAILED;
    }
    /* A full disk behind stdout shows here and nowhere else. */
    if (fflush(stdout) != 0) {
        fprintf(stderr, "traj fit: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    return CLI_OK;
}

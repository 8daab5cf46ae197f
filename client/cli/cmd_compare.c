/* traj compare: the laws of several runs beside each other. */
#include "cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client_http.h"
#include "cli/find_run.h"
#include "cli/member.h"
#include "cli/print.h"
#include "cli/run_get.h"

#define RUNS_MAX 16
#define RUNS_PATH "/api/v1/runs/"
#define COMPARE_PATH "/api/v1/compare?runs="

static void usage(FILE *out)
{
    fputs(
        "usage: traj compare RUN RUN... [--url URL] [--json]\n"
        "\n"
        "Shows the law of each of 2 to 16 runs with the interval of its L1, "
        "one\n"
        "law for all of them, and whether their L1 may be the same, from the\n"
        "class of probes that the page shows of the first. RUN is as for traj\n"
        "show.\n"
        "\n"
        "  --url URL  where trajd is; default $TRAJD_URL or\n"
        "             " CLIENT_URL_DEFAULT "\n"
        "  --json     what the daemon answers\n",
        out);
}

static void print_interval(const cJSON *of)
{
    const cJSON *interval = member(of, "interval");
    const cJSON *L1 = member(interval, "L1");
    if (!cJSON_IsObject(interval)) {
        printf("  no interval: %s", member_text(of, "interval_absent"));
        return;
    }
    printf("  %.4g, %g %% %.4g to %.4g", member_double(L1, "estimate"),
        100 * member_double(interval, "level"), member_double(L1, "low"),
        member_double(L1, "high"));
}

/* What speaks against the law of a run by itself. */
static void print_doubts(const cJSON *fit)
{
    const cJSON *warning = NULL;
    const char *before = "  (";
    cJSON_ArrayForEach(warning, member(fit, "warnings"))
    {
        printf("%s%s", before, cJSON_GetStringValue(warning));
        before = ", ";
    }
    if (before[0] == ',') {
        putchar(')');
    }
}

/* A run whose probes are all of another class has no pair here. */
static void print_others(const cJSON *fit)
{
    const uint64_t others =
        member_u64(member(fit, "excluded"), "other_estimator");
    if (member_u64(fit, "n") == 0 && others > 0) {
        printf(" (%" PRIu64 " probes of another estimator)", others);
    }
}

static void print_run(const cJSON *run)
{
    const cJSON *fit = member(run, "fit");
    print_column(stdout, member_text(run, "run"), 25, true);
    printf("%8" PRIu64, member_u64(fit, "n"));
    print_interval(run);
    print_others(fit);
    print_doubts(fit);
    putchar('\n');
}

/* Of all runs: that of the first. */
static void print_class(const cJSON *data)
{
    const cJSON *fit =
        member(cJSON_GetArrayItem(member(data, "runs"), 0), "fit");
    printf("pairs are of %s, %s: the first run's\n",
        member_text(fit, "regressor"), member_text(fit, "estimator"));
}

static void print_comparison(const cJSON *data)
{
    const cJSON *run = NULL;
    const cJSON *pooled = member(data, "pooled");
    const cJSON *equal = member(data, "equal_L1");
    puts("run                         pairs  L1 along its trajectory");
    cJSON_ArrayForEach(run, member(data, "runs"))
    {
        print_run(run);
    }
    printf("%-25s%8" PRIu64, "all", member_u64(pooled, "n"));
    print_interval(pooled);
    if (!cJSON_IsObject(equal)) {
        puts("\nequal L1: fewer than two intervals to tell");
    } else {
        printf("\nequal L1: p = %.3g (Q = %.4g, %" PRIu64
               " degrees of freedom)\n",
            member_double(equal, "p"), member_double(equal, "q"),
            member_u64(equal, "dof"));
    }
    print_class(data);
    puts("whether a run has a law at all: traj verdict RUN");
}

/* ",ID" at the end of *path, which grows; the first without a comma. */
static bool add_run(
    struct client *client, const char *text, bool first, char **path)
{
    char *run_path = NULL;
    if (!find_run(client, text, &run_path)) {
        return false;
    }
    const char *uid = run_path + sizeof RUNS_PATH - 1;
    char *longer = client_path("%s%s%s", *path, first ? "" : ",", uid);
    if (longer != NULL) {
        free(*path);
        *path = longer;
    }
    free(run_path);
    return longer != NULL;
}

static bool get(struct client *client, char **runs, int n, cJSON **ret_body)
{
    char *path = client_path(COMPARE_PATH);
    bool ok = path != NULL;
    for (int i = 0; ok && i < n; i++) {
        ok = add_run(client, runs[i], i == 0, &path);
    }
    if (!ok) {
        free(path);
        return false;
    }
    return run_get(client, path, "one of the runs has been deleted", ret_body);
}

static enum cli_exit compare(const char *url, char **runs, int n, bool json)
{
    cJSON *body = NULL;
    struct client *client = client_new(url);
    if (client == NULL) {
        fputs("traj: out of memory\n", stderr);
        return CLI_FAILED;
    }
    const bool ok = get(client, runs, n, &body);
    if (ok && json) {
        print_json(stdout, member(body, "data"));
        putchar('\n');
    } else if (ok) {
        print_comparison(member(body, "data"));
    }
    cJSON_Delete(body);
    client_free(client);
    return ok ? CLI_OK : CLI_FAILED;
}

int cmd_compare(int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *url = NULL;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            url = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            usage(stdout);
            return CLI_OK;
        default:
            return cli_wrong(usage, NULL);
        }
    }
    if (argc - optind < 2 || argc - optind > RUNS_MAX) {
        return cli_wrong(
            usage, "2 to %d runs, not %d", RUNS_MAX, argc - optind);
    }
    return (int)compare(url, argv + optind, argc - optind, json);
}

/* traj verdict: what may be said of the law of a run, phase by phase, and the
 * advice that follows. */
#include "cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client_http.h"
#include "cli/find_run.h"
#include "cli/member.h"
#include "cli/print.h"
#include "cli/run_get.h"

struct asked {
    const char *url, *run;
    const char *group;
    bool json;
};

static void usage(FILE *out)
{
    fputs(
        "usage: traj verdict RUN [--group N] [--url URL] [--json]\n"
        "\n"
        "Says whether smoothness grows with the gradient norm along the run,\n"
        "for each of its phases, with the figures that decided, and what clip\n"
        "threshold and learning rate follow. RUN is as for traj show.\n"
        "\n"
        "  --group N  of the Nth layer; default all parameters\n"
        "  --url URL  where trajd is; default $TRAJD_URL or\n"
        "             " CLIENT_URL_DEFAULT "\n"
        "  --json     what the daemon answers\n",
        out);
}

static void print_steps(const cJSON *phase)
{
    printf("steps %" PRIu64 " to ", member_u64(phase, "from_step"));
    if (member_is_null(phase, "to_step")) {
        fputs("the end", stdout);
    } else {
        printf("%" PRIu64, member_u64(phase, "to_step"));
    }
    printf(" (%s)\n", member_text(phase, "cause"));
}

static void print_reasons(const cJSON *phase)
{
    const cJSON *r = NULL;
    cJSON_ArrayForEach(r, member(phase, "reasons"))
    {
        printf("  %c %-20s %.4g",
            cJSON_IsTrue(member(r, "decides")) ? '*' : ' ',
            member_text(r, "name"), member_double(r, "value"));
        if (!member_is_null(r, "limit")) {
            printf(" (limit %.4g)", member_double(r, "limit"));
        }
        putchar('\n');
    }
}

static void print_interval(const cJSON *interval, const char *name)
{
    const cJSON *i = member(interval, name);
    printf("  %-22s %.4g, %g %% %.4g to %.4g\n", name,
        member_double(i, "estimate"), 100 * member_double(interval, "level"),
        member_double(i, "low"), member_double(i, "high"));
}

/* Of the pairs that stay the higher ones may be left. */
static void print_left_out(const cJSON *phase)
{
    const cJSON *fit = member(phase, "fit");
    const cJSON *why = NULL;
    if (member_u64(fit, "n_excluded") > 0) {
        const char *before = "  left out               ";
        cJSON_ArrayForEach(why, member(fit, "excluded"))
        {
            if (item_u64(why) > 0) {
                printf("%s%" PRIu64 " %s", before, item_u64(why), why->string);
                before = ", ";
            }
        }
        putchar('\n');
    }
    if (member_u64(fit, "every") > 1) {
        printf("  of the pairs           every %" PRIu64 "th\n",
            member_u64(fit, "every"));
    }
}

static void print_law(const cJSON *phase)
{
    const cJSON *interval = member(phase, "interval");
    const cJSON *norm = member(phase, "operator_norm");
    if (cJSON_IsObject(interval)) {
        print_interval(interval, "L0");
        print_interval(interval, "L1");
        print_interval(interval, "centroid");
    } else {
        printf("  %-22s none: %s\n", "interval",
            member_text(phase, "interval_absent"));
    }
    printf("  %-22s %" PRIu64, "operator norms", member_u64(norm, "n"));
    if (!member_is_null(norm, "spearman")) {
        printf(", q95/q05 %.3g, Spearman with the gradient norm %+.3f",
            member_double(norm, "spread"), member_double(norm, "spearman"));
    }
    putchar('\n');
}

static void print_recipes(const cJSON *advice)
{
    const cJSON *r = NULL;
    cJSON_ArrayForEach(r, member(advice, "recipes"))
    {
        if (!isfinite(member_double(r, "lr"))) {
            continue; /* L0 = 0: the law bounds no step near the minimum */
        }
        printf("  %-22s lr %.4g, threshold %.4g\n", member_text(r, "name"),
            member_double(r, "lr"), member_double(r, "threshold"));
    }
}

/* Of a layer: that much its law says. */
static void print_radius(const cJSON *advice)
{
    const cJSON *radius = cJSON_GetObjectItem(advice, "radius");
    if (!cJSON_IsNumber(radius)) {
        return;
    }
    printf("  %-22s %.4g, in its own norm, at gradient norm %.4g\n",
        "radius of its part", radius->valuedouble,
        member_double(advice, "grad_norm"));
    puts("  (of a step along that norm's steepest descent, all layers so; not "
         "confirmed by operator norms)");
}

static void print_advice(const cJSON *advice)
{
    if (!member_is_null(advice, "refusal")) {
        printf("  no advice: %s\n", member_text(advice, "refusal"));
        print_radius(advice);
        return;
    }
    printf("  %-22s %.4g, %.3g %% of the pairs above it\n", "knee L0/L1",
        member_double(advice, "knee"),
        100 * member_double(advice, "share_above_knee"));
    print_recipes(advice);
    if (!member_is_null(advice, "own_threshold")) {
        printf("  %-22s %.4g\n", "threshold for your lr",
            member_double(advice, "own_threshold"));
    }
    if (!member_is_null(advice, "lr_limit")) {
        printf("  %-22s %.4g", "lr is unstable above",
            member_double(advice, "lr_limit"));
        if (!member_is_null(advice, "lr_over_limit")) {
            printf(", yours is %.3g of it",
                member_double(advice, "lr_over_limit"));
        }
        putchar('\n');
    }
    printf("  %-22s at most %.3g by the theorems' bounds, %.3g on the pairs "
           "seen\n",
        "gain of adapting steps", member_double(advice, "bound_ratio"),
        member_double(advice, "adaptivity"));
}

static void print_verdict(const cJSON *data)
{
    const cJSON *phase = NULL;
    int i = 0;
    print_text(stdout, member_text(data, "sentence"));
    puts("\n(fitted along this trajectory; no property of the network)");
    cJSON_ArrayForEach(phase, member(data, "phases"))
    {
        putchar('\n');
        print_steps(phase);
        fputs("  ", stdout);
        print_text(stdout, member_text(phase, "sentence"));
        putchar('\n');
        print_reasons(phase);
        print_left_out(phase);
        print_law(phase);
        if (i++ == (int)member_u64(data, "main_phase")) {
            print_advice(member(phase, "advice"));
        }
    }
    if (cJSON_IsTrue(member(data, "more_phases"))) {
        puts("\nthere is more to cut than 16 phases hold");
    }
}

static bool get(struct client *client, const struct asked *asked,
    const char *run_path, cJSON **ret_body)
{
    return run_get(client,
        client_path("%s/verdict?group=%s", run_path,
            asked->group == NULL ? "0" : asked->group),
        RUN_GONE, ret_body);
}

static enum cli_exit answer(const struct asked *asked)
{
    char *path = NULL;
    cJSON *body = NULL;
    struct client *client = client_new(asked->url);
    if (client == NULL) {
        fputs("traj: out of memory\n", stderr);
        return CLI_FAILED;
    }
    const bool ok =
        find_run(client, asked->run, &path) && get(client, asked, path, &body);
    if (ok && asked->json) {
        print_json(stdout, member(body, "data"));
        putchar('\n');
    } else if (ok) {
        print_verdict(member(body, "data"));
    }
    cJSON_Delete(body);
    free(path);
    client_free(client);
    return ok ? CLI_OK : CLI_FAILED;
}

/* Whether there is such a layer, trajd says. */
static bool is_group(const char *text)
{
    const size_t n = strlen(text);
    return n > 0 && n <= 5 && strspn(text, "0123456789") == n;
}

int cmd_verdict(int argc, char **argv)
{
    static const struct option options[] = {
        { "group", required_argument, NULL, 'g' },
        { "url", required_argument, NULL, 'u' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct asked asked = { .url = NULL };
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'g':
            if (!is_group(optarg)) {
                return cli_wrong(
                    usage, "--group: '%s' is no number of a layer", optarg);
            }
            asked.group = optarg;
            break;
        case 'u':
            asked.url = optarg;
            break;
        case 'j':
            asked.json = true;
            break;
        case 'h':
            usage(stdout);
            return CLI_OK;
        default:
            return cli_wrong(usage, NULL);
        }
    }
    if (optind != argc - 1) {
        return cli_wrong(usage, optind == argc ? "which run?" : "one run only");
    }
    asked.run = argv[optind];
    return (int)answer(&asked);
}

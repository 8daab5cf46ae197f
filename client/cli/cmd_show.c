/* traj show: one run: where it is, what it measured, which law fits it. */
#include "cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client_http.h"
#include "cli/find_run.h"
#include "cli/member.h"
#include "cli/print.h"
#include "cli/run_get.h"
#include "cli/show_alerts.h"
#include "cli/show_diagnostics.h"
#include "cli/show_ranks.h"

#define ALERTS_SHOWN "5" /* the newest */

enum show_format { SHOW_TEXT, SHOW_JSON };

/* The replies that a run is shown from. */
struct shown {
    cJSON *run;
    cJSON *fits;
    cJSON *diagnostics;
    cJSON *ranks;
    cJSON *alerts;
    cJSON *series;
};

static void usage(FILE *out)
{
    fputs(
        "usage: traj show RUN [--url URL] [--json]\n"
        "\n"
        "Shows one run. RUN is its id, the beginning of its id, or its name,\n"
        "where no other run has the same.\n"
        "\n"
        "  --url URL  where trajd is; default $TRAJD_URL or\n"
        "             " CLIENT_URL_DEFAULT "\n"
        "  --json     one JSON object: {\"run\", \"fits\", \"diagnostics\",\n"
        "             \"ranks\", \"alerts\", \"last\"}\n",
        out);
}

static const cJSON *end_of(const cJSON *array)
{
    int n = cJSON_GetArraySize(array);
    return n == 0 ? NULL : cJSON_GetArrayItem(array, n - 1);
}

/* The newest value of a series and its step; NULL if there is none. */
struct newest {
    const cJSON *value;
    const cJSON *step;
};

static struct newest newest_of(const struct shown *shown, const char *metric)
{
    const cJSON *metrics = member(member(shown->series, "data"), "metrics");
    const cJSON *series = member(metrics, metric);
    return (struct newest){ end_of(member(series, "last")),
        end_of(member(series, "step_last")) };
}

static void print_value(const cJSON *value)
{
    if (value != NULL && cJSON_IsString(value)) {
        fputs(value->valuestring, stdout); /* NaN and the infinities */
    } else if (value != NULL && cJSON_IsNumber(value)) {
        printf("%.6g", value->valuedouble);
    } else {
        fputs("-", stdout);
    }
}

static void print_fork(const cJSON *run)
{
    const cJSON *fork = member(run, "fork");
    if (cJSON_IsObject(fork)) {
        fputs("fork of    ", stdout);
        print_text(stdout, member_text(fork, "run"));
        printf(" at step %" PRIu64 "\n", member_u64(fork, "step"));
    }
}

static void print_completeness(const cJSON *run)
{
    const char *before = "no: ";
    const cJSON *gap = NULL;
    fputs("complete   ", stdout);
    cJSON_ArrayForEach(gap, member(run, "gaps"))
    {
        printf("%s%s", before, cJSON_GetStringValue(gap));
        before = ", ";
    }
    puts(cJSON_IsTrue(member(run, "complete")) ? "yes" : "");
}

static void print_run(const cJSON *run)
{
    const cJSON *records = member(run, "records");
    fputs("run        ", stdout);
    print_text(stdout, member_text(run, "id"));
    fputs("\nname       ", stdout);
    print_text(stdout, member_text(run, "name"));
    fputs("\nproject    ", stdout);
    print_text(stdout, member_text(run, "project"));
    printf("\nstate      %s", member_text(run, "state"));
    if (!member_is_null(run, "exit_code")) {
        printf(" (exit code %.0f)", member_double(run, "exit_code"));
    }
    fputs(", last heard of ", stdout);
    print_age(stdout, run, "updated_wall_ns");
    printf(" ago\nattempts   %" PRIu64 ", ranks %" PRIu64 "\n",
        member_u64(run, "attempts"), member_u64(run, "ranks"));
    const uint64_t group_probes = member_u64(run, "group_probes");
    printf("records    %" PRIu64 " steps, %" PRIu64 " probes",
        member_u64(records, "step"),
        member_u64(records, "probe") - group_probes);
    if (group_probes > 0) {
        printf(" (and %" PRIu64 " of single groups)", group_probes);
    }
    printf(", %" PRIu64 " metrics, %" PRIu64 " events",
        member_u64(records, "metric"), member_u64(records, "event"));
    if (member_u64(records, "sharpness") + member_u64(records, "group") > 0) {
        printf(", %" PRIu64 " of sharpness, %" PRIu64 " of groups",
            member_u64(records, "sharpness"), member_u64(records, "group"));
    }
    printf("; lost %" PRIu64 ", dropped %" PRIu64 ", repeated %" PRIu64
           ", late %" PRIu64 "\n",
        member_u64(run, "lost_records"), member_u64(run, "dropped_records"),
        member_u64(run, "repeated_records"), member_u64(run, "late_records"));
    print_completeness(run);
    print_fork(run);
    if (!member_is_null(run, "last_step")) {
        printf("last step  %" PRIu64, member_u64(run, "last_step"));
    }
}

/* Not every step has every value: one of an earlier step says so. */
static void print_newest(const struct shown *shown, const char *metric)
{
    const struct newest newest = newest_of(shown, metric);
    print_value(newest.value);
    const uint64_t step = item_u64(newest.step);
    if (newest.value != NULL && step != member_u64(shown->run, "last_step")) {
        printf(" (step %" PRIu64 ")", step);
    }
}

static void print_last(const struct shown *shown)
{
    if (!member_is_null(shown->run, "last_step")) {
        fputs(": loss ", stdout);
        print_newest(shown, "loss");
        fputs(", gradient norm ", stdout);
        print_newest(shown, "grad_norm");
        putchar('\n');
    }
}

static void print_lines(const cJSON *fits)
{
    const cJSON *fit = NULL;
    cJSON_ArrayForEach(fit, member(fits, "fits"))
    {
        char name[64];
        double tau = member_double(fit, "tau");
        if (isnan(tau)) {
            (void)snprintf(name, sizeof name, "%s", member_text(fit, "method"));
        } else {
            (void)snprintf(
                name, sizeof name, "%s %g", member_text(fit, "method"), tau);
        }
        printf("  %-16s L0 %-12.5g L1 %.5g\n", name, member_double(fit, "L0"),
            member_double(fit, "L1"));
    }
}

/* Errors in predicting, of the logarithm. */
static void print_rivals(const cJSON *rivals)
{
    static const char *const laws[] = { "constant", "gradient", "gap", "both" };
    if (!cJSON_IsObject(rivals)) {
        return;
    }
    printf("  %-16s %s predicts best:", "rivals", member_text(rivals, "best"));
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        const cJSON *law = member(rivals, laws[i]);
        if (cJSON_IsObject(law)) {
            printf("%s %s %.3g", i > 0 ? "," : "", laws[i],
                member_double(law, "score"));
        }
    }
    putchar('\n');
}

static void print_fits(const cJSON *fits)
{
    const cJSON *loglog = member(fits, "loglog");
    const cJSON *power = member(fits, "power");
    const cJSON *warning = NULL;
    printf("fits       smoothness <= L0 + L1 * gradient norm (%s, %s), n = "
           "%" PRIu64 ", excluded %" PRIu64 "\n",
        member_text(fits, "regressor"), member_text(fits, "estimator"),
        member_u64(fits, "n"), member_u64(fits, "n_excluded"));
    if (!member_is_null(fits, "reason")) {
        printf("  no fits: %s\n", member_text(fits, "reason"));
    }
    print_lines(fits);
    if (cJSON_IsObject(loglog)) {
        printf("  %-16s slope %.4g, r %.4g\n", "log-log",
            member_double(loglog, "slope"), member_double(loglog, "pearson_r"));
    }
    if (cJSON_IsObject(power)) {
        printf("  %-16s rho %g predicts best\n", "power",
            member_double(power, "rho"));
    }
    print_rivals(member(fits, "rivals"));
    if (!member_is_null(fits, "spearman")) {
        printf("  %-16s %.4g\n", "Spearman", member_double(fits, "spearman"));
    }
    cJSON_ArrayForEach(warning, member(fits, "warnings"))
    {
        printf("  warning: %s\n", cJSON_GetStringValue(warning));
    }
}

static void print_or_null(const cJSON *item)
{
    if (item == NULL) {
        fputs("null", stdout);
    } else {
        print_json(stdout, item);
    }
}

static void print_all_json(const struct shown *shown)
{
    static const char *const metrics[] = { "loss", "grad_norm" };
    fputs("{\"run\":", stdout);
    print_json(stdout, shown->run);
    fputs(",\"fits\":", stdout);
    print_json(stdout, member(shown->fits, "data"));
    fputs(",\"diagnostics\":", stdout);
    print_json(stdout, member(shown->diagnostics, "data"));
    fputs(",\"ranks\":", stdout);
    print_json(stdout, member(shown->ranks, "data"));
    fputs(",\"alerts\":", stdout);
    print_json(stdout, member(shown->alerts, "data"));
    fputs(",\"last\":{", stdout);
    for (size_t i = 0; i < 2; i++) {
        const struct newest newest = newest_of(shown, metrics[i]);
        printf("%s\"%s\":", i == 0 ? "" : ",", metrics[i]);
        print_or_null(newest.value);
        printf(",\"%s_step\":", metrics[i]);
        print_or_null(newest.step);
    }
    fputs("}}\n", stdout);
}

static bool get(struct client *client, const char *run_path, const char *rest,
    cJSON **ret_body)
{
    return run_get(
        client, client_path("%s%s", run_path, rest), RUN_GONE, ret_body);
}

static bool get_all(
    struct client *client, const char *path, struct shown *shown)
{
    return get(client, path, "", &shown->run) &&
           get(client, path, "/fits", &shown->fits) &&
           get(client, path, "/diagnostics", &shown->diagnostics) &&
           get(client, path, "/ranks", &shown->ranks) &&
           get(client, path, "/alerts?limit=" ALERTS_SHOWN, &shown->alerts) &&
           get(client, path, "/series?metric=loss,grad_norm&buckets=10",
               &shown->series);
}

static enum cli_exit show(
    struct client *client, const char *text, enum show_format format)
{
    char *path = NULL;
    struct shown shown = { 0 };
    if (!find_run(client, text, &path)) {
        return CLI_FAILED;
    }
    bool ok = get_all(client, path, &shown);
    if (ok && format == SHOW_JSON) {
        print_all_json(&shown);
    } else if (ok) {
        print_run(shown.run);
        print_last(&shown);
        print_alerts(member(shown.alerts, "data"));
        print_ranks(member(shown.ranks, "data"));
        print_fits(member(shown.fits, "data"));
        print_diagnostics(member(shown.diagnostics, "data"));
        printf("dashboard  %s/runs/%s\n", client_url(client),
            path + strlen("/api/v1/runs/"));
    }
    cJSON_Delete(shown.run);
    cJSON_Delete(shown.fits);
    cJSON_Delete(shown.diagnostics);
    cJSON_Delete(shown.ranks);
    cJSON_Delete(shown.alerts);
    cJSON_Delete(shown.series);
    free(path);
    return ok ? CLI_OK : CLI_FAILED;
}

int cmd_show(int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *url = NULL;
    enum show_format format = SHOW_TEXT;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            url = optarg;
            break;
        case 'j':
            format = SHOW_JSON;
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
    struct client *client = client_new(url);
    if (client == NULL) {
        fputs("traj: out of memory\n", stderr);
        return CLI_FAILED;
    }
    enum cli_exit result = show(client, argv[optind], format);
    client_free(client);
    return (int)result;
}

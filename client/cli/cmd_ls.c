/* traj ls: the runs that a trajd has. */
#include "cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/client_http.h"
#include "cli/find_run.h"
#include "cli/member.h"
#include "cli/print.h"

struct list {
    bool json;
    size_t n;
};

static void usage(FILE *out)
{
    fputs("usage: traj ls [--url URL] [--project NAME] [--json]\n"
          "\n"
          "Lists the runs of a trajd, newest first.\n"
          "\n"
          "  --url URL       where trajd is; default $TRAJD_URL or\n"
          "                  " CLIENT_URL_DEFAULT "\n"
          "  --project NAME  only the runs of this project\n"
          "  --json          one JSON object a line\n",
        out);
}

/* A run that is only not over yet lacks nothing. */
static const char *completeness(const cJSON *run)
{
    const cJSON *gaps = member(run, "gaps");
    const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(gaps, 0));
    if (first == NULL) {
        return "yes";
    }
    bool open = cJSON_GetArraySize(gaps) == 1 && !strcmp(first, "stream_open");
    return open ? "not yet" : "no";
}

static void print_row(const cJSON *run)
{
    const cJSON *records = member(run, "records");
    /* The id is there to be copied: never cut. */
    print_column(stdout, member_text(run, "id"), 28, false);
    print_column(stdout, member_text(run, "project"), 13, true);
    print_column(stdout, member_text(run, "name"), 28, true);
    print_column(stdout, member_text(run, "state"), 10, true);
    print_column(stdout, completeness(run), 10, true);
    printf("%9" PRIu64 " %8" PRIu64 "  ", member_u64(records, "step"),
        member_u64(records, "probe") - member_u64(run, "group_probes"));
    print_age(stdout, run, "updated_wall_ns");
    putchar('\n');
}

static void print_run(void *context, const cJSON *run)
{
    struct list *list = context;
    if (list->json) {
        print_json(stdout, run);
        putchar('\n');
    } else {
        if (list->n == 0) {
            printf("%-28s%-13s%-28s%-10s%-10s%9s %8s  %s\n", "ID", "PROJECT",
                "NAME", "STATE", "COMPLETE", "STEPS", "PROBES", "UPDATED");
        }
        print_row(run);
    }
    list->n++;
}

static enum cli_exit list_runs(
    const char *url, const char *project, struct list *list)
{
    struct client *client = client_new(url);
    if (client == NULL) {
        fputs("traj: out of memory\n", stderr);
        return CLI_FAILED;
    }
    bool ok = find_each_run(client, "project", project, print_run, list);
    if (ok && list->n == 0 && !list->json) {
        printf("%s has no runs%s%s\n", client_url(client),
            project == NULL ? "" : " of project ",
            project == NULL ? "" : project);
    }
    client_free(client);
    return ok ? CLI_OK : CLI_FAILED;
}

int cmd_ls(int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },
        { "project", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *url = NULL;
    const char *project = NULL;
    struct list list = { 0 };
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            url = optarg;
            break;
        case 'p':
            project = optarg;
            break;
        case 'j':
            list.json = true;
            break;
        case 'h':
            usage(stdout);
            return CLI_OK;
        default:
            return cli_wrong(usage, NULL);
        }
    }
    if (optind != argc) {
        return cli_wrong(usage, "'%s' is one word too many", argv[optind]);
    }
    return (int)list_runs(url, project, &list);
}

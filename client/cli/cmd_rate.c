/* traj rate: how often a run's trainers shall probe. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client_http.h"
#include "cli/find_run.h"
#include "cli/run_get.h"

#define PROBE_EVERY_MAX 1000000ul

static void usage(FILE *out)
{
    fputs("usage: traj rate RUN N [--url URL]\n"
          "\n"
          "Asks the trainers of a run to probe every N steps, 1 to 1000000; 0\n"
          "leaves it to them again. A trainer follows if it was built to.\n"
          "\n"
          "  --url URL  where trajd is; default $TRAJD_URL or\n"
          "             " CLIENT_URL_DEFAULT "\n",
        out);
}

static bool parse(const char *text, unsigned long *ret)
{
    char *end = NULL;
    if (text[0] == '\0' || strlen(text) > 7 ||
        strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    *ret = strtoul(text, &end, 10);
    return *ret <= PROBE_EVERY_MAX;
}

static bool put_rate(
    struct client *client, const char *run_path, unsigned long n)
{
    char json[48];
    char *path = client_path("%s/probe_every", run_path);
    if (path == NULL) {
        return false;
    }
    (void)snprintf(json, sizeof json, "{\"probe_every\": %lu}", n);
    enum client_result result = client_put_json(client, path, json);
    if (result == CLIENT_NOT_FOUND) {
        fputs("traj: " RUN_GONE "\n", stderr);
    }
    free(path);
    return result == CLIENT_OK;
}

static enum cli_exit rate(const char *url, const char *run, unsigned long n)
{
    char *path = NULL;
    struct client *client = client_new(url);
    if (client == NULL) {
        fputs("traj: out of memory\n", stderr);
        return CLI_FAILED;
    }
    bool ok = find_run(client, run, &path) && put_rate(client, path, n);
    free(path);
    client_free(client);
    return ok ? CLI_OK : CLI_FAILED;
}

int cmd_rate(int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *url = NULL;
    unsigned long n = 0;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            url = optarg;
            break;
        case 'h':
            usage(stdout);
            return CLI_OK;
        default:
            return cli_wrong(usage, NULL);
        }
    }
    if (optind != argc - 2) {
        return cli_wrong(usage, "a run and a number of steps are wanted");
    }
    if (!parse(argv[optind + 1], &n)) {
        return cli_wrong(usage, "'%s' is not a number from 0 to %lu",
            argv[optind + 1], PROBE_EVERY_MAX);
    }
    return (int)rate(url, argv[optind], n);
}

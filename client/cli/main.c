/* traj: finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include <getopt.h>

#include "cli/cli.h"
#include "traj.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

/* In the order of the help text; ends with a NULL name. */
static const struct command commands[] = {
    { "ls", cmd_ls, "list the runs of a daemon" },
    { "show", cmd_show, "show one run and the laws that fit it" },
    { "verdict", cmd_verdict,
        "say whether a run's smoothness grows with its gradient norm" },
    { "compare", cmd_compare,
        "set the laws of several runs beside each other" },
    { "export", cmd_export, "write a run's records as CSV or NDJSON" },
    { "query", cmd_query, "ask the database in SQL" },
    { "fit", cmd_fit, "estimate L0 and L1 from two columns of a CSV file" },
    { "rate", cmd_rate, "ask a run's trainers for another probe interval" },
    { "sync", cmd_sync, "send to the daemon what spools still hold" },
    { NULL, NULL, NULL },
};

static void usage(FILE *out)
{
    fputs("usage: traj COMMAND [ARGUMENTS]\n"
          "       traj --help | --version\n"
          "\n"
          "commands:\n",
        out);
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(out, "  %-8s %s\n", c->name, c->summary);
    }
    fputs("\n`traj COMMAND --help` says more; so does traj(1).\n", out);
}

static const struct command *find(const char *name)
{
    const struct command *c = commands;
    while (c->name != NULL && strcmp(c->name, name) != 0) {
        c++;
    }
    return c->name != NULL ? c : NULL;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    /* The + stops at the command: what follows is the command's. */
    int option = getopt_long(argc, argv, "+hV", options, NULL);
    if (option == 'h') {
        usage(stdout);
        return CLI_OK;
    }
    if (option == 'V') {
        printf("traj %s\n", traj_version());
        return CLI_OK;
    }
    if (option != -1 || optind == argc) {
        usage(stderr);
        return CLI_USAGE;
    }
    const struct command *command = find(argv[optind]);
    if (command == NULL) {
        fprintf(stderr, "traj: unknown command '%s'\n\n", argv[optind]);
        usage(stderr);
        return CLI_USAGE;
    }
    int first = optind;
    /* 0 and not 1: getopt starts afresh, and the + above is forgotten. */
    optind = 0;
    return command->run(argc - first, argv + first);
}

/* traj: finds the command and runs it. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <getopt.h>

#include "cli/cli.h"
#include "traj.h"

#define NAME_FROM (sizeof "traj " - 1)

struct command {
    const char *name; /* as getopt_long shall say it, "traj ls" */
    int (*run)(int argc, char **argv);
    const char *summary;
};

/* In the order of the help text; ends with a NULL name. */
static const struct command commands[] = {
    { "traj ls", cmd_ls, "list the runs of a daemon" },
    { "traj show", cmd_show, "show one run and the laws that fit it" },
    { "traj verdict", cmd_verdict,
        "say whether a run's smoothness grows with its gradient norm" },
    { "traj compare", cmd_compare,
        "set the laws of several runs beside each other" },
    { "traj export", cmd_export, "write a run's records as CSV or NDJSON" },
    { "traj query", cmd_query, "ask the database in SQL" },
    { "traj fit", cmd_fit,
        "estimate L0 and L1 from two columns of a CSV file" },
    { "traj rate", cmd_rate,
        "ask a run's trainers for another probe interval" },
    { "traj sync", cmd_sync, "send to the daemon what spools still hold" },
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
        fprintf(out, "  %-8s %s\n", c->name + NAME_FROM, c->summary);
    }
    fputs("\n`traj COMMAND --help` says more; so does traj(1).\n", out);
}

static const struct command *find(const char *name)
{
    const struct command *c = commands;
    while (c->name != NULL && strcmp(c->name + NAME_FROM, name) != 0) {
        c++;
    }
    return c->name != NULL ? c : NULL;
}

/* A full disk behind stdout shows here and nowhere else. */
static int finish(int code)
{
    errno = 0;
    const bool written = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (code != CLI_OK || written) {
        return code;
    }
    fprintf(stderr, "traj: standard output: %s\n",
        errno != 0 ? strerror(errno) : "not all of it was written");
    return CLI_FAILED;
}

int main(int argc, char **argv)
{
    static char program[] = "traj";
    static char name[32];
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    (void)signal(SIGXFSZ, SIG_IGN); /* a file's limit is an error of write */
    argv[0] = program;              /* as getopt_long shall say it */
    /* The + stops at the command: what follows is the command's. */
    int option = getopt_long(argc, argv, "+hV", options, NULL);
    if (option == 'h') {
        usage(stdout);
        return finish(CLI_OK);
    }
    if (option == 'V') {
        printf("traj %s\n", traj_version());
        return finish(CLI_OK);
    }
    if (option != -1 || optind == argc) {
        return cli_wrong(usage, option != -1 ? NULL : "which command?");
    }
    const struct command *command = find(argv[optind]);
    if (command == NULL) {
        return cli_wrong(usage, "unknown command '%s'", argv[optind]);
    }
    int first = optind;
    (void)snprintf(name, sizeof name, "%s", command->name);
    argv[first] = name;
    /* 0 and not 1: getopt starts afresh, and the + above is forgotten. */
    optind = 0;
    return finish(command->run(argc - first, argv + first));
}

/*
 * cli: what the commands of `traj` share. A command is a file cmd_NAME.c with
 * one function cmd_NAME, declared here and named in the table of main.c.
 *
 * argv[0] is "traj NAME", optind is 0: a command parses its own options with
 * getopt_long and answers --help on stdout with exit 0. Whether what it printed
 * has gone out is looked at in main.c, for all of them.
 */
#ifndef TRAJ_CLI_H
#define TRAJ_CLI_H

#include <stdio.h>

/* What a command returns to the shell. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* it was asked rightly and did not come about */
    CLI_USAGE = 2,  /* it was asked wrongly; usage is on stderr */
};

/* Says what was asked wrongly (NULL: getopt_long has), and the usage, on
 * stderr; returns CLI_USAGE. */
typedef void (*cli_usage_fn)(FILE *out);
int cli_wrong(cli_usage_fn usage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Have handler called for what ends a program from outside. One that is
 * ignored stays so, as for a job in the background of a script. */
void cli_catch_ending(void (*handler)(int number));

int cmd_ls(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_verdict(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_fit(int argc, char **argv);
int cmd_rate(int argc, char **argv);
int cmd_sync(int argc, char **argv);

#endif

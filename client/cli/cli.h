/*
 * cli: what the commands of `traj` share. A command is a file cmd_NAME.c with
 * one function cmd_NAME, declared here and named in the table of main.c.
 *
 * argv[0] is the command's name, optind is 0: a command parses its own options
 * with getopt_long and answers --help on stdout with exit 0.
 */
#ifndef TRAJ_CLI_H
#define TRAJ_CLI_H

/* What a command returns to the shell. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* it was asked rightly and did not come about */
    CLI_USAGE = 2,  /* it was asked wrongly; usage is on stderr */
};

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

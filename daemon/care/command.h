/*
 * command: trajd check | repair | compact | backup | prune: what is done to a
 * database by hand. The main thread, which has no other.
 */
#ifndef TRAJD_COMMAND_H
#define TRAJD_COMMAND_H

#include <stdbool.h>

enum command_exit {
    COMMAND_DONE = 0,   /* check: the database is whole */
    COMMAND_FAILED = 1, /* check: there are findings */
    COMMAND_USAGE = 2,  /* wrong arguments, or check could not look */
};

/* Whether argv[1] names a command; else trajd is to serve. */
bool command_is_named(int argc, const char *const *argv);

/* argv, environment: as main has them. */
enum command_exit command_run(
    int argc, const char *const *argv, const char *const *environment);

#endif

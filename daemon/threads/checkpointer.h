/*
 * checkpointer: a thread that moves the write-ahead log into the database and
 * syncs it, so that no commit waits while megabytes are written.
 *
 * The writer asks, and asks for a move only after a commit that came after the
 * last checkpoint of either had ended (store/checkpoint.h says why): it looks
 * at checkpointer_is_idle, commits, and asks.
 */
#ifndef TRAJD_CHECKPOINTER_H
#define TRAJD_CHECKPOINTER_H

#include <stdbool.h>

#include "base/err.h"

struct checkpointer;

/* The database is there. Opens its connection before it returns. */
CHECK_RESULT enum err_code checkpointer_start(
    const char *db_path, struct checkpointer **ret_checkpointer, struct err *e);
/* Ends what it is at first. NULL is allowed. */
void checkpointer_stop(struct checkpointer *checkpointer);

enum checkpointer_task {
    CHECKPOINTER_MOVE,
    CHECKPOINTER_SYNC, /* without moving anything */
};

/* The writer thread. Only while idle; returns at once. */
void checkpointer_ask(
    struct checkpointer *checkpointer, enum checkpointer_task task);
/* The writer thread. What was asked for has ended, well or not: a failure is
 * logged and counted, and leaves everything in the log. */
bool checkpointer_is_idle(struct checkpointer *checkpointer);

#endif

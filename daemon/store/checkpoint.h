/*
 * checkpoint: a connection of its own that moves the write-ahead log into the
 * database, or only syncs it, while the writer goes on committing. One thread.
 *
 * When it may: SQLite before 3.51.3 (Debian 12 has 3.40) has a race. A
 * checkpoint that begins when the one before it has moved everything, at the
 * very moment when a commit starts the log from its beginning again, takes
 * pages of the new log for moved, and they are lost. It cannot happen while
 * something in the log waits to be moved. Hence the rule for all connections
 * together: checkpoint_move begins only after a commit that itself came after
 * the end of the last checkpoint.
 */
#ifndef TRAJD_CHECKPOINT_H
#define TRAJD_CHECKPOINT_H

#include "base/err.h"

struct checkpoint;

/* The database is there and migrated. */
CHECK_RESULT enum err_code checkpoint_open(
    const char *path, struct checkpoint **ret_checkpoint, struct err *e);
void checkpoint_close(struct checkpoint *checkpoint); /* NULL is allowed */

/* What can be moved without waiting for readers. */
CHECK_RESULT enum err_code checkpoint_move(
    struct checkpoint *checkpoint, struct err *e);

/* What is committed is on disk when this returns. Moves nothing, so that no
 * reader can stand in its way. */
CHECK_RESULT enum err_code checkpoint_sync(
    struct checkpoint *checkpoint, struct err *e);

#endif

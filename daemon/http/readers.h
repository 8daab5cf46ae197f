/*
 * readers: the pool of read-only connections to the store. Bounded: routes
 * use one each and there are few threads; replies that are streamed may hold
 * theirs for minutes and leave READERS_MAX - READERS_STREAMS to the others.
 */
#ifndef TRAJD_READERS_H
#define TRAJD_READERS_H

#include "base/err.h"
#include "store/reader.h"

#define READERS_MAX 12
#define READERS_STREAMS 8

struct readers;

enum readers_use { READERS_ROUTE, READERS_STREAM };

CHECK_RESULT enum err_code readers_new(
    const char *db_path, struct readers **ret_readers, struct err *e);
/* Every reader must have been given back. NULL is allowed. */
void readers_free(struct readers *readers);

/* ERR_BUSY: too many are in use. Any thread; does not wait. */
CHECK_RESULT enum err_code readers_take(struct readers *readers,
    enum readers_use use, struct reader **ret_reader, struct err *e);
/* Any thread. */
void readers_give(
    struct readers *readers, enum readers_use use, struct reader *reader);

#endif

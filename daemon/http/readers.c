/*
 * readers.c: owns every reader of the HTTP server; any thread.
 *
 * 1. used[ROUTE] + used[STREAM] + n_idle <= READERS_MAX
 * 2. used[STREAM] <= READERS_STREAMS
 */
#include "http/readers.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct readers {
    char *db_path;
    pthread_mutex_t lock; /* guards the rest; nothing is locked under it */
    unsigned used[2];     /* by enum readers_use */
    unsigned n_idle;
    struct reader *idle[READERS_MAX];
};

enum err_code readers_new(
    const char *db_path, struct readers **ret_readers, struct err *e)
{
    struct readers *readers = calloc(1, sizeof *readers);
    char *path = strdup(db_path);
    if (readers == NULL || path == NULL ||
        pthread_mutex_init(&readers->lock, NULL) != 0) {
        free(readers);
        free(path);
        return err_nomem(e);
    }
    readers->db_path = path;
    *ret_readers = readers;
    return ERR_NONE;
}

void readers_free(struct readers *readers)
{
    if (readers == NULL) {
        return;
    }
    assert(readers->used[READERS_ROUTE] + readers->used[READERS_STREAM] == 0);
    for (unsigned i = 0; i < readers->n_idle; i++) {
        reader_close(readers->idle[i]);
    }
    (void)pthread_mutex_destroy(&readers->lock);
    free(readers->db_path);
    free(readers);
}

/* Counts one use and hands out an idle reader, or NULL to open one. */
static bool claim(
    struct readers *readers, enum readers_use use, struct reader **ret_idle)
{
    (void)pthread_mutex_lock(&readers->lock);
    unsigned all = readers->used[READERS_ROUTE] + readers->used[READERS_STREAM];
    bool ok = all < READERS_MAX &&
              (use != READERS_STREAM || readers->used[use] < READERS_STREAMS);
    if (ok) {
        readers->used[use]++;
        *ret_idle =
            readers->n_idle > 0 ? readers->idle[--readers->n_idle] : NULL;
    }
    (void)pthread_mutex_unlock(&readers->lock);
    return ok;
}

enum err_code readers_take(struct readers *readers, enum readers_use use,
    struct reader **ret_reader, struct err *e)
{
    struct reader *reader = NULL;
    if (!claim(readers, use, &reader)) {
        return err_set(e, ERR_BUSY, "too many requests at once");
    }
    if (reader == NULL &&
        reader_open(readers->db_path, &reader, e) != ERR_NONE) {
        readers_give(readers, use, NULL);
        return e->code;
    }
    *ret_reader = reader;
    return ERR_NONE;
}

void readers_give(
    struct readers *readers, enum readers_use use, struct reader *reader)
{
    (void)pthread_mutex_lock(&readers->lock);
    assert(readers->used[use] > 0);
    readers->used[use]--;
    if (reader != NULL) {
        readers->idle[readers->n_idle++] = reader;
    }
    (void)pthread_mutex_unlock(&readers->lock);
}

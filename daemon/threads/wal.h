/*
 * wal: when the write-ahead log is moved into the database and when it is
 * synced, and by whom. The writer thread; the work of megabytes is the
 * checkpointer's.
 */
#ifndef TRAJD_WAL_H
#define TRAJD_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/* Of 4 KiB. At MOVE the checkpointer is asked to move the log; at REST or less
 * of what came meanwhile the writer moves that, or at MOST whatever it is. */
#define WAL_MOVE_PAGES 4000u
#define WAL_REST_PAGES 1000u
#define WAL_MOST_PAGES 16000u

#define WAL_SYNC_MS 1000 /* DURABILITY_RELAXED: between two syncs */

struct checkpointer;

struct wal {
    struct store *store; /* borrowed until wal_close */
    struct checkpointer *checkpointer;
    enum durability durability;
    bool dirty;    /* commits since the writer's last checkpoint */
    bool unsynced; /* commits since the last sync was asked for */
    bool moving;   /* the checkpointer was asked to and not yet seen idle */
    int64_t synced_mono_ns;
    uint32_t pages;       /* when looked at last */
    uint32_t asked_pages; /* when the checkpointer was asked last */
    uint32_t move_at_pages;
};

CHECK_RESULT enum err_code wal_open(struct wal *wal,
    const struct store_options *options, struct store *store, struct err *e);
/* Everything into the database, and the log is gone: the end. Readers are
 * closed by now, or it stays. Allowed after a wal_open that failed. */
void wal_close(struct wal *wal);

/* Something was committed. */
void wal_committed(struct wal *wal);
/* After commits, once they are acknowledged. */
void wal_care(struct wal *wal);
/* Nothing has come for a while. */
void wal_idle(struct wal *wal);
/* Commits fail: moves what can be moved, which may make room. false: the
 * checkpointer is at it. */
bool wal_make_room(struct wal *wal);

#endif

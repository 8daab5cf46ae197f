/*
 * wal.c: owns the checkpointer; its struct lies in the writer.
 *
 * 1. move_at_pages is above the length of the log at the end of every
 *    checkpoint of either connection. So a commit lies between that end and
 *    the next move, as store/checkpoint.h demands.
 * 2. The writer runs no checkpoint while the checkpointer is not idle.
 */
#include "threads/wal.h"

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "threads/checkpointer.h"

enum err_code wal_open(struct wal *wal, const struct store_options *options,
    struct store *store, struct err *e)
{
    *wal = (struct wal){
        .store = store,
        .durability = options->durability,
        .move_at_pages = WAL_MOVE_PAGES,
    };
    return checkpointer_start(options->path, &wal->checkpointer, e);
}

static void checkpoint(struct wal *wal, enum store_checkpoint mode)
{
    struct err e = { 0 };
    char text[sizeof e.text];
    enum err_code code = store_checkpoint(wal->store, mode, &e);
    wal->dirty = false;
    wal->move_at_pages = store_wal_pages(wal->store) + WAL_MOVE_PAGES;
    if (code != ERR_NONE && code != ERR_BUSY) {
        counter_add(COUNTER_CHECKPOINT_ERRORS, 1);
        log_limited(LOG_WARN, "writer",
            "event=checkpoint_failed error=%s kept=in_the_log",
            log_quoted(text, sizeof text, e.text));
    }
}

void wal_close(struct wal *wal)
{
    if (wal->checkpointer != NULL) {
        checkpointer_stop(wal->checkpointer);
        checkpoint(wal, STORE_CHECKPOINT_TRUNCATE);
    }
}

void wal_committed(struct wal *wal)
{
    wal->dirty = true;
    wal->unsynced = true;
}

/* A log that was all moved is written from its beginning again: then its pages
 * are fewer than before. */
static bool is_long(struct wal *wal)
{
    uint32_t pages = store_wal_pages(wal->store);
    if (pages < wal->pages) {
        wal->move_at_pages = WAL_MOVE_PAGES;
    }
    wal->pages = pages;
    return pages >= wal->move_at_pages;
}

static bool sync_is_due(const struct wal *wal)
{
    return wal->durability == DURABILITY_RELAXED && wal->unsynced &&
           clock_mono_ns() - wal->synced_mono_ns >= WAL_SYNC_MS * NS_PER_MS;
}

/* Only a log of which nothing is left can begin again, and that takes the
 * writer: while it moves the rest, nothing more comes. */
static void finish(struct wal *wal)
{
    uint32_t pages = store_wal_pages(wal->store);
    uint32_t rest = pages > wal->asked_pages ? pages - wal->asked_pages : pages;
    wal->moving = false;
    if (rest <= WAL_REST_PAGES || pages >= WAL_MOST_PAGES) {
        checkpoint(wal, STORE_CHECKPOINT_PASSIVE);
    } else {
        wal->move_at_pages = pages + 1; /* once more, after a commit */
    }
}

void wal_care(struct wal *wal)
{
    bool move = is_long(wal);
    if (!checkpointer_is_idle(wal->checkpointer)) {
        return;
    }
    if (wal->moving) {
        finish(wal);
    } else if (move) {
        wal->moving = true;
        wal->asked_pages = wal->pages;
        checkpointer_ask(wal->checkpointer, CHECKPOINTER_MOVE);
    } else if (sync_is_due(wal)) {
        wal->unsynced = false;
        wal->synced_mono_ns = clock_mono_ns();
        checkpointer_ask(wal->checkpointer, CHECKPOINTER_SYNC);
    }
}

void wal_idle(struct wal *wal)
{
    if (wal->dirty && checkpointer_is_idle(wal->checkpointer)) {
        wal->moving = false;
        checkpoint(wal, STORE_CHECKPOINT_PASSIVE);
    }
}

bool wal_make_room(struct wal *wal)
{
    if (!checkpointer_is_idle(wal->checkpointer)) {
        return false;
    }
    wal->moving = false;
    checkpoint(wal, STORE_CHECKPOINT_PASSIVE);
    return true;
}

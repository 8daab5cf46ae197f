/* live_history.c: owns the texts of its events. bytes is their sum. */
#include "threads/live_history.h"

#include <stdlib.h>
#include <string.h>

static void forget_oldest(struct history *history)
{
    struct history_event *oldest = &history->events[history->head];
    history->bytes -= oldest->bytes;
    history->forgotten = oldest->id;
    free(oldest->text);
    *oldest = (struct history_event){ 0 };
    history->head = (history->head + 1) % LIVE_HISTORY_EVENTS;
    history->n--;
}

void history_done(struct history *history)
{
    while (history->n > 0) {
        forget_oldest(history);
    }
}

void history_add(struct history *history, uint64_t id, const char *run_uid,
    bool to_all, const char *text, size_t bytes)
{
    char *copy = bytes > LIVE_HISTORY_BYTES ? NULL : malloc(bytes);
    if (copy == NULL) {
        history_done(history);
        history->forgotten = id;
        return;
    }
    memcpy(copy, text, bytes);
    while (history->n == LIVE_HISTORY_EVENTS ||
           (history->n > 0 && history->bytes + bytes > LIVE_HISTORY_BYTES)) {
        forget_oldest(history);
    }
    size_t at = (history->head + history->n) % LIVE_HISTORY_EVENTS;
    struct history_event *event = &history->events[at];
    *event = (struct history_event){
        .id = id,
        .to_all = to_all,
        .text = copy,
        .bytes = bytes,
    };
    memcpy(event->uid, run_uid, strnlen(run_uid, RUN_UID_MAX));
    history->n++;
    history->bytes += bytes;
}

const struct history_event *history_after(
    const struct history *history, uint64_t id, size_t i)
{
    if (history->n == 0) {
        return NULL;
    }
    uint64_t oldest = history->events[history->head].id;
    size_t skip = id < oldest ? 0 : (size_t)(id - oldest + 1);
    if (skip + i >= history->n) {
        return NULL;
    }
    return &history->events[(history->head + skip + i) % LIVE_HISTORY_EVENTS];
}

/*
 * live_history: the newest events, so that a stream that was cut can go on
 * where it was. Not locked: live.c calls it under its lock.
 */
#ifndef TRAJD_LIVE_HISTORY_H
#define TRAJD_LIVE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threads/live.h"

struct history_event {
    uint64_t id;
    char uid[RUN_UID_MAX + 1];
    bool to_all; /* the streams of all runs get it too */
    char *text;  /* owned; a whole event as it is sent */
    size_t bytes;
};

struct history {
    struct history_event events[LIVE_HISTORY_EVENTS]; /* a ring */
    size_t head;                                      /* of the oldest */
    size_t n;
    size_t bytes;
    uint64_t forgotten; /* id of the newest event that is no longer here */
};

void history_done(struct history *history);
/* Ids rise by one. Without memory the history starts over behind it. */
void history_add(struct history *history, uint64_t id, const char *run_uid,
    bool to_all, const char *text, size_t bytes);
/* The i-th event after `id`, oldest first; NULL at the end. Only for an id
 * that is not forgotten. */
const struct history_event *history_after(
    const struct history *history, uint64_t id, size_t i);

#endif

/*
 * live: what has just been committed, for those who watch. The writer thread
 * publishes; SSE connections (HTTP threads) subscribe; a thread of live's own
 * turns rows into events, at most ten times a second.
 *
 * Bounded everywhere: a run that nobody watches costs nothing but its name in
 * the list of changed runs; of a run's rows at most LIVE_ROWS_MAX of a kind
 * wait for a tick, more of them become one `more` event; a stream holds at
 * most LIVE_RING_BYTES, and one that falls behind loses whole events and is
 * told to fetch again (`resync`). The writer never waits for a reader and
 * never allocates.
 */
#ifndef TRAJD_LIVE_H
#define TRAJD_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/decode.h"
#include "pure/live_rows.h"
#include "store/runs.h"
#include "store/store.h"

#define LIVE_TICK_MS 100        /* between two events of one run's rows */
#define LIVE_HEARTBEAT_MS 10000 /* between bytes of a quiet stream */
#define LIVE_STREAMS_MAX 256    /* open at once */
#define LIVE_RING_BYTES 262144  /* waiting in one stream */
#define LIVE_HISTORY_EVENTS 512 /* kept for Last-Event-ID, of all runs */
#define LIVE_HISTORY_BYTES 4194304
/* A run counts as watched for so long after its last stream has gone, so that
 * a page that comes back misses nothing. */
#define LIVE_GRACE_MS 30000
#define LIVE_CHANGED_MAX 1024 /* runs changed between two looks */

struct live;

/* Starts live's thread. */
CHECK_RESULT enum err_code live_new(struct live **ret_live, struct err *e);
/* Every stream must have ended. NULL is allowed. */
void live_free(struct live *live);

/* ---- the writer ---- */

/* Writer thread, after each commit: this message of this stream is durable.
 * Copies what it keeps. uid: the run's id outside. */
void live_publish(struct live *live, const char *run_uid,
    const struct stream_state *state, const struct message *message);

/* Any thread: whether somebody looks at the run, or lately did. */
bool live_is_watched(struct live *live, const char *run_uid);

/* Any thread: the run changed without new records (HELLO, BYE, deleted). */
void live_touch(struct live *live, const char *run_uid);

/* ---- the analysis thread ---- */

enum live_event {
    LIVE_EVENT_RUN,     /* data: the run, as /runs/{id} lists it */
    LIVE_EVENT_FIT,     /* data: its newest fits */
    LIVE_EVENT_VERDICT, /* data: what is said of it now */
    LIVE_EVENT_ALERT,   /* data: one that was raised */
};

/* Any thread: to the streams of this run and to the streams of all runs.
 * data: one line of JSON, copied. */
void live_send(struct live *live, enum live_event event, const char *run_uid,
    struct str data);

struct live_changed {
    size_t n;
    bool overflow; /* more runs than fit: look at all of them */
    char uids[LIVE_CHANGED_MAX][RUN_UID_MAX + 1];
};

/* One thread: waits up to timeout_ms for runs to be published or touched, and
 * takes the list. Returns at once after live_interrupt. */
void live_changed(
    struct live *live, int timeout_ms, struct live_changed *ret_changed);
/* Any thread: makes the next live_changed, or the one that waits, return. */
void live_interrupt(struct live *live);

/* ---- streams ---- */

struct live_stream;

struct live_stream_options {
    const char *run_uid;       /* NULL: the LIVE_EVENT_* of all runs, no rows */
    const char *last_event_id; /* Last-Event-ID, or NULL */
    /*
     * Both are called with live's lock held and must not call live: sleep by
     * live_read when there is nothing to read, wake by any thread when there
     * is again; strictly in turn.
     */
    void (*sleep)(void *context);
    void (*wake)(void *context);
    void *context;
};

/* ERR_FULL: LIVE_STREAMS_MAX streams are open. ERR_BUSY: draining. On success
 * the stream ends with live_stream_close. */
CHECK_RESULT enum err_code live_stream_open(struct live *live,
    const struct live_stream_options *options, struct live_stream **ret_stream,
    struct err *e);
void live_stream_close(struct live_stream *stream);

#define LIVE_READ_END -1
/* Takes up to size bytes of text/event-stream. Never waits. 0: nothing now, and
 * options.sleep has been called. LIVE_READ_END: `bye` has been read, nothing
 * will come. */
long live_read(struct live_stream *stream, char *out, size_t size);

/* Any thread: every stream gets its `bye` and no new one is opened; waits up
 * to timeout_ms until all are closed. Returns how many are left: none of them
 * sleeps, and none ever will. */
size_t live_drain(struct live *live, int timeout_ms);

#endif

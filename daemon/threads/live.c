/*
 * live.c: owns the streams, the history of events and a thread that makes
 * events of rows.
 *
 * One event goes: writer -> intake (rows of watched runs) -> live's thread
 * (JSON, once for all streams) -> history and the ring of each stream ->
 * live_read in an HTTP thread -> socket.
 *
 * Threads: `lock` guards everything below it in struct live. Order of locks:
 * live's, then the intake's, and whatever sleep and wake take (libmicrohttpd's
 * own) comes after live's. The writer takes the intake's alone.
 *
 * Invariants:
 * 1. a stream with `asleep` has an empty ring: whoever puts bytes wakes it.
 * 2. event ids rise by one; a stream's ring holds whole events, but for the
 *    first of which a part may have been read.
 * 3. a watched run has seen every row since its since_event.
 */
#include "threads/live.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/counters.h"
#include "pure/ring.h"
#include "threads/live_history.h"
#include "threads/live_intake.h"

/* How often live's thread looks after heartbeats and idle runs. */
#define CARE_NS NS_PER_S
#define EPOCH_SIZE 17

struct live_stream {
    struct live *live;
    struct live_stream *next;
    struct watched *watched; /* NULL: all runs */
    void (*sleep)(void *context);
    void (*wake)(void *context);
    void *context;
    struct ring ring;
    bool asleep;
    bool lost; /* events did not fit: `resync` once the ring is empty */
    bool said_bye;
    int64_t fed_mono_ns; /* when bytes were last put */
};

struct live {
    struct intake intake;
    pthread_t thread;
    struct buf text;             /* live's thread: the data of an event */
    char epoch[EPOCH_SIZE];      /* constant: ids of another start are void */
    pthread_mutex_t lock;        /* first in the order of locks */
    pthread_cond_t closed;       /* a stream was closed */
    struct live_stream *streams; /* a list, newest first */
    size_t n_streams;
    bool draining;
    uint64_t last_event;
    struct history history;
};

static const char *const event_names[] = {
    [LIVE_EVENT_RUN] = "run",
    [LIVE_EVENT_FIT] = "fit",
    [LIVE_EVENT_VERDICT] = "verdict",
    [LIVE_EVENT_ALERT] = "alert",
};

static void lock(struct live *live)
{
    int rc = pthread_mutex_lock(&live->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct live *live)
{
    (void)pthread_mutex_unlock(&live->lock);
}

/* ---- putting bytes into a stream; live's lock is held ------------------- */

static void wake_up(struct live_stream *stream)
{
    if (stream->asleep) {
        stream->asleep = false;
        stream->wake(stream->context);
    }
}

static bool put(struct live_stream *stream, const char *text, size_t n)
{
    if (stream->lost || ring_room(&stream->ring) < n) {
        stream->lost = true;
        return false;
    }
    ring_put(&stream->ring, text, n);
    stream->fed_mono_ns = clock_mono_ns();
    wake_up(stream);
    return true;
}

static void put_event(struct live_stream *stream, const char *text, size_t n)
{
    if (put(stream, text, n)) {
        counter_add(COUNTER_SSE_EVENTS, 1);
    }
}

/* An event without data of its own; `resync` carries the id to go on from. */
static void put_notice(struct live_stream *stream, const char *name)
{
    char text[128];
    int n = snprintf(text, sizeof text,
        "id: %s-%" PRIu64 "\nevent: %s\ndata: {}\n\n", stream->live->epoch,
        stream->live->last_event, name);
    put_event(stream, text, (size_t)n);
}

static void put_resync(struct live_stream *stream)
{
    put_notice(stream, "resync");
    counter_add(COUNTER_SSE_RESYNCS, 1);
}

static bool wants(
    const struct live_stream *stream, const char *run_uid, bool to_all)
{
    return stream->watched == NULL ? to_all
                                   : strcmp(stream->watched->uid, run_uid) == 0;
}

/* Number an event, remember it and give it to those who want it. No data:
 * there was no memory to make it. */
static void deliver(struct live *live, const char *name, const char *run_uid,
    bool to_all, struct str data)
{
    struct buf text = { 0 };
    lock(live);
    live->last_event++;
    buf_printf(&text, "id: %s-%" PRIu64 "\nevent: %s\ndata: ", live->epoch,
        live->last_event, name);
    buf_append(&text, data.p, data.n);
    buf_text(&text, "\n\n");
    if (text.failed || data.n == 0) {
        text.n = SIZE_MAX; /* fits nowhere: everyone gets `resync` instead */
    }
    history_add(
        &live->history, live->last_event, run_uid, to_all, text.p, text.n);
    for (struct live_stream *s = live->streams; s != NULL; s = s->next) {
        if (wants(s, run_uid, to_all)) {
            put_event(s, text.p, text.n);
        }
    }
    unlock(live);
    buf_done(&text);
}

/* ---- live's thread ------------------------------------------------------ */

static void send_rows(struct live *live, struct watched *watched)
{
    const struct live_rows *rows = intake_take(&live->intake, watched);
    if (rows == NULL) {
        return;
    }
    buf_clear(&live->text);
    live_rows_json(&live->text, rows, watched->uid);
    struct str data = { live->text.p, live->text.failed ? 0 : live->text.n };
    deliver(live, rows->more ? "more" : "rows", watched->uid, false, data);
}

static void send_all_rows(struct live *live)
{
    /* The list only shrinks in this thread; runs that come meanwhile wait. */
    for (size_t i = 0;; i++) {
        struct watched *watched = intake_at(&live->intake, i);
        if (watched == NULL) {
            return;
        }
        send_rows(live, watched);
    }
}

static void heartbeats(struct live *live, int64_t now)
{
    for (struct live_stream *s = live->streams; s != NULL; s = s->next) {
        if (now - s->fed_mono_ns >= LIVE_HEARTBEAT_MS * NS_PER_MS) {
            (void)put(s, ":hb\n\n", 5);
        }
    }
}

static void forget_idle_runs(struct live *live, int64_t now)
{
    for (size_t i = 0;;) {
        struct watched *watched = intake_at(&live->intake, i);
        if (watched == NULL) {
            return;
        }
        if (watched->streams == 0 &&
            now - watched->idle_since_mono_ns >= LIVE_GRACE_MS * NS_PER_MS) {
            intake_unwatch(&live->intake, watched); /* another takes place i */
        } else {
            i++;
        }
    }
}

static void *run_thread(void *context)
{
    struct live *live = context;
    int64_t cared = clock_mono_ns();
    while (intake_wait(&live->intake, CARE_NS)) {
        int64_t began = clock_mono_ns();
        send_all_rows(live);
        if (began - cared >= CARE_NS) {
            cared = began;
            lock(live);
            heartbeats(live, began);
            forget_idle_runs(live, began);
            unlock(live);
        }
        intake_rest(&live->intake, began + LIVE_TICK_MS * NS_PER_MS);
    }
    return NULL;
}

/* ---- start and stop ----------------------------------------------------- */

static enum err_code init_locks(struct live *live, struct err *e)
{
    if (pthread_mutex_init(&live->lock, NULL) != 0) {
        return err_set(e, ERR_NOMEM, "no memory for a lock");
    }
    if (!cond_init(&live->closed)) {
        (void)pthread_mutex_destroy(&live->lock);
        return err_set(e, ERR_NOMEM, "no memory for a condition");
    }
    return ERR_NONE;
}

enum err_code live_new(struct live **ret_live, struct err *e)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for the live hub");
    }
    (void)snprintf(
        live->epoch, sizeof live->epoch, "%" PRIx64, (uint64_t)clock_wall_ns());
    enum err_code code = init_locks(live, e);
    if (code != ERR_NONE) {
        goto err_free;
    }
    code = intake_init(&live->intake, e);
    if (code != ERR_NONE) {
        goto err_locks;
    }
    if (pthread_create(&live->thread, NULL, run_thread, live) != 0) {
        code = err_set(e, ERR_NOMEM, "the live thread does not start");
        goto err_intake;
    }
    *ret_live = live;
    return ERR_NONE;

err_intake:
    intake_done(&live->intake);
err_locks:
    (void)pthread_cond_destroy(&live->closed);
    (void)pthread_mutex_destroy(&live->lock);
err_free:
    free(live);
    return code;
}

void live_free(struct live *live)
{
    if (live == NULL) {
        return;
    }
    intake_stop(&live->intake);
    (void)pthread_join(live->thread, NULL);
    assert(live->n_streams == 0);
    history_done(&live->history);
    buf_done(&live->text);
    intake_done(&live->intake);
    (void)pthread_cond_destroy(&live->closed);
    (void)pthread_mutex_destroy(&live->lock);
    free(live);
}

/* ---- the writer and the analysis thread --------------------------------- */

void live_publish(struct live *live, const char *run_uid,
    const struct stream_state *state, const struct message *message)
{
    const struct live_source source = { state->attempt, state->rank,
        state->world };
    intake_publish(&live->intake, run_uid, &source, message);
}

bool live_is_watched(struct live *live, const char *run_uid)
{
    return intake_find(&live->intake, run_uid) != NULL;
}

void live_touch(struct live *live, const char *run_uid)
{
    intake_touch(&live->intake, run_uid);
}

void live_send(struct live *live, enum live_event event, const char *run_uid,
    struct str data)
{
    deliver(live, event_names[event], run_uid, true, data);
}

void live_changed(
    struct live *live, int timeout_ms, struct live_changed *ret_changed)
{
    intake_changed(&live->intake, timeout_ms * NS_PER_MS, ret_changed);
}

void live_interrupt(struct live *live)
{
    intake_interrupt(&live->intake);
}

/* ---- streams ------------------------------------------------------------ */

/* The run's entry, with one stream more; live's lock is held. */
static struct watched *watch(struct live *live, const char *run_uid)
{
    struct watched *watched = intake_find(&live->intake, run_uid);
    if (watched == NULL) {
        watched = intake_watch(&live->intake, run_uid);
        if (watched == NULL) {
            return NULL;
        }
        watched->since_event = live->last_event;
    }
    watched->streams++;
    return watched;
}

/* The event that a Last-Event-ID of this start names. */
static bool parse_event_id(
    const struct live *live, const char *text, uint64_t *ret_id)
{
    size_t n = strlen(live->epoch);
    return strncmp(text, live->epoch, n) == 0 && text[n] == '-' &&
           str_to_u64(str_of(text + n + 1), live->last_event, ret_id);
}

/* What the stream missed since it was cut, or `resync`. */
static void resume(struct live_stream *stream, const char *last_event_id)
{
    struct live *live = stream->live;
    uint64_t since = stream->watched != NULL ? stream->watched->since_event : 0;
    uint64_t id = 0;
    if (!parse_event_id(live, last_event_id, &id) || id < since ||
        id < live->history.forgotten) {
        put_resync(stream);
        return;
    }
    const struct history_event *event;
    for (size_t i = 0; (event = history_after(&live->history, id, i)) != NULL;
         i++) {
        if (wants(stream, event->uid, event->to_all)) {
            put_event(stream, event->text, event->bytes);
        }
    }
}

static void begin(
    struct live_stream *stream, const struct live_stream_options *options)
{
    struct live *live = stream->live;
    stream->next = live->streams;
    live->streams = stream;
    live->n_streams++;
    gauge_add(GAUGE_SSE_STREAMS, 1);
    /* Something at once: the client's headers are out, a proxy knows. */
    (void)put(stream, "retry: 2000\n\n", 13);
    if (options->last_event_id != NULL) {
        resume(stream, options->last_event_id);
    }
}

/* live's lock is held. */
static enum err_code admit(struct live_stream *stream,
    const struct live_stream_options *options, struct err *e)
{
    struct live *live = stream->live;
    if (live->draining) {
        return err_set(e, ERR_BUSY, "trajd is stopping");
    }
    if (live->n_streams == LIVE_STREAMS_MAX) {
        return err_set(
            e, ERR_FULL, "%d event streams are open", LIVE_STREAMS_MAX);
    }
    if (options->run_uid != NULL) {
        stream->watched = watch(live, options->run_uid);
        if (stream->watched == NULL) {
            return err_set(e, ERR_FULL, "too many runs are being watched");
        }
    }
    begin(stream, options);
    return ERR_NONE;
}

enum err_code live_stream_open(struct live *live,
    const struct live_stream_options *options, struct live_stream **ret_stream,
    struct err *e)
{
    struct live_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL || !ring_init(&stream->ring, LIVE_RING_BYTES)) {
        free(stream);
        return err_set(e, ERR_NOMEM, "no memory for an event stream");
    }
    stream->live = live;
    stream->sleep = options->sleep;
    stream->wake = options->wake;
    stream->context = options->context;

    lock(live);
    enum err_code code = admit(stream, options, e);
    unlock(live);
    if (code != ERR_NONE) {
        ring_done(&stream->ring);
        free(stream);
        return code;
    }
    *ret_stream = stream;
    return ERR_NONE;
}

void live_stream_close(struct live_stream *stream)
{
    struct live *live = stream->live;
    lock(live);
    struct live_stream **at = &live->streams;
    while (*at != stream) {
        at = &(*at)->next;
    }
    *at = stream->next;
    live->n_streams--;
    gauge_add(GAUGE_SSE_STREAMS, -1);
    if (stream->watched != NULL && --stream->watched->streams == 0) {
        stream->watched->idle_since_mono_ns = clock_mono_ns();
    }
    (void)pthread_cond_signal(&live->closed);
    unlock(live);
    ring_done(&stream->ring);
    free(stream);
}

/* An empty ring gets what is owed: `resync` after a loss, `bye` at the end. */
static void put_owed(struct live_stream *stream)
{
    if (stream->lost) {
        stream->lost = false;
        put_resync(stream);
    } else if (stream->live->draining && !stream->said_bye) {
        stream->said_bye = true;
        put_notice(stream, "bye");
    }
}

long live_read(struct live_stream *stream, char *out, size_t size)
{
    struct live *live = stream->live;
    lock(live);
    if (stream->ring.n == 0) {
        put_owed(stream);
    }
    long n = (long)ring_take(&stream->ring, out, size);
    if (n == 0 && live->draining) {
        n = LIVE_READ_END;
    } else if (n == 0) {
        stream->asleep = true;
        stream->sleep(stream->context);
    }
    unlock(live);
    return n;
}

size_t live_drain(struct live *live, int timeout_ms)
{
    int64_t until = clock_mono_ns() + timeout_ms * NS_PER_MS;
    lock(live);
    live->draining = true;
    for (struct live_stream *s = live->streams; s != NULL; s = s->next) {
        wake_up(s);
    }
    bool in_time = true;
    while (live->n_streams > 0 && in_time) {
        in_time = cond_wait_until(&live->closed, &live->lock, until);
    }
    size_t left = live->n_streams;
    unlock(live);
    return left;
}

/*
 * sealing.c: owns nothing; its struct lies in the writer.
 *
 * 1. due[0 .. n) are different streams, the one that waits longest first;
 *    `bytes` is their sum.
 * 2. A stream leaves the list when the transaction that sealed it is committed.
 */
#include "threads/sealing.h"

#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"

#define RETRY_NS NS_PER_S

static struct sealing_due *find(
    struct sealing *sealing, struct stream_id stream)
{
    for (size_t i = 0; i < sealing->n; i++) {
        if (sealing->due[i].stream.v == stream.v) {
            return &sealing->due[i];
        }
    }
    return NULL;
}

static void add(struct sealing *sealing, struct stream_id stream,
    uint64_t bytes, bool everything)
{
    struct sealing_due *due = find(sealing, stream);
    if (due == NULL && sealing->n == SEALING_STREAMS_MAX) {
        return;
    }
    if (due == NULL) {
        due = &sealing->due[sealing->n++];
        *due = (struct sealing_due){ .stream = stream };
    }
    sealing->bytes += bytes - due->bytes;
    due->bytes = bytes;
    due->everything = due->everything || everything;
}

void sealing_note(
    struct sealing *sealing, const struct stream_state *stream, bool everything)
{
    if (stream->fills_chunk || (everything && stream->log_bytes > 0)) {
        add(sealing, stream->stream, stream->log_bytes, everything);
    }
}

void sealing_find(struct sealing *sealing, struct store *store)
{
    struct store_unsealed found[SEALING_STREAMS_MAX];
    struct err e = { 0 };
    char text[sizeof e.text];
    size_t n = 0;
    if (store_find_unsealed(store, SEALING_STREAMS_MAX, found, &n, &e) !=
        ERR_NONE) {
        log_line(LOG_WARN, "writer", "event=unsealed_unknown error=%s",
            log_quoted(text, sizeof text, e.text));
    }
    for (size_t i = 0; i < n; i++) {
        add(sealing, found[i].stream, found[i].log_bytes, found[i].closed);
    }
}

static bool is_ripe(const struct sealing_due *due)
{
    return due->not_before_mono_ns == 0 ||
           due->not_before_mono_ns <= clock_mono_ns();
}

bool sealing_is_due(const struct sealing *sealing)
{
    for (size_t i = 0; i < sealing->n; i++) {
        if (is_ripe(&sealing->due[i])) {
            return true;
        }
    }
    return false;
}

/* ---- a slice ------------------------------------------------------------- */

struct slice {
    struct sealing *sealing;
    struct store *store;
    int64_t until_mono_ns;
    size_t i;     /* in due[] */
    bool is_last; /* this one by itself: it has failed before */
    uint64_t chunks;
};

/* The stream to seal next; NULL ends the slice. */
static struct sealing_due *next(struct slice *s)
{
    bool behind = s->sealing->bytes > SEALING_BEHIND_MAX;
    if (s->is_last || (!behind && clock_mono_ns() >= s->until_mono_ns)) {
        return NULL;
    }
    while (s->i < s->sealing->n && !is_ripe(&s->sealing->due[s->i])) {
        s->i++;
    }
    if (s->i == s->sealing->n) {
        return NULL;
    }
    struct sealing_due *due = &s->sealing->due[s->i];
    s->is_last = due->not_before_mono_ns != 0;
    return s->is_last && s->chunks > 0 ? NULL : due;
}

/* One chunk of the stream, or the end of that stream. */
static enum err_code seal_some(
    struct slice *s, struct sealing_due *due, struct err *e)
{
    uint64_t bytes = 0;
    enum err_code code =
        store_seal(s->store, due->stream, due->everything, &bytes, e);
    if (code != ERR_NONE && code != ERR_NOT_FOUND) {
        return code;
    }
    if (bytes == 0) { /* or its run has been deleted */
        due->done = true;
        s->i++;
        return ERR_NONE;
    }
    const uint64_t n = bytes < due->bytes ? bytes : due->bytes;
    due->bytes -= n;
    due->not_before_mono_ns = 0;
    s->sealing->bytes -= n;
    s->chunks++;
    return ERR_NONE;
}

static enum err_code seal_in_time(struct slice *s, struct err *e)
{
    enum err_code code = store_begin_unsynced(s->store, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct sealing_due *due = next(s);
    while (code == ERR_NONE && due != NULL) {
        code = seal_some(s, due, e);
        due = code == ERR_NONE ? next(s) : NULL;
    }
    if (code == ERR_NONE) {
        code = store_commit(s->store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(s->store);
    }
    return code;
}

static void remove_done(struct sealing *sealing)
{
    size_t kept = 0;
    for (size_t i = 0; i < sealing->n; i++) {
        if (sealing->due[i].done) {
            sealing->bytes -= sealing->due[i].bytes;
        } else {
            sealing->due[kept++] = sealing->due[i];
        }
    }
    sealing->n = kept;
}

/* Nothing of the slice was sealed; the stream it failed at waits behind the
 * others. */
static void put_off(struct sealing *sealing, size_t i)
{
    for (size_t k = 0; k < sealing->n; k++) {
        sealing->due[k].done = false;
    }
    struct sealing_due failed = sealing->due[i];
    failed.not_before_mono_ns = clock_mono_ns() + RETRY_NS;
    memmove(&sealing->due[i], &sealing->due[i + 1],
        (sealing->n - i - 1) * sizeof failed);
    sealing->due[sealing->n - 1] = failed;
}

void sealing_slice(struct sealing *sealing, struct store *store)
{
    struct err e = { 0 };
    char text[sizeof e.text];
    struct slice slice = {
        .sealing = sealing,
        .store = store,
        .until_mono_ns = clock_mono_ns() + SEALING_SLICE_MS * NS_PER_MS,
    };
    if (seal_in_time(&slice, &e) == ERR_NONE) {
        counter_add(COUNTER_CHUNKS_SEALED, slice.chunks);
        remove_done(sealing);
        return;
    }
    counter_add(COUNTER_COMMIT_ERRORS, 1);
    log_limited(LOG_ERROR, "writer",
        "event=seal_failed error=%s kept=in_the_log",
        log_quoted(text, sizeof text, e.text));
    put_off(sealing, slice.i < sealing->n ? slice.i : sealing->n - 1);
}

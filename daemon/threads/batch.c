/*
 * batch.c: owns nothing; the writer thread.
 *
 * A batch works on copies of the streams' states. They become the truth when
 * the transaction is committed, and the caller then puts them into the cache;
 * after a failure they are forgotten.
 */
#include "threads/batch.h"

#include <string.h>
#include <zmq.h>

#include "base/clock.h"

struct transaction {
    struct batch *batch;
    struct store *store;
    struct stream_cache *cache;
    int64_t now_wall_ns;
};

/* Where the stream of this uid is, or would be. A uid is random, and half of
 * the places are empty. */
static uint16_t *place_of(struct batch *b, struct stream_uid uid)
{
    uint64_t hash = 0;
    memcpy(&hash, uid.v, sizeof hash);
    for (size_t i = hash % BATCH_PLACES;; i = (i + 1) % BATCH_PLACES) {
        uint16_t *place = &b->places[i];
        if (*place == 0 ||
            memcmp(b->streams[*place - 1].uid.v, uid.v, sizeof uid.v) == 0) {
            return place;
        }
    }
}

/* The stream of the message: from this batch, the cache, or the store. */
static enum err_code touch(const struct transaction *t, struct stream_uid uid,
    struct batch_stream **ret_stream, struct err *e)
{
    struct batch *b = t->batch;
    uint16_t *place = place_of(b, uid);
    if (*place != 0) {
        *ret_stream = &b->streams[*place - 1];
        return ERR_NONE;
    }
    struct batch_stream stream = { .uid = uid };
    const struct cached_stream *cached = stream_cache_find(t->cache, uid);
    enum err_code code = ERR_NONE;
    if (cached != NULL) {
        stream.state = cached->state;
    } else {
        code = store_stream(t->store, uid, &stream.state, e);
    }
    if (code != ERR_NONE && code != ERR_NOT_FOUND) {
        return code;
    }
    stream.known = code == ERR_NONE;
    b->streams[b->n_streams] = stream;
    *ret_stream = &b->streams[b->n_streams++];
    *place = (uint16_t)b->n_streams;
    return ERR_NONE;
}

static enum err_code take_hello(const struct transaction *t,
    const struct message *m, struct outcome *o, struct err *e)
{
    enum err_code code = store_hello(
        t->store, m->stream, m->json, t->now_wall_ns, &o->stream->state, e);
    if (code == ERR_INVALID) {
        o->status = WIRE_ACK_REFUSED;
        memcpy(t->batch->refusal, e->text, sizeof t->batch->refusal);
        return ERR_NONE;
    }
    o->stream->known = o->stream->known || code == ERR_NONE;
    return code;
}

static enum err_code take_data(const struct transaction *t, struct job *job,
    struct outcome *o, struct err *e)
{
    enum err_code code = store_append(t->store, &o->stream->state,
        &job->message, zmq_msg_data(&job->bytes), zmq_msg_size(&job->bytes),
        t->now_wall_ns, &o->new_records, e);
    if (code == ERR_INVALID) {
        o->status = WIRE_ACK_GAP;
        return ERR_NONE;
    }
    if (code == ERR_NONE) {
        t->batch->duplicates += job->message.count - o->new_records;
    }
    return code;
}

/* A BYE ahead of what is committed would close a stream with a hole. */
static enum err_code take_bye(const struct transaction *t,
    const struct message *m, struct outcome *o, struct err *e)
{
    if (m->last_seq > o->stream->state.committed_seq) {
        o->status = WIRE_ACK_GAP;
        return ERR_NONE;
    }
    o->status = WIRE_ACK_BYE;
    o->stream->ended = true;
    return store_bye(t->store, &o->stream->state, m, t->now_wall_ns, e);
}

static enum err_code take_message(const struct transaction *t, struct job *job,
    struct outcome *o, struct err *e)
{
    const struct message *m = &job->message;
    enum err_code code = touch(t, m->stream, &o->stream, e);
    if (code != ERR_NONE) {
        return code;
    }
    o->status = WIRE_ACK_OK;
    if (m->type == WIRE_HELLO) {
        return take_hello(t, m, o, e);
    }
    if (!o->stream->known) {
        o->status = WIRE_ACK_NEED_HELLO;
        return ERR_NONE;
    }
    return m->type == WIRE_DATA ? take_data(t, job, o, e)
                                : take_bye(t, m, o, e);
}

static void begin(struct batch *b, struct job *const *jobs, size_t n)
{
    b->n = n;
    b->n_streams = 0;
    b->duplicates = 0;
    b->refusal[0] = '\0';
    memset(b->places, 0, sizeof b->places);
    for (size_t i = 0; i < n; i++) {
        b->jobs[i] = jobs[i];
        b->outcomes[i] = (struct outcome){ 0 };
    }
}

/* Sealing at once leaves less in the log than appending has said. */
static enum err_code settle(struct batch *b, struct store *store, struct err *e)
{
    enum err_code code = store_settle(store, &b->chunks, e);
    for (size_t i = 0; code == ERR_NONE && i < b->n_streams; i++) {
        store_refresh(store, &b->streams[i].state);
    }
    return code;
}

enum err_code batch_commit(struct batch *batch, struct store *store,
    struct stream_cache *cache, struct job *const *jobs, size_t n,
    struct err *e)
{
    const struct transaction t = {
        .batch = batch,
        .store = store,
        .cache = cache,
        .now_wall_ns = clock_wall_ns(),
    };
    begin(batch, jobs, n);
    enum err_code code = store_begin(store, e);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t i = 0; i < n && code == ERR_NONE; i++) {
        struct outcome *o = &batch->outcomes[i];
        code = take_message(&t, batch->jobs[i], o, e);
        if (code == ERR_NONE) {
            o->stream->last_job = i;
        }
    }
    if (code == ERR_NONE) {
        code = settle(batch, store, e);
    }
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    return code;
}

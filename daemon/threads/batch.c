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

/* The stream of the message: from this batch, the cache, or the store. */
static enum err_code touch(const struct transaction *t, struct stream_uid uid,
    struct batch_stream **ret_stream, struct err *e)
{
    struct batch *b = t->batch;
    for (size_t i = 0; i < b->n_streams; i++) {
        if (memcmp(b->streams[i].uid.v, uid.v, sizeof uid.v) == 0) {
            *ret_stream = &b->streams[i];
            return ERR_NONE;
        }
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
        o->stream->new_records += o->new_records;
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
    for (size_t i = 0; i < n; i++) {
        b->jobs[i] = jobs[i];
        b->outcomes[i] = (struct outcome){ 0 };
    }
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
        code = take_message(&t, batch->jobs[i], &batch->outcomes[i], e);
    }
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    return code;
}

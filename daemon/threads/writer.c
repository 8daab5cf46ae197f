/*
 * writer.c: owns the store, the memory of streams and the writer's end of the
 * acknowledgements. Everything here runs in the writer thread but
 * writer_start, _set_analysis, _probe_every (both), _commits and _stop.
 *
 * 1. The cache holds what is on disk, never what a transaction has not
 *    committed; after a failure it is emptied.
 * 2. An acknowledgement, and what live is told, speak of committed things.
 * 3. Every job that was taken is returned, whatever became of it.
 */
#include "threads/writer.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "store/alerts.h"
#include "store/reader.h"
#include "store/runs.h"
#include "threads/acks.h"
#include "threads/batch.h"
#include "threads/probe_rates.h"
#include "threads/retain.h"
#include "threads/sealing.h"
#include "threads/stream_cache.h"
#include "threads/trouble.h"
#include "threads/wal.h"

#define IDLE_MS 1000
#define RETAIN_MS 10 /* between two steps of it, while nothing comes */
#define LIVE_STREAM_NS (15 * NS_PER_S) /* heard lately: three heartbeats */
#define RECOVER_NS NS_PER_S
#define QUIET_NS (5 * NS_PER_S)

struct writer {
    struct writer_options options;
    struct store *store;
    struct acks acks;
    pthread_t thread;
    struct promise started;
    struct promise drained;
    struct promise may_close;
    bool is_drained;         /* the main thread's */
    struct trouble trouble;  /* any thread's: why commits fail */
    int64_t failed_mono_ns;  /* when the last one did */
    int64_t recover_mono_ns; /* when to look again */
    struct wal wal;
    struct sealing sealing;
    struct batch batch;
    struct stream_cache cache;
    struct probe_rates rates; /* any thread's */
    struct retain retain;
};

/* ---- after a commit ------------------------------------------------------ */

static void count_outcome(const struct batch *b, size_t i)
{
    const struct outcome *o = &b->outcomes[i];
    bool hello = b->jobs[i]->message.type == WIRE_HELLO;
    counter_add(COUNTER_ROWS_COMMITTED, o->new_records);
    counter_add(COUNTER_HELLOS, hello && o->status == WIRE_ACK_OK);
    counter_add(COUNTER_HELLOS_REFUSED, o->status == WIRE_ACK_REFUSED);
    counter_add(COUNTER_FRAMES_GAP, o->status == WIRE_ACK_GAP);
    counter_add(COUNTER_FRAMES_UNKNOWN, o->status == WIRE_ACK_NEED_HELLO);
}

static void count_committed(const struct batch *b)
{
    char text[sizeof b->refusal];
    for (size_t i = 0; i < b->n; i++) {
        count_outcome(b, i);
    }
    counter_add(COUNTER_COMMITS, 1);
    counter_add(COUNTER_CHUNKS_SEALED, b->chunks);
    counter_add(COUNTER_ROWS_DUPLICATE, b->duplicates);
    if (b->refusal[0] != '\0') {
        log_limited(LOG_WARN, "writer", "event=hello_refused reason=%s",
            log_quoted(text, sizeof text, b->refusal));
    }
}

static void remember(struct writer *w, const struct batch *b)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < b->n_streams; i++) {
        const struct batch_stream *t = &b->streams[i];
        if (t->known) {
            stream_cache_put(&w->cache, t->uid, &t->state, now);
        }
    }
}

/* ---- acknowledging ------------------------------------------------------- */

static bool same_route(struct job *a, struct job *b)
{
    size_t n = zmq_msg_size(&a->route);
    return n == zmq_msg_size(&b->route) &&
           memcmp(zmq_msg_data(&a->route), zmq_msg_data(&b->route), n) == 0;
}

/* The stream's last message speaks for this one too. */
static bool answered_later(const struct batch *b, size_t i)
{
    size_t last = b->outcomes[i].stream->last_job;
    return last > i && same_route(b->jobs[last], b->jobs[i]);
}

static void acknowledge(struct writer *w, const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!answered_later(b, i)) {
            const struct outcome *o = &b->outcomes[i];
            acks_send(&w->acks, b->jobs[i], o->stream, o->status);
        }
    }
}

static void publish(struct writer *w, const struct batch *b)
{
    for (size_t i = 0; i < b->n && w->options.live != NULL; i++) {
        const struct outcome *o = &b->outcomes[i];
        const struct message *m = &b->jobs[i]->message;
        const char *run_uid = o->stream->state.run_uid;
        if (m->type == WIRE_DATA && o->new_records > 0) {
            live_publish(w->options.live, run_uid, &o->stream->state, m);
        } else if (m->type != WIRE_DATA && o->stream->known) {
            live_touch(w->options.live, run_uid);
        }
    }
}

static void note_unsealed(struct writer *w, const struct batch *b)
{
    for (size_t i = 0; i < b->n_streams; i++) {
        const struct batch_stream *t = &b->streams[i];
        if (t->known) {
            sealing_note(&w->sealing, &t->state, t->ended);
        }
    }
}

/* ---- batches ------------------------------------------------------------- */

/* The message could not be stored: say so with what is on disk, or say nothing
 * if that cannot be read either. */
static void put_off(struct writer *w, struct job *job)
{
    struct err e = { 0 };
    struct batch_stream t = { .uid = job->message.stream };
    counter_add(COUNTER_FRAMES_BUSY, 1);
    enum err_code code = store_stream(w->store, t.uid, &t.state, &e);
    t.known = code == ERR_NONE;
    if (t.known || code == ERR_NOT_FOUND) {
        acks_send(&w->acks, job, &t, WIRE_ACK_BUSY);
    }
}

static void is_committed(struct writer *w, const struct batch *b)
{
    wal_committed(&w->wal);
    trouble_end(&w->trouble);
    remember(w, b);
    count_committed(b);
    acknowledge(w, b);
    publish(w, b);
    note_unsealed(w, b);
}

/* false: not committed, and nothing is done about it. */
static bool commit(struct writer *w, struct job **jobs, size_t n, struct err *e)
{
    char text[sizeof e->text];
    int64_t start = clock_mono_ns();
    if (batch_commit(&w->batch, w->store, &w->cache, jobs, n, e) == ERR_NONE) {
        gauge_set(GAUGE_COMMIT_LAST_US, (clock_mono_ns() - start) / 1000);
        is_committed(w, &w->batch);
        return true;
    }
    stream_cache_clear(&w->cache);
    counter_add(COUNTER_COMMIT_ERRORS, 1);
    log_limited(LOG_ERROR, "writer",
        "event=commit_failed messages=%zu error=%s answer=%s", n,
        log_quoted(text, sizeof text, e->text), n > 1 ? "one_by_one" : "busy");
    return false;
}

/* After two that fail by themselves it is not the messages' fault. */
#define ONE_BY_ONE_FAILURES 2

static void work_on_batch(struct writer *w, struct job **jobs, size_t n)
{
    struct err e = { 0 };
    if (n > 1 && commit(w, jobs, n, &e)) {
        return;
    }
    unsigned failed = 0;
    for (size_t i = 0; i < n; i++) {
        bool committed =
            failed < ONE_BY_ONE_FAILURES && commit(w, &jobs[i], 1, &e);
        failed = committed ? 0 : failed + 1;
        if (!committed) {
            trouble_begin(&w->trouble, &e);
            w->failed_mono_ns = clock_mono_ns();
            put_off(w, jobs[i]);
        }
    }
}

/* ---- requests ------------------------------------------------------------ */

static enum err_code find_run(struct writer *w, const char *run_uid,
    struct run_id *ret_run, struct err *e)
{
    struct reader *reader = NULL;
    struct run_row row;
    enum err_code code = reader_open(w->options.store.path, &reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = runs_get(reader, run_uid, &row, e);
    if (code == ERR_NONE) {
        *ret_run = row.id;
        run_row_done(&row);
    }
    reader_close(reader);
    return code;
}

/* The run is deleted. */
static void forget_run(struct writer *w, const char *run_uid)
{
    stream_cache_clear(&w->cache);
    probe_rates_forget(&w->rates, run_uid);
    wal_committed(&w->wal);
    if (w->options.live != NULL) {
        live_touch(w->options.live, run_uid);
    }
}

static enum err_code delete_run(
    struct writer *w, const char *run_uid, struct err *e)
{
    struct run_id run = { 0 };
    enum err_code code = find_run(w, run_uid, &run, e);
    if (code == ERR_NONE) {
        code = store_begin(w->store, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = store_delete_run(w->store, run, e);
    if (code == ERR_NONE) {
        code = store_commit(w->store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(w->store);
        return code;
    }
    forget_run(w, run_uid);
    return ERR_NONE;
}

static enum err_code add_alert(
    struct writer *w, const struct job_request *request, struct err *e)
{
    bool is_new = false;
    enum err_code code = store_begin(w->store, e);
    if (code != ERR_NONE) {
        return code;
    }
    code =
        store_add_alert(w->store, request->run_uid, request->alert, &is_new, e);
    if (code == ERR_NONE) {
        code = store_commit(w->store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(w->store);
        return code;
    }
    *request->ret_new = is_new;
    wal_committed(&w->wal);
    return ERR_NONE;
}

static void answer_request(struct writer *w, const struct job_request *request)
{
    struct err e = { 0 };
    enum err_code code = request->what == JOB_ADD_ALERT
                             ? add_alert(w, request, &e)
                             : delete_run(w, request->run_uid, &e);
    promise_give(request->promise, code, &e);
}

/* ---- the thread ---------------------------------------------------------- */

/* Messages in runs as long as possible, requests in their place between. */
static void work_on(struct writer *w, struct job **jobs, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && jobs[i]->kind == JOB_MESSAGE) {
            continue;
        }
        if (i > from) {
            work_on_batch(w, jobs + from, i - from);
        }
        if (i < n) {
            answer_request(w, &jobs[i]->request);
        }
        from = i + 1;
    }
    for (size_t i = 0; i < n; i++) {
        jobs_return(w->options.jobs, jobs[i]);
    }
    acks_jobs_are_spare(&w->acks);
}

static int64_t file_bytes(const char *path, const char *suffix)
{
    char name[4200];
    struct stat status;
    int n = snprintf(name, sizeof name, "%s%s", path, suffix);
    if (n < 0 || (size_t)n >= sizeof name || stat(name, &status) != 0) {
        return 0;
    }
    return (int64_t)status.st_size;
}

static void update_gauges(struct writer *w)
{
    const char *path = w->options.store.path;
    gauge_set(GAUGE_DB_BYTES, file_bytes(path, "") + file_bytes(path, "-wal"));
    gauge_set(GAUGE_STREAMS_LIVE,
        stream_cache_heard_since(&w->cache, clock_mono_ns() - LIVE_STREAM_NS));
}

static void retain(struct writer *w, bool idle)
{
    struct err e = { 0 };
    char text[sizeof e.text];
    char deleted[RUN_UID_MAX + 1];
    bool had_work = retain_has_work(&w->retain);
    enum err_code code = retain_step(&w->retain, w->store, idle, deleted, &e);
    if (had_work) {
        wal_committed(&w->wal);
    }
    if (code != ERR_NONE) {
        counter_add(COUNTER_COMMIT_ERRORS, 1);
        log_limited(LOG_ERROR, "writer",
            "event=retention_failed error=%s kept=all again=in_a_minute",
            log_quoted(text, sizeof text, e.text));
    }
    if (deleted[0] != '\0') {
        forget_run(w, deleted);
    }
}

static void close_all(struct writer *w)
{
    retain_done(&w->retain);
    wal_close(&w->wal);
    store_close(w->store);
    acks_close(&w->acks);
}

static enum err_code open_all(struct writer *w, struct err *e)
{
    enum err_code code = acks_open(&w->acks, w->options.zmq, e);
    if (code == ERR_NONE) {
        code = store_open(&w->options.store, &w->store, e);
    }
    if (code == ERR_NONE) {
        code = wal_open(&w->wal, &w->options.store, w->store, e);
    }
    return code;
}

/* Somebody waits for the answer. */
static bool is_urgent(const struct job *job)
{
    return job->kind != JOB_MESSAGE || job->message.type != WIRE_DATA;
}

static bool any_urgent(struct job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_urgent(jobs[i])) {
            return true;
        }
    }
    return false;
}

/* DURABILITY_GROUP: up to a window of messages, beyond which one sender alone
 * would wait for us. Returns how many there are now. */
static size_t gather(struct writer *w, struct job **jobs, size_t n)
{
    size_t most = w->options.window < BATCH_MAX ? w->options.window : BATCH_MAX;
    int64_t until = clock_mono_ns() + WRITER_GROUP_MS * NS_PER_MS;
    bool urgent = any_urgent(jobs, n);
    while (!urgent && n < most && !jobs_are_over(w->options.jobs)) {
        int64_t left_ns = until - clock_mono_ns();
        if (left_ns <= 0) {
            break;
        }
        size_t more = jobs_take(w->options.jobs, jobs + n, most - n,
            (int)(left_ns / NS_PER_MS) + 1);
        urgent = any_urgent(jobs + n, more);
        n += more;
    }
    return n;
}

static size_t take(struct writer *w, struct job **jobs)
{
    int timeout_ms = sealing_is_due(&w->sealing)   ? 0
                     : retain_has_work(&w->retain) ? RETAIN_MS
                                                   : IDLE_MS;
    size_t n = jobs_take(w->options.jobs, jobs, BATCH_MAX, timeout_ms);
    if (n > 0 && w->options.store.durability == DURABILITY_GROUP) {
        n = gather(w, jobs, n);
    }
    return n;
}

/* Commits fail: what can be moved makes room in the log. Whether there is room
 * for them is the next message's to find out; but when none has come for a
 * while, a commit of our own tells. It is small, and could succeed where theirs
 * do not. */
static void recover(struct writer *w)
{
    struct err e = { 0 };
    int64_t now = clock_mono_ns();
    if (!trouble_is(&w->trouble, NULL) || now < w->recover_mono_ns) {
        return;
    }
    w->recover_mono_ns = now + RECOVER_NS;
    bool moved = wal_make_room(&w->wal);
    if (moved && now - w->failed_mono_ns >= QUIET_NS &&
        store_try_commit(w->store, &e) == ERR_NONE) {
        trouble_end(&w->trouble);
    }
}

/* Once after a time of work. malloc_trim: what the burst took, of all threads,
 * goes back to the system. */
static void rest(struct writer *w)
{
    if (w->wal.dirty) {
        wal_idle(&w->wal);
        store_shrink(w->store);
        (void)malloc_trim(0); /* whether there was anything */
    }
}

/* After the acknowledgements, what nobody waits for. */
static void tidy(struct writer *w, bool idle)
{
    if (sealing_is_due(&w->sealing)) {
        sealing_slice(&w->sealing, w->store);
        wal_committed(&w->wal);
    } else if (idle) {
        rest(w);
    }
    wal_care(&w->wal);
    recover(w);
}

static void work_until_over(struct writer *w)
{
    struct job *jobs[BATCH_MAX];
    int64_t gauges_at = 0;
    sealing_find(&w->sealing, w->store);
    while (!jobs_are_over(w->options.jobs)) {
        size_t n = take(w, jobs);
        if (n > 0) {
            work_on(w, jobs, n);
        }
        tidy(w, n == 0);
        retain(w, n == 0);
        if (clock_mono_ns() - gauges_at >= NS_PER_S) {
            update_gauges(w);
            gauges_at = clock_mono_ns();
        }
    }
}

static void seal_what_is_left(struct writer *w)
{
    while (sealing_is_due(&w->sealing)) {
        sealing_slice(&w->sealing, w->store);
    }
}

static void *writer_thread(void *context)
{
    struct writer *w = context;
    struct err e = { 0 };
    enum err_code code = open_all(w, &e);
    if (code != ERR_NONE) {
        close_all(w);
        promise_give(&w->started, code, &e);
        return NULL;
    }
    promise_give(&w->started, ERR_NONE, NULL);

    work_until_over(w);
    promise_give(&w->drained, ERR_NONE, NULL);
    seal_what_is_left(w);
    (void)!promise_wait(&w->may_close, NULL); /* no answer but that */
    close_all(w);
    return NULL;
}

/* ---- starting and stopping ----------------------------------------------- */

enum err_code writer_start(const struct writer_options *options,
    struct writer **ret_writer, struct err *e)
{
    struct writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return err_nomem(e);
    }
    w->options = *options;
    w->started = (struct promise)PROMISE_INIT;
    w->drained = (struct promise)PROMISE_INIT;
    w->may_close = (struct promise)PROMISE_INIT;
    w->rates = (struct probe_rates)PROBE_RATES_INIT;
    retain_init(&w->retain, &options->retention, options->store.path);
    w->trouble = (struct trouble)TROUBLE_INIT;
    w->acks = (struct acks){
        .window = options->window, .rates = &w->rates, .live = options->live
    };
    if (pthread_create(&w->thread, NULL, writer_thread, w) != 0) {
        free(w);
        return err_set(e, ERR_NOMEM, "no thread for the writer");
    }
    enum err_code code = promise_wait(&w->started, e);
    if (code != ERR_NONE) {
        (void)pthread_join(w->thread, NULL);
        free(w);
        return code;
    }
    *ret_writer = w;
    return ERR_NONE;
}

void writer_set_analysis(struct writer *writer, struct analysis *analysis)
{
    writer->acks.analysis = analysis;
}

enum err_code writer_set_probe_every(struct writer *writer, const char *run_uid,
    uint32_t probe_every, struct err *e)
{
    return probe_rates_set(&writer->rates, run_uid, probe_every, e);
}

uint32_t writer_probe_every(struct writer *writer, const char *run_uid)
{
    return probe_rates_get(&writer->rates, run_uid);
}

enum err_code writer_commits(struct writer *writer, struct err *e)
{
    return trouble_is(&writer->trouble, e) ? e->code : ERR_NONE;
}

void writer_drain(struct writer *writer)
{
    jobs_close(writer->options.jobs);
    (void)!promise_wait(&writer->drained, NULL); /* no answer but that */
    writer->is_drained = true;
}

void writer_stop(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (!writer->is_drained) {
        writer_drain(writer);
    }
    promise_give(&writer->may_close, ERR_NONE, NULL);
    (void)pthread_join(writer->thread, NULL); /* cannot fail: our own thread */
    free(writer);
}

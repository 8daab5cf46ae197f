/*
 * run: the public face of the transport. Owns the handle and what hangs on it:
 * options, the rank's lock, the live stream, the sender.
 *
 * The calling thread is the appender of the live spool. In a forked child
 * every call leaves all of it alone: mutexes, threads and sockets of the
 * parent are not there, and its files are the parent's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "transport/forked.h"
#include "transport/record.h"
#include "transport/rundir.h"
#include "transport/sender.h"
#include "transport/text.h"
#include "wire.h"

#define FINISH_MS_DEFAULT 2000u
#define CLOSE_MS 200u
#define HEARD_RECENTLY_NS 15000000000
#define METRIC_NAME_MAX 200u
#define EVENT_TEXT_MAX 65535u

struct traj_run {
    uint32_t forked_generation;
    struct options options;
    struct quota quota;
    struct lock rank_lock;
    struct stream stream;
    struct sender sender;
};

/* ---- open --------------------------------------------------------------- */

/* Streams of dead processes, of any attempt and rank, that can be had. */
static enum traj_status take_leftovers(struct traj_run *run, int run_fd,
    struct stream **ret_leftovers, size_t *ret_n)
{
    struct stream_name *names = NULL;
    struct stream *taken = calloc(SENDER_LEFTOVERS_MAX, sizeof *taken);
    size_t n = 0;
    size_t n_taken = 0;
    enum traj_status status = TRAJ_OK;
    if (taken == NULL) {
        status =
            error_set_static(TRAJ_ENOMEM, "out of memory for earlier attempts");
    } else {
        status = rundir_list(run_fd, &names, &n);
    }
    for (size_t i = 0; i < n && n_taken < SENDER_LEFTOVERS_MAX; i++) {
        /* One that is alive, or damaged, stays as it is: for `traj sync`,
         * which can say what is wrong with it. */
        n_taken += stream_recover(run_fd, &names[i], &run->quota,
                       &taken[n_taken]) == TRAJ_OK;
    }
    free(names);
    if (status != TRAJ_OK) {
        free(taken);
        return status;
    }
    *ret_leftovers = taken;
    *ret_n = n_taken;
    return TRAJ_OK;
}

static void close_leftovers(struct stream *leftovers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        stream_close(&leftovers[i]);
    }
    free(leftovers);
}

/* Leftovers first: the new stream must not be taken for one. */
static enum traj_status open_streams(struct traj_run *run, int run_fd)
{
    bool online = run->options.mode == TRAJ_MODE_ONLINE;
    struct stream *leftovers = NULL;
    size_t n = 0;
    enum traj_status status = TRAJ_OK;
    if (online) {
        status = take_leftovers(run, run_fd, &leftovers, &n);
    }
    if (status != TRAJ_OK) {
        return status;
    }
    status = rundir_new_stream(
        run_fd, &run->rank_lock, &run->options, &run->quota, &run->stream);
    if (status != TRAJ_OK) {
        close_leftovers(leftovers, n);
        return status;
    }
    status = sender_start(&run->sender, &run->stream,
        online ? run->options.endpoint : NULL, leftovers, n);
    if (status != TRAJ_OK) {
        stream_remove(&run->stream);
        close_leftovers(leftovers, n);
    }
    return status;
}

static enum traj_status open_transport(struct traj_run *run)
{
    int run_fd = -1;
    run->quota.limit = run->options.spool_bytes;
    enum traj_status status =
        rundir_open(&run->options, &run_fd, &run->rank_lock);
    if (status != TRAJ_OK) {
        return status;
    }
    status = open_streams(run, run_fd);
    (void)close(run_fd); /* the streams have their own */
    if (status != TRAJ_OK) {
        lock_release(&run->rank_lock);
    }
    return status;
}

enum traj_status traj_open(
    const struct traj_options *options, traj_run **ret_run)
{
    if (ret_run == NULL) {
        return error_set_static(TRAJ_EINVAL, "ret_run is NULL");
    }
    forked_watch();
    struct traj_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the run");
    }
    run->forked_generation = forked_generation;
    run->rank_lock = LOCK_NONE;
    enum traj_status status = options_init(&run->options, options);
    if (status == TRAJ_OK && run->options.mode != TRAJ_MODE_DISABLED) {
        status = open_transport(run);
    }
    if (status != TRAJ_OK) {
        options_done(&run->options);
        free(run);
        return status;
    }
    *ret_run = run;
    return TRAJ_OK;
}

const char *traj_run_id(const traj_run *run)
{
    return run != NULL ? run->options.run_id : "";
}

uint32_t traj_attempt(const traj_run *run)
{
    return run != NULL ? run->stream.name.attempt : 0;
}

/* ---- record ------------------------------------------------------------- */

static bool is_inert(const traj_run *run)
{
    return run->options.mode == TRAJ_MODE_DISABLED;
}

/* TRAJ_OK: the run may be used by this process. */
static inline enum traj_status admit(const traj_run *run)
{
    if (run == NULL) {
        return error_set_static(TRAJ_EINVAL, "run is NULL");
    }
    if (run->forked_generation != forked_generation) {
        return error_set_static(
            TRAJ_EFORKED, "the run was opened before this process forked");
    }
    return TRAJ_OK;
}

/* At the limit, under TRAJ_FULL_BLOCK: a little patience, then true to try
 * again. false: nobody will make room. The one place that sleeps: room comes
 * from the sender when an ACK has come, and a condition for that would put a
 * lock between it and every trainer, also those that never wait. */
static bool wait_for_room(traj_run *run, struct times *now, int64_t *pause_ns)
{
    bool refused = atomic_load_explicit(&run->stream.spool.state->refused,
                       memory_order_relaxed) != 0;
    if (run->options.full != TRAJ_FULL_BLOCK || refused ||
        run->options.mode != TRAJ_MODE_ONLINE) {
        return false;
    }
    struct timespec pause = { .tv_nsec = (long)*pause_ns };
    (void)nanosleep(&pause, NULL); /* cut short by a signal: tries sooner */
    *pause_ns = *pause_ns < 10000000 ? *pause_ns * 2 : *pause_ns;
    now->mono_ns = times_now().mono_ns;
    return true;
}

/* What a recording call returns, with drops counted. */
static enum traj_status settle(traj_run *run, enum traj_status status)
{
    if (status == TRAJ_OK) {
        return TRAJ_OK;
    }
    (void)atomic_fetch_add_explicit(
        &run->stream.spool.state->dropped, 1, memory_order_relaxed);
    if (status == TRAJ_EFULL) {
        return error_set_static(
            status, "the spool has reached its limit; the record was dropped");
    }
    return status; /* with the text of the failed segment */
}

/* Before each record. */
static inline void prologue(traj_run *run, struct times now)
{
    if (record_untold_drops(&run->stream.spool) > 0) {
        (void)record_drops(&run->stream.spool, SPOOL_ORDINARY, now);
    }
}

static enum traj_status step_in_full(
    traj_run *run, const struct traj_step *step)
{
    struct times now = times_now();
    int64_t pause_ns = 100000;
    enum traj_status status = TRAJ_OK;
    do {
        prologue(run, now);
        status = record_step(&run->stream.spool, step, now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    return settle(run, status);
}

enum traj_status traj_step(traj_run *run, const struct traj_step *step)
{
    enum traj_status status = admit(run);
    if (status != TRAJ_OK || is_inert(run)) {
        return status;
    }
    if (step == NULL || step->size < sizeof step->size) {
        return error_set_static(
            TRAJ_EINVAL, "step is NULL or was not set up by traj_step_init");
    }
    if (step->size >= sizeof *step) {
        return step_in_full(run, step);
    }
    /* An older caller: what its struct does not have was not measured. */
    struct traj_step full;
    traj_step_init(&full);
    memcpy(&full, step, step->size);
    return step_in_full(run, &full);
}

static enum traj_status probe_in_full(
    traj_run *run, const struct traj_probe *probe)
{
    if (probe->n_points > TRAJ_GAMMAS_MAX) {
        return error_set(TRAJ_EINVAL, "probe: n_points is %u, more than %d",
            (unsigned)probe->n_points, TRAJ_GAMMAS_MAX);
    }
    struct times now = times_now();
    int64_t pause_ns = 100000;
    enum traj_status status = TRAJ_OK;
    do {
        prologue(run, now);
        status = record_probe(&run->stream.spool, probe, now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    return settle(run, status);
}

enum traj_status traj_log_probe(traj_run *run, const struct traj_probe *probe)
{
    enum traj_status status = admit(run);
    if (status != TRAJ_OK || is_inert(run)) {
        return status;
    }
    if (probe == NULL || probe->size < sizeof probe->size) {
        return error_set_static(
            TRAJ_EINVAL, "probe is NULL or was not set up by traj_probe_init");
    }
    if (probe->size >= sizeof *probe) {
        return probe_in_full(run, probe);
    }
    struct traj_probe full;
    traj_probe_init(&full);
    memcpy(&full, probe, probe->size);
    return probe_in_full(run, &full);
}

enum traj_status traj_log(
    traj_run *run, const char *name, uint64_t step, double value)
{
    enum traj_status status = admit(run);
    if (status != TRAJ_OK || is_inert(run)) {
        return status;
    }
    size_t n = name != NULL ? strnlen(name, METRIC_NAME_MAX + 1) : 0;
    if (n < 1 || n > METRIC_NAME_MAX || !text_is_utf8(name, n)) {
        return error_set_static(
            TRAJ_EINVAL, "a metric's name is UTF-8 of 1 to 200 bytes");
    }
    struct times now = times_now();
    int64_t pause_ns = 100000;
    do {
        prologue(run, now);
        status = record_metric(
            &run->stream.spool, name, (uint32_t)n, step, value, now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    return settle(run, status);
}

enum traj_status traj_event(
    traj_run *run, enum traj_severity severity, uint64_t step, const char *text)
{
    enum traj_status status = admit(run);
    if (status != TRAJ_OK || is_inert(run)) {
        return status;
    }
    size_t n = text != NULL ? strnlen(text, EVENT_TEXT_MAX + 1) : 0;
    if (text == NULL || n > EVENT_TEXT_MAX || !text_is_utf8(text, n)) {
        return error_set_static(
            TRAJ_EINVAL, "an event's text is UTF-8 of at most 65535 bytes");
    }
    if ((unsigned)severity > TRAJ_ERROR) {
        return error_set_static(TRAJ_EINVAL, "no such severity");
    }
    struct event event = { .kind = TRAJ_EVENT_TEXT,
        .severity = severity,
        .step = step,
        .text = text,
        .text_bytes = (uint32_t)n };
    struct times now = times_now();
    int64_t pause_ns = 100000;
    do {
        prologue(run, now);
        status = record_event(&run->stream.spool, &event, now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    return settle(run, status);
}

/* ---- close -------------------------------------------------------------- */

/* The last two records there are; room for them is kept beyond the limit.
 * Without the first there is no second: a run must not look finished and
 * complete when nobody has been told of its drops. */
static enum traj_status record_finish(traj_run *run, int exit_code)
{
    struct times now = times_now();
    struct spool *spool = &run->stream.spool;
    if (record_untold_drops(spool) > 0) {
        enum traj_status status = record_drops(spool, SPOOL_URGENT, now);
        if (status != TRAJ_OK) {
            return settle(run, status);
        }
    }
    struct event event = { .kind = TRAJ_EVENT_FINISH,
        .severity = exit_code == 0 ? TRAJ_INFO : TRAJ_ERROR,
        .urgency = SPOOL_URGENT,
        .step = TRAJ_UNSET_COUNT,
        .exit_code = exit_code };
    return settle(run, record_event(&run->stream.spool, &event, now));
}

static enum traj_status close_transport(traj_run *run, uint32_t timeout_ms)
{
    int64_t deadline = times_now().mono_ns + (int64_t)timeout_ms * 1000000;
    enum drain_state state = DRAIN_GREETING;
    enum traj_status status = sender_stop(&run->sender, deadline, &state);
    if (run->options.mode == TRAJ_MODE_OFFLINE) {
        status = TRAJ_OK; /* nobody was to acknowledge anything */
    }
    if (state == DRAIN_DONE) {
        stream_remove(&run->stream);
    } else {
        stream_close(&run->stream);
    }
    lock_release(&run->rank_lock);
    return status;
}

static void release(traj_run *run)
{
    options_done(&run->options);
    free(run);
}

enum traj_status traj_finish(traj_run *run, int exit_code, uint32_t timeout_ms)
{
    if (run == NULL) {
        return TRAJ_OK;
    }
    enum traj_status status = admit(run);
    if (status != TRAJ_OK) {
        return status; /* the parent's; its memory goes with this process */
    }
    if (!is_inert(run)) {
        enum traj_status recorded = record_finish(run, exit_code);
        status = close_transport(
            run, timeout_ms != 0 ? timeout_ms : FINISH_MS_DEFAULT);
        status = recorded != TRAJ_OK ? recorded : status;
    }
    release(run);
    return status;
}

void traj_close(traj_run *run)
{
    if (run == NULL || admit(run) != TRAJ_OK) {
        return;
    }
    if (!is_inert(run)) {
        struct spool *spool = &run->stream.spool;
        if (record_untold_drops(spool) > 0) {
            (void)record_drops(spool, SPOOL_URGENT, times_now());
        }
        (void)close_transport(run, CLOSE_MS); /* the rest is spooled */
    }
    release(run);
}

/* ---- stats -------------------------------------------------------------- */

static uint64_t relaxed(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void describe(const traj_run *run, struct traj_stats *s)
{
    const struct sender_report *r = &run->sender.report;
    const struct spool_state *state = run->stream.spool.state;
    int error = atomic_load_explicit(&r->socket_errno, memory_order_relaxed);
    const char *text = s->connected ? "streaming" : "waiting for the daemon";
    if (run->options.mode == TRAJ_MODE_OFFLINE) {
        text = "offline: spooling only";
    } else if (error != 0) {
        text = "no socket; spooling only";
    } else if (atomic_load_explicit(&state->refused, memory_order_relaxed)) {
        text = "refused by the daemon; spooling only";
    }
    uint32_t leftovers =
        atomic_load_explicit(&r->leftovers, memory_order_relaxed);
    (void)snprintf(s->status, sizeof s->status,
        "%s; %" PRIu64 " of %" PRIu64 " records acknowledged, %" PRIu64
        " dropped, %" PRIu32 " earlier attempts to send",
        text, s->acked_seq, s->last_seq, s->dropped, leftovers);
}

static void collect(const traj_run *run, struct traj_stats *s)
{
    const struct sender_report *r = &run->sender.report;
    const struct spool *spool = &run->stream.spool;
    struct times now = times_now();
    int64_t heard =
        atomic_load_explicit(&r->heard_mono_ns, memory_order_relaxed);
    int64_t oldest =
        atomic_load_explicit(&r->oldest_wall_ns, memory_order_relaxed);
    s->last_seq = relaxed(&spool->state->last_seq);
    s->recorded = s->last_seq;
    s->dropped = relaxed(&spool->state->dropped);
    s->acked_seq = relaxed(&spool->state->acked_seq);
    s->sent_frames = relaxed(&r->counters.sent_frames);
    s->resent_frames = relaxed(&r->counters.resent_frames);
    s->spool_bytes = relaxed(&run->quota.used);
    s->segment_waits = relaxed(&spool->segment_waits);
    s->lag_ns = oldest != 0 && oldest < now.wall_ns
                    ? (uint64_t)(now.wall_ns - oldest)
                    : 0;
    s->connected = heard != 0 && now.mono_ns - heard < HEARD_RECENTLY_NS;
    describe(run, s);
}

enum traj_status traj_get_stats(const traj_run *run, struct traj_stats *stats)
{
    enum traj_status status = admit(run);
    if (status != TRAJ_OK) {
        return status;
    }
    if (stats == NULL || stats->size < sizeof stats->size) {
        return error_set_static(TRAJ_EINVAL, "stats is NULL or has no size");
    }
    struct traj_stats full = { .size = stats->size };
    if (is_inert(run)) {
        (void)snprintf(full.status, sizeof full.status, "disabled");
    } else {
        collect(run, &full);
    }
    /* As much as the caller's struct has. */
    memcpy(stats, &full, stats->size < sizeof full ? stats->size : sizeof full);
    return TRAJ_OK;
}

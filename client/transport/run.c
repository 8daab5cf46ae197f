/* run: opening, closing and the statistics of a run; run_record.c records. The
 * calling thread is the appender of the live spool. */
#include "transport/run_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "transport/record.h"
#include "transport/rundir.h"

#define FINISH_MS_DEFAULT 2000u
#define CLOSE_MS 200u
#define HEARD_RECENTLY_NS 15000000000

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
    run->fold.steps_max = run->options.fold_steps;
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

/* ---- close -------------------------------------------------------------- */

/* The last records there are: an open fold, drops, the end; room for them is
 * kept beyond the limit. Without the first there is no second: a run must not
 * look finished and complete when nobody has been told of its drops. */
static enum traj_status record_finish(traj_run *run, int exit_code)
{
    struct times now = times_now();
    struct spool *spool = &run->stream.spool;
    (void)run_record_last(run); /* if dropped, the next event tells */
    if (record_untold_drops(spool) > 0) {
        enum traj_status status = record_drops(spool, SPOOL_URGENT, now);
        if (status != TRAJ_OK) {
            return run_settle(run, status);
        }
    }
    struct event event = { .kind = TRAJ_EVENT_FINISH,
        .severity = exit_code == 0 ? TRAJ_INFO : TRAJ_ERROR,
        .urgency = SPOOL_URGENT,
        .step = TRAJ_UNSET_COUNT,
        .exit_code = exit_code };
    return run_settle(run, record_event(&run->stream.spool, &event, now));
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
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK) {
        return status; /* the parent's; its memory goes with this process */
    }
    if (!run_is_inert(run)) {
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
    if (run == NULL || run_admit(run) != TRAJ_OK) {
        return;
    }
    if (!run_is_inert(run)) {
        struct spool *spool = &run->stream.spool;
        (void)run_record_last(run); /* if dropped, the event tells */
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
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK) {
        return status;
    }
    if (stats == NULL || stats->size < sizeof stats->size) {
        return error_set_static(TRAJ_EINVAL, "stats is NULL or has no size");
    }
    struct traj_stats full = { .size = stats->size };
    if (run_is_inert(run)) {
        (void)snprintf(full.status, sizeof full.status, "disabled");
    } else {
        collect(run, &full);
    }
    /* As much as the caller's struct has. */
    memcpy(stats, &full, stats->size < sizeof full ? stats->size : sizeof full);
    return TRAJ_OK;
}

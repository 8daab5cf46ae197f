/*
 * sender: everything between sender_start and sender_stop runs in its thread.
 */
#include "transport/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "transport/record.h"

#define NAP_MIN_MS 2L
#define NAP_MAX_MS 100L     /* or a quarter of what records may wait */
#define NAP_STOPPING_MS 10L /* what waits is somebody's process */

/* ---- in the thread ------------------------------------------------------ */

static size_t n_drains(const struct sender *s)
{
    return s->n_leftovers + 1;
}

static void receive_acks(struct sender *s, int64_t now)
{
    struct wire_head head;
    struct wire_ack ack;
    while (link_receive(&s->link, &head, &ack)) {
        atomic_store_explicit(
            &s->report.heard_mono_ns, now, memory_order_relaxed);
        if (ack.attempt != 0 &&
            memcmp(s->live->spool.stream_uid, head.stream_uid, 16) == 0) {
            law_say(&s->law, &ack, now);
        }
        for (size_t i = 0; i < n_drains(s); i++) {
            struct drain *d = &s->drains[i];
            if (d->spool != NULL &&
                memcmp(d->spool->stream_uid, head.stream_uid, 16) == 0) {
                drain_on_ack(d, &head, &ack, now);
            }
        }
    }
}

/* A leftover that is done goes at once. */
static void remove_done_leftovers(struct sender *s)
{
    uint32_t left = 0;
    for (size_t i = 1; i < n_drains(s); i++) {
        struct drain *d = &s->drains[i];
        if (d->spool != NULL && d->state == DRAIN_DONE) {
            d->spool = NULL;
            stream_remove(&s->leftovers[i - 1]);
        }
        left += d->spool != NULL;
    }
    atomic_store_explicit(&s->report.leftovers, left, memory_order_relaxed);
}

static void pump_all(struct sender *s, int64_t now)
{
    for (size_t i = 0; i < n_drains(s); i++) {
        struct drain *d = &s->drains[i];
        if (d->spool != NULL) {
            (void)drain_pump(d, s->buffer, now, link_send, &s->link);
        }
    }
}

static void report(struct sender *s)
{
    atomic_store_explicit(&s->report.oldest_wall_ns,
        drain_oldest_wall_ns(&s->drains[0]), memory_order_relaxed);
}

/* Most of what a round costs is looking at a socket. Without a reason to, that
 * is done only as often as records are to be sent. */
static bool is_time_to_look(const struct sender *s, bool fast, int64_t now)
{
    bool look =
        fast || atomic_load_explicit(&s->stopping, memory_order_relaxed);
    for (size_t i = 0; i < n_drains(s); i++) {
        const struct drain *d = &s->drains[i];
        look = look || (d->spool != NULL && drain_is_due(d, now));
    }
    return look;
}

/* One round. Returns whether the trainer is fast: back soon, then. */
static bool work(struct sender *s, int64_t now)
{
    bool fast = spool_maintain(&s->live->spool, now);
    if (s->linked && is_time_to_look(s, fast, now)) {
        receive_acks(s, now);
        pump_all(s, now);
        remove_done_leftovers(s);
    }
    report(s);
    return fast;
}

static bool hangs_on_an_answer(struct sender *s)
{
    bool hangs = false;
    for (size_t i = 0; i < n_drains(s); i++) {
        const struct drain *d = &s->drains[i];
        hangs = hangs || (d->spool != NULL && drain_hangs_on_an_answer(d));
    }
    return hangs;
}

/* Naps are as long as the pages ahead of the trainer last, and the socket wakes
 * only when something waits for what it brings. */
static void nap(struct sender *s, long nap_ms)
{
    bool stopping = atomic_load_explicit(&s->stopping, memory_order_relaxed);
    bool watch = s->linked && (stopping || hangs_on_an_answer(s));
    /* Once told to stop the pipe stays readable: no use to watch it. */
    link_wait(watch ? &s->link : NULL, stopping ? -1 : s->wake_fds[0],
        stopping && nap_ms > NAP_STOPPING_MS ? NAP_STOPPING_MS : nap_ms);
}

static long next_nap_ms(const struct sender *s, long nap_ms, bool fast)
{
    const long quarter = (long)s->drains[0].wait_ms / 4;
    const long longest = quarter > NAP_MAX_MS ? quarter : NAP_MAX_MS;
    if (fast) {
        return nap_ms / 2 > NAP_MIN_MS ? nap_ms / 2 : NAP_MIN_MS;
    }
    return nap_ms * 2 < longest ? nap_ms * 2 : longest;
}

/* Whether there is nothing left to stay for. */
static bool may_end(struct sender *s, int64_t now)
{
    /* Acquire: with stopping come the last records and the deadline. */
    if (!atomic_load_explicit(&s->stopping, memory_order_acquire)) {
        return false;
    }
    s->drains[0].flush = true;
    s->drains[0].closing_wanted = true;
    bool settled = true;
    for (size_t i = 0; i < n_drains(s); i++) {
        settled = settled && (s->drains[i].spool == NULL ||
                                 drain_is_settled(&s->drains[i]));
    }
    int64_t deadline =
        atomic_load_explicit(&s->deadline_mono_ns, memory_order_relaxed);
    return settled || !s->linked || now >= deadline;
}

static void *run(void *context)
{
    struct sender *s = context;
    /* The trainer may have trapped floating-point exceptions; a new thread
     * inherits that, and libzmq owes it nothing. */
    (void)fesetenv(FE_DFL_ENV);
    if (s->endpoint != NULL) {
        s->linked = link_open(&s->link, s->endpoint);
        atomic_store_explicit(&s->report.socket_errno, s->linked ? 0 : errno,
            memory_order_relaxed);
    }
    long nap_ms = NAP_MIN_MS;
    int64_t now = times_now().mono_ns;
    while (!may_end(s, now)) {
        const bool fast = work(s, now);
        nap_ms = next_nap_ms(s, nap_ms, fast);
        nap(s, nap_ms);
        now = times_now().mono_ns;
    }
    link_close(&s->link);
    return NULL;
}

/* ---- the caller's side -------------------------------------------------- */

static enum traj_status allocate(struct sender *s)
{
    s->drains = calloc(n_drains(s), sizeof *s->drains);
    s->buffer = malloc(sizeof *s->buffer);
    if (s->drains == NULL || s->buffer == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the sender");
    }
    drain_init(&s->drains[0], s->live, DRAIN_LIVE, &s->report.counters);
    for (size_t i = 0; i < s->n_leftovers; i++) {
        struct drain *d = &s->drains[i + 1];
        drain_init(d, &s->leftovers[i], DRAIN_LEFTOVER, &s->report.counters);
        d->closing_wanted = true;
    }
    return TRAJ_OK;
}

static enum traj_status open_wake_pipe(struct sender *s)
{
    if (pipe(s->wake_fds) != 0) {
        s->wake_fds[0] = s->wake_fds[1] = -1;
        return error_set(TRAJ_EIO, "pipe: %s", strerror(errno));
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(s->wake_fds[i], F_SETFD, FD_CLOEXEC); /* EBADF only */
    }
    return TRAJ_OK;
}

static void release(struct sender *s)
{
    for (int i = 0; i < 2; i++) {
        if (s->wake_fds[i] >= 0) {
            (void)close(s->wake_fds[i]);
        }
    }
    free(s->drains);
    free(s->buffer);
}

/* The thread gets none of the trainer's signals. */
static enum traj_status start_thread(struct sender *s)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&s->thread, NULL, run, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return error_set(TRAJ_ENOMEM, "start a thread: %s", strerror(error));
    }
    return TRAJ_OK;
}

enum traj_status sender_start(struct sender *sender, struct stream *live,
    const char *endpoint, struct stream *leftovers, size_t n_leftovers)
{
    *sender = (struct sender){ .live = live,
        .endpoint = endpoint,
        .leftovers = leftovers,
        .n_leftovers = n_leftovers,
        .wake_fds = { -1, -1 } };
    enum traj_status status = allocate(sender);
    if (status == TRAJ_OK) {
        status = open_wake_pipe(sender);
    }
    if (status == TRAJ_OK) {
        /* So that the first steps find their pages present. */
        (void)spool_maintain(&live->spool, times_now().mono_ns);
        status = start_thread(sender);
    }
    if (status != TRAJ_OK) {
        release(sender);
    }
    return status;
}

enum traj_status sender_stop(struct sender *sender, int64_t deadline_mono_ns,
    enum drain_state *ret_state)
{
    atomic_store_explicit(
        &sender->deadline_mono_ns, deadline_mono_ns, memory_order_relaxed);
    atomic_store_explicit(&sender->stopping, true, memory_order_release);
    ssize_t ignored = write(sender->wake_fds[1], "", 1); /* else: next poll */
    (void)ignored;
    (void)pthread_join(sender->thread, NULL);
    for (size_t i = 0; i < sender->n_leftovers; i++) {
        if (sender->drains[i + 1].spool != NULL) {
            stream_close(&sender->leftovers[i]);
        }
    }
    free(sender->leftovers);
    struct drain *live = &sender->drains[0];
    *ret_state = live->state;
    enum traj_status status = TRAJ_OK;
    if (live->state == DRAIN_REFUSED) {
        status = error_set_static(
            TRAJ_EREFUSED, "the daemon refused the run; its spool is kept");
    } else if (!drain_is_acked(live)) {
        status = error_set_static(TRAJ_ETIMEDOUT,
            "not all was acknowledged in time; `traj sync` sends the rest");
    }
    release(sender);
    return status;
}

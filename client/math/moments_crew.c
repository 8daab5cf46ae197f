/*
 * moments_crew.c: shares the elements of all segments out to threads. Runs in
 * the caller's thread and in those that it starts and joins.
 *
 * The elements are cut into jobs by the list of segments alone: CREW_JOB
 * elements of one segment, or a run of whole segments that have no more
 * together. Jobs are done in any order, and their sums are folded in the order
 * of the list. So the additions are the same for any number of threads.
 *
 * Invariants, all under the mutex:
 * C1. folded <= taken <= folded + RING; ring[j mod RING] belongs to job number
 *     j from when it is taken till it is folded. The rest of the ring is not
 *     initialised: clearing it would cost more than a short array does.
 * C2. of_segment is the sum of the folded jobs of a segment of several, and
 *     zero between such segments.
 */
#include "math/moments_crew.h"
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "math/moments_sum.h"

#define RING 64u
#define RUN_MAX 256u /* segments of one job */

struct job {
    uint64_t number;
    size_t segment;    /* the first one */
    size_t n_segments; /* whole ones; 0 = a piece of one */
    size_t first, n;   /* of the piece */
    bool last;         /* piece of its segment */
};

struct done {
    bool done;
    struct job job;
    struct moments_sum sum;
};

struct crew {
    const struct traj_segment *segments; /* borrowed, as all it points to */
    const struct kernel_keep *keep;      /* NULL, or one for each */
    size_t n_segments;
    unsigned shape;
    struct traj_moments *ret_each;
    pthread_mutex_t mutex; /* guards all below; held for no arithmetic but
                              that of folding; no other is taken meanwhile */
    pthread_cond_t room;   /* in the ring */
    size_t segment, first; /* where the next job begins */
    uint64_t taken, folded;
    struct done ring[RING];
    struct moments_sum of_segment, total;
};

/* Without arrays there is nothing to walk, whatever n says. */
static size_t elements_of(const struct crew *crew, size_t segment)
{
    return crew->shape != 0 ? crew->segments[segment].n : 0;
}

/* Cuts the next job off. */
static struct job cut(struct crew *crew)
{
    struct job job = { .number = crew->taken++, .segment = crew->segment };
    const size_t n = elements_of(crew, crew->segment);
    if (n > CREW_JOB) {
        const size_t left = n - crew->first;
        job.first = crew->first;
        job.n = left < CREW_JOB ? left : CREW_JOB;
        job.last = job.n == left;
        crew->first = job.last ? 0 : crew->first + job.n;
        crew->segment += job.last;
        return job;
    }
    size_t room = CREW_JOB;
    while (crew->segment < crew->n_segments &&
           elements_of(crew, crew->segment) <= room &&
           job.n_segments < RUN_MAX) {
        room -= elements_of(crew, crew->segment);
        job.n_segments++;
        crew->segment++;
    }
    return job;
}

/* False when there is no more to do. */
static bool take(struct crew *crew, struct job *ret_job)
{
    (void)pthread_mutex_lock(&crew->mutex);
    while (crew->taken == crew->folded + RING) {
        (void)pthread_cond_wait(&crew->room, &crew->mutex);
    }
    const bool more = crew->segment < crew->n_segments;
    if (more) {
        *ret_job = cut(crew);
        crew->ring[ret_job->number % RING].done = false;
    }
    (void)pthread_mutex_unlock(&crew->mutex);
    return more;
}

static const struct kernel_keep *keep_of(const struct crew *crew, size_t i)
{
    return crew->keep != NULL ? &crew->keep[i] : NULL;
}

static void do_job(
    const struct crew *crew, const struct job *job, struct moments_sum *sum)
{
    if (job->n_segments == 0) {
        moments_sum_elements(&crew->segments[job->segment], crew->shape,
            keep_of(crew, job->segment), job->first, job->n, sum);
        return;
    }
    for (size_t i = job->segment; i < job->segment + job->n_segments; i++) {
        const struct traj_segment *segment = &crew->segments[i];
        struct moments_sum own = { .peak = 0 };
        moments_sum_elements(
            segment, crew->shape, keep_of(crew, i), 0, segment->n, &own);
        moments_sum_merge(sum, &own);
        if (crew->ret_each != NULL) {
            moments_sum_report(crew->shape, &own, &crew->ret_each[i]);
        }
    }
}

static void fold(struct crew *crew, const struct done *done)
{
    const struct job *job = &done->job;
    if (job->n_segments > 0) {
        moments_sum_merge(&crew->total, &done->sum);
        return;
    }
    moments_sum_merge(&crew->of_segment, &done->sum);
    if (!job->last) {
        return;
    }
    moments_sum_merge(&crew->total, &crew->of_segment);
    if (crew->ret_each != NULL) {
        moments_sum_report(
            crew->shape, &crew->of_segment, &crew->ret_each[job->segment]);
    }
    crew->of_segment = (struct moments_sum){ .peak = 0 };
}

/* Gives the sum of a job back and folds what is next in order. */
static void give(struct crew *crew, const struct done *done)
{
    (void)pthread_mutex_lock(&crew->mutex);
    crew->ring[done->job.number % RING] = *done;
    struct done *next = &crew->ring[crew->folded % RING];
    while (crew->folded < crew->taken && next->done) {
        fold(crew, next);
        next->done = false;
        crew->folded++;
        next = &crew->ring[crew->folded % RING];
    }
    (void)pthread_cond_broadcast(&crew->room);
    (void)pthread_mutex_unlock(&crew->mutex);
}

static void work(struct crew *crew)
{
    struct done done = { .done = true };
    while (take(crew, &done.job)) {
        done.sum = (struct moments_sum){ .peak = 0 };
        do_job(crew, &done.job, &done.sum);
        give(crew, &done);
    }
}

/* A thread inherits the floating-point environment of the one that starts it;
 * ours is said here, not left to that. */
static void *thread_main(void *crew)
{
    (void)fesetenv(FE_DFL_ENV);
    work(crew);
    return NULL;
}

/* A signal of the trainer's is for its own threads, and what runs on the
 * caller's stack must not outlive it: no signals in ours, and no cancelling
 * while they run. */
static void work_together(struct crew *crew, uint32_t threads)
{
    pthread_t started[CREW_THREADS_MAX];
    uint32_t n = 0;
    int cancel_state;
    sigset_t all, before;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n + 1 < threads &&
           pthread_create(&started[n], NULL, thread_main, crew) == 0) {
        n++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(crew);
    while (n > 0) {
        n--;
        (void)pthread_join(started[n], NULL);
    }
    (void)pthread_setcancelstate(cancel_state, NULL);
}

/* As many as are allowed, no more than the elements are worth. */
static uint32_t useful_threads(
    const struct traj_segment *segments, size_t n_segments, uint32_t threads)
{
    const size_t most = CREW_THREADS_MAX * CREW_SHARE;
    size_t n = 0;
    for (size_t i = 0; i < n_segments && n < most; i++) {
        n += segments[i].n < most ? segments[i].n : most;
    }
    const size_t useful = (n < most ? n : most) / CREW_SHARE;
    return threads < useful ? threads : (uint32_t)useful;
}

void moments_crew_run(const struct traj_segment *segments, size_t n_segments,
    unsigned shape, const struct kernel_keep *keep, uint32_t threads,
    struct traj_moments *ret_total, struct traj_moments *ret_each)
{
    struct crew crew;
    crew.segments = segments;
    crew.keep = keep;
    crew.n_segments = n_segments;
    crew.shape = shape;
    crew.ret_each = ret_each;
    crew.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    crew.room = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    crew.segment = 0;
    crew.first = 0;
    crew.taken = 0;
    crew.folded = 0;
    crew.of_segment = (struct moments_sum){ .peak = 0 };
    crew.total = (struct moments_sum){ .peak = 0 };

    const uint32_t useful = useful_threads(segments, n_segments, threads);
    if (useful > 1) {
        work_together(&crew, useful);
    } else {
        work(&crew);
    }
    moments_sum_report(shape, &crew.total, ret_total);
    (void)pthread_cond_destroy(&crew.room);
    (void)pthread_mutex_destroy(&crew.mutex);
}

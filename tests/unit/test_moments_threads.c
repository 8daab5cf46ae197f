/* Moments by several threads: the same bits for any number of them, and nothing
 * that the trainer notices. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#include "../lib/moment_arrays.h"
#include "math/moments.h"
#include "math/moments_crew.h"
#include "traj.h"

/* ---- threads that are counted, refused and looked at --------------------- */

typedef void *(*thread_fn)(void *);
static int started;        /* threads since it was set to 0 */
static int allowed = 1000; /* how many may be started */
static int unblocked;      /* signals that some thread did not block */

struct start {
    thread_fn fn;
    void *argument;
    sem_t *runs;
};

static void *look_and_go_on(void *argument)
{
    const struct start start = *(struct start *)argument;
    sigset_t mask;
    free(argument);
    (void)sem_post(start.runs);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int s = 1; s < 32; s++) {
        const bool blockable = s != SIGKILL && s != SIGSTOP;
        __atomic_add_fetch(
            &unblocked, blockable && !sigismember(&mask, s), __ATOMIC_RELAXED);
    }
    return start.fn(start.argument);
}

/* In place of the C library's, for this program. Comes back when the thread
 * runs, so that the jobs are done by several and out of order. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*fn)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, thread_fn, void *);
    *(void **)(&real) = dlsym(RTLD_NEXT, "pthread_create");
    struct start *start = malloc(sizeof *start);
    if (start == NULL || started >= allowed) {
        free(start);
        return EAGAIN;
    }
    sem_t runs;
    (void)sem_init(&runs, 0, 0);
    *start = (struct start){ fn, argument, &runs };
    started++;
    const int status = real(thread, attributes, look_and_go_on, start);
    assert_int_equal(status, 0);
    (void)sem_wait(&runs);
    (void)sem_destroy(&runs);
    return status;
}

/* What the next call finds where its variables will be. */
static void spoil_the_stack(void)
{
    volatile char garbage[65536];
    for (size_t i = 0; i < sizeof garbage; i++) {
        garbage[i] = (char)0xff;
    }
}

/* ---- threads ------------------------------------------------------------- */

/* Values whose sums round, so that another order of additions shows. The four
 * arrays are one, from four places on. */
#define LARGE (7 * CREW_SHARE + 4321)
#define APART 1001u
static char *large_memory;
struct large {
    char *memory[4];
    struct traj_segment segments[2];
};

static int make_large(void **state)
{
    (void)state;
    large_memory = random_elements(TRAJ_BF16, LARGE + 3 * APART);
    return 0;
}

static int free_large(void **state)
{
    (void)state;
    free(large_memory);
    return 0;
}

static struct large large_arrays(void)
{
    struct large l;
    char *rest[4];
    for (size_t k = 0; k < 4; k++) {
        l.memory[k] = large_memory + 2 * k * APART;
        rest[k] = l.memory[k] + 2 * 1000;
    }
    l.segments[0] = moment_segment(TRAJ_BF16, 0, 15, 1000, l.memory, 0);
    l.segments[1] = moment_segment(TRAJ_BF16, 0, 15, LARGE - 1000, rest, 0);
    return l;
}

static void test_the_result_is_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    static const uint32_t threads[] = { 0, 2, 3, 7, UINT32_MAX };
    struct large l = large_arrays();
    struct traj_moments one, each_of_one[2];
    started = 0;
    assert_int_equal(
        traj_moments_of(l.segments, 2, 1, &one, each_of_one), TRAJ_OK);
    assert_int_equal(started, 0);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        struct traj_moments m, each[2];
        spoil_the_stack();
        assert_int_equal(
            traj_moments_of(l.segments, 2, threads[i], &m, each), TRAJ_OK);
        assert_memory_equal(&one, &m, sizeof m);
        assert_memory_equal(each_of_one, each, sizeof each);
    }
    assert_int_equal(started, 0 + 1 + 2 + 6 + 6);
    assert_int_equal(unblocked, 0);
}

static void test_copies_are_kept_whole_by_any_number_of_threads(void **state)
{
    (void)state;
    struct large l = large_arrays();
    char *copy[2] = { malloc(2 * LARGE), malloc(2 * LARGE) };
    assert_true(copy[0] != NULL && copy[1] != NULL);
    const struct kernel_keep keep[2] = { { copy[0], copy[1] },
        { copy[0] + 2 * 1000, copy[1] + 2 * 1000 } };
    struct traj_moments plain;
    assert_int_equal(traj_moments_of(l.segments, 2, 1, &plain, NULL), TRAJ_OK);
    for (uint32_t threads = 1; threads < 5; threads += 3) {
        struct traj_moments m;
        memset(copy[0], 0, 2 * LARGE);
        memset(copy[1], 0, 2 * LARGE);
        assert_int_equal(
            moments_and_keep(l.segments, 2, keep, threads, &m, NULL), TRAJ_OK);
        assert_memory_equal(&plain, &m, sizeof m);
        assert_int_equal(memcmp(copy[0], l.memory[0], 2 * LARGE), 0);
        assert_int_equal(memcmp(copy[1], l.memory[1], 2 * LARGE), 0);
    }
    free(copy[0]);
    free(copy[1]);
}

static void test_what_is_refused_is_not_kept(void **state)
{
    (void)state;
    const float x[2] = { 1, 2 };
    const struct traj_segment segments[2] = {
        { .dtype = TRAJ_F32, .n = 2, .x = x, .g = x },
        { .dtype = TRAJ_F32, .n = 2, .x = x },
    };
    float copy[4] = { 0 };
    const struct kernel_keep keep[2] = { { copy, copy + 2 },
        { copy, copy + 2 } };
    struct traj_moments m;
    assert_int_equal(
        moments_and_keep(segments, 2, keep, 1, &m, NULL), TRAJ_ENOGRAD);
    assert_true(copy[0] == 0 && copy[2] == 0);
}

static void test_short_arrays_start_no_thread(void **state)
{
    (void)state;
    struct large l = large_arrays();
    started = 0;
    l.segments[1].n = 2 * CREW_SHARE - 1 - 1000;
    (void)moments_measured(l.segments, 2, 8);
    assert_int_equal(started, 0);
    l.segments[1].n = 2 * CREW_SHARE - 1000;
    (void)moments_measured(l.segments, 2, 8);
    assert_int_equal(started, 1);
}

static void test_fewer_threads_do_where_none_can_be_started(void **state)
{
    (void)state;
    struct large l = large_arrays();
    const struct traj_moments expected = moments_measured(l.segments, 2, 1);
    for (int may = 0; may < 3; may++) {
        started = 0;
        allowed = may;
        const struct traj_moments m = moments_measured(l.segments, 2, 7);
        allowed = 1000;
        assert_int_equal(started, may);
        assert_memory_equal(&expected, &m, sizeof m);
    }
}

static void test_signals_of_the_caller_are_as_before(void **state)
{
    (void)state;
    struct large l = large_arrays();
    sigset_t before, after;
    (void)sigemptyset(&before);
    (void)sigaddset(&before, SIGUSR1);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)moments_measured(l.segments, 2, 3);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(sigismember(&after, SIGUSR1));
    assert_false(sigismember(&after, SIGUSR2));
    (void)sigdelset(&after, SIGUSR1);
    (void)pthread_sigmask(SIG_SETMASK, &after, NULL);
}

#if defined(__x86_64__)
static void flush_subnormals(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040);
}
static void flush_no_subnormals(void)
{
    _mm_setcsr(_mm_getcsr() & ~0x8040u);
}
#else
static void flush_subnormals(void)
{
}
static void flush_no_subnormals(void)
{
}
#endif

static void test_threads_do_not_inherit_the_callers_arithmetic(void **state)
{
    (void)state;
    struct large l = large_arrays();
    const uint16_t nan = 0x7fc1;
    char *place = l.memory[0] + 2 * (LARGE / 2);
    uint16_t before;
    memcpy(&before, place, sizeof before);
    memcpy(place, &nan, sizeof nan);
    const struct traj_moments expected = moments_measured(l.segments, 2, 1);
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    (void)fesetround(FE_UPWARD);
    flush_subnormals();
    const struct traj_moments m = moments_measured(l.segments, 2, 4);
    flush_no_subnormals();
    (void)fesetround(FE_TONEAREST);
    (void)fedisableexcept(FE_ALL_EXCEPT);
    memcpy(place, &before, sizeof before);
    assert_int_equal(m.grad_nan, 1);
    assert_memory_equal(&expected, &m, sizeof m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_result_is_the_same_for_any_number_of_threads),
        cmocka_unit_test(test_copies_are_kept_whole_by_any_number_of_threads),
        cmocka_unit_test(test_what_is_refused_is_not_kept),
        cmocka_unit_test(test_short_arrays_start_no_thread),
        cmocka_unit_test(test_fewer_threads_do_where_none_can_be_started),
        cmocka_unit_test(test_signals_of_the_caller_are_as_before),
        cmocka_unit_test(test_threads_do_not_inherit_the_callers_arithmetic),
    };
    return cmocka_run_group_tests(tests, make_large, free_large);
}

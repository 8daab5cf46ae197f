/* The law and the probe interval, from a scripted daemon to the trainer; and
 * the board between two threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/peer.h"
#include "../lib/spool_rig.h"
#include "traj.h"
#include "transport/law.h"

struct world {
    char dir[64];
    struct peer peer;
    struct traj_options options;
    traj_run *run;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    test_dir_make(w->dir);
    peer_start(&w->peer);
    w->options = (struct traj_options)TRAJ_OPTIONS_INIT;
    w->options.endpoint = w->peer.endpoint;
    w->options.dir = w->dir;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peer_stop(&w->peer);
    peer_done(&w->peer);
    test_dir_remove(w->dir);
    free(w);
    return 0;
}

static void daemon_says(
    struct world *w, uint32_t n, double L0, double L1, uint32_t probe_every)
{
    struct fake_daemon *d = peer_lock(&w->peer);
    d->law_n = n;
    d->law_L0 = L0;
    d->law_L1 = L1;
    d->probe_every = probe_every;
    peer_unlock(&w->peer);
}

static bool all_is_acked(void *context)
{
    const struct world *w = context;
    struct traj_stats stats = { .size = sizeof stats };
    return traj_get_stats(w->run, &stats) == TRAJ_OK &&
           stats.acked_seq == stats.last_seq;
}

/* One record, and the daemon's answer to it. */
static void exchange(struct world *w)
{
    assert_int_equal(traj_log(w->run, "a", 0, 0), TRAJ_OK);
    wait_until(all_is_acked, w);
}

static enum traj_status ask(
    struct world *w, double grad_norm, struct traj_advice *ret)
{
    *ret = (struct traj_advice){ .size = sizeof *ret };
    return traj_advice(w->run, TRAJ_RULE_CLIPPED_L0L1, grad_norm, ret);
}

static void test_the_law_of_an_ack_becomes_advice(void **state)
{
    struct world *w = *state;
    struct traj_advice a;
    daemon_says(w, 321, 2, 0.5, 25);
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
    exchange(w);
    assert_int_equal(ask(w, 20, &a), TRAJ_OK);
    assert_int_equal(a.n, 321);
    assert_true(a.L0 == 2 && a.L1 == 0.5);
    assert_true(a.step == traj_rule_step(TRAJ_RULE_CLIPPED_L0L1, 2, 0.5, 20));
    assert_true(fabs(a.step - 1.0 / 30) < 1e-16);
    assert_true(a.clip_threshold ==
                traj_rule_threshold(TRAJ_RULE_CLIPPED_L0L1, 2, 0.5));
    assert_true(a.age_ns < 60 * UINT64_C(1000000000));
    assert_int_equal(traj_wanted_probe_every(w->run), 25);
    traj_close(w->run);
}

static void test_a_law_that_is_taken_back_is_no_law(void **state)
{
    struct world *w = *state;
    struct traj_advice a;
    daemon_says(w, 100, 1, 1, 7);
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
    exchange(w);
    assert_int_equal(ask(w, 1, &a), TRAJ_OK);
    daemon_says(w, 0, 0, 0, 0);
    exchange(w);
    assert_int_equal(ask(w, 1, &a), TRAJ_ENOLAW);
    assert_int_equal(traj_wanted_probe_every(w->run), 0);
    daemon_says(w, 101, 3, 0, 0);
    exchange(w);
    assert_int_equal(ask(w, 1, &a), TRAJ_OK);
    assert_true(a.L0 == 3 && a.L1 == 0);
    traj_close(w->run);
}

static void test_a_law_that_is_none_is_not_believed(void **state)
{
    (void)state;
    static const double wrong[][2] = { { -1, 1 }, { 1, -1 }, { 0, 0 },
        { HUGE_VAL, 1 }, { 1, HUGE_VAL }, { 1, (double)NAN },
        { (double)NAN, 1 } };
    struct law_board board = { 0 };
    struct law law;
    assert_false(law_read(&board, &law));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct wire_ack ack = { .advice_n = 5, .advice_L0 = 1 };
        law_say(&board, &ack, 1);
        assert_true(law_read(&board, &law));
        ack.advice_L0 = wrong[i][0];
        ack.advice_L1 = wrong[i][1];
        law_say(&board, &ack, 2);
        assert_false(law_read(&board, &law));
    }
}

static void test_offline_and_disabled_runs_have_no_law(void **state)
{
    struct world *w = *state;
    struct traj_advice a;
    for (int i = 0; i < 2; i++) {
        w->options.mode = i == 0 ? TRAJ_MODE_OFFLINE : TRAJ_MODE_DISABLED;
        assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
        assert_int_equal(ask(w, 1, &a), TRAJ_ENOLAW);
        assert_int_equal(traj_wanted_probe_every(w->run), 0);
        traj_close(w->run);
    }
}

static void test_wrong_questions_are_named_and_write_nothing(void **state)
{
    struct world *w = *state;
    struct traj_advice a = { .size = 0, .step = 42 };
    daemon_says(w, 100, 1, 1, 7);
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
    exchange(w);
    assert_int_equal(traj_advice(w->run, TRAJ_RULE_L0L1, 1, &a), TRAJ_EINVAL);
    assert_int_equal(traj_advice(w->run, TRAJ_RULE_L0L1, 1, NULL), TRAJ_EINVAL);
    a.size = sizeof a;
    assert_int_equal(traj_advice(w->run, TRAJ_RULE_L0L1, -1, &a), TRAJ_EINVAL);
    assert_int_equal(
        traj_advice(w->run, TRAJ_RULE_L0L1, (double)NAN, &a), TRAJ_EINVAL);
    assert_int_equal(
        traj_advice(w->run, (enum traj_rule)7, 1, &a), TRAJ_EINVAL);
    assert_int_equal(traj_advice(NULL, TRAJ_RULE_L0L1, 1, &a), TRAJ_EINVAL);
    assert_true(a.step == 42);
    assert_int_equal(traj_wanted_probe_every(NULL), 0);
    traj_close(w->run);
}

static void test_callers_of_other_versions_get_what_they_know(void **state)
{
    struct world *w = *state;
    struct {
        struct traj_advice advice;
        unsigned char of_tomorrow[16];
    } newer = { .advice = { .size = sizeof newer } };
    struct traj_advice older = { .size = offsetof(struct traj_advice, step),
        .step = 42 };
    unsigned char zeros[16] = { 0 };
    daemon_says(w, 100, 1, 1, 7);
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
    exchange(w);
    assert_int_equal(
        traj_advice(w->run, TRAJ_RULE_L0L1, 1, &newer.advice), TRAJ_OK);
    assert_int_equal(newer.advice.size, sizeof newer);
    assert_memory_equal(newer.of_tomorrow, zeros, sizeof zeros);
    assert_int_equal(traj_advice(w->run, TRAJ_RULE_L0L1, 1, &older), TRAJ_OK);
    assert_true(older.L1 == 1 && older.step == 42);
    traj_close(w->run);
}

static void test_a_forked_child_gets_no_advice(void **state)
{
    struct world *w = *state;
    daemon_says(w, 100, 1, 1, 7);
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
    exchange(w);
    pid_t pid = fork();
    if (pid == 0) {
        struct traj_advice a;
        _exit(ask(w, 1, &a) == TRAJ_EFORKED &&
                      traj_wanted_probe_every(w->run) == 0
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    traj_close(w->run);
}

#define SAYINGS 200000u

static void *say_many(void *context)
{
    struct law_board *board = context;
    for (uint32_t i = 1; i <= SAYINGS; i++) {
        struct wire_ack ack = {
            .advice_n = i, .advice_L0 = i, .advice_L1 = 2.0 * i
        };
        law_say(board, &ack, 3 * (int64_t)i);
    }
    return NULL;
}

static void test_a_reader_never_sees_halves_of_two_laws(void **state)
{
    (void)state;
    struct law_board board = { 0 };
    struct law law = { 0 };
    pthread_t thread;
    uint64_t before = 0;
    assert_int_equal(pthread_create(&thread, NULL, say_many, &board), 0);
    while (law.n < SAYINGS) {
        if (law_read(&board, &law)) {
            assert_true(law.L0 == (double)law.n);
            assert_true(law.L1 == 2 * (double)law.n);
            assert_int_equal(law.said_mono_ns, 3 * law.n);
            assert_true(law.n >= before);
            before = law.n;
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_law_of_an_ack_becomes_advice),
        TEST(test_a_law_that_is_taken_back_is_no_law),
        cmocka_unit_test(test_a_law_that_is_none_is_not_believed),
        TEST(test_offline_and_disabled_runs_have_no_law),
        TEST(test_wrong_questions_are_named_and_write_nothing),
        TEST(test_callers_of_other_versions_get_what_they_know),
        TEST(test_a_forked_child_gets_no_advice),
        cmocka_unit_test(test_a_reader_never_sees_halves_of_two_laws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

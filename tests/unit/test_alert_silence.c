/* The rule `stall`: of a run, which is named where somebody is behind, and of
 * one rank while the others go on. */
#include "pure/alert_silence.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define NOW INT64_C(1700000000000000000)

static struct alert_silence silence;
static struct alert_behind behind;
static struct alert last;

static const struct run_facts running = {
    .heard_wall_ns = NOW, .last_step_wall_ns = NOW, .step_interval_ns = NS_PER_S
};

static int fresh(void **state)
{
    (void)state;
    silence = (struct alert_silence){ 0 };
    behind = (struct alert_behind){ .world = 1 };
    last = (struct alert){ 0 };
    return 0;
}

static struct alert_situation situation(
    const struct run_facts *facts, double after_s, uint64_t at_step)
{
    return (struct alert_situation){ .facts = facts,
        .now_wall_ns = NOW + (int64_t)(after_s * 1e9),
        .attempt = 1,
        .last_step = at_step };
}

static bool at(const struct run_facts *facts, double after_s, uint64_t at_step)
{
    const struct alert_situation now = situation(facts, after_s, at_step);
    return alert_silence_of_run(&silence, &now, &behind, &last);
}

static bool rank_at(const struct run_facts *facts, double after_s)
{
    const struct alert_situation now = situation(facts, after_s, 499);
    return alert_silence_of_rank(&silence, &now, 17, &last);
}

static void assert_last(
    enum alert_severity severity, uint64_t step, const char *sentence)
{
    assert_int_equal(last.rule, ALERT_STALL);
    assert_int_equal(last.severity, severity);
    assert_int_equal(last.attempt, 1);
    assert_int_equal(last.step, step);
    assert_string_equal(last.sentence, sentence);
}

/* ---- of the run ---- */

static void test_a_run_that_makes_no_step_is_told_once(void **state)
{
    (void)state;
    struct run_facts facts = running;
    assert_false(at(&facts, 0, 500));
    facts.heard_wall_ns +=
        40 * NS_PER_S; /* the trainer hangs, its sender not */
    assert_true(at(&facts, 40, 500));
    assert_last(ALERT_WARNING, 500,
        "no step for 40 s after step 500, though the trainer is heard: it "
        "hangs, or a step takes long");
    assert_int_equal(last.rank, ALERT_NO_RANK);
    assert_true(fabs(last.value - 40) < 1e-9 && fabs(last.limit - 30) < 1e-9);
    assert_false(at(&facts, 41, 500));
    assert_false(at(&facts, 100, 500)); /* lost: the same stall */
    /* It goes on, and hangs again. */
    facts = running;
    assert_false(at(&facts, 0, 509));
    assert_true(at(&facts, 100, 509));
}

static void test_a_run_that_is_lost_is_an_error(void **state)
{
    (void)state;
    assert_false(at(&running, 0, 7));
    assert_true(at(&running, 31, 7));
    assert_last(ALERT_ERROR, 7,
        "nothing was heard of the trainer for 31 s after step 7: it was "
        "killed, "
        "or its machine or network is down");
    assert_true(fabs(last.limit - 30) < 1e-9);
    (void)fresh(state);
    struct run_facts gone = running;
    assert_false(at(&gone, 0, 7));
    gone.writer_gone = true;
    assert_true(at(&gone, 1, 7));
    assert_last(ALERT_ERROR, 7,
        "the trainer has ended after step 7 without saying that it has "
        "finished");
    assert_true(isnan(last.limit));
}

static void test_a_run_that_was_never_alive_here_is_not_lost(void **state)
{
    (void)state;
    struct run_facts ended = running;
    assert_false(at(&running, 1000, 7));
    (void)fresh(state);
    assert_false(at(&ended, 0, 7));
    ended.finished = true;
    assert_false(at(&ended, 1000, 7));
}

/* ---- who is behind ---- */

static void test_the_rank_that_is_behind_is_named(void **state)
{
    (void)state;
    behind = (struct alert_behind){ 1, 256, 17, 499 };
    assert_false(at(&running, 0, 500));
    assert_true(at(&running, 31, 500));
    assert_int_equal(last.rank, 17);
    assert_int_equal(last.step, 500);
    assert_non_null(strstr(
        last.sentence, "network is down; rank 17 is behind, at step 499"));
}

static void test_of_several_behind_the_lowest_is_named(void **state)
{
    (void)state;
    behind = (struct alert_behind){ 127, 256, 3, 498 };
    assert_false(at(&running, 0, 500));
    assert_true(at(&running, 31, 500));
    assert_int_equal(last.rank, 3);
    assert_non_null(strstr(last.sentence,
        "; 127 of 256 ranks are behind, the lowest 3 at step 498"));
}

static void test_where_half_are_behind_nobody_is_named(void **state)
{
    (void)state;
    behind = (struct alert_behind){ 128, 256, 3, 498 };
    assert_false(at(&running, 0, 500));
    assert_true(at(&running, 31, 500));
    assert_int_equal(last.rank, ALERT_NO_RANK);
    assert_null(strstr(last.sentence, "behind"));
}

/* ---- of a rank ---- */

static void test_a_rank_is_told_once_after_some_looks(void **state)
{
    (void)state;
    assert_false(rank_at(&running, 0));
    assert_false(rank_at(&running, 31));
    assert_false(rank_at(&running, 33));
    assert_true(rank_at(&running, 34));
    assert_int_equal(last.rank, 17);
    assert_last(ALERT_ERROR, 499,
        "nothing was heard of the trainer for 34 s after step 499: it was "
        "killed, or its machine or network is down");
    for (unsigned i = 0; i < 300; i++) {
        assert_false(rank_at(&running, 35 + i));
    }
}

static void test_a_rank_that_comes_back_in_between_is_not_silent(void **state)
{
    (void)state;
    struct run_facts stalled = running;
    stalled.heard_wall_ns += 40 * NS_PER_S;
    assert_false(rank_at(&running, 0));
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned k = 1; k < ALERT_SILENCE_LOOKS; k++) {
            assert_false(rank_at(&stalled, 31));
        }
        assert_false(rank_at(&running, 0));
    }
    for (unsigned k = 1; k < ALERT_SILENCE_LOOKS; k++) {
        assert_false(rank_at(&stalled, 31));
    }
    assert_true(rank_at(&stalled, 31));
    assert_int_equal(last.severity, ALERT_WARNING);
}

/* After a start of trajd ranks connect one after the other, all of them with
 * steps of long ago. */
static void test_a_rank_that_was_never_live_here_is_not_silent(void **state)
{
    (void)state;
    struct run_facts stalled = running;
    stalled.heard_wall_ns += 40 * NS_PER_S;
    for (unsigned i = 0; i < 10; i++) {
        assert_false(rank_at(&running, 1000));
        assert_false(rank_at(&stalled, 40));
    }
}

static void test_a_rank_that_has_finished_is_not_silent(void **state)
{
    (void)state;
    struct run_facts finished = running;
    finished.finished = true;
    assert_false(rank_at(&running, 0));
    for (unsigned i = 0; i < 10; i++) {
        assert_false(rank_at(&finished, 1000));
    }
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_run_that_makes_no_step_is_told_once),
        TEST(test_a_run_that_is_lost_is_an_error),
        TEST(test_a_run_that_was_never_alive_here_is_not_lost),
        TEST(test_the_rank_that_is_behind_is_named),
        TEST(test_of_several_behind_the_lowest_is_named),
        TEST(test_where_half_are_behind_nobody_is_named),
        TEST(test_a_rank_is_told_once_after_some_looks),
        TEST(test_a_rank_that_comes_back_in_between_is_not_silent),
        TEST(test_a_rank_that_was_never_live_here_is_not_silent),
        TEST(test_a_rank_that_has_finished_is_not_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Alerts of a run from what is found of its ranks: one trouble is one alert,
 * with the rank that had it first; nothing is raised twice, or too often. */
#include "pure/alert_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL INT64_C(1700000000000000000)

static struct alert_cases cases;
static int64_t now;
static struct alert told; /* by the last raise() */

static int fresh(void **state)
{
    (void)state;
    memset(&cases, 0, sizeof cases);
    cases.world = 256;
    now = 1000 * NS_PER_S;
    told = (struct alert){ 0 };
    return 0;
}

static struct alert found_at(enum alert_rule rule, uint32_t rank, uint64_t step)
{
    struct alert found = {
        .rule = rule, .rank = rank, .attempt = 1, .step = step
    };
    alert_say(&found, "bad at step %u", (unsigned)step);
    return found;
}

static void find(uint32_t rank, uint64_t step)
{
    const struct alert found = found_at(ALERT_NON_FINITE, rank, step);
    alert_cases_add_of_rank(&cases, &found, now);
}

static void find_of_all(uint64_t step, uint32_t but)
{
    for (uint32_t rank = 0; rank < cases.world; rank++) {
        if (rank != but) {
            find(rank, step);
        }
    }
}

static void find_of_run(enum alert_rule rule, uint64_t step)
{
    const struct alert found = found_at(rule, ALERT_NO_RANK, step);
    alert_cases_add_of_run(&cases, &found, now);
}

/* How many are raised now, and stored. */
static size_t raise_all(void)
{
    size_t n = 0;
    while (alert_cases_next(&cases, now, WALL, &told)) {
        alert_cases_told(&cases, &told);
        n++;
    }
    return n;
}

static size_t raise_later(void)
{
    now += ALERT_SETTLE_NS;
    return raise_all();
}

static void assert_told(uint32_t rank, uint64_t step, const char *sentence)
{
    assert_int_equal(told.rank, rank);
    assert_int_equal(told.step, step);
    assert_string_equal(told.sentence, sentence);
}

/* ---- who is named ---- */

static void test_a_rank_alone_is_named_when_the_others_had_time(void **state)
{
    (void)state;
    find(17, 100);
    now += ALERT_SETTLE_NS - 1;
    assert_int_equal(raise_all(), 0);
    now++;
    assert_int_equal(raise_all(), 1);
    assert_told(17, 100, "rank 17: bad at step 100");
    assert_int_equal(told.wall_ns, WALL);
    assert_int_equal(raise_later(), 0);
}

static void test_replicas_of_one_trouble_are_one_alert_of_the_run_at_once(
    void **state)
{
    (void)state;
    find_of_all(100, UINT32_MAX);
    assert_int_equal(raise_all(), 1);
    assert_told(ALERT_NO_RANK, 100, "all 256 ranks: bad at step 100");
    assert_int_equal(raise_later(), 0);
}

static void test_whoever_had_it_first_is_named_whoever_comes_first(void **state)
{
    (void)state;
    find_of_all(101, 17);
    find(17, 100);
    assert_int_equal(raise_all(), 1);
    assert_told(17, 100, "rank 17: bad at step 100; 255 more within 10 steps");
    (void)fresh(state);
    find(17, 100);
    find_of_all(101, 17);
    assert_int_equal(raise_all(), 1);
    assert_told(17, 100, "rank 17: bad at step 100; 255 more within 10 steps");
}

static void test_of_several_the_lowest_is_named_of_half_none(void **state)
{
    (void)state;
    cases.world = 6;
    find(4, 100);
    find(3, 100);
    assert_int_equal(raise_later(), 1);
    assert_told(3, 100, "2 of 6 ranks, the lowest 3: bad at step 100");
    find(5, 200);
    find(2, 200);
    find(4, 200);
    assert_int_equal(raise_later(), 1);
    assert_told(ALERT_NO_RANK, 200, "3 of 6 ranks: bad at step 200");
    cases.world = 2;
    find(1, 300);
    assert_int_equal(raise_later(), 1);
    assert_told(1, 300, "rank 1: bad at step 300");
}

static void test_a_run_of_one_process_has_no_ranks(void **state)
{
    (void)state;
    cases.world = 1;
    find_of_run(ALERT_SPIKE, 7);
    assert_int_equal(raise_all(), 1);
    assert_told(ALERT_NO_RANK, 7, "bad at step 7");
}

/* ---- the same trouble ---- */

static void test_what_is_together_is_of_one_rule_attempt_and_time(void **state)
{
    (void)state;
    find(1, 100);
    find(2, 100 + ALERT_TOGETHER);
    find(3, 100 - ALERT_TOGETHER);
    struct alert other = found_at(ALERT_SPIKE, 4, 100);
    alert_cases_add_of_rank(&cases, &other, now);
    other = found_at(ALERT_NON_FINITE, 5, 100);
    other.attempt = 2;
    alert_cases_add_of_rank(&cases, &other, now);
    assert_int_equal(raise_later(), 5);
    assert_told(5, 100, "rank 5: bad at step 100"); /* the latest attempt */
}

static void test_who_has_it_after_it_was_raised_has_the_same(void **state)
{
    (void)state;
    find(17, 100);
    assert_int_equal(raise_later(), 1);
    find(18, 100 + ALERT_TOGETHER - 1);
    find(19, 100 - ALERT_TOGETHER + 1);
    assert_int_equal(raise_later(), 0);
    find(20, 100 + ALERT_TOGETHER);
    assert_int_equal(raise_later(), 1);
    assert_told(20, 110, "rank 20: bad at step 110");
}

static void test_a_run_that_stops_where_a_rank_did_is_no_second_trouble(
    void **state)
{
    (void)state;
    const struct alert silent = found_at(ALERT_STALL, 17, 499);
    alert_cases_add_of_rank(&cases, &silent, now);
    find_of_run(ALERT_STALL, 500);
    assert_int_equal(raise_all(), 0);
    assert_int_equal(raise_later(), 1);
    assert_told(17, 499, "rank 17: bad at step 499");
    find_of_run(ALERT_STALL, 501);
    assert_int_equal(raise_all(), 0);
    find_of_run(ALERT_STALL, 520);
    assert_int_equal(raise_all(), 1);
    assert_told(ALERT_NO_RANK, 520, "bad at step 520");
}

static void test_a_rank_that_joins_what_the_run_has_changes_nothing(
    void **state)
{
    (void)state;
    const struct alert silent = found_at(ALERT_STALL, 17, 499);
    find_of_run(ALERT_STALL, 500);
    alert_cases_add_of_rank(&cases, &silent, now);
    assert_int_equal(raise_all(), 1);
    assert_told(ALERT_NO_RANK, 500, "bad at step 500");
}

static void test_what_verdicts_say_is_never_together(void **state)
{
    (void)state;
    find_of_run(ALERT_LR_OVER_LIMIT, 100);
    find_of_run(ALERT_LR_OVER_LIMIT, 101);
    assert_int_equal(raise_all(), 2);
    find_of_run(ALERT_LR_OVER_LIMIT, 101);
    assert_int_equal(raise_all(), 0);
    find_of_run(ALERT_LR_OVER_LIMIT, 102);
    assert_int_equal(raise_all(), 1);
}

/* ---- raised before ---- */

static void know(uint32_t rank, uint32_t attempt, uint64_t step)
{
    const struct alert_told raised = { rank, attempt, step };
    alert_past_add(&cases.past, ALERT_NON_FINITE, &raised);
}

static void test_nothing_is_raised_at_or_before_the_last_of_the_rank(
    void **state)
{
    (void)state;
    know(17, 1, 500);
    find(17, 300);
    find(17, 500);
    assert_int_equal(raise_later(), 0);
    find(18, 300); /* another rank, behind */
    find(17, 600);
    assert_int_equal(raise_later(), 2);
    assert_told(17, 600, "rank 17: bad at step 600");
}

static void test_what_was_raised_of_the_run_holds_for_its_ranks(void **state)
{
    (void)state;
    know(ALERT_NO_RANK, 1, 500);
    find(17, 300);
    find(18, 500);
    assert_int_equal(raise_later(), 0);
    find(18, 511);
    assert_int_equal(raise_later(), 1);
}

static void test_another_attempt_raises_at_an_earlier_and_at_the_same_step(
    void **state)
{
    (void)state;
    know(ALERT_NO_RANK, 0, 90000);
    find(0, 100);
    know(ALERT_NO_RANK, 0, 200);
    find(0, 200);
    assert_int_equal(raise_later(), 2);
}

/* ---- how often ---- */

static void test_no_more_than_the_most_of_a_rule_are_raised(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALERTS_PER_RULE_MAX - 1; i++) {
        find(i, 100 * i);
    }
    assert_int_equal(raise_later(), ALERTS_PER_RULE_MAX - 1);
    assert_null(strstr(told.sentence, "the last"));
    find(100, 5000);
    find(101, 5000);
    find(102, 6000); /* one too many */
    assert_int_equal(raise_later(), 1);
    assert_told(100, 5000,
        "2 of 256 ranks, the lowest 100: bad at step 5000 (the last of this "
        "rule: more are not raised)");
    find(103, 7000);
    assert_int_equal(raise_later(), 0);
    /* Others go on. */
    find_of_run(ALERT_STALL, 7000);
    assert_int_equal(raise_later(), 1);
}

static void test_one_rank_does_not_drown_the_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * ALERTS_PER_RANK_MAX; i++) {
        find(17, 100 * i);
    }
    assert_int_equal(raise_later(), ALERTS_PER_RANK_MAX);
    assert_told(17, 700,
        "rank 17: bad at step 700 (the last of this rule and rank: more are "
        "not raised)");
    find(17, 10000);
    assert_int_equal(raise_later(), 0);
    find(18, 10000);
    assert_int_equal(raise_later(), 1);
    assert_told(18, 10000, "rank 18: bad at step 10000");
}

static void test_a_run_of_one_process_has_all_of_them(void **state)
{
    (void)state;
    cases.world = 1;
    for (unsigned i = 0; i < 40; i++) {
        find_of_run(ALERT_SPIKE, 100 * i);
    }
    assert_int_equal(raise_all(), ALERTS_PER_RULE_MAX);
    assert_told(ALERT_NO_RANK, 3100,
        "bad at step 3100 (the last of this rule: more are not raised)");
}

static void test_of_more_past_than_there_may_be_the_first_are_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= ALERTS_PER_RULE_MAX; i++) {
        know(ALERT_NO_RANK, 1, i);
    }
    assert_int_equal(cases.past.n[ALERT_NON_FINITE], ALERTS_PER_RULE_MAX);
    assert_int_equal(cases.past.v[ALERT_NON_FINITE][31].step, 31);
}

/* ---- raising ---- */

static void test_what_is_not_stored_comes_again_as_it_was(void **state)
{
    (void)state;
    struct alert again;
    find_of_run(ALERT_SPIKE, 7);
    assert_true(alert_cases_next(&cases, now, WALL, &told));
    assert_true(alert_cases_next(&cases, now, WALL + 1, &again));
    assert_memory_equal(&told, &again, sizeof told);
    alert_cases_told(&cases, &again);
    assert_false(alert_cases_next(&cases, now, WALL, &told));
}

static void test_the_earliest_step_is_raised_first(void **state)
{
    (void)state;
    find_of_run(ALERT_SPIKE, 90);
    find_of_run(ALERT_SPIKE, 30);
    find_of_run(ALERT_SPIKE, 60);
    assert_true(alert_cases_next(&cases, now, WALL, &told));
    assert_int_equal(told.step, 30);
    alert_cases_told(&cases, &told);
    assert_true(alert_cases_next(&cases, now, WALL, &told));
    assert_int_equal(told.step, 60);
}

static void test_the_last_step_is_of_what_was_raised_and_of_what_waits(
    void **state)
{
    (void)state;
    uint64_t step = 5;
    assert_false(alert_cases_last_step(&cases, ALERT_L1_JUMP, &step));
    assert_int_equal(step, 5);
    find_of_run(ALERT_L1_JUMP, 0);
    assert_true(alert_cases_last_step(&cases, ALERT_L1_JUMP, &step));
    assert_int_equal(step, 0);
    find_of_run(ALERT_L1_JUMP, 700);
    assert_int_equal(raise_all(), 2);
    find_of_run(ALERT_SPIKE, 9000);
    assert_true(alert_cases_last_step(&cases, ALERT_L1_JUMP, &step));
    assert_int_equal(step, 700);
}

/* The longest there can be: all of it is there. */
static void test_the_longest_sentence_has_room(void **state)
{
    (void)state;
    cases.world = 65536;
    struct alert found = found_at(ALERT_SKIPPED, 65534, UINT64_MAX - 5);
    found.sentence[0] = '\0';
    alert_say(&found,
        "%.3g %% of the last %u steps left the parameters as they were: their "
        "updates were skipped, at step %llu (limit %.3g %%)",
        99.9, 100, (unsigned long long)found.step, 0.000123);
    for (unsigned i = 0; i < ALERTS_PER_RULE_MAX - 1; i++) {
        const struct alert_told raised = { i, 0, 7 };
        alert_past_add(&cases.past, ALERT_SKIPPED, &raised);
    }
    alert_cases_add_of_rank(&cases, &found, now);
    found.rank++;
    alert_cases_add_of_rank(&cases, &found, now);
    found.step++;
    for (uint32_t i = 10000; i < 30000; i++) {
        found.rank = i;
        alert_cases_add_of_rank(&cases, &found, now);
    }
    assert_int_equal(raise_later(), 1);
    assert_int_equal(strncmp(told.sentence,
                         "2 of 65536 ranks, the lowest 65534:"
                         " 99.9 % of the last 100 steps",
                         60),
        0);
    assert_non_null(strstr(told.sentence, "(limit 0.000123 %); 20000 more "
                                          "within 10 steps (the last of this "
                                          "rule: more are not raised)"));
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_rank_alone_is_named_when_the_others_had_time),
        TEST(test_replicas_of_one_trouble_are_one_alert_of_the_run_at_once),
        TEST(test_whoever_had_it_first_is_named_whoever_comes_first),
        TEST(test_of_several_the_lowest_is_named_of_half_none),
        TEST(test_a_run_of_one_process_has_no_ranks),
        TEST(test_what_is_together_is_of_one_rule_attempt_and_time),
        TEST(test_who_has_it_after_it_was_raised_has_the_same),
        TEST(test_a_run_that_stops_where_a_rank_did_is_no_second_trouble),
        TEST(test_a_rank_that_joins_what_the_run_has_changes_nothing),
        TEST(test_what_verdicts_say_is_never_together),
        TEST(test_nothing_is_raised_at_or_before_the_last_of_the_rank),
        TEST(test_what_was_raised_of_the_run_holds_for_its_ranks),
        TEST(test_another_attempt_raises_at_an_earlier_and_at_the_same_step),
        TEST(test_no_more_than_the_most_of_a_rule_are_raised),
        TEST(test_one_rank_does_not_drown_the_others),
        TEST(test_a_run_of_one_process_has_all_of_them),
        TEST(test_of_more_past_than_there_may_be_the_first_are_kept),
        TEST(test_what_is_not_stored_comes_again_as_it_was),
        TEST(test_the_earliest_step_is_raised_first),
        TEST(test_the_last_step_is_of_what_was_raised_and_of_what_waits),
        TEST(test_the_longest_sentence_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

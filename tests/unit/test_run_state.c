/* The state of a run as a function of facts and time. */
#include "pure/run_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define NOW (1700000000 * S)

static const struct run_facts running = {
    .heard_wall_ns = NOW, .last_step_wall_ns = NOW, .step_interval_ns = S
};

static enum run_state at(struct run_facts facts, int64_t now)
{
    struct run_limits limits = RUN_LIMITS_DEFAULT;
    return run_state_at(&facts, now, &limits);
}

static struct run_facts heard_at(int64_t now)
{
    struct run_facts facts = running;
    facts.heard_wall_ns = now;
    return facts;
}

static void test_a_run_that_steps_is_live(void **state)
{
    (void)state;
    assert_int_equal(at(running, NOW), RUN_LIVE);
    assert_int_equal(at(running, NOW + 30 * S), RUN_LIVE);
}

static void test_silence_is_lost_and_a_sign_of_life_live_again(void **state)
{
    (void)state;
    assert_int_equal(at(running, NOW + 30 * S + 1), RUN_LOST);
    struct run_facts again = running;
    again.heard_wall_ns = NOW + 40 * S;
    again.last_step_wall_ns = NOW + 40 * S;
    assert_int_equal(at(again, NOW + 41 * S), RUN_LIVE);
}

static void test_heard_without_a_step_is_stalled_after_30_s(void **state)
{
    (void)state;
    assert_int_equal(at(heard_at(NOW + 30 * S), NOW + 30 * S), RUN_LIVE);
    assert_int_equal(at(heard_at(NOW + 30 * S), NOW + 30 * S + 1), RUN_STALLED);
}

static void test_slow_steps_stall_after_ten_intervals(void **state)
{
    (void)state;
    struct run_facts slow = heard_at(NOW + 600 * S);
    slow.step_interval_ns = 60 * S;
    assert_int_equal(at(slow, NOW + 600 * S), RUN_LIVE);
    slow.heard_wall_ns = NOW + 601 * S;
    assert_int_equal(at(slow, NOW + 601 * S), RUN_STALLED);
}

static void test_a_run_before_its_first_step_is_not_stalled(void **state)
{
    (void)state;
    struct run_facts loading = { .heard_wall_ns = NOW };
    assert_int_equal(at(loading, NOW + 20 * S), RUN_LIVE);
}

static void test_a_writer_gone_without_finish_is_lost_at_once(void **state)
{
    (void)state;
    struct run_facts gone = running;
    gone.writer_gone = true;
    assert_int_equal(at(gone, NOW), RUN_LOST);
}

static void test_finish_stands_whatever_the_time(void **state)
{
    (void)state;
    struct run_facts finished = running;
    finished.finished = true;
    finished.writer_gone = true;
    assert_int_equal(at(finished, NOW + 1000000 * S), RUN_FINISHED);
    finished.exit_code = -1;
    assert_int_equal(at(finished, NOW), RUN_FAILED);
}

static void test_times_of_any_size_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(at(running, NOW - 1000 * S), RUN_LIVE);
    assert_int_equal(at(heard_at(INT64_MIN), INT64_MAX), RUN_LOST);
    assert_int_equal(at(heard_at(INT64_MAX), INT64_MIN), RUN_LIVE);
    struct run_facts never = heard_at(INT64_MAX);
    never.step_interval_ns = INT64_MAX;
    assert_int_equal(at(never, INT64_MAX), RUN_LIVE);
}

static void test_states_have_the_names_of_the_api(void **state)
{
    (void)state;
    assert_string_equal(run_state_name(RUN_LIVE), "live");
    assert_string_equal(run_state_name(RUN_STALLED), "stalled");
    assert_string_equal(run_state_name(RUN_LOST), "lost");
    assert_string_equal(run_state_name(RUN_FINISHED), "finished");
    assert_string_equal(run_state_name(RUN_FAILED), "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_steps_is_live),
        cmocka_unit_test(test_silence_is_lost_and_a_sign_of_life_live_again),
        cmocka_unit_test(test_heard_without_a_step_is_stalled_after_30_s),
        cmocka_unit_test(test_slow_steps_stall_after_ten_intervals),
        cmocka_unit_test(test_a_run_before_its_first_step_is_not_stalled),
        cmocka_unit_test(test_a_writer_gone_without_finish_is_lost_at_once),
        cmocka_unit_test(test_finish_stands_whatever_the_time),
        cmocka_unit_test(test_times_of_any_size_do_not_overflow),
        cmocka_unit_test(test_states_have_the_names_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

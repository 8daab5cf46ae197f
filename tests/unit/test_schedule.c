/* When a watch probes: by interval, by budget, after spikes. Times are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/schedule.h"

#define MS INT64_C(1000000)

/* A trainer in which every step takes step_ns and every probe probe_ns. */
struct trainer {
    struct schedule schedule;
    int64_t now_ns;
    int64_t step_ns, probe_ns;
    uint64_t probes, bursts;
};

static struct trainer new_trainer(
    uint32_t every, double budget, uint32_t burst, int64_t probe_ns)
{
    struct trainer t = { .now_ns = 1, .step_ns = MS, .probe_ns = probe_ns };
    schedule_init(&t.schedule, every, budget, burst);
    schedule_start(&t.schedule, t.now_ns);
    return t;
}

static void step(struct trainer *t, bool spike)
{
    t->now_ns += t->step_ns;
    enum schedule_reason reason =
        schedule_update(&t->schedule, t->now_ns, spike);
    if (reason != SCHEDULE_NOT) {
        t->now_ns += t->probe_ns;
        schedule_probed(&t->schedule, t->probe_ns);
        t->probes++;
        t->bursts += reason == SCHEDULE_BURST;
    }
}

static void run(struct trainer *t, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        step(t, false);
    }
}

static double overhead(const struct trainer *t, uint64_t steps)
{
    return (double)t->schedule.probing_ns / (double)((int64_t)steps * MS);
}

static void test_an_interval_is_kept_from_the_first_step_on(void **state)
{
    (void)state;
    struct trainer t = new_trainer(4, 0, 0, MS);
    run(&t, 10);
    assert_int_equal(t.probes, 3);
    t = new_trainer(UINT32_MAX, 0, 4, MS);
    step(&t, true);
    run(&t, 10);
    assert_int_equal(t.probes, 0);
}

static void test_a_budget_is_spent_and_not_exceeded(void **state)
{
    (void)state;
    /* 20,000 steps of 1 ms, probes of 3 ms, 2 %: 400 ms are 133 probes. */
    struct trainer t = new_trainer(0, 0, 0, 3 * MS);
    run(&t, 20000);
    assert_in_range(t.probes, 132, 134);
    assert_true(overhead(&t, 20000) <= 0.02 * 1.01);
    t = new_trainer(0, 0.5, 0, MS / 4);
    run(&t, 1000);
    assert_true(overhead(&t, 1000) > 0.24 && overhead(&t, 1000) <= 0.5);
    assert_int_equal(t.probes, 1000); /* one a step is all there is */
}

static void test_the_first_step_is_probed_on_credit(void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.01, 0, 100 * MS);
    step(&t, false);
    assert_int_equal(t.probes, 1);
    /* 100 ms owed and 100 for the next: 20,000 ms of training. */
    run(&t, 19998);
    assert_int_equal(t.probes, 1);
    run(&t, 2);
    assert_int_equal(t.probes, 2);
}

static void test_a_budget_follows_the_cost_of_probes(void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.1, 0, MS);
    run(&t, 1000);
    t.probe_ns = 20 * MS;
    run(&t, 9000);
    assert_true(overhead(&t, 10000) <= 0.1 + 20.0 / 10000);
    assert_true(overhead(&t, 10000) > 0.1 - 20.0 / 10000);
}

static void test_a_spike_brings_a_burst_that_the_budget_pays(void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.02, 5, MS);
    run(&t, 1000);
    const uint64_t before = t.probes;
    step(&t, true);
    run(&t, 4);
    assert_int_equal(t.probes, before + 5);
    assert_in_range(t.bursts, 4, 5);
    run(&t, 3995);
    assert_true(overhead(&t, 5000) <= 0.02 + 1.0 / 5000);
}

static void test_spikes_that_follow_each_other_stay_in_the_budget(void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.02, 4, MS);
    for (int i = 0; i < 10000; i++) {
        step(&t, true);
    }
    assert_true(overhead(&t, 10000) <= 0.02 + 5.0 / 10000);
}

static void test_a_burst_beside_an_interval_comes_only_when_asked_for(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer(100, 0, 0, MS);
    run(&t, 50);
    step(&t, true);
    run(&t, 10);
    assert_int_equal(t.probes, 1);
    t = new_trainer(100, 0, 3, MS);
    run(&t, 50);
    step(&t, true);
    run(&t, 10);
    assert_int_equal(t.probes, 4);
    t = new_trainer(0, 0.02, UINT32_MAX, MS);
    run(&t, 75);
    step(&t, true);
    assert_int_equal(t.bursts, 0);
}

static void test_the_daemon_s_interval_takes_the_place_of_ours(void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.02, 0, 10 * MS);
    t.schedule.remote = 2;
    run(&t, 10);
    assert_int_equal(t.probes, 5);
    t.schedule.remote = 0;
    run(&t, 10);
    assert_int_equal(t.probes, 5); /* by budget again: 50 ms are owed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_interval_is_kept_from_the_first_step_on),
        cmocka_unit_test(test_a_budget_is_spent_and_not_exceeded),
        cmocka_unit_test(test_the_first_step_is_probed_on_credit),
        cmocka_unit_test(test_a_budget_follows_the_cost_of_probes),
        cmocka_unit_test(test_a_spike_brings_a_burst_that_the_budget_pays),
        cmocka_unit_test(test_spikes_that_follow_each_other_stay_in_the_budget),
        cmocka_unit_test(
            test_a_burst_beside_an_interval_comes_only_when_asked_for),
        cmocka_unit_test(test_the_daemon_s_interval_takes_the_place_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

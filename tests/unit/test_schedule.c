/* When a watch probes: by interval, by budget, after spikes. Times are made. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/schedule.h"

#define MS INT64_C(1000000)

/* A trainer in which every step takes step_ns and every probe probe_ns, and
 * each norm_every-th, if any does, norm_ns more: give or take noise of them. */
struct trainer {
    struct schedule schedule;
    int64_t now_ns;
    int64_t step_ns, probe_ns, norm_ns;
    uint64_t norm_every;
    double noise;
    uint64_t random;
    uint64_t probes, bursts;
    int64_t training_ns, spent_ns;
    double worst_excess_ns; /* of what was spent beyond the budget */
};

static struct trainer new_trainer(
    uint32_t every, double budget, uint32_t burst, int64_t probe_ns)
{
    struct trainer t = { .now_ns = 1, .step_ns = MS, .probe_ns = probe_ns };
    schedule_init(&t.schedule, every, budget, burst);
    schedule_start(&t.schedule, t.now_ns);
    return t;
}

/* Uniform within noise of ns. */
static int64_t about(struct trainer *t, int64_t ns)
{
    t->random = t->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    const double unit = (double)(t->random >> 11) * 0x1p-52 - 1; /* [-1, 1) */
    return ns + (int64_t)(t->noise * unit * (double)ns);
}

static void take(struct trainer *t, enum schedule_kind kind)
{
    const int64_t cost_ns =
        about(t, t->probe_ns + (kind == SCHEDULE_WITH_NORM ? t->norm_ns : 0));
    t->now_ns += cost_ns;
    t->spent_ns += cost_ns;
    schedule_probed(&t->schedule, kind, cost_ns);
    t->probes++;
}

static void step(struct trainer *t, bool spike)
{
    const int64_t step_ns = about(t, t->step_ns);
    const enum schedule_kind kind =
        t->norm_every > 0 && t->probes % t->norm_every == 0 ? SCHEDULE_WITH_NORM
                                                            : SCHEDULE_PLAIN;
    t->now_ns += step_ns;
    t->training_ns += step_ns;
    enum schedule_reason reason = schedule_update(&t->schedule, t->now_ns,
        (struct schedule_step){
            .measured = true, .spike = spike, .next = kind });
    if (reason != SCHEDULE_NOT) {
        take(t, kind);
        t->bursts += reason == SCHEDULE_BURST;
    }
    t->worst_excess_ns = fmax(t->worst_excess_ns,
        (double)t->spent_ns - t->schedule.budget * (double)t->training_ns);
}

static void run(struct trainer *t, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        step(t, false);
    }
}

static double overhead(const struct trainer *t, uint64_t steps)
{
    return (double)t->spent_ns / (double)((int64_t)steps * MS);
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
    assert_in_range(t.probes, 133, 134);
    assert_true(overhead(&t, 20000) <= 0.02 * 1.01);
    t = new_trainer(0, 0.5, 0, MS / 4);
    run(&t, 1000);
    assert_true(overhead(&t, 1000) > 0.24 && overhead(&t, 1000) <= 0.5);
    assert_int_equal(t.probes, 1000); /* one a step is all there is */
}

/* A run of 1,000 steps, or of as many as allow 40 probes if that is more. */
static void check_budget(double budget, double probe_per_step)
{
    struct trainer t = new_trainer(0, budget, UINT32_MAX, 0);
    t.probe_ns = (int64_t)(probe_per_step * (double)MS);
    t.noise = 0.5;
    run(&t, (uint64_t)fmax(1000, 40 * probe_per_step / budget));
    const double spent = (double)t.spent_ns / (double)t.training_ns / budget;
    assert_true(spent >= 0.9 && spent <= 1.1);
    assert_true(t.worst_excess_ns <= 1.5 * (double)t.probe_ns);
}

static void test_what_is_spent_is_within_a_tenth_of_the_budget(void **state)
{
    (void)state;
    static const double budgets[] = { 0.01, 0.02, 0.05, 0.2 };
    static const double probes_per_step[] = { 0.5, 1, 2.1, 5, 13, 50 };
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        for (size_t k = 0; k < sizeof probes_per_step / sizeof(double); k++) {
            check_budget(budgets[i], probes_per_step[k]);
        }
    }
}

static void test_a_dearer_kind_of_probe_is_expected_when_it_is_its_turn(
    void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.2, UINT32_MAX, 2 * MS);
    t.norm_ns = 40 * MS;
    t.norm_every = 8;
    t.noise = 0.2;
    run(&t, 20000);
    const double spent = (double)t.spent_ns / (double)t.training_ns / 0.2;
    assert_true(spent >= 0.98 && spent <= 1.02);
    /* The first came on credit, all others when half of what was expected,
     * 0.8 of 42 ms at least, was there; they cost 1.2 of it at most. */
    t.worst_excess_ns = 0;
    run(&t, 20000);
    assert_true(t.worst_excess_ns <= (1.2 - 0.8 / 2) * 42 * (double)MS);
    /* Probes without it are not held up by what it costs. */
    assert_in_range(t.probes, 40000 / 5 * 8 / 56 - 8, 40000 / 5 * 8 / 56 + 8);
}

static void test_the_first_step_is_probed_on_credit(void **state)
{
    (void)state;
    struct trainer t = new_trainer(0, 0.01, 0, 100 * MS);
    step(&t, false);
    assert_int_equal(t.probes, 1);
    /* 100 ms owed and half of the next 100: 15,000 ms of training. */
    run(&t, 14998);
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

/* Reasons after updates of which the first two of every four are measured. */
static void test_what_is_due_comes_after_the_next_measured_update(void **state)
{
    (void)state;
    struct schedule s;
    schedule_init(&s, 3, 0, 2);
    schedule_start(&s, 1);
    /* due: 0 3 6 9 12 15; spikes at 6 and 14 bring two each */
    static const enum schedule_reason reasons[] = { SCHEDULE_REGULAR,
        SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_REGULAR,
        SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_REGULAR,
        SCHEDULE_REGULAR, SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_REGULAR,
        SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_NOT, SCHEDULE_REGULAR,
        SCHEDULE_BURST };
    for (size_t k = 0; k < sizeof reasons / sizeof *reasons; k++) {
        const struct schedule_step step = {
            .measured = k % 4 < 2, .spike = k % 8 == 6, .next = SCHEDULE_PLAIN
        };
        assert_int_equal(
            schedule_update(&s, (int64_t)k * MS, step), reasons[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_interval_is_kept_from_the_first_step_on),
        cmocka_unit_test(test_a_budget_is_spent_and_not_exceeded),
        cmocka_unit_test(test_what_is_spent_is_within_a_tenth_of_the_budget),
        cmocka_unit_test(
            test_a_dearer_kind_of_probe_is_expected_when_it_is_its_turn),
        cmocka_unit_test(test_the_first_step_is_probed_on_credit),
        cmocka_unit_test(test_a_budget_follows_the_cost_of_probes),
        cmocka_unit_test(test_a_spike_brings_a_burst_that_the_budget_pays),
        cmocka_unit_test(test_spikes_that_follow_each_other_stay_in_the_budget),
        cmocka_unit_test(
            test_a_burst_beside_an_interval_comes_only_when_asked_for),
        cmocka_unit_test(test_the_daemon_s_interval_takes_the_place_of_ours),
        cmocka_unit_test(test_what_is_due_comes_after_the_next_measured_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

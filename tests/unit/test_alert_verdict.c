/* Alerts from verdicts: a learning rate beyond its limit, a law that jumps. The
 * verdicts are made by hand: what they say is all there is to it. */
#include "pure/alert_verdict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct alert_gate lr;
static bool jumped;
static uint64_t last_jump;
static struct alert found;
static struct phase_verdict phases[3];
static struct run_verdict verdict;

static int fresh(void **state)
{
    (void)state;
    lr = (struct alert_gate){ 0 };
    jumped = false;
    memset(phases, 0, sizeof phases);
    verdict = (struct run_verdict){ .v = phases, .n = 1 };
    return 0;
}

/* A law in the i-th phase: L1 with its interval. */
static void put(
    size_t i, uint64_t from_step, double L1, double low, double high)
{
    phases[i].phase.from_step = from_step;
    phases[i].intervals.absent = FIT_PRESENT;
    phases[i].intervals.ci.L1 =
        (struct fit_interval){ .estimate = L1, .low = low, .high = high };
    phases[i].verdict.kind = VERDICT_GROWS;
}

static void put_ratio(double ratio)
{
    phases[verdict.main].advice.lr_over_limit = (struct figure){ true, ratio };
}

static size_t judge(uint64_t last_step)
{
    const struct alert_limits limits = ALERT_LIMITS_DEFAULT;
    size_t n = 0;
    n += alert_verdict_lr(
        &lr, limits.lr_over_limit, &verdict, 1, last_step, &found);
    if (alert_verdict_jump(
            jumped ? &last_jump : NULL, limits.l1_jump, &verdict, 1, &found)) {
        jumped = true;
        last_jump = found.step;
        n++;
    }
    return n;
}

/* ---- lr_over_limit ---- */

static void test_a_learning_rate_beyond_its_limit_is_raised(void **state)
{
    (void)state;
    put_ratio(1);
    assert_int_equal(judge(100), 0);
    put_ratio(1.5);
    assert_int_equal(judge(200), 1);
    const struct alert *alert = &found;
    assert_int_equal(alert->rule, ALERT_LR_OVER_LIMIT);
    assert_int_equal(alert->rank, ALERT_NO_RANK);
    assert_int_equal(alert->step, 200);
    assert_true(fabs(alert->value - 1.5) < 1e-15);
    assert_true(fabs(alert->limit - 1) < 1e-15);
    assert_string_equal(alert->sentence,
        "the learning rate is 1.5 times the largest that is stable with the "
        "smoothness measured along this trajectory (step 200)");
    assert_int_equal(judge(300), 0);
}

static void test_it_is_clear_after_three_verdicts_well_below(void **state)
{
    (void)state;
    put_ratio(1.5);
    assert_int_equal(judge(1), 1);
    put_ratio(0.95); /* not well below */
    for (uint64_t step = 2; step < 10; step++) {
        assert_int_equal(judge(step), 0);
    }
    put_ratio(1.5);
    assert_int_equal(judge(10), 0);
    put_ratio(0.8);
    for (unsigned i = 1; i < ALERT_LR_CLEAR; i++) {
        assert_int_equal(judge(11), 0);
    }
    put_ratio(1.5);
    assert_int_equal(judge(12), 0);
    put_ratio(0.8);
    for (unsigned i = 0; i < ALERT_LR_CLEAR; i++) {
        assert_int_equal(judge(13), 0);
    }
    put_ratio(1.5);
    assert_int_equal(judge(14), 1);
}

static void test_without_advice_nothing_is_said_of_the_learning_rate(
    void **state)
{
    (void)state;
    assert_int_equal(judge(1), 0); /* not known */
    put_ratio(1.5);
    phases[0].advice.refusal = "flat";
    assert_int_equal(judge(2), 0);
}

static void test_the_main_phase_is_the_one_that_counts(void **state)
{
    (void)state;
    put_ratio(1.5);
    verdict.n = 2;
    verdict.main = 1;
    assert_int_equal(judge(1), 0);
    put_ratio(1.5);
    assert_int_equal(judge(2), 1);
}

/* ---- l1_jump ---- */

static void test_disjoint_slopes_more_than_twice_apart_are_raised(void **state)
{
    (void)state;
    put(0, 0, 1, 0.9, 1.1);
    put(1, 600, 3, 2.7, 3.3);
    verdict.n = 2;
    assert_int_equal(judge(1000), 1);
    const struct alert *alert = &found;
    assert_int_equal(alert->rule, ALERT_L1_JUMP);
    assert_int_equal(alert->step, 600);
    assert_true(fabs(alert->value - 3) < 1e-15);
    assert_true(fabs(alert->limit - 2) < 1e-15);
    assert_string_equal(alert->sentence,
        "L1 went from 1 to 3 at step 600: how fast smoothness grows with the "
        "gradient norm has changed, and so have the clip threshold and step "
        "size that follow");
    assert_int_equal(judge(1100), 0);
    put(1, 612, 3, 2.7, 3.3); /* the cut has moved */
    assert_int_equal(judge(1200), 0);
}

static void test_the_next_jump_is_raised_when_it_is_far_enough(void **state)
{
    (void)state;
    put(0, 0, 1, 0.9, 1.1);
    put(1, 600, 3, 2.7, 3.3);
    put(2, 600 + ALERT_L1_APART, 1, 0.9, 1.1);
    verdict.n = 2;
    assert_int_equal(judge(1000), 1);
    verdict.n = 3;
    assert_int_equal(judge(2000), 0);
    phases[2].phase.from_step++;
    assert_int_equal(judge(2000), 1);
    assert_int_equal(found.step, 601 + ALERT_L1_APART);
}

static void test_a_slope_from_nothing_is_a_jump(void **state)
{
    (void)state;
    put(0, 0, -0.1, -0.2, 0.1);
    put(1, 600, 3, 2.7, 3.3);
    verdict.n = 2;
    assert_int_equal(judge(1000), 1);
    assert_true(isinf(found.value));
}

static void test_what_is_no_jump(void **state)
{
    static const struct {
        double before[3], after[3];
    } cases[] = {
        { { 1, 0.9, 1.1 }, { 2, 1.9, 2.1 } },     /* twice, not more */
        { { 1, 0.5, 2.5 }, { 3, 2.4, 3.3 } },     /* they overlap */
        { { -3, -3.1, -2 }, { -1, -1.1, -0.9 } }, /* no slope at all */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)fresh(state);
        const double *a = cases[i].before;
        const double *b = cases[i].after;
        put(0, 0, a[0], a[1], a[2]);
        put(1, 600, b[0], b[1], b[2]);
        verdict.n = 2;
        assert_int_equal(judge(1000), 0);
    }
    (void)fresh(state);
    put(0, 0, 1, 0.9, 1.1);
    put(1, 600, 3, 2.7, 3.3);
    verdict.n = 2;
    phases[0].verdict.kind = VERDICT_NOISE_LIMITED;
    assert_int_equal(judge(1000), 0);
    phases[0].verdict.kind = VERDICT_GROWS;
    phases[1].intervals.absent = FIT_ABSENT_FEW_SAMPLES;
    assert_int_equal(judge(1000), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_learning_rate_beyond_its_limit_is_raised),
        TEST(test_it_is_clear_after_three_verdicts_well_below),
        TEST(test_without_advice_nothing_is_said_of_the_learning_rate),
        TEST(test_the_main_phase_is_the_one_that_counts),
        TEST(test_disjoint_slopes_more_than_twice_apart_are_raised),
        TEST(test_the_next_jump_is_raised_when_it_is_far_enough),
        TEST(test_a_slope_from_nothing_is_a_jump),
        TEST(test_what_is_no_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Operator norms: which are of a phase. What they say of growth is in
 * test_run_verdict.c. */
#include "pure/operators.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pure/fit_sample.h"

#define BIG (UINT64_C(1) << 53)

/* Steps BIG to BIG + 199, whose norms are 1 to 200. */
static int open_norms(void **state)
{
    static struct operator_norms norms;
    norms = (struct operator_norms){ 0 };
    for (uint64_t k = 0; k < 200; k++) {
        assert_true(operator_norms_add(&norms, BIG + k, 1, 1 + (double)k));
    }
    *state = &norms;
    return 0;
}

static int close_norms(void **state)
{
    operator_norms_done(*state);
    return 0;
}

static struct verdict_facts judged(
    const struct operator_norms *norms, uint64_t from, uint64_t to)
{
    struct verdict_facts facts = { 0 };
    const struct phase phase = { from, to, PHASE_START };
    assert_true(operators_judge(norms, &phase, 1, &facts));
    return facts;
}

static void test_edges_of_a_phase_beyond_2_53_are_exact(void **state)
{
    assert_int_equal(judged(*state, BIG + 1, BIG + 1).operator_n, 1);
    assert_int_equal(judged(*state, BIG + 1, BIG + 198).operator_n, 198);
    assert_int_equal(judged(*state, 0, UINT64_MAX).operator_n, 200);
    /* Of norms 2 to 4. */
    const struct verdict_facts facts = judged(*state, BIG + 1, BIG + 3);
    assert_true(facts.operator_high.v > 3.8 && facts.operator_high.v < 4);
}

static void test_a_phase_without_any_says_nothing(void **state)
{
    const struct verdict_facts facts = judged(*state, BIG + 200, UINT64_MAX);
    assert_int_equal(facts.operator_n, 0);
    assert_false(facts.operator_high.has);
}

/* Both grow with time, and are otherwise unrelated. */
static struct verdict_facts of_a_common_trend(uint64_t first)
{
    struct operator_norms norms = { 0 };
    for (uint64_t k = 0; k < 200; k++) {
        const double x = 100 + (double)k + (double)(k * 7919 % 101);
        const double y = 100 + (double)k + (double)(k * 104729 % 103);
        assert_true(operator_norms_add(&norms, first + k, x, y));
    }
    const struct verdict_facts facts = judged(&norms, 0, UINT64_MAX);
    operator_norms_done(&norms);
    return facts;
}

static void test_a_common_trend_is_one_wherever_steps_begin(void **state)
{
    (void)state;
    const struct verdict_facts small = of_a_common_trend(0);
    const struct verdict_facts large = of_a_common_trend(UINT64_C(1) << 62);
    assert_true(small.operator_p.has && small.operator_p.v > 0.05);
    assert_memory_equal(&small, &large, sizeof small);
}

static void test_time_is_exact_forwards_and_backwards(void **state)
{
    (void)state;
    const double back = fit_sample_time(UINT64_MAX, UINT64_MAX - 3);
    const double on = fit_sample_time(UINT64_MAX - 3, UINT64_MAX);
    assert_true(back < -2.5 && back > -3.5);
    assert_true(on > 2.5 && on < 3.5);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_norms, close_norms)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_edges_of_a_phase_beyond_2_53_are_exact),
        TEST(test_a_phase_without_any_says_nothing),
        TEST(test_a_common_trend_is_one_wherever_steps_begin),
        TEST(test_time_is_exact_forwards_and_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

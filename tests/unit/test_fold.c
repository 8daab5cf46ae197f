/* Folding: against sums in exact arithmetic (of multiples of a power of two),
 * at the edges of a batch, and with trainers that bend floating point. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <fenv.h>
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#include "traj.h"
#include "transport/fold.h"

static struct traj_step step_of(
    uint64_t number, double loss, double grad_sq, double delta_sq)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = number;
    step.loss = loss;
    step.grad_sq = grad_sq;
    step.delta_sq = delta_sq;
    return step;
}

static struct fold fold_of(uint32_t steps_max)
{
    return (struct fold){ .steps_max = steps_max };
}

/* Adds; the fold must not be due. */
static void add(struct fold *f, struct traj_step step)
{
    assert_false(fold_add(f, &step, 0));
}

static void test_a_fold_is_due_when_full(void **state)
{
    (void)state;
    struct fold f = fold_of(3);
    struct traj_step step = step_of(7, 1, 1, 1);
    for (int round = 0; round < 2; round++) {
        assert_false(fold_add(&f, &step, 0));
        assert_false(fold_add(&f, &step, 0));
        assert_true(fold_add(&f, &step, 0));
        assert_int_equal(fold_close(&f, 0)->count, 3);
        assert_false(f.is_open);
    }
}

static struct traj_step step_in(uint32_t stage, double scale, uint64_t batches)
{
    struct traj_step step = step_of(0, 1, 1, 1);
    step.stage = stage;
    step.loss_scale = scale;
    step.micro_batches = batches;
    return step;
}

static bool takes(struct traj_step first, struct traj_step next)
{
    struct fold f = fold_of(3);
    add(&f, first);
    return fold_takes(&f, &next);
}

static void test_a_unit_is_a_stage_and_the_factors_it_names(void **state)
{
    (void)state;
    const uint32_t plain = TRAJ_STAGE_UNSCALED;
    const uint32_t both = TRAJ_STAGE_SCALED | TRAJ_STAGE_ACCUMULATED;
    const uint64_t none = TRAJ_UNSET_COUNT;
    assert_true(takes(step_in(both, 8, 4), step_in(both, 8, 4)));
    assert_false(takes(step_in(both, 8, 4), step_in(both, 16, 4)));
    assert_false(takes(step_in(both, 8, 4), step_in(both, 8, 2)));
    assert_false(takes(step_in(both, 8, 4), step_in(plain, 8, 4)));
    assert_true(takes(step_in(plain, 8, 4), step_in(plain, 16, 2)));
    assert_true(takes(step_in(TRAJ_STAGE_SCALED, traj_unset(), none),
        step_in(TRAJ_STAGE_SCALED, traj_unset(), none)));
}

static struct traj_step step_with(uint64_t flags)
{
    struct traj_step step = step_of(0, 1, 1, 1);
    step.flags = flags;
    return step;
}

/* An overflow that the loss scaler left out is no fault, and what is not finite
 * in any other step is one: a fold with both could not be judged. */
static void test_an_overflow_that_was_left_out_is_told_apart(void **state)
{
    (void)state;
    const uint64_t seen = TRAJ_STEP_FOUND_INF;
    const uint64_t handled = TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED;
    const uint64_t other = TRAJ_STEP_CLIPPED | TRAJ_STEP_SPIKE;
    assert_true(takes(step_with(handled), step_with(handled)));
    assert_true(takes(step_with(handled | other), step_with(handled)));
    assert_true(takes(step_with(TRAJ_STEP_SKIPPED), step_with(other)));
    assert_false(takes(step_with(0), step_with(handled)));
    assert_false(takes(step_with(handled), step_with(0)));
    assert_false(takes(step_with(TRAJ_STEP_SKIPPED), step_with(handled)));
    assert_false(takes(step_with(seen), step_with(handled)));
    assert_false(takes(step_with(seen), step_with(TRAJ_STEP_SKIPPED)));
}

static void test_what_a_watch_left_unmeasured_is_told_apart(void **state)
{
    (void)state;
    const uint64_t none = TRAJ_STEP_NOT_MEASURED;
    const double unset = traj_unset();
    assert_true(takes(step_with(none), step_with(none)));
    assert_true(takes(step_with(none), step_with(none | TRAJ_STEP_SPIKE)));
    assert_false(takes(step_with(none), step_with(0)));
    assert_false(takes(step_with(0), step_with(none)));
    /* What a trainer without a watch leaves unset is its own affair. */
    assert_true(takes(step_of(0, 1, unset, unset), step_of(0, 1, 1, 1)));
}

static void test_flags_that_are_not_known_are_no_flags(void **state)
{
    (void)state;
    const struct traj_step unknown = step_with(TRAJ_UNSET_COUNT);
    struct fold f = fold_of(4);
    add(&f, unknown);
    add(&f, unknown);
    const struct fold_result *r = fold_close(&f, 0);
    assert_int_equal(r->last.flags, TRAJ_UNSET_COUNT);
    assert_int_equal(r->clipped, 0);
    add(&f, unknown);
    add(&f, step_with(TRAJ_STEP_SPIKE));
    add(&f, unknown);
    assert_int_equal(fold_close(&f, 0)->last.flags, TRAJ_STEP_SPIKE);
    assert_false(takes(step_with(TRAJ_STEP_FOUND_INF), unknown));
    assert_true(takes(step_with(0), unknown));
}

static void test_a_fold_is_due_a_second_after_its_first_step(void **state)
{
    (void)state;
    struct fold f = fold_of(100);
    struct traj_step step = step_of(7, 1, 1, 1);
    const int64_t opened = 5000;
    assert_false(fold_add(&f, &step, opened));
    assert_false(fold_add(&f, &step, opened + 999999999));
    assert_true(fold_add(&f, &step, opened + 1000000000));
}

static void test_a_record_has_the_time_of_its_last_step(void **state)
{
    (void)state;
    const int64_t s = 1000000000;
    struct fold f = fold_of(100);
    struct traj_step step = step_of(7, 1, 1, 1);
    (void)fold_add(&f, &step, 5 * s);
    assert_int_equal(fold_close(&f, 60 * s)->mono_ns, 5 * s);
    /* A coarse clock up to a tick behind says less than the exact one. */
    (void)fold_add(&f, &step, 70 * s);
    assert_int_equal(
        fold_close(&f, 70 * s + 9999999)->mono_ns, 70 * s + 9999999);
    /* Time does not go back for it. */
    (void)fold_add(&f, &step, 70 * s + 4000000);
    assert_int_equal(fold_close(&f, 90 * s)->mono_ns, 70 * s + 9999999);
}

/* n numbers k/8 with 0 < k < 2^20: any sum of a few thousand is exact. */
static double eighths(uint64_t i, uint64_t salt)
{
    return (double)((i * 2654435761u + salt * 40503u) % 1048573u + 1) / 8;
}

static void test_sums_and_extremes_are_those_of_all_steps(void **state)
{
    (void)state;
    static const uint32_t lengths[] = { 1, 2, 63, 64, 65, 127, 128, 129, 1000 };
    for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
        struct fold f = fold_of(1000000);
        double sums[3] = { 0 }, min = HUGE_VAL, max = 0;
        uint64_t min_step = 0, max_step = 0;
        for (uint64_t i = 0; i < lengths[k]; i++) {
            double loss = eighths(i, 1);
            add(&f, step_of(500 + i, loss, eighths(i, 2), eighths(i, 3)));
            sums[0] += loss;
            sums[1] += eighths(i, 2);
            sums[2] += eighths(i, 3);
            min_step = loss < min ? 500 + i : min_step;
            max_step = loss > max ? 500 + i : max_step;
            min = fmin(min, loss);
            max = fmax(max, loss);
        }
        const struct fold_result *r = fold_close(&f, 0);
        assert_int_equal(r->count, lengths[k]);
        assert_int_equal(r->first_step, 500);
        assert_int_equal(r->last.step, 500 + lengths[k] - 1);
        assert_true(r->loss.total == sums[0]);
        assert_true(r->grad_sq.total == sums[1]);
        assert_true(r->delta_sq.total == sums[2]);
        assert_true(r->loss.min == min && r->loss.max == max);
        assert_int_equal(r->loss.min_step, min_step);
        assert_int_equal(r->loss.max_step, max_step);
    }
}

static void test_of_equal_extremes_the_first_is_told(void **state)
{
    (void)state;
    struct fold f = fold_of(100);
    add(&f, step_of(1, 2, 5, 0));
    add(&f, step_of(2, 1, 9, 0));
    add(&f, step_of(3, 1, 9, 0));
    add(&f, step_of(4, 2, 5, 0));
    const struct fold_result *r = fold_close(&f, 0);
    assert_int_equal(r->loss.min_step, 2);
    assert_int_equal(r->loss.max_step, 1);
    assert_int_equal(r->grad_sq.min_step, 1);
    assert_int_equal(r->grad_sq.max_step, 2);
}

static void test_what_rounding_takes_is_given_back(void **state)
{
    (void)state;
    /* 1 + 2^-60 * 1000 - 1: plain summation gives 0. Sums of squares are
     * positive, but a loss may have any sign. */
    struct fold f = fold_of(2000);
    add(&f, step_of(0, 1, 1, 1));
    for (uint64_t i = 0; i < 1000; i++) {
        add(&f, step_of(i, 0x1p-60, 0x1p-60, 0x1p-60));
    }
    add(&f, step_of(0, -1, 1, 1));
    const struct fold_result *r = fold_close(&f, 0);
    assert_true(r->loss.total == 1000 * 0x1p-60);
    assert_true(r->grad_sq.total == 2 + 1000 * 0x1p-60);
}

static void test_steps_that_are_not_finite_are_counted_and_left_out(
    void **state)
{
    (void)state;
    const double nan = (double)__builtin_nanf("");
    struct fold f = fold_of(100);
    struct traj_step counted = step_of(5, 1e9, 1e9, 1);
    add(&f, step_of(1, 2, 3, 4));
    add(&f, step_of(2, nan, 1e9, 1));
    add(&f, step_of(3, -HUGE_VAL, 1e9, 1));
    add(&f, step_of(4, 1e9, HUGE_VAL, 1));
    counted.grad_inf = 1;
    add(&f, counted);
    counted.grad_inf = 0;
    counted.grad_nan = 3;
    add(&f, counted);
    add(&f, step_of(6, 5, 6, 7));
    const struct fold_result *r = fold_close(&f, 0);
    assert_int_equal(r->count, 7);
    assert_int_equal(r->nonfinite, 5);
    assert_true(r->loss.total == 7 && r->loss.min == 2 && r->loss.max == 5);
    assert_true(r->grad_sq.total == 9 && r->delta_sq.total == 11);
    assert_int_equal(r->last.grad_nan, 3);
    assert_int_equal(r->last.grad_inf, 1);
}

static void test_a_fold_of_nothing_finite_has_no_sums(void **state)
{
    (void)state;
    struct fold f = fold_of(100);
    add(&f, step_of(1, (double)__builtin_nanf(""), 1, 1));
    const struct fold_result *r = fold_close(&f, 0);
    assert_int_equal(r->nonfinite, 1);
    assert_true(traj_is_unset(r->loss.total) && traj_is_unset(r->loss.min) &&
                traj_is_unset(r->loss.max));
    assert_true(r->loss.min_step == TRAJ_UNSET_COUNT);
    assert_false(traj_is_unset(r->last.loss)); /* the NaN itself is told */
}

static void test_a_sum_that_a_step_is_missing_from_is_not_told(void **state)
{
    (void)state;
    struct fold f = fold_of(100);
    add(&f, step_of(1, traj_unset(), 3, 4));
    add(&f, step_of(2, 8, 3, traj_unset()));
    const struct fold_result *r = fold_close(&f, 0);
    assert_int_equal(r->nonfinite, 0);
    assert_true(traj_is_unset(r->loss.total));
    assert_true(r->loss.min == 8 && r->loss.max == 8);
    assert_int_equal(r->loss.max_step, 2);
    assert_true(r->grad_sq.total == 6);
    assert_true(traj_is_unset(r->delta_sq.total));
}

static void test_flags_are_ored_and_counts_added(void **state)
{
    (void)state;
    struct fold f = fold_of(100);
    struct traj_step step = step_of(1, 1, 1, 1);
    step.flags = TRAJ_STEP_SPIKE;
    step.param_nan = 2;
    add(&f, step);
    step = step_of(2, 1, 1, 1);
    step.flags = TRAJ_STEP_SKIPPED;
    step.param_inf = 4;
    add(&f, step);
    step.param_nan = 5;
    step.flags = 0;
    step.lr = 0.5;
    add(&f, step);
    const struct fold_result *r = fold_close(&f, 0);
    assert_int_equal(r->last.flags, TRAJ_STEP_SPIKE | TRAJ_STEP_SKIPPED);
    assert_int_equal(r->last.param_nan, 7);
    assert_int_equal(r->last.param_inf, 8);
    assert_true(r->last.grad_nan == TRAJ_UNSET_COUNT);
    assert_true(r->last.lr == 0.5);
    add(&f, step_of(3, 1, 1, 1)); /* the next knows nothing of it */
    assert_int_equal(fold_close(&f, 0)->last.flags, 0);
}

static void test_clipped_is_a_flag_or_a_scale_below_one(void **state)
{
    (void)state;
    const double scales[] = { 0, 0.5, 0x1.fffffffffffffp-1, 1, 2, -1,
        (double)__builtin_nanf("") };
    struct fold f = fold_of(100);
    struct traj_step step = step_of(1, 1, 1, 1);
    add(&f, step); /* unset: not clipped */
    step.flags = TRAJ_STEP_CLIPPED;
    add(&f, step);
    step.flags = 0;
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        step.clip_scale = scales[i];
        add(&f, step);
    }
    assert_int_equal(fold_close(&f, 0)->clipped, 4);
}

static double from_bits(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_trapped_exceptions_and_odd_values_raise_nothing(void **state)
{
    (void)state;
    const double odd[] = { 1e308, 1.7e308, 5e-324, -0.0, HUGE_VAL,
        from_bits(0x7ff4000000000001u) /* signalling */, 1 };
    struct fold f = fold_of(1000);
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(FE_ALL_EXCEPT);
    for (uint64_t i = 0; i < 343; i++) {
        struct traj_step step =
            step_of(i, odd[i % 7], odd[i / 7 % 7], odd[i / 49]);
        (void)fold_add(&f, &step, 0);
    }
    const struct fold_result *r = fold_close(&f, 0);
    int raised = fetestexcept(FE_ALL_EXCEPT);
    (void)fedisableexcept(FE_ALL_EXCEPT);
    assert_int_equal(raised, 0);
    assert_int_equal(r->nonfinite, 343 - 5 * 5 * 7);
    assert_true(r->loss.total == HUGE_VAL); /* it overflows, and says so */
    assert_true(r->loss.max == 1.7e308);
}

static void test_flushing_of_the_caller_changes_no_sum(void **state)
{
    (void)state;
#if defined(__x86_64__)
    struct fold f = fold_of(1000);
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ and DAZ, as -Ofast sets them */
    for (uint64_t i = 0; i < 100; i++) {
        struct traj_step step = step_of(i, 0x1p-1074, 0x1p-1060, 0x1p-1074);
        (void)fold_add(&f, &step, 0);
    }
    const struct fold_result *r = fold_close(&f, 0);
    _mm_setcsr(before);
    assert_true(r->loss.total == 100 * 0x1p-1074);
    assert_true(r->grad_sq.total == 100 * 0x1p-1060);
    assert_true(r->loss.min == 0x1p-1074);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fold_is_due_when_full),
        cmocka_unit_test(test_a_unit_is_a_stage_and_the_factors_it_names),
        cmocka_unit_test(test_an_overflow_that_was_left_out_is_told_apart),
        cmocka_unit_test(test_what_a_watch_left_unmeasured_is_told_apart),
        cmocka_unit_test(test_flags_that_are_not_known_are_no_flags),
        cmocka_unit_test(test_a_fold_is_due_a_second_after_its_first_step),
        cmocka_unit_test(test_a_record_has_the_time_of_its_last_step),
        cmocka_unit_test(test_sums_and_extremes_are_those_of_all_steps),
        cmocka_unit_test(test_of_equal_extremes_the_first_is_told),
        cmocka_unit_test(test_what_rounding_takes_is_given_back),
        cmocka_unit_test(
            test_steps_that_are_not_finite_are_counted_and_left_out),
        cmocka_unit_test(test_a_fold_of_nothing_finite_has_no_sums),
        cmocka_unit_test(test_a_sum_that_a_step_is_missing_from_is_not_told),
        cmocka_unit_test(test_flags_are_ored_and_counts_added),
        cmocka_unit_test(test_clipped_is_a_flag_or_a_scale_below_one),
        cmocka_unit_test(test_trapped_exceptions_and_odd_values_raise_nothing),
        cmocka_unit_test(test_flushing_of_the_caller_changes_no_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

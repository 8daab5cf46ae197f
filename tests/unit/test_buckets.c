/* Tests of daemon/pure/buckets.c. */
#include "pure/buckets.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct buckets *b, uint64_t step, double value)
{
    assert_true(buckets_add(b, step, value));
}

/* A generator of its own, so that every run sees the same numbers. */
static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void test_few_values_stay_single(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 10);
    for (uint64_t step = 0; step < 10; step++) {
        add(&b, step * 1000, (double)step);
    }
    assert_int_equal(b.shift, 0);
    assert_int_equal(b.n, 10);
    assert_int_equal(b.v[7].step_first, 7000);
    assert_true(b.v[7].last == 7.0);
    buckets_done(&b);
}

static void test_one_step_spike_survives_a_million_steps(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 1000);
    for (uint64_t step = 0; step < 1000000; step++) {
        add(&b, step, step == 777777 ? 1e9 : step == 123456 ? -5.0 : 1.0);
    }
    assert_int_equal(b.shift, 10);
    assert_int_equal(b.n, 977);
    assert_true(b.v[777777 >> 10].max == 1e9);
    assert_int_equal(b.v[777777 >> 10].argmax, 777777);
    assert_true(b.v[123456 >> 10].min == -5.0);
    assert_int_equal(b.v[123456 >> 10].argmin, 123456);
    assert_int_equal(b.rows, 1000000);
    buckets_done(&b);
}

static void test_a_closed_bucket_never_changes(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 100);
    for (uint64_t step = 0; step < 6400; step++) {
        add(&b, step, sin((double)step));
    }
    assert_int_equal(b.shift, 6);
    /* One step less than the next doubling: the last bucket grows alone. */
    struct bucket before[100];
    memcpy(before, b.v, sizeof before);
    add(&b, 6399, 1e6);
    assert_int_equal(b.shift, 6);
    assert_memory_equal(before, b.v, 99 * sizeof before[0]);
    assert_true(b.v[99].max == 1e6);
    /* The doubling joins neighbours and nothing else. */
    add(&b, 6400, 0.0);
    assert_int_equal(b.shift, 7);
    assert_int_equal(b.v[1].step_first, before[2].step_first);
    assert_int_equal(b.v[1].step_last, before[3].step_last);
    assert_true(b.v[1].max == fmax(before[2].max, before[3].max));
    buckets_done(&b);
}

static void test_nonfinite_values_are_counted_and_no_extreme(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 1);
    add(&b, 0, (double)INFINITY);
    assert_true(isnan(b.v[0].min));
    add(&b, 1, 3.0);
    add(&b, 2, (double)NAN);
    add(&b, 3, -(double)INFINITY);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.v[0].count, 4);
    assert_int_equal(b.v[0].nonfinite, 3);
    assert_true(b.v[0].min == 3.0);
    assert_true(b.v[0].max == 3.0);
    assert_int_equal(b.v[0].argmax, 1);
    assert_true(b.v[0].last == -(double)INFINITY);
    buckets_done(&b);
}

static void test_of_equal_extremes_the_first_is_kept(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 1);
    for (uint64_t step = 8; step-- > 0;) {
        add(&b, step, 2.0);
    }
    assert_int_equal(b.v[0].argmin, 0);
    assert_int_equal(b.v[0].argmax, 0);
    assert_int_equal(b.v[0].step_first, 0);
    assert_int_equal(b.v[0].step_last, 7);
    buckets_done(&b);
}

static void test_last_is_the_later_of_one_step(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 4);
    add(&b, 5, 1.0);
    add(&b, 5, 2.0);
    assert_int_equal(b.n, 1);
    assert_true(b.v[0].last == 2.0);
    buckets_done(&b);
}

static void test_order_does_not_matter(void **state)
{
    (void)state;
    enum { N = 5000 };
    uint64_t seed = 42;
    static uint64_t steps[N];
    for (size_t i = 0; i < N; i++) {
        steps[i] = i * 37;
    }
    struct buckets ascending, shuffled;
    buckets_init(&ascending, 64);
    buckets_init(&shuffled, 64);
    for (size_t i = 0; i < N; i++) {
        add(&ascending, steps[i], cos((double)steps[i]));
    }
    for (size_t i = N; i-- > 1;) {
        size_t j = next_random(&seed) % (i + 1);
        uint64_t t = steps[i];
        steps[i] = steps[j];
        steps[j] = t;
    }
    for (size_t i = 0; i < N; i++) {
        add(&shuffled, steps[i], cos((double)steps[i]));
    }
    assert_int_equal(ascending.shift, shuffled.shift);
    assert_int_equal(ascending.n, shuffled.n);
    assert_memory_equal(
        ascending.v, shuffled.v, ascending.n * sizeof ascending.v[0]);
    buckets_done(&ascending);
    buckets_done(&shuffled);
}

static void test_there_are_never_more_than_asked_for(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct buckets b;
    buckets_init(&b, 10);
    for (size_t i = 0; i < 20000; i++) {
        add(&b, next_random(&seed), 1.0);
        assert_true(b.n >= 1 && b.n <= 10);
    }
    uint64_t count = 0;
    for (size_t i = 0; i < b.n; i++) {
        assert_true(i == 0 || b.v[i].key > b.v[i - 1].key);
        count += b.v[i].count;
    }
    assert_int_equal(count, 20000);
    buckets_done(&b);
}

static void test_the_ends_of_the_number_range_fit(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 1);
    add(&b, 0, 1.0);
    add(&b, UINT64_MAX, DBL_MAX);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.v[0].step_last, UINT64_MAX);
    add(&b, 5, -DBL_MAX);
    assert_int_equal(b.v[0].count, 3);
    assert_true(b.v[0].min == -DBL_MAX);
    buckets_done(&b);
}

static void test_coarsening_equals_asking_for_fewer(void **state)
{
    (void)state;
    struct buckets fine, coarse;
    buckets_init(&fine, 5000);
    buckets_init(&coarse, 20);
    for (uint64_t step = 0; step < 5000; step++) {
        add(&fine, step, sin((double)step * 0.37));
        add(&coarse, step, sin((double)step * 0.37));
    }
    buckets_coarsen(&fine, coarse.shift);
    assert_int_equal(fine.n, coarse.n);
    assert_memory_equal(fine.v, coarse.v, fine.n * sizeof fine.v[0]);
    buckets_coarsen(&fine, 1); /* smaller than what there is: nothing */
    assert_int_equal(fine.shift, coarse.shift);
    buckets_done(&fine);
    buckets_done(&coarse);
}

/* One by one, many at once, or as merged buckets of any width: the same. */
static void test_merged_and_many_are_as_one_by_one(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint64_t seed = 11;
    static uint64_t steps[N];
    static double values[N];
    for (unsigned width = 0; width < 8; width++) {
        struct buckets one, many, part, merged;
        buckets_init(&one, 100);
        buckets_init(&many, 100);
        buckets_init(&part, N);
        buckets_init(&merged, 100);
        for (size_t i = 0; i < N; i++) {
            uint64_t random = next_random(&seed);
            steps[i] = i * 2 - (i < 20 ? 0 : random % 20);
            values[i] = random % 7 == 0 ? (double)NAN : (double)(random % 9);
            add(&one, steps[i], values[i]);
        }
        assert_true(buckets_add_many(&many, steps, values, N));
        assert_true(buckets_add_many(&part, steps, values, N));
        buckets_coarsen(&part, width);
        for (size_t i = 0; i < part.n; i++) {
            assert_true(buckets_add_merged(&merged, &part.v[i]));
        }
        assert_int_equal(one.shift, 6);
        assert_int_equal(many.shift, one.shift);
        assert_int_equal(many.n, one.n);
        assert_memory_equal(many.v, one.v, one.n * sizeof one.v[0]);
        buckets_coarsen(&merged, one.shift);
        buckets_coarsen(&one, merged.shift);
        assert_int_equal(merged.n, one.n);
        assert_int_equal(merged.rows, N);
        assert_memory_equal(merged.v, one.v, one.n * sizeof one.v[0]);
        buckets_done(&one);
        buckets_done(&many);
        buckets_done(&part);
        buckets_done(&merged);
    }
}

static void test_what_values_ask_for_is_told_from_what_nodes_need(void **state)
{
    (void)state;
    struct buckets b;
    struct bucket wide = { .step_first = 100,
        .step_last = 300,
        .min = 1,
        .max = 1,
        .argmin = 100,
        .argmax = 100,
        .count = 9 };
    buckets_init(&b, 4);
    for (uint64_t step = 0; step < 16; step++) {
        add(&b, step, 0);
    }
    assert_int_equal(b.shift, 2);
    assert_int_equal(b.least, 2);
    assert_true(buckets_add_merged(&b, &wide));
    assert_int_equal(b.shift, 9); /* 100 and 300 are of one 512 */
    assert_int_equal(b.least, 2);
    assert_int_equal(b.rows, 25);
    buckets_clear(&b);
    assert_int_equal(b.n + b.rows + b.shift + b.least, 0);
    assert_int_equal(b.max, 4);
    buckets_done(&b);
}

static void test_roots_are_taken_of_values_and_not_of_steps(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 1);
    add(&b, 3, 16);
    add(&b, 4, 9);
    add(&b, 5, 25);
    buckets_take_roots(&b);
    assert_true(b.v[0].min == 3 && b.v[0].max == 5 && b.v[0].last == 5);
    assert_int_equal(b.v[0].argmin, 4);
    assert_int_equal(b.v[0].argmax, 5);
    buckets_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_values_stay_single),
        cmocka_unit_test(test_one_step_spike_survives_a_million_steps),
        cmocka_unit_test(test_a_closed_bucket_never_changes),
        cmocka_unit_test(test_nonfinite_values_are_counted_and_no_extreme),
        cmocka_unit_test(test_of_equal_extremes_the_first_is_kept),
        cmocka_unit_test(test_last_is_the_later_of_one_step),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_there_are_never_more_than_asked_for),
        cmocka_unit_test(test_the_ends_of_the_number_range_fit),
        cmocka_unit_test(test_coarsening_equals_asking_for_fewer),
        cmocka_unit_test(test_merged_and_many_are_as_one_by_one),
        cmocka_unit_test(test_what_values_ask_for_is_told_from_what_nodes_need),
        cmocka_unit_test(test_roots_are_taken_of_values_and_not_of_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

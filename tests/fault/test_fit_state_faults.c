/* The state of fits when memory runs out: each allocation fails once, and the
 * state is as it was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/alloc_faults.h"
#include "math/fit_state.h"
#include "math/random.h"

#define ROOM 65536u

struct form {
    uint8_t bytes[ROOM];
    size_t n;
};

static void form_of(const struct fit_state *state, struct form *ret)
{
    ret->n = fit_state_encode(state, ret->bytes, ROOM);
    assert_true(ret->n <= ROOM);
}

static void assert_form(const struct fit_state *state, const struct form *form)
{
    static struct form now;
    form_of(state, &now);
    assert_int_equal(now.n, form->n);
    assert_memory_equal(now.bytes, form->bytes, form->n);
}

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

static void add(struct fit_state *state, uint64_t i, int octaves)
{
    assert_true(fit_state_add(
        state, i, 1 + ldexp(unit(1, i), octaves), 1 + 100 * unit(2, i)));
}

/* How many of the allocations of an addition failed before it went through. */
static long add_with_failures(
    struct fit_state *state, uint64_t i, double x, double y)
{
    static struct form before;
    form_of(state, &before);
    for (long depth = 0;; depth++) {
        alloc_faults_fail(depth);
        const bool added = fit_state_add(state, i, x, y);
        const bool reached = alloc_faults_off();
        assert_true(added != reached);
        if (added) {
            return depth;
        }
        assert_form(state, &before);
    }
}

static void test_an_addition_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct fit_state s = { 0 };
    long failures = 0;
    for (uint64_t i = 0; i < 400; i++) {
        const double x = 1 + ldexp(unit(1, i), 6);
        failures += add_with_failures(&s, i, x, 1 + 100 * unit(2, i));
    }
    assert_true(failures > 50); /* bins and cells were made */
    /* Beyond the reach of the bins: all of them are made anew. */
    assert_true(add_with_failures(&s, 400, 0x1p33, 2) > 5);
    assert_true(s.total.plain.n == 401);
    fit_state_done(&s);
}

static void test_a_merge_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct fit_state a = { 0 };
    struct fit_state b = { 0 };
    static struct form before, other;
    for (uint64_t i = 0; i < 200; i++) {
        add(&a, i, 3);
        add(&b, i + 1000, 6);
    }
    form_of(&a, &before);
    form_of(&b, &other);
    bool merged = false;
    long depth = 0;
    for (; !merged; depth++) {
        alloc_faults_fail(depth);
        merged = fit_state_merge(&a, &b);
        (void)alloc_faults_off();
        assert_form(&b, &other);
        if (!merged) {
            assert_form(&a, &before);
        }
    }
    assert_true(depth > 20 && a.total.plain.n == 400);
    fit_state_done(&a);
    fit_state_done(&b);
}

static void test_reading_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    struct fit_state s = { 0 };
    struct fit_state back = { .n_unbinned = 77 };
    static struct form form;
    for (uint64_t i = 0; i < 200; i++) {
        add(&s, i, 6);
    }
    form_of(&s, &form);
    enum fit_decode decoded = FIT_DECODE_NOMEM;
    long depth = 0;
    for (; decoded == FIT_DECODE_NOMEM; depth++) {
        assert_int_equal(back.n_unbinned, 77);
        alloc_faults_fail(depth);
        decoded = fit_state_decode(form.bytes, form.n, &back);
        (void)alloc_faults_off();
    }
    assert_int_equal(decoded, FIT_DECODE_OK);
    assert_true(depth > 20);
    assert_form(&back, &form);
    fit_state_done(&s);
    fit_state_done(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_addition_that_fails_changes_nothing),
        cmocka_unit_test(test_a_merge_that_fails_changes_nothing),
        cmocka_unit_test(test_reading_that_fails_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

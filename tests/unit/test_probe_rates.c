/* The table of wished probe intervals: its bound, and who finds what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "threads/probe_rates.h"

static struct probe_rates rates;

static int clear(void **state)
{
    (void)state;
    rates = (struct probe_rates)PROBE_RATES_INIT;
    return 0;
}

static const char *name_of(uint32_t i)
{
    static char name[RUN_UID_MAX + 1];
    (void)snprintf(name, sizeof name, "run-%u", i);
    return name;
}

static enum err_code set(const char *run_uid, uint32_t every)
{
    struct err e = { 0 };
    return probe_rates_set(&rates, run_uid, every, &e);
}

static void test_each_run_has_its_own_and_others_have_none(void **state)
{
    (void)state;
    assert_int_equal(set("a", 5), ERR_NONE);
    assert_int_equal(set("b", 7), ERR_NONE);
    assert_int_equal(set("a", 6), ERR_NONE);
    assert_int_equal(probe_rates_get(&rates, "a"), 6);
    assert_int_equal(probe_rates_get(&rates, "b"), 7);
    assert_int_equal(probe_rates_get(&rates, "aa"), 0);
    assert_int_equal(rates.n, 2);
}

static void test_zero_and_forgetting_give_the_place_back(void **state)
{
    (void)state;
    assert_int_equal(set("a", 5), ERR_NONE);
    assert_int_equal(set("b", 7), ERR_NONE);
    assert_int_equal(set("c", 9), ERR_NONE);
    assert_int_equal(set("a", 0), ERR_NONE);
    probe_rates_forget(&rates, "b");
    probe_rates_forget(&rates, "b");
    assert_int_equal(rates.n, 1);
    assert_int_equal(probe_rates_get(&rates, "a"), 0);
    assert_int_equal(probe_rates_get(&rates, "b"), 0);
    assert_int_equal(probe_rates_get(&rates, "c"), 9);
}

static void test_a_full_table_takes_no_more_runs_and_keeps_its_own(void **state)
{
    (void)state;
    struct err e = { 0 };
    for (uint32_t i = 0; i < PROBE_RATES_MAX; i++) {
        assert_int_equal(set(name_of(i), i + 1), ERR_NONE);
    }
    assert_int_equal(probe_rates_set(&rates, "one more", 5, &e), ERR_FULL);
    assert_non_null(strstr(e.text, "1024"));
    assert_int_equal(probe_rates_get(&rates, "one more"), 0);
    assert_int_equal(set(name_of(3), 77), ERR_NONE);
    assert_int_equal(set("one more", 0), ERR_NONE);
    assert_int_equal(set(name_of(9), 0), ERR_NONE);
    assert_int_equal(set("one more", 5), ERR_NONE);
    assert_int_equal(probe_rates_get(&rates, "one more"), 5);
    assert_int_equal(probe_rates_get(&rates, name_of(3)), 77);
    assert_int_equal(
        probe_rates_get(&rates, name_of(PROBE_RATES_MAX - 1)), PROBE_RATES_MAX);
}

static void test_the_longest_id_fits(void **state)
{
    (void)state;
    char longest[RUN_UID_MAX + 1];
    memset(longest, 'x', RUN_UID_MAX);
    longest[RUN_UID_MAX] = '\0';
    assert_int_equal(set(longest, PROBE_EVERY_MAX), ERR_NONE);
    assert_int_equal(probe_rates_get(&rates, longest), PROBE_EVERY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            test_each_run_has_its_own_and_others_have_none, clear),
        cmocka_unit_test_setup(
            test_zero_and_forgetting_give_the_place_back, clear),
        cmocka_unit_test_setup(
            test_a_full_table_takes_no_more_runs_and_keeps_its_own, clear),
        cmocka_unit_test_setup(test_the_longest_id_fits, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

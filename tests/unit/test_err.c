/* err: texts that fit, prefixes, stable names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void test_set_fills_and_returns_the_code(void **state)
{
    (void)state;
    struct err e = { 0 };
    assert_int_equal(err_set(&e, ERR_FULL, "disk %d", 7), ERR_FULL);
    assert_int_equal(e.code, ERR_FULL);
    assert_string_equal(e.text, "disk 7");
    assert_int_equal(err_set(NULL, ERR_BUSY, "nobody asks"), ERR_BUSY);
}

static void test_a_long_text_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err e = { 0 };
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(err_set(&e, ERR_IO, "%s", text), ERR_IO);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_int_equal(err_prefix(&e, "%s", text), ERR_IO);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static void test_prefixes_stand_in_the_order_of_the_way_up(void **state)
{
    (void)state;
    struct err e = { 0 };
    (void)err_set(&e, ERR_STORE, "disk is full");
    (void)err_prefix(&e, "commit");
    assert_int_equal(err_prefix(&e, "run %d", 17), ERR_STORE);
    assert_string_equal(e.text, "run 17: commit: disk is full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_fills_and_returns_the_code),
        cmocka_unit_test(test_a_long_text_is_cut_not_overrun),
        cmocka_unit_test(test_prefixes_stand_in_the_order_of_the_way_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

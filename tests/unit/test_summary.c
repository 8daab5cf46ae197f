/* What a chunk's summary says of its columns, byte for byte. */
#include "store/summary.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIT(field) (UINT64_C(1) << (field))

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void make(struct records *records, enum wire_kind kind, uint64_t mask)
{
    struct err e = { 0 };
    records_init(records, kind, UINT64_MAX);
    assert_int_equal(records_reserve(records, 8, mask, &e), ERR_NONE);
    records->mask = mask;
}

/* One more record with these fields; absent ones stay 0. */
static size_t add(struct records *records, uint64_t present)
{
    size_t i = records->n++;
    records->seq[i] = i + 1;
    records->present[i] = present;
    return i;
}

static void add_loss(struct records *records, uint64_t step, double loss)
{
    size_t i = add(records, BIT(STEP_step) | BIT(STEP_loss));
    records->columns[STEP_step][i] = step;
    records->columns[STEP_loss][i] = bits_of(loss);
}

static void test_extremes_are_of_the_finite_values_and_the_first_of_equals(
    void **state)
{
    (void)state;
    struct records records;
    struct summary summary;
    make(&records, WIRE_STEP, BIT(STEP_step) | BIT(STEP_loss));
    add_loss(&records, 10, (double)NAN);
    add_loss(&records, 11, 2.5);
    add_loss(&records, 12, -(double)INFINITY);
    add_loss(&records, 13, -1.5);
    add_loss(&records, 14, 2.5);
    add_loss(&records, 15, -1.5);
    add_loss(&records, 16, (double)INFINITY);
    summary_of(&records, &summary);

    assert_int_equal(summary.n, 2);
    const struct summary_column *loss = &summary.columns[1];
    assert_int_equal(loss->field, STEP_loss);
    assert_int_equal(loss->count, 7);
    assert_int_equal(loss->nan, 1);
    assert_int_equal(loss->positive_inf, 1);
    assert_int_equal(loss->negative_inf, 1);
    assert_true(loss->min == -1.5 && loss->min_step == 13);
    assert_true(loss->max == 2.5 && loss->max_step == 11);
    assert_true(isnan(loss->first));
    assert_true(isinf(loss->last) && loss->last > 0);
    records_done(&records);
}

static void test_only_records_that_have_the_field_count(void **state)
{
    (void)state;
    struct records records;
    struct summary summary;
    make(&records, WIRE_STEP, BIT(STEP_step) | BIT(STEP_loss));
    size_t without_step = add(&records, BIT(STEP_loss));
    records.columns[STEP_loss][without_step] = bits_of(-3);
    (void)add(&records, BIT(STEP_step)); /* step 0, no loss */
    add_loss(&records, 7, 1);
    summary_of(&records, &summary);

    const struct summary_column expected[] = {
        { .field = STEP_step, .count = 2, .max = 7, .max_step = 7, .last = 7 },
        { .field = STEP_loss,
            .count = 2,
            .min = -3,
            .max = 1,
            .max_step = 7,
            .first = -3,
            .last = 1 },
    };
    struct str bytes = summary_bytes(&summary);
    assert_int_equal(bytes.n, sizeof expected);
    assert_memory_equal(bytes.p, expected, sizeof expected);
    records_done(&records);
}

static void test_nothing_finite_leaves_the_extremes_0(void **state)
{
    (void)state;
    struct records records;
    struct summary summary;
    make(&records, WIRE_STEP, BIT(STEP_step) | BIT(STEP_loss));
    add_loss(&records, 5, (double)NAN);
    summary_of(&records, &summary);

    const struct summary_column *loss = &summary.columns[1];
    assert_true(loss->min == 0 && loss->max == 0);
    assert_true(loss->min_step == 0 && loss->max_step == 0);
    assert_int_equal(loss->nan, 1);
    records_done(&records);
}

static void test_texts_have_no_summary_and_signed_numbers_keep_their_sign(
    void **state)
{
    (void)state;
    struct records records;
    struct summary summary;
    make(&records, WIRE_EVENT, BIT(EVENT_text) | BIT(EVENT_exit_code));
    size_t i = add(&records, BIT(EVENT_text) | BIT(EVENT_exit_code));
    records.columns[EVENT_exit_code][i] = (uint64_t)INT64_C(-9);
    summary_of(&records, &summary);

    assert_int_equal(summary.n, 1);
    assert_int_equal(summary.columns[0].field, EVENT_exit_code);
    assert_true(summary.columns[0].min == -9 && summary.columns[0].max == -9);
    records_done(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_extremes_are_of_the_finite_values_and_the_first_of_equals),
        cmocka_unit_test(test_only_records_that_have_the_field_count),
        cmocka_unit_test(test_nothing_finite_leaves_the_extremes_0),
        cmocka_unit_test(
            test_texts_have_no_summary_and_signed_numbers_keep_their_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

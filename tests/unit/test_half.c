/* bfloat16 and binary16: every one of the 65536 of each, and every midpoint
 * between two neighbours with the floats on both sides of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "math/half.h"

struct format {
    float (*widen)(uint16_t bits);
    uint16_t (*narrow)(float value);
    uint16_t infinity, quiet;
};
static const struct format formats[] = {
    { half_from_bf16, half_to_bf16, 0x7f80, 0x40 },
    { half_from_f16, half_to_f16, 0x7c00, 0x200 },
};

static void test_binary16_has_the_values_of_the_standard(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        const int exponent = (int)(bits >> 10);
        const int mantissa = (int)(bits & 0x3ff);
        const double expected = exponent == 0
                                    ? ldexp(mantissa, -24)
                                    : ldexp(mantissa + 1024, exponent - 25);
        const double value = (double)half_from_f16((uint16_t)bits);
        assert_true(value >= expected && value <= expected);
        assert_true(
            (double)half_from_f16((uint16_t)(bits | 0x8000)) == -expected);
    }
    assert_true(isinf(half_from_f16(0x7c00)));
    assert_true(isnan(half_from_f16(0x7c01)));
}

static void test_every_number_comes_back_as_it_was(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const struct format *f = &formats[k];
        for (uint32_t bits = 0; bits <= f->infinity; bits++) {
            const uint16_t minus = (uint16_t)(bits | 0x8000);
            assert_int_equal(f->narrow(f->widen((uint16_t)bits)), bits);
            assert_int_equal(f->narrow(f->widen(minus)), minus);
        }
    }
}

static void test_every_nan_stays_a_nan_and_becomes_quiet(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const struct format *f = &formats[k];
        for (uint32_t bits = f->infinity + 1u; bits < 0x8000; bits++) {
            assert_true(isnan(f->widen((uint16_t)bits)));
            assert_int_equal(
                f->narrow(f->widen((uint16_t)bits)), bits | f->quiet);
        }
    }
}

/* The float halfway between two neighbours: exact, floats are finer. Inf stands
 * where the next number after the largest would be. */
static void check_midpoint(const struct format *f, uint16_t bits)
{
    const float low = f->widen(bits);
    const float gap = bits + 1u == f->infinity
                          ? low - f->widen((uint16_t)(bits - 1))
                          : f->widen((uint16_t)(bits + 1)) - low;
    const float middle = low + gap / 2;
    const uint16_t even = (uint16_t)(bits + (bits & 1u));
    assert_int_equal(f->narrow(middle), even);
    assert_int_equal(f->narrow(-middle), even | 0x8000);
    assert_int_equal(f->narrow(nextafterf(middle, 0)), bits);
    assert_int_equal(f->narrow(nextafterf(middle, HUGE_VALF)), bits + 1);
}

static void test_midpoints_go_to_the_even_and_all_else_to_the_nearest(
    void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        for (uint16_t bits = 1; bits < formats[k].infinity; bits++) {
            check_midpoint(&formats[k], bits);
        }
    }
    /* Below the smallest, where nextafterf cannot be asked of bits - 1. */
    assert_int_equal(half_to_f16(0x1p-25f), 0);
    assert_int_equal(half_to_f16(nextafterf(0x1p-25f, 1)), 1);
    assert_int_equal(half_to_f16(-0x1p-26f), 0x8000);
    assert_int_equal(half_to_f16(3e38f), 0x7c00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary16_has_the_values_of_the_standard),
        cmocka_unit_test(test_every_number_comes_back_as_it_was),
        cmocka_unit_test(test_every_nan_stays_a_nan_and_becomes_quiet),
        cmocka_unit_test(
            test_midpoints_go_to_the_even_and_all_else_to_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* held_env: what a trainer sets is set aside while we compute and is back
 * afterwards, whatever our arithmetic has raised. */
#define _GNU_SOURCE
#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#include "held_env.h"

struct numbers {
    double third, tiny, huge, invalid;
};

/* Rounds, underflows, overflows and makes a NaN: when the program runs. */
HELD_ENV_NOINLINE static struct numbers computed(void)
{
    static volatile double one = 1, small = 0x1p-1022, large = 0x1p1000;
    const double huge = large * large;
    return (struct numbers){ .third = one / 3,
        .tiny = small / 2,
        .huge = huge,
        .invalid = huge - huge };
}

static struct numbers computed_aside(void)
{
    struct held_env held;
    held_env_take(&held);
    const struct numbers n = computed();
    held_env_give_back(&held);
    return n;
}

static void assert_default_arithmetic(const struct numbers *n)
{
    assert_true(n->third == 0x1.5555555555555p-2);
    assert_true(n->tiny == 0x1p-1023);
    assert_true(n->huge > 0x1.fffffffffffffp1023);
    assert_true(n->invalid != n->invalid);
}

static int back_to_default(void **state)
{
    (void)state;
    return fesetenv(FE_DFL_ENV);
}

static void test_rounding_is_to_nearest_and_then_the_callers(void **state)
{
    (void)state;
    static const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        (void)fesetround(modes[i]);
        const struct numbers before = computed();
        const struct numbers n = computed_aside();
        const struct numbers after = computed();
        assert_int_equal(fegetround(), modes[i]);
        (void)fesetround(FE_TONEAREST);
        assert_default_arithmetic(&n);
        assert_true(after.third == before.third && after.huge == before.huge);
    }
}

static void test_no_flag_is_raised_and_none_is_lost(void **state)
{
    (void)state;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)computed_aside();
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    (void)feraiseexcept(FE_DIVBYZERO);
    (void)computed_aside();
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
}

static void test_traps_do_not_fire_in_us_and_are_set_again(void **state)
{
    (void)state;
    const int traps = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(traps);
    const struct numbers n = computed_aside();
    const int after = fegetexcept();
    (void)fedisableexcept(FE_ALL_EXCEPT);
    assert_int_equal(after & traps, traps);
    assert_default_arithmetic(&n);
}

static void test_one_may_be_taken_within_another(void **state)
{
    (void)state;
    (void)fesetround(FE_UPWARD);
    struct held_env outer;
    held_env_take(&outer);
    const struct numbers within = computed_aside();
    const struct numbers after = computed();
    held_env_give_back(&outer);
    const struct numbers outside = computed();
    (void)fesetround(FE_TONEAREST);
    assert_default_arithmetic(&within);
    assert_default_arithmetic(&after);
    assert_true(outside.third == 0x1.5555555555556p-2);
}

#if defined(__x86_64__)
static void test_every_bit_of_the_modes_comes_back(void **state)
{
    (void)state;
    /* Flags, FTZ, DAZ, rounding, masks: each alone beside the default. */
    for (unsigned bit = 0; bit < 16; bit++) {
        const unsigned set = 0x1f80u ^ 1u << bit;
        _mm_setcsr(set);
        const struct numbers n = computed_aside();
        const unsigned after = _mm_getcsr();
        _mm_setcsr(0x1f80u);
        assert_int_equal(after, set);
        assert_default_arithmetic(&n);
    }
}
#else
static void test_every_bit_of_the_modes_comes_back(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, back_to_default)
        TEST(test_rounding_is_to_nearest_and_then_the_callers),
        TEST(test_no_flag_is_raised_and_none_is_lost),
        TEST(test_traps_do_not_fire_in_us_and_are_set_again),
        TEST(test_one_may_be_taken_within_another),
        TEST(test_every_bit_of_the_modes_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

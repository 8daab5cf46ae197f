/* Tests of client/math/spike.c. */
#define _GNU_SOURCE
#include "math/spike.h"

#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGMA 1.482602218505602

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

static struct spike fresh(double floor)
{
    struct spike spike;
    spike_init(&spike, floor);
    return spike;
}

/* i of 0 .. 127 in an order that is no order: 37 is odd. */
static double scattered(uint32_t i)
{
    return (double)(i * 37 % SPIKE_WINDOW);
}

static struct spike of_scattered(void)
{
    struct spike spike = fresh(0);
    for (uint32_t i = 0; i < SPIKE_WINDOW; i++) {
        (void)spike_add(&spike, scattered(i));
    }
    return spike;
}

/* 0 .. 127: the median is 63.5, the distances .5, .5, 1.5, 1.5, .., 63.5, 63.5
 * and their median 32. */
static void test_z_is_the_distance_in_scaled_mads(void **state)
{
    (void)state;
    struct spike spike = of_scattered();
    assert_close(spike_add(&spike, 63.5 + 32 * SIGMA * 7), 7, 1e-14);
    spike = of_scattered();
    assert_close(spike_add(&spike, 63.5 - 32 * SIGMA * 7), -7, 1e-14);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *v, size_t n)
{
    qsort(v, n, sizeof *v, ascending);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

/* The definition, from the last n values. */
static double z_of(const double *last, size_t n, double value)
{
    double v[SPIKE_WINDOW];
    memcpy(v, last, n * sizeof *v);
    const double center = median_of(v, n);
    for (size_t i = 0; i < n; i++) {
        v[i] = fabs(v[i] - center);
    }
    return (value - center) / (SIGMA * median_of(v, n));
}

static void test_z_agrees_with_its_definition_as_the_window_moves(void **state)
{
    (void)state;
    double values[1000];
    uint64_t random = 1;
    struct spike spike = fresh(0);
    for (size_t i = 0; i < 1000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        values[i] = (double)(int64_t)random * 0x1p-63;
        /* Equal values too, and a drift. */
        values[i] = floor(values[i] * 50) + (double)i;
        const double z = spike_add(&spike, values[i]);
        const size_t n = i < SPIKE_WINDOW ? i : SPIKE_WINDOW;
        const double expected =
            i < SPIKE_WINDOW_MIN ? 0 : z_of(&values[i - n], n, values[i]);
        assert_true(fabs(z - expected) <= 1e-13 * fabs(expected));
    }
}

static void test_nothing_is_judged_before_32_values(void **state)
{
    (void)state;
    struct spike spike = fresh(0);
    for (int i = 0; i < 31; i++) {
        assert_true(spike_add(&spike, i) == 0);
    }
    assert_true(spike_add(&spike, 1e9) == 0); /* there are 31 before it */
    assert_false(spike.active);
    assert_true(spike_add(&spike, 1e9) > SPIKE_Z_ENTER);
}

static struct spike of_constant(double value, double floor)
{
    struct spike spike = fresh(floor);
    for (uint32_t i = 0; i < SPIKE_WINDOW; i++) {
        assert_true(spike_add(&spike, value) == 0);
    }
    return spike;
}

static void test_a_constant_has_the_floor_for_spread(void **state)
{
    (void)state;
    struct spike spike = of_constant(3, 0);
    assert_true(spike_add(&spike, 3) == 0);
    assert_close(spike_add(&spike, 3 + 3 * 0x1p-20 * 4), 4, 1e-9);
    spike = of_constant(3, 0.25);
    assert_true(spike_add(&spike, 4) == 4);
    spike = of_constant(0, 0);
    assert_true(spike_add(&spike, 0) == 0);
    assert_true(spike_add(&spike, 1e-300) == HUGE_VAL);
    spike = of_constant(0, 0);
    assert_true(spike_add(&spike, -1e-300) == -HUGE_VAL);
}

/* 96 times 0 and 32 times 1: the MAD is 0, the mean distance 1/4. */
static void test_mostly_equal_values_have_their_mean_distance(void **state)
{
    (void)state;
    struct spike spike = fresh(0);
    for (uint32_t i = 0; i < SPIKE_WINDOW; i++) {
        (void)spike_add(&spike, i % 4 == 0 ? 1 : 0);
    }
    assert_close(spike_add(&spike, 1), 4 / 1.2533141373155003, 1e-14);
}

static void test_what_is_not_finite_is_judged_but_not_kept(void **state)
{
    (void)state;
    struct spike spike = fresh(0);
    assert_true(spike_add(&spike, (double)NAN) == HUGE_VAL);
    assert_true(spike.active);
    assert_true(spike_add(&spike, HUGE_VAL) == HUGE_VAL);
    assert_true(spike_add(&spike, -HUGE_VAL) == -HUGE_VAL);
    assert_int_equal(spike.n, 0);
}

static bool active_after(bool before, double z)
{
    struct spike spike = of_scattered();
    spike.active = before;
    (void)spike_add(&spike, 63.5 + 32 * SIGMA * z);
    return spike.active;
}

static void test_a_spike_lasts_till_z_is_down_to_3(void **state)
{
    (void)state;
    assert_false(active_after(false, 5.9));
    assert_true(active_after(false, 6.1));
    assert_true(active_after(true, 3.1));
    assert_false(active_after(true, 2.9));
    assert_false(active_after(true, -9));
}

static void test_the_largest_doubles_do_not_overflow_into_nan(void **state)
{
    (void)state;
    struct spike spike = fresh(0);
    for (uint32_t i = 0; i < 200; i++) {
        const double z = spike_add(&spike, i % 2 == 0 ? 1.7e308 : -1.7e308);
        assert_true(z == z);
    }
}

static void test_a_trap_on_nan_does_not_fire(void **state)
{
    (void)state;
    struct spike spike = of_constant(0, 0);
    assert_true(feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW) != -1);
    const double z = spike_add(&spike, (double)NAN);
    const double next = spike_add(&spike, 1e308);
    assert_true(fedisableexcept(FE_ALL_EXCEPT) != -1);
    assert_true(z == HUGE_VAL);
    assert_true(next == HUGE_VAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_z_is_the_distance_in_scaled_mads),
        cmocka_unit_test(test_z_agrees_with_its_definition_as_the_window_moves),
        cmocka_unit_test(test_nothing_is_judged_before_32_values),
        cmocka_unit_test(test_a_constant_has_the_floor_for_spread),
        cmocka_unit_test(test_mostly_equal_values_have_their_mean_distance),
        cmocka_unit_test(test_what_is_not_finite_is_judged_but_not_kept),
        cmocka_unit_test(test_a_spike_lasts_till_z_is_down_to_3),
        cmocka_unit_test(test_the_largest_doubles_do_not_overflow_into_nan),
        cmocka_unit_test(test_a_trap_on_nan_does_not_fire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The rules for step sizes: against their formulas in long double, their
 * papers' orderings, and descents of a function on which the law is exact. */
#define _GNU_SOURCE
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <fenv.h>
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#include "traj.h"

/* Each rule is at most six roundings of 2^-53 of its own, and that many of its
 * arguments: 16 of them bound the relative error. */
#define BOUND (16 * 0x1p-53L)

static const enum traj_rule rules[] = { TRAJ_RULE_FIXED, TRAJ_RULE_CLIPPED,
    TRAJ_RULE_NORMALIZED, TRAJ_RULE_L0L1, TRAJ_RULE_OPTIMAL,
    TRAJ_RULE_CLIPPED_L0L1 };
#define RULES (sizeof rules / sizeof rules[0])

static void assert_close(double value, long double expected)
{
    assert_true(
        fabsl((long double)value - expected) <= BOUND * fabsl(expected));
}

static bool is_nan(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
}

/* Laws and norms over many orders of magnitude, 0 among them. */
struct at {
    double L0, L1, G;
};
#define GRID 9u
static struct at at(size_t i)
{
    static const double values[GRID] = { 0, 1e-12, 3e-5, 0.02, 0.7, 1, 13, 6e4,
        2e9 };
    return (struct at){ values[i % GRID], values[i / GRID % GRID],
        values[i / GRID / GRID] };
}
#define GRID_POINTS (GRID * GRID * GRID)

/* ---- the formulas -------------------------------------------------------- */

/* ln(1 + w)/u by log1p in long double; where u is small by three terms. */
static long double optimal(long double L0, long double L1, long double G)
{
    long double t = L1 * G / L0;
    return t < 1e-6L ? (1 - 1.5L * t + 7 * t * t / 3) / L0
                     : log1pl(L1 * G / (L0 + L1 * G)) / (L1 * G);
}

static void test_the_values_of_the_published_example(void **state)
{
    (void)state;
    /* L0 = L1 = 1, M = 100: GD needs 4 * 101 * 10/.1^2 = 404000 steps. */
    assert_close(traj_rule_step(TRAJ_RULE_FIXED, 1, 1, 100), 1.0L / 202);
    assert_close(traj_rule_step(TRAJ_RULE_CLIPPED, 1, 1, 0.05), 0.1L);
    assert_close(traj_rule_step(TRAJ_RULE_CLIPPED, 1, 1, 100), 0.001L);
    assert_close(traj_rule_step(TRAJ_RULE_NORMALIZED, 1, 1, 100), 0.1L / 101);
    assert_close(traj_rule_step(TRAJ_RULE_L0L1, 1, 1, 100), 1.0L / 151);
    assert_close(traj_rule_step(TRAJ_RULE_OPTIMAL, 1, 1, 1), logl(1.5L));
    assert_close(traj_rule_step(TRAJ_RULE_CLIPPED_L0L1, 1, 1, 0.5), 0.5L);
    assert_close(traj_rule_step(TRAJ_RULE_CLIPPED_L0L1, 1, 1, 2), 1.0L / 6);
}

static void test_each_rule_is_its_formula_over_the_whole_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < GRID_POINTS; i++) {
        struct at p = at(i);
        p.L0 += 1e-7;
        p.L1 += 1e-7;
        p.G += 1e-7;
        long double L0 = (long double)p.L0, L1 = (long double)p.L1,
                    G = (long double)p.G;
        long double gamma = fminl(10 * L0, L0 / L1);
        const long double expected[RULES] = { 1 / (2 * (L0 + L1 * G)),
            fminl(1, gamma / G) / (10 * L0), gamma / (10 * L0 * (G + gamma)),
            1 / (L0 + 1.5L * L1 * G), optimal(L0, L1, G),
            fminl(1 / (2 * L0), 1 / (3 * L1 * G)) };
        for (size_t r = 0; r < RULES; r++) {
            assert_close(
                traj_rule_step(rules[r], p.L0, p.L1, p.G), expected[r]);
        }
    }
}

static void test_the_optimal_rule_is_continuous_where_L1_vanishes(void **state)
{
    (void)state;
    /* Across the change of formula, down to products that underflow. */
    for (int e = -1074; e <= -20; e++) {
        double L1 = ldexp(1.25, e);
        assert_close(traj_rule_step(TRAJ_RULE_OPTIMAL, 3, L1, 1),
            optimal(3, ldexpl(1.25L, e), 1));
    }
    assert_close(
        traj_rule_step(TRAJ_RULE_OPTIMAL, 3, 1e-300, 1e-300), 1 / 3.0L);
    assert_close(traj_rule_step(TRAJ_RULE_OPTIMAL, 3, 0, 5), 1 / 3.0L);
    assert_close(traj_rule_step(TRAJ_RULE_OPTIMAL, 0, 2, 5), logl(2) / 10);
}

static void test_thresholds_are_where_a_rule_starts_to_clip(void **state)
{
    (void)state;
    assert_close(traj_rule_threshold(TRAJ_RULE_CLIPPED, 3, 0.5), 6);
    assert_close(traj_rule_threshold(TRAJ_RULE_CLIPPED, 3, 0.01), 30);
    assert_close(traj_rule_threshold(TRAJ_RULE_CLIPPED, 3, 0), 30);
    assert_close(traj_rule_threshold(TRAJ_RULE_CLIPPED_L0L1, 3, 0.5), 4);
    assert_true(traj_rule_threshold(TRAJ_RULE_CLIPPED_L0L1, 3, 0) > DBL_MAX);
    assert_true(traj_rule_threshold(TRAJ_RULE_CLIPPED, 0, 0) > DBL_MAX);
    assert_true(traj_rule_threshold(TRAJ_RULE_FIXED, 3, 1) > DBL_MAX);
    assert_true(traj_rule_threshold(TRAJ_RULE_NORMALIZED, 3, 1) > DBL_MAX);
    assert_true(traj_rule_threshold(TRAJ_RULE_L0L1, 3, 1) > DBL_MAX);
    assert_true(traj_rule_threshold(TRAJ_RULE_OPTIMAL, 3, 1) > DBL_MAX);
}

/* Below the threshold the step is as at 0, above the product with ||g|| is. */
static void test_clipping_rules_are_constant_then_of_constant_length(
    void **state)
{
    (void)state;
    static const enum traj_rule clipping[] = { TRAJ_RULE_CLIPPED,
        TRAJ_RULE_CLIPPED_L0L1 };
    for (size_t i = 0; i < GRID * GRID; i++) {
        double L0 = at(i).L0 + 1e-3, L1 = at(i).L1 + 1e-3;
        for (size_t r = 0; r < 2; r++) {
            double c = traj_rule_threshold(clipping[r], L0, L1);
            double lr = traj_rule_step(clipping[r], L0, L1, 0);
            assert_close(traj_rule_step(clipping[r], L0, L1, c * 0.999),
                (long double)lr);
            assert_close(traj_rule_step(clipping[r], L0, L1, c * 16),
                (long double)lr / 16);
        }
    }
}

/* ---- orderings ----------------------------------------------------------- */

static void test_optimal_is_longest_and_clipping_shortest(void **state)
{
    (void)state;
    const double slack = 1 + 0x1p-49; /* both sides rounded as above */
    for (size_t i = 1; i < GRID_POINTS; i++) {
        struct at p = at(i);
        double best = traj_rule_step(TRAJ_RULE_OPTIMAL, p.L0, p.L1, p.G);
        double si = traj_rule_step(TRAJ_RULE_L0L1, p.L0, p.L1, p.G);
        double cl = traj_rule_step(TRAJ_RULE_CLIPPED_L0L1, p.L0, p.L1, p.G);
        assert_true(best * slack >= si);
        assert_true(si * slack >= cl);
        assert_true(cl > 0);
    }
}

static void test_normalizing_is_clipping_within_a_factor_of_two(void **state)
{
    (void)state;
    const double slack = 1 + 0x1p-49;
    for (size_t i = 0; i < GRID_POINTS; i++) {
        struct at p = at(i);
        double c = traj_rule_step(TRAJ_RULE_CLIPPED, p.L0, p.L1, p.G);
        double n = traj_rule_step(TRAJ_RULE_NORMALIZED, p.L0, p.L1, p.G);
        assert_true(c / 2 <= n * slack);
        assert_true(n <= c * slack);
    }
}

/* ---- descents of (L0/L1^2) phi(L1 |x|), where ||H|| = L0 + L1 ||g|| -------
 */

static double s4_value(double L0, double L1, double x)
{
    return L0 / (L1 * L1) * (expm1(L1 * fabs(x)) - L1 * fabs(x));
}

static double s4_slope(double L0, double L1, double x)
{
    return copysign(L0 / L1 * expm1(L1 * fabs(x)), x);
}

/* Until so near the minimum that f is rounding: phi(z) has a relative error of
 * about 2^-52/z. Returns the worst ratio of what a step gains to
 * G^2/(2 L0 + 3 L1 G). */
static double descend(enum traj_rule rule, double L0, double L1, double x)
{
    double worst = HUGE_VAL;
    const double M = fabs(s4_slope(L0, L1, x));
    for (int k = 0; k < 1000000 && L1 * fabs(x) > 1e-3; k++) {
        double g = s4_slope(L0, L1, x), G = fabs(g);
        double h =
            traj_rule_step(rule, L0, L1, rule == TRAJ_RULE_FIXED ? M : G);
        double gain = s4_value(L0, L1, x) - s4_value(L0, L1, x - h * g);
        assert_true(gain > 0);
        worst = fmin(worst, gain * (2 * L0 + 3 * L1 * G) / (G * G));
        x -= h * g;
    }
    assert_true(L1 * fabs(x) <= 1e-3);
    return worst;
}

static void test_every_rule_descends_at_every_step(void **state)
{
    (void)state;
    for (size_t r = 0; r < RULES; r++) {
        (void)descend(rules[r], 2, 0.7, 9);
        (void)descend(rules[r], 1, 1, -6);
        (void)descend(rules[r], 0.01, 3, 2);
    }
}

static void test_the_optimal_rule_gains_what_its_theorem_says(void **state)
{
    (void)state;
    assert_true(descend(TRAJ_RULE_OPTIMAL, 2, 0.7, 9) >= 1);
    assert_true(descend(TRAJ_RULE_OPTIMAL, 1, 1, -6) >= 1);
    assert_true(descend(TRAJ_RULE_L0L1, 2, 0.7, 9) >= 1);
    assert_true(descend(TRAJ_RULE_CLIPPED_L0L1, 2, 0.7, 9) >= 0.5);
}

/* ---- the other formulas -------------------------------------------------- */

static void test_the_stochastic_step_is_its_theorem(void **state)
{
    (void)state;
    /* Each of the three terms of eta in turn, and the other branch. */
    assert_close(traj_stochastic_step(100, 1, 0.1, 4, 0), 1 / 2000.0L);
    assert_close(traj_stochastic_step(1, 10, 5, 4, 0), 1 / 6400.0L);
    assert_close(traj_stochastic_step(1, 1, 0, 1e10, 0), 1e-5L);
    assert_close(traj_stochastic_step(1, 1, 0.25, 4, 63), 1 / 32.0L);
    assert_close(traj_stochastic_step(1, 1, 0.25, 4, 1e5),
        1 / (16 * (1 / 32.0L) * 100000.25L));
    assert_close(traj_stochastic_step(0, 0, 1, 100, 5), 0.1L);
    assert_true(is_nan(traj_stochastic_step(1, 1, 1, 0, 1)));
    assert_true(is_nan(traj_stochastic_step(1, 1, -1, 1, 1)));
}

static void test_mixed_clipping_is_its_code(void **state)
{
    (void)state;
    double m = 0, g = 0;
    traj_mixed_clipping(30, 0.7, 7.5, 2, 0.125, &m, &g);
    assert_close(m, 0.7L * 30 / (1 + 30 * 2 / 7.5L));
    assert_close(g, (1 - 0.7L) * 30 / (1 + 30 * 0.125L / 7.5L));
    traj_mixed_clipping(1, 0, 1, 5, 0, &m, &g);
    assert_true(m == 0 && g == 1);
    /* lr ||g|| overflows, the step is (1 - nu) gamma/||g||. */
    traj_mixed_clipping(1e200, 0.5, 1, 0, 1e200, &m, &g);
    assert_close(m, 0.5e200L);
    assert_close(g, 0.5e-200L);
    traj_mixed_clipping(1, 1.5, 1, 1, 1, &m, &g);
    assert_true(is_nan(m) && is_nan(g));
    traj_mixed_clipping(1, 0.5, 1, 1, (double)NAN, &m, &g);
    assert_true(is_nan(m) && is_nan(g));
}

static void test_a_layers_radius_is_its_formula(void **state)
{
    (void)state;
    assert_close(traj_layer_radius(2, 0.5, 8), 8 / 6.0L);
    assert_close(traj_layer_radius(0, 67, 3), 1 / 67.0L);
    assert_close(traj_layer_radius(2, 0, 8), 4);
    assert_close(traj_layer_radius(1, 1e200, 1e200), 1e-200L);
    assert_true(traj_layer_radius(2, 0.5, 0) == 0);
    assert_true(traj_layer_radius(0, 0, 8) > DBL_MAX);
    assert_true(is_nan(traj_layer_radius(1, 1, -1)));
}

/* ---- edges --------------------------------------------------------------- */

static void test_where_the_law_bounds_nothing_the_step_is_infinite(void **state)
{
    (void)state;
    for (size_t r = 0; r < RULES; r++) {
        assert_true(traj_rule_step(rules[r], 0, 0, 3) > DBL_MAX);
        assert_true(traj_rule_step(rules[r], -0.0, -0.0, -0.0) > DBL_MAX);
        assert_true(traj_rule_step(rules[r], -0.0, 1, 1) > 0);
    }
}

/* Laws and norms from the smallest to the largest double, and Inf. */
static const double extremes[] = { 0, 5e-324, 1e-310, 1e-300, 1e-160, 1, 1e160,
    1e300, DBL_MAX, HUGE_VAL };
#define EXTREMES (sizeof extremes / sizeof extremes[0])
#define EXTREME_POINTS (EXTREMES * EXTREMES * EXTREMES)

static struct at extreme_at(size_t i)
{
    return (struct at){ extremes[i % EXTREMES],
        extremes[i / EXTREMES % EXTREMES], extremes[i / EXTREMES / EXTREMES] };
}

/* Of the exponents of long double, in which no term overflows. */
static long double exact(enum traj_rule rule, struct at p)
{
    const long double L0 = (long double)p.L0, L1 = (long double)p.L1,
                      G = (long double)p.G, u = L1 * G;
    const long double at_rest[] = { 0, 0.5L / L0, 0.1L / L0, 0.1L / L0, 1 / L0,
        1 / L0, 0.5L / L0 };
    const long double gamma = fminl(10 * L0, L0 / L1);
    const long double moving[] = { 0, 0.5L / (L0 + u),
        fminl(0.1L / L0, fminl(1, 0.1L / L1) / G),
        fminl(1, 0.1L / L1) / (G + gamma), 1 / (L0 + 1.5L * u),
        optimal(L0, L1, G), fminl(0.5L / L0, 1 / (3 * u)) };
    return p.G > 0 ? moving[rule] : at_rest[rule];
}

static bool is_infinite(struct at p)
{
    return p.L0 > DBL_MAX || p.L1 > DBL_MAX || p.G > DBL_MAX;
}

/* Right to BOUND; what is beyond double is Inf, and what is below its normal
 * numbers is there or 0. */
static void test_the_rules_hold_at_the_ends_of_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXTREME_POINTS * RULES; i++) {
        const struct at p = extreme_at(i / RULES);
        const enum traj_rule rule = rules[i % RULES];
        const double step = traj_rule_step(rule, p.L0, p.L1, p.G);
        const long double expected = exact(rule, p);
        const bool none = (p.L0 <= 0 && p.L1 <= 0) || is_infinite(p);
        const bool over =
            step > DBL_MAX && expected >= (1 - BOUND) * (long double)DBL_MAX;
        const bool right =
            fabsl((long double)step - expected) <=
            BOUND * expected + (expected < (long double)DBL_MIN ? expected : 0);
        assert_true(none || over || right);
    }
}

static void test_no_law_and_no_norm_gives_nan(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXTREME_POINTS; i++) {
        const struct at p = extreme_at(i);
        for (size_t r = 0; r < RULES; r++) {
            assert_true(traj_rule_step(rules[r], p.L0, p.L1, p.G) >= 0);
            assert_true(traj_rule_threshold(rules[r], p.L0, p.L1) >= 0);
        }
        assert_true(traj_layer_radius(p.L0, p.L1, p.G) >= 0);
    }
}

static void test_at_an_infinite_norm_only_a_law_without_L1_has_a_step(
    void **state)
{
    (void)state;
    static const double constants[RULES] = { 0.25, 0, 0, 0.5, 0.5, 0.25 };
    for (size_t r = 0; r < RULES; r++) {
        assert_true(traj_rule_step(rules[r], 2, 0, HUGE_VAL) == constants[r]);
        assert_true(traj_rule_step(rules[r], 0, 2, HUGE_VAL) == 0);
        assert_true(traj_rule_step(rules[r], 2, HUGE_VAL, 0) == 0);
        assert_true(traj_rule_step(rules[r], 0, HUGE_VAL, 0) == 0);
    }
    assert_true(traj_rule_threshold(TRAJ_RULE_CLIPPED, 1, HUGE_VAL) == 0);
    assert_true(
        traj_rule_threshold(TRAJ_RULE_CLIPPED_L0L1, HUGE_VAL, HUGE_VAL) == 0);
    assert_close(traj_rule_threshold(TRAJ_RULE_CLIPPED_L0L1, DBL_MAX, 1),
        (long double)DBL_MAX / 1.5L);
}

static void test_an_infinite_norm_or_law_stops(void **state)
{
    (void)state;
    for (size_t r = 0; r < RULES; r++) {
        assert_true(traj_rule_step(rules[r], 1, 1, HUGE_VAL) == 0);
        assert_true(traj_rule_step(rules[r], HUGE_VAL, 1, 1) == 0);
        assert_true(traj_rule_step(rules[r], 1, HUGE_VAL, 1) == 0);
        assert_true(traj_rule_step(rules[r], 1e308, 1, 1e9) > 0);
    }
}

static void test_wrong_arguments_give_nan(void **state)
{
    (void)state;
    const double wrong[] = { (double)NAN, -(double)NAN, -1, -HUGE_VAL, -5e-324,
        traj_unset() };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        for (size_t r = 0; r < RULES; r++) {
            assert_true(is_nan(traj_rule_step(rules[r], wrong[i], 1, 1)));
            assert_true(is_nan(traj_rule_step(rules[r], 1, wrong[i], 1)));
            assert_true(is_nan(traj_rule_step(rules[r], 1, 1, wrong[i])));
            assert_true(is_nan(traj_rule_threshold(rules[r], wrong[i], 1)));
            assert_true(is_nan(traj_rule_threshold(rules[r], 1, wrong[i])));
        }
    }
    assert_true(is_nan(traj_rule_step((enum traj_rule)0, 1, 1, 1)));
    assert_true(is_nan(traj_rule_step((enum traj_rule)7, 1, 1, 1)));
    assert_true(is_nan(traj_rule_threshold((enum traj_rule)7, 1, 1)));
}

/* ---- callers that bend floating point ------------------------------------ */

static double signalling_nan(void)
{
    const uint64_t bits = 0x7ff4000000000001u;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_trapped_exceptions_and_signalling_nans_raise_nothing(
    void **state)
{
    (void)state;
    const double inputs[] = { 0, 5e-324, 1, 1e308, HUGE_VAL, (double)NAN,
        signalling_nan() };
    const size_t n = sizeof inputs / sizeof inputs[0];
    double m = 0, g = 0;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(FE_ALL_EXCEPT);
    for (size_t i = 0; i < n * n * n; i++) {
        double a = inputs[i % n], b = inputs[i / n % n], c = inputs[i / n / n];
        for (size_t r = 0; r < RULES; r++) {
            (void)traj_rule_step(rules[r], a, b, c);
            (void)traj_rule_threshold(rules[r], a, b);
        }
        (void)traj_stochastic_step(a, b, c, a, b);
        (void)traj_layer_radius(a, b, c);
        traj_mixed_clipping(a, 0.5, b, c, a, &m, &g);
    }
    int raised = fetestexcept(FE_ALL_EXCEPT);
    (void)fedisableexcept(FE_ALL_EXCEPT);
    assert_int_equal(raised, 0);
}

static void test_rounding_and_flushing_of_the_caller_change_nothing(
    void **state)
{
    (void)state;
    for (size_t i = 0; i < GRID_POINTS; i++) {
        struct at p = at(i);
        for (size_t r = 0; r < RULES; r++) {
            double plain = traj_rule_step(rules[r], p.L0, p.L1, p.G);
            (void)fesetround(FE_UPWARD);
            double upward = traj_rule_step(rules[r], p.L0, p.L1, p.G);
            (void)fesetround(FE_TONEAREST);
            assert_memory_equal(&plain, &upward, sizeof plain);
        }
    }
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ and DAZ, as -Ofast sets them */
    double flushed = traj_rule_step(TRAJ_RULE_L0L1, 0x1p-1023, 0, 0);
    double tiny = traj_rule_step(TRAJ_RULE_L0L1, 1, 0x1p1000, 0x1p23);
    _mm_setcsr(before);
    assert_close(flushed, 0x1p1023L);
    assert_close(tiny, 1 / (1 + 1.5L * 0x1p1023L));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_values_of_the_published_example),
        cmocka_unit_test(test_each_rule_is_its_formula_over_the_whole_range),
        cmocka_unit_test(test_the_optimal_rule_is_continuous_where_L1_vanishes),
        cmocka_unit_test(test_thresholds_are_where_a_rule_starts_to_clip),
        cmocka_unit_test(
            test_clipping_rules_are_constant_then_of_constant_length),
        cmocka_unit_test(test_optimal_is_longest_and_clipping_shortest),
        cmocka_unit_test(test_normalizing_is_clipping_within_a_factor_of_two),
        cmocka_unit_test(test_every_rule_descends_at_every_step),
        cmocka_unit_test(test_the_optimal_rule_gains_what_its_theorem_says),
        cmocka_unit_test(test_the_stochastic_step_is_its_theorem),
        cmocka_unit_test(test_mixed_clipping_is_its_code),
        cmocka_unit_test(test_a_layers_radius_is_its_formula),
        cmocka_unit_test(
            test_where_the_law_bounds_nothing_the_step_is_infinite),
        cmocka_unit_test(test_the_rules_hold_at_the_ends_of_double),
        cmocka_unit_test(test_no_law_and_no_norm_gives_nan),
        cmocka_unit_test(
            test_at_an_infinite_norm_only_a_law_without_L1_has_a_step),
        cmocka_unit_test(test_an_infinite_norm_or_law_stops),
        cmocka_unit_test(test_wrong_arguments_give_nan),
        cmocka_unit_test(
            test_trapped_exceptions_and_signalling_nans_raise_nothing),
        cmocka_unit_test(
            test_rounding_and_flushing_of_the_caller_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The probe of parameters in several arrays, of every dtype. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "../lib/probe_rig.h"
#include "math/element.h"
#include "traj.h"

static void assert_same_numbers(
    const struct traj_probe *a, const struct traj_probe *b, double tolerance)
{
    assert_close(a->smoothness, b->smoothness, tolerance);
    assert_close(a->grad_sq, b->grad_sq, tolerance);
    assert_close(a->grad_mid_sq, b->grad_mid_sq, tolerance);
    assert_close(a->grad_end_sq, b->grad_end_sq, tolerance);
    assert_close(a->delta_sq, b->delta_sq, tolerance);
    assert_close(a->dgrad_sq, b->dgrad_sq, tolerance);
    assert_close(a->grad_delta, b->grad_delta, tolerance);
    assert_close(a->dgrad_delta, b->dgrad_delta, tolerance);
    assert_close(a->grad_grad_end, b->grad_grad_end, tolerance);
    assert_close(a->param_sq, b->param_sq, tolerance);
    assert_close(a->rounding_floor, b->rounding_floor, tolerance);
    assert_close(a->ceiling, b->ceiling, tolerance);
    assert_int_equal(a->n_points, b->n_points);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->grad_evals, b->grad_evals);
}

static void test_one_segment_or_seven_give_the_same_numbers(void **state)
{
    (void)state;
    static const size_t one[] = { 50 };
    static const size_t seven[] = { 1, 16, 0, 17, 3, 5, 8 };
    struct probe_rig whole;
    struct probe_rig split;
    probe_rig_radial(&whole, one, 1);
    probe_rig_radial(&split, seven, 7);
    probe_rig_run(&whole);
    probe_rig_run(&split);
    assert_same_numbers(&split.probe, &whole.probe, 1e-15);
    const double law = 2 + 0.7 * sqrt(whole.probe.grad_sq);
    assert_true(whole.probe.smoothness < law); /* it descends */
}

static void test_the_flat_form_is_one_segment(void **state)
{
    (void)state;
    static const size_t one[] = { 50 };
    struct probe_rig r;
    probe_rig_radial(&r, one, 1);
    probe_rig_run(&r);
    const struct traj_probe as_segment = r.probe;
    r.calls = 0;
    r.input.dtype = TRAJ_F64;
    r.input.n = 50;
    r.input.param = r.segments[0].param;
    r.input.param_start = r.segments[0].param_start;
    r.input.grad_start = r.segments[0].grad_start;
    r.input.segments = NULL;
    r.input.n_segments = 0;
    r.input.gradient = probe_rig_flat_callback;
    assert_int_equal(probe_rig_try(&r), TRAJ_OK);
    assert_memory_equal(&r.probe, &as_segment, sizeof as_segment);
}

/* ---- dtypes ------------------------------------------------------------- */

static void test_all_dtypes_of_exact_numbers_give_exact_sums(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_integers(&r);
    probe_rig_segment(&r, TRAJ_F32, 2, 0);
    probe_rig_segment(&r, TRAJ_BF16, 2, 0);
    probe_rig_segment(&r, TRAJ_F64, 2, 0);
    probe_rig_segment(&r, TRAJ_F16, 2, 0);
    probe_rig_run(&r);
    /* g = 4 i; d = 2, -4, ...; dg = i d; sums of i^2: odd 84, even 120. */
    assert_true(r.probe.grad_sq == 16 * 204);
    assert_true(r.probe.delta_sq == 4 * 4 + 4 * 16);
    assert_true(r.probe.dgrad_sq == 4 * 84 + 16 * 120);
    assert_true(r.probe.grad_delta == 4 * (2 * 16 - 4 * 20));
    assert_true(r.probe.dgrad_delta == 4 * 16 + 16 * 20);
    assert_close(r.probe.smoothness, sqrt(2256. / 80), 1e-15);
    assert_int_equal(r.probe.dtype, TRAJ_BF16); /* the coarsest */
    /* Each segment rounds by its own u: of g, then of the larger gradient at
     * x_gamma = 5, 2, ..., where the maximum is attained first. */
    const double u_sq[] = { 0x1p-48, 0x1p-16, 0x1p-106, 0x1p-22 };
    double sum = 0;
    for (size_t s = 0; s < 4; s++) {
        const double odd = (double)((2 * s + 1) * (2 * s + 1));
        const double even = (double)((2 * s + 2) * (2 * s + 2));
        sum += u_sq[s] * (odd * (16 + 25) + even * (16 + 4));
    }
    assert_close(r.probe.rounding_floor, sqrt(sum / (8 * log(2)) / 20), 1e-14);
}

static void test_points_are_rounded_to_even_in_16_bits(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_BF16, TRAJ_F16 };
    static const double gap[] = { 0x1p-7, 0x1p-10 };
    for (size_t i = 0; i < 2; i++) {
        struct probe_rig r;
        probe_rig_init(&r, (struct function){ .gradient = quadratic, .n = 1 });
        probe_rig_segment(&r, dtypes[i], 1, 0);
        r.start[0] = 1;
        r.end[0] = 1 + 3 * gap[i];
        probe_rig_run(&r);
        assert_true(r.probe.points[0].delta_sq == 4 * gap[i] * gap[i]);
        assert_true(r.probe.points[1].delta_sq == 9 * gap[i] * gap[i]);
    }
}

static void test_unit_roundoffs_are_half_a_gap_at_1(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
        TRAJ_F16 };
    for (size_t i = 0; i < 4; i++) {
        const double u = element_roundoff(dtypes[i]);
        double bits[1];
        double value = 1 + 2 * u;
        element_narrow(dtypes[i], &value, 1, bits, 0);
        element_widen(dtypes[i], bits, 0, 1, &value);
        assert_true(value == 1 + 2 * u);
        value = 1 + u;
        element_narrow(dtypes[i], &value, 1, bits, 0);
        element_widen(dtypes[i], bits, 0, 1, &value);
        assert_true(value == 1);
    }
}

/*
 * Rounding two gradients to float32 moves ||dg|| by at most u (||g|| + ||g'||)
 * = u r ceiling, and by (8 ln 2)^(1/2) 2^(1/2) = 3.34 rounding floors at most,
 * as (a + b)^2 <= 2 (a^2 + b^2); in the mean square by less than one.
 */
static void test_float32_cancellation_stays_below_the_rounding_floor(
    void **state)
{
    (void)state;
    double errors = 0;
    for (int draw = 0; draw < 50; draw++) {
        struct probe_rig r;
        probe_rig_init(
            &r, (struct function){
                    .gradient = radial, .n = 50, .L0 = 2, .L1 = 0.7 });
        probe_rig_segment(&r, TRAJ_F32, 50, 0);
        for (size_t i = 0; i < 50; i++) {
            const double k = (double)i + 50 * draw;
            r.start[i] = (double)(float)((2 + sin(k)) / 5);
            r.end[i] = (double)(float)(r.start[i] + 0.004 * sin(3 * k));
        }
        probe_rig_run(&r);
        assert_in_range((int)(1000 * sqrt(r.probe.delta_sq)), 18, 22);
        double g[PROBE_RIG_MAX];
        double end[PROBE_RIG_MAX];
        r.f.gradient(&r.f, r.start, g);
        r.f.gradient(&r.f, r.end, end);
        for (size_t i = 0; i < 50; i++) {
            g[i] -= end[i];
        }
        const double truth = norm_of(g, 50) / sqrt(r.probe.delta_sq);
        const double found = sqrt(r.probe.dgrad_sq / r.probe.delta_sq);
        const double floor_1 =
            0x1p-24 * sqrt((r.probe.grad_sq + r.probe.grad_end_sq) /
                           (8 * log(2)) / r.probe.delta_sq);
        assert_true(fabs(found - truth) <= 3.34 * floor_1);
        assert_true(fabs(found - truth) > 0);
        errors += pow((found - truth) / floor_1, 2) / 50;
    }
    assert_true(errors < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_segment_or_seven_give_the_same_numbers),
        cmocka_unit_test(test_the_flat_form_is_one_segment),
        cmocka_unit_test(test_all_dtypes_of_exact_numbers_give_exact_sums),
        cmocka_unit_test(test_points_are_rounded_to_even_in_16_bits),
        cmocka_unit_test(test_unit_roundoffs_are_half_a_gap_at_1),
        cmocka_unit_test(
            test_float32_cancellation_stays_below_the_rounding_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

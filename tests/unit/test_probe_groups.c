/* The probe by group, in the group's norm, and the noise of its callback. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "../lib/probe_rig.h"
#include "traj.h"

/* ---- groups ------------------------------------------------------------- */

static void test_a_group_has_the_formulas_of_its_elements(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    r.group_probes[0].step = 3;
    probe_rig_run(&r);
    const struct traj_probe *one = &r.group_probes[0];
    const struct traj_probe *two = &r.group_probes[1];
    /* Group 1 has i = 3, 4, 5: g = 4 i, d = 2, -4, 2. */
    assert_true(one->grad_sq == 16 * 50 && one->param_sq == 48);
    assert_true(one->delta_sq == 24 && one->grad_delta == 4 * 0);
    assert_true(one->dgrad_sq == 4 * 9 + 16 * 16 + 4 * 25);
    assert_true(one->dgrad_delta == 4 * 3 + 16 * 4 + 4 * 5);
    assert_close(one->smoothness, sqrt(392. / 24), 1e-15);
    assert_close(one->ceiling,
        (sqrt(800) + sqrt(25 * 9 + 4 * 16 + 25 * 25)) / sqrt(6), 1e-15);
    assert_int_equal(one->n_points, 2);
    assert_int_equal(one->dtype, TRAJ_F32);
    assert_int_equal(one->group, 1);
    assert_int_equal(one->step, 3);
    assert_true(traj_is_unset(one->grad_dual));
    assert_true(one->loss_end == 20);
    /* Group 2 has i = 1, 2, 6, 7. */
    assert_true(two->grad_sq == 16 * 90 && two->delta_sq == 40);
    assert_int_equal(two->group, 2);
    assert_int_equal(two->dtype, TRAJ_F64);
    assert_int_equal(two->combine, TRAJ_COMBINE_SHARD);
    /* All is more than its groups: i = 8 is of none. */
    assert_true(r.probe.grad_sq == one->grad_sq + two->grad_sq + 16 * 64);
    assert_int_equal(r.probe.group, 0);
    assert_int_equal(one->grad_evals, 2);
}

static void test_groups_do_not_change_the_probe_of_all(void **state)
{
    (void)state;
    struct probe_rig with;
    struct probe_rig without;
    probe_rig_groups(&with, TRAJ_NORM_L2, TRAJ_NORM_RMS);
    probe_rig_groups(&without, TRAJ_NORM_L2, TRAJ_NORM_RMS);
    without.input.n_groups = 0;
    for (size_t i = 0; i < 4; i++) {
        without.segments[i].group = 0;
    }
    probe_rig_run(&with);
    probe_rig_run(&without);
    assert_memory_equal(&with.probe, &without.probe, sizeof with.probe);
}

static void test_rms_and_linf_come_with_their_duals(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_RMS, TRAJ_NORM_LINF);
    probe_rig_run(&r);
    const struct traj_probe *rms = &r.group_probes[0];
    assert_int_equal(rms->norm, TRAJ_NORM_RMS);
    assert_close(rms->grad_dual, sqrt(3 * 800.), 1e-15);
    assert_close(rms->delta_norm, sqrt(6. / 3), 1e-15); /* gamma = 1/2 */
    assert_close(rms->dgrad_dual, sqrt(3 * 98.), 1e-15);
    assert_close(rms->smoothness, 3 * sqrt(392. / 24), 1e-15);
    assert_close(rms->ceiling, 3 * (sqrt(800) + sqrt(914)) / sqrt(6), 1e-15);
    assert_close(rms->rounding_floor,
        3 * 0x1p-24 * sqrt((800 + 914) / (8 * log(2)) / 6), 1e-14);
    /* Group 2, i = 1, 2, 6, 7, d = 2, -4, -4, 2: at gamma = 1 dg is 2, -8,
     * -24, 14; every gamma gives the same ratio, so the first stays. */
    const struct traj_probe *linf = &r.group_probes[1];
    assert_true(linf->grad_dual == 4 * 16);
    assert_true(linf->delta_norm == 2 && linf->dgrad_dual == 24);
    assert_true(linf->smoothness == 12);
    assert_true(linf->ceiling == (64 + (5 + 4 + 12 + 35)) / 2.);
}

/* rows x cols = 2 x 3, d = (1, 2) (2, 1, -2): singular value sqrt(5) 3. All
 * a_i are 2, so dg = 2 d, whose nuclear norm is twice that. */
static void test_a_spectral_group_is_one_matrix(void **state)
{
    (void)state;
    static const double twos[6] = { 2, 2, 2, 2, 2, 2 };
    static const double d[6] = { 2, 1, -2, 4, 2, -4 };
    struct probe_rig r;
    probe_rig_init(
        &r, (struct function){ .gradient = quadratic, .n = 6, .a = twos });
    probe_rig_segment(&r, TRAJ_F64, 6, 1);
    probe_rig_group(&r, (struct traj_group){
                            .norm = TRAJ_NORM_SPECTRAL, .rows = 2, .cols = 3 });
    for (size_t i = 0; i < 6; i++) {
        r.start[i] = d[i];
        r.end[i] = 2 * d[i];
    }
    probe_rig_run(&r);
    const struct traj_probe *spectral = &r.group_probes[0];
    const double sigma = sqrt(5) * 3;
    assert_close(spectral->grad_dual, sqrt(2. / 3) * 2 * sigma, 1e-6);
    assert_close(spectral->smoothness, 2 * 2. / 3, 1e-6);
    assert_close(spectral->smoothness,
        spectral->dgrad_dual / spectral->delta_norm, 1e-15);
}

static void test_a_frozen_group_is_tiny_and_the_rest_is_measured(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    r.end[2] = r.end[3] = r.end[4] = 4;
    probe_rig_run(&r);
    assert_int_equal(r.group_probes[0].flags, TRAJ_PROBE_TINY_STEP);
    assert_int_equal(r.group_probes[0].n_points, 0);
    assert_true(traj_is_unset(r.group_probes[0].smoothness));
    assert_true(r.group_probes[0].grad_sq == 800);
    assert_int_equal(r.group_probes[1].flags, 0);
    assert_int_equal(r.group_probes[1].n_points, 2);
    assert_int_equal(r.probe.flags, 0);
}

static void nan_far_out(const struct function *f, const double *x, double *g)
{
    quadratic(f, x, g);
    g[0] = x[0] > 5.5 ? (double)NAN : g[0];
}

static void test_a_nan_is_flagged_in_its_group_alone(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    r.f.gradient = nan_far_out;
    probe_rig_run(&r);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NONFINITE);
    assert_int_equal(r.group_probes[0].flags, 0);
    assert_int_equal(r.group_probes[1].flags, TRAJ_PROBE_NONFINITE);
    assert_true(r.probe.smoothness_gamma == 0.5);
    assert_true(isnan(r.probe.points[1].grad_sq));
}

/* ---- noise of the callback ---------------------------------------------- */

static void test_what_a_repetition_differs_by_is_the_noise_floor(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_RMS, TRAJ_NORM_L2);
    r.hidden = 0.25;
    r.input.check_idempotence = 1;
    probe_rig_run(&r);
    /* The first call adds 1/4 to element 0, of group 2. */
    assert_close(r.probe.idempotence, 0.25 / sqrt(16 * 204.), 1e-15);
    assert_true(r.probe.smoothness_gamma == 1);
    assert_close(r.probe.noise_floor, 0.25 / sqrt(80), 1e-15);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NOT_IDEMPOTENT);
    assert_true(r.probe.loss == 10);
    assert_true(r.group_probes[0].noise_floor == 0);
    assert_int_equal(r.group_probes[0].flags, 0);
    assert_close(r.group_probes[1].noise_floor, 0.25 / sqrt(40), 1e-15);
    assert_int_equal(r.group_probes[1].flags, TRAJ_PROBE_NOT_IDEMPOTENT);
}

static void test_a_sample_below_twice_its_noise_is_noise_limited(void **state)
{
    (void)state;
    /* ||dg|| at gamma = 1/2 is 23.7 without noise, which is h in a repetition
     * and h/2 here: at h = 5 it is above 2 h, at h = 40 below. */
    static const double hidden[] = { 5, 40 };
    static const uint64_t limited[] = { 0, TRAJ_PROBE_NOISE_LIMITED };
    for (size_t i = 0; i < 2; i++) {
        struct probe_rig r;
        probe_rig_integers(&r);
        probe_rig_segment(&r, TRAJ_F64, 8, 0);
        r.hidden = hidden[i];
        r.input.check_idempotence = 1;
        r.input.n_gammas = 1;
        probe_rig_run(&r);
        assert_int_equal(r.probe.flags & TRAJ_PROBE_NOISE_LIMITED, limited[i]);
        assert_true((r.probe.smoothness < 2 * r.probe.noise_floor) ==
                    (limited[i] != 0));
    }
}

static void test_a_noise_floor_of_the_caller_stays_and_is_judged(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_integers(&r);
    probe_rig_segment(&r, TRAJ_F64, 8, 0);
    r.probe.noise_floor = 3;
    probe_rig_run(&r);
    assert_true(r.probe.noise_floor == 3); /* smoothness is 5.3 */
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NOISE_LIMITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_has_the_formulas_of_its_elements),
        cmocka_unit_test(test_groups_do_not_change_the_probe_of_all),
        cmocka_unit_test(test_rms_and_linf_come_with_their_duals),
        cmocka_unit_test(test_a_spectral_group_is_one_matrix),
        cmocka_unit_test(test_a_frozen_group_is_tiny_and_the_rest_is_measured),
        cmocka_unit_test(test_a_nan_is_flagged_in_its_group_alone),
        cmocka_unit_test(test_what_a_repetition_differs_by_is_the_noise_floor),
        cmocka_unit_test(test_a_sample_below_twice_its_noise_is_noise_limited),
        cmocka_unit_test(test_a_noise_floor_of_the_caller_stays_and_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of daemon/pure/diagnostics.c and its parts: what a few rows give. The
 * figures of whole runs are compared with numpy in tests/integration. */
#include "pure/diagnostics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traj.h"

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

struct record {
    uint64_t bits[WIRE_FIELDS_MAX];
    const uint64_t *columns[WIRE_FIELDS_MAX];
    uint64_t present;
};

static void set_bits(struct record *r, unsigned field, uint64_t bits)
{
    r->bits[field] = bits;
    r->present |= ROW_BIT(field);
}

static void set(struct record *r, unsigned field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    set_bits(r, field, bits);
}

static struct row row_of(struct record *r)
{
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        r->columns[f] = (r->present & ROW_BIT(f)) != 0 ? &r->bits[f] : NULL;
    }
    return (struct row){ r->columns, r->present, 0 };
}

static void feed(struct diagnostics *d, struct record *r)
{
    const struct row row = row_of(r);
    assert_true(diagnostics_step(d, &row));
}

static struct record step_record(uint64_t step)
{
    struct record r = { 0 };
    set_bits(&r, STEP_step, step);
    return r;
}

static struct diagnostics fresh(uint64_t last_step)
{
    struct diagnostics d;
    diagnostics_init(&d,
        &(struct diagnostics_options){ .last_step = last_step, .world = 1 });
    return d;
}

/* S2: f = e^{ax} has (L0, L1) = (0, a), and ascending by r the bound is
 * f(x + r) exactly. */
static void test_the_bound_is_exact_where_the_law_is_saturated(void **state)
{
    (void)state;
    for (double r = 1e-8; r < 20; r *= 3) {
        const struct fit_line law = { 0, 1.3 };
        const double bound = descent_bound(law, 1, 1.3 * r, 1.3, r);
        assert_close(bound, exp(1.3 * r), 1e-14);
    }
}

/* Its part beyond first order alone, where no larger term hides an error. */
static void test_the_bound_has_no_seam(void **state)
{
    (void)state;
    const struct fit_line law = { 1, 1 };
    static const double r[] = { 2e-3, 2e-2, 0.2, 0.4999999, 0.5, 1 };
    for (size_t i = 0; i < 6; i++) {
        const long double z = (long double)r[i];
        assert_close(
            descent_bound(law, 0, 0, 0, r[i]), (double)(expm1l(z) - z), 8e-16);
    }
}

static void test_without_L1_the_bound_is_the_descent_lemma(void **state)
{
    (void)state;
    const struct fit_line law = { 8, 0 };
    assert_true(descent_bound(law, 3, -2, 100, 0.5) == 2); /* 3 - 2 + 8/8 */
    const struct fit_line nearly = { 8, 1e-12 };
    assert_close(descent_bound(nearly, 3, -2, 100, 0.5), 2, 1e-10);
    /* Beyond what a double holds nothing is forbidden. */
    const struct fit_line steep = { 1, 1 };
    assert_true(descent_bound(steep, 0, 0, 1, 1e3) == HUGE_VAL);
}

static void test_folded_steps_count_as_many(void **state)
{
    (void)state;
    struct diagnostics d = fresh(200);
    struct record r = step_record(200);
    set_bits(&r, STEP_fold_count, 50);
    set_bits(&r, STEP_fold_clipped, 20);
    set_bits(&r, STEP_fold_nonfinite, 3);
    set(&r, STEP_clip_scale, 1);
    feed(&d, &r);
    assert_int_equal(d.records, 1);
    assert_int_equal(d.steps, 50);
    assert_int_equal(d.clip.windows[0].n, 50);
    assert_int_equal(d.clip.windows[0].clipped, 20);
    assert_int_equal(d.clip.windows[0].n_scale, 0);
    assert_int_equal(d.faults.nonfinite, 3);
    diagnostics_done(&d);
}

static void test_a_fold_began_to_fail_at_its_first_step(void **state)
{
    (void)state;
    struct diagnostics d = fresh(200);
    struct record r = step_record(200);
    set_bits(&r, STEP_fold_count, 50);
    set_bits(&r, STEP_fold_first_step, 151);
    set_bits(&r, STEP_fold_nonfinite, 3);
    feed(&d, &r);
    assert_true(d.faults.has_nonfinite);
    assert_int_equal(d.faults.first_nonfinite, 151);
    diagnostics_done(&d);
}

static void test_folded_steps_are_no_neighbours(void **state)
{
    (void)state;
    struct diagnostics d = fresh(2);
    for (uint64_t k = 1; k <= 2; k++) {
        struct record r = step_record(k);
        set(&r, STEP_loss, 1);
        set(&r, STEP_grad_sq, 1);
        set(&r, STEP_grad_delta, -1);
        set(&r, STEP_delta_sq, 1);
        set_bits(&r, STEP_fold_count, k);
        feed(&d, &r);
    }
    assert_int_equal(d.descent.steps.n, 0);
    diagnostics_done(&d);
}

static void test_only_consecutive_steps_are_compared(void **state)
{
    (void)state;
    static const uint64_t steps[] = { 1, 2, 4, 5, 5, 4 };
    struct diagnostics d = fresh(5);
    for (size_t i = 0; i < 6; i++) {
        struct record r = step_record(steps[i]);
        set(&r, STEP_loss, 1);
        set(&r, STEP_grad_sq, 1);
        set(&r, STEP_grad_delta, -1);
        set(&r, STEP_delta_sq, 1);
        feed(&d, &r);
    }
    assert_int_equal(d.descent.steps.n, 2); /* 1-2 and 4-5 */
    assert_true(d.descent.steps.predicted == 2);
    diagnostics_done(&d);
}

static void test_a_clip_is_known_by_scale_threshold_or_flag(void **state)
{
    (void)state;
    struct diagnostics d = fresh(9);
    struct record nothing = step_record(1);
    set_bits(&nothing, STEP_flags, 0);
    feed(&d, &nothing); /* not known */
    struct record flag = step_record(2);
    set_bits(&flag, STEP_flags, TRAJ_STEP_CLIPPED);
    feed(&d, &flag);
    struct record threshold = step_record(3);
    set(&threshold, STEP_grad_sq, 16);
    set(&threshold, STEP_clip_threshold, 1);
    feed(&d, &threshold); /* by 1 - 1/4 */
    set(&threshold, STEP_clip_threshold, 5);
    feed(&d, &threshold); /* not clipped */
    struct record scale = step_record(4);
    set(&scale, STEP_clip_scale, 0.5);
    feed(&d, &scale);
    const struct clip_window *window = &d.clip.windows[DIAG_WINDOWS - 1];
    assert_int_equal(window->n, 4);
    assert_int_equal(window->clipped, 3);
    assert_int_equal(window->n_scale, 2);
    assert_true(window->shrink == 1.25);
    diagnostics_done(&d);
}

static void test_windows_hold_the_last_steps_by_number(void **state)
{
    (void)state;
    struct diagnostics d = fresh(1000);
    static const uint64_t steps[] = { 0, 1, 900, 901, 1000, 1001 };
    for (size_t i = 0; i < 6; i++) {
        struct record r = step_record(steps[i]);
        set(&r, STEP_clip_scale, 1);
        feed(&d, &r);
    }
    assert_int_equal(d.clip.windows[0].n, 2); /* 901, 1000 */
    assert_int_equal(d.clip.windows[1].n, 4); /* from 1 on */
    assert_int_equal(d.clip.windows[2].n, 5); /* to the last one asked for */
    diagnostics_done(&d);
}

static void test_a_norm_that_is_not_finite_is_no_sample(void **state)
{
    (void)state;
    const double thresholds[] = { 1 };
    struct diagnostics d;
    diagnostics_init(&d, &(struct diagnostics_options){ .last_step = 9,
                             .world = 1,
                             .thresholds = thresholds,
                             .n_thresholds = 1 });
    static const double squares[] = { 4, (double)NAN, (double)INFINITY };
    for (uint64_t i = 0; i < 3; i++) {
        struct record r = step_record(4 + i);
        set(&r, STEP_grad_sq, squares[i]);
        feed(&d, &r);
    }
    double threshold = 0;
    assert_int_equal(d.clip.would[0].n, 1);
    assert_true(autoclip_all(&d.clip, &threshold));
    assert_true(threshold == 2);
    assert_int_equal(d.clip.zclip.warm, 1);
    assert_false(zclip_threshold(&d.clip.zclip, &threshold));
    assert_int_equal(d.faults.nonfinite, 2);
    assert_int_equal(d.faults.first_nonfinite, 5);
    diagnostics_done(&d);
}

static struct record noisy_record(uint64_t step)
{
    struct record r = step_record(step);
    set(&r, STEP_grad_sq, 16);
    set(&r, STEP_micro_grad_sq, 40);
    set_bits(&r, STEP_micro_batches, 4);
    set_bits(&r, STEP_batch_samples, 12);
    return r;
}

/* K = 4 of 3 samples: signal (64 - 40)/3 = 8, noise (40 - 16) 12/3 = 96. */
static void test_the_noise_scale_of_one_step(void **state)
{
    (void)state;
    struct diagnostics d = fresh(1);
    struct record r = noisy_record(1);
    feed(&d, &r);
    double scale = 0;
    double error = 0;
    assert_true(noise_scale(&d.noise.windows[0], &scale));
    assert_true(scale == 12);
    assert_false(noise_scale_error(&d.noise.windows[0], &error));
    diagnostics_done(&d);
}

/* g as this rank's only counts this rank's microbatches; shards and single
 * microbatches tell nothing. */
static void test_noise_needs_to_know_the_data_behind_g(void **state)
{
    (void)state;
    struct diagnostics d;
    diagnostics_init(
        &d, &(struct diagnostics_options){ .last_step = 9, .world = 2 });
    struct record local = noisy_record(1);
    set_bits(&local, STEP_stage, TRAJ_STAGE_LOCAL);
    feed(&d, &local);
    assert_true(d.noise.windows[0].signal == 8);
    struct record shard = noisy_record(2);
    set_bits(&shard, STEP_combine, TRAJ_COMBINE_SHARD);
    feed(&d, &shard);
    struct record micro = noisy_record(3);
    set_bits(&micro, STEP_stage, TRAJ_STAGE_MICRO);
    feed(&d, &micro);
    static const unsigned needed[] = { STEP_grad_sq, STEP_micro_grad_sq,
        STEP_micro_batches, STEP_batch_samples };
    for (size_t i = 0; i < 4; i++) {
        struct record r = noisy_record(4 + i);
        r.present &= ~ROW_BIT(needed[i]);
        feed(&d, &r);
    }
    assert_int_equal(d.noise.windows[0].n, 1);
    struct record all = noisy_record(8);
    feed(&d, &all); /* K = 8: (128 - 40)/7 */
    assert_close(d.noise.windows[0].signal, (8 + 88.0 / 7) / 2, 1e-15);
    diagnostics_done(&d);
}

static void test_why_there_is_no_noise_scale_is_counted_and_said(void **state)
{
    (void)state;
    struct diagnostics d;
    diagnostics_init(
        &d, &(struct diagnostics_options){ .last_step = 99, .world = 1 });
    enum noise_absent most = NOISE_ABSENT;
    assert_false(noise_absent_most(&d.noise, &most));
    struct record records[] = { [NOISE_OF_FOLD] = noisy_record(1),
        [NOISE_OF_SHARDS] = noisy_record(2),
        [NOISE_OF_MICRO] = noisy_record(3),
        [NOISE_NO_PART_NORM] = noisy_record(4),
        [NOISE_NO_GRADIENT] = noisy_record(5),
        [NOISE_ONE_PART] = noisy_record(6),
        [NOISE_NO_SAMPLES] = noisy_record(7),
        [NOISE_NO_FACTOR] = noisy_record(8),
        [NOISE_NONFINITE] = noisy_record(9) };
    set_bits(&records[NOISE_OF_FOLD], STEP_fold_count, 2);
    set_bits(&records[NOISE_OF_SHARDS], STEP_combine, TRAJ_COMBINE_SHARD);
    set_bits(&records[NOISE_OF_MICRO], STEP_stage, TRAJ_STAGE_MICRO);
    records[NOISE_NO_PART_NORM].present &= ~ROW_BIT(STEP_micro_grad_sq);
    records[NOISE_NO_GRADIENT].present &= ~ROW_BIT(STEP_grad_sq);
    set_bits(&records[NOISE_ONE_PART], STEP_micro_batches, 1);
    records[NOISE_NO_SAMPLES].present &= ~ROW_BIT(STEP_batch_samples);
    set_bits(&records[NOISE_NO_FACTOR], STEP_stage, TRAJ_STAGE_SCALED);
    set(&records[NOISE_NONFINITE], STEP_grad_sq, INFINITY);
    for (unsigned why = 0; why < NOISE_ABSENT; why++) {
        feed(&d, &records[why]);
        assert_int_equal(d.noise.absent[why], 1);
    }
    assert_int_equal(d.noise.windows[DIAG_WINDOWS - 1].n, 0);
    /* Local norms alone lack the reduced one. */
    struct record local = noisy_record(10);
    set_bits(&local, STEP_stage, TRAJ_STAGE_LOCAL);
    local.present &= ~ROW_BIT(STEP_micro_grad_sq);
    feed(&d, &local);
    assert_true(noise_absent_most(&d.noise, &most));
    assert_int_equal(most, NOISE_NO_GRADIENT);
    assert_int_equal(d.noise.absent[NOISE_NO_GRADIENT], 2);
    diagnostics_done(&d);
}

/* 4 ranks of 8 samples: ||g||^2 = 16, mean ||g_r||^2 = 40. B_small = 8, B_big =
 * 32: signal (32*16 - 8*40)/24 = 8, noise (40 - 16)/(1/8 - 1/32) = 256. */
static void test_ranks_own_norms_before_the_reduction_are_parts(void **state)
{
    (void)state;
    struct diagnostics d;
    diagnostics_init(
        &d, &(struct diagnostics_options){ .last_step = 1, .world = 4 });
    struct record r = noisy_record(1);
    set_bits(&r, STEP_micro_batches, 1);
    set_bits(&r, STEP_batch_samples, 32);
    set_bits(&r, STEP_combine, TRAJ_COMBINE_REPLICA);
    feed(&d, &r);
    assert_true(d.noise.windows[0].signal == 8);
    assert_close(d.noise.windows[0].noise, 256, 1e-15);
    diagnostics_done(&d);
}

/* Neither clipped by nor compared: the norm of a part of the data is larger. */
static void test_a_gradient_of_less_data_is_none_of_the_step(void **state)
{
    (void)state;
    static const double thresholds[] = { 1 };
    static const uint64_t stages[] = { TRAJ_STAGE_UNSCALED, TRAJ_STAGE_MICRO,
        TRAJ_STAGE_LOCAL };
    for (size_t i = 0; i < 3; i++) {
        struct diagnostics d;
        diagnostics_init(&d, &(struct diagnostics_options){ .last_step = 2,
                                 .world = 2,
                                 .thresholds = thresholds,
                                 .n_thresholds = 1 });
        for (uint64_t k = 1; k <= 2; k++) {
            struct record r = step_record(k);
            set_bits(&r, STEP_stage, stages[i]);
            set(&r, STEP_loss, 1);
            set(&r, STEP_lr, 1);
            set(&r, STEP_grad_sq, 4);
            set(&r, STEP_delta_sq, 1);
            set(&r, STEP_grad_delta, -1);
            set(&r, STEP_dgrad_sq, 1);
            feed(&d, &r);
        }
        const uint64_t of_step = i == 0;
        assert_int_equal(d.clip.would[0].n, 2 * of_step);
        assert_int_equal(d.descent.steps.n, of_step);
        assert_int_equal(d.descent.adgd.n, of_step);
        diagnostics_done(&d);
    }
}

static void test_a_negative_signal_has_no_scale(void **state)
{
    (void)state;
    struct diagnostics d = fresh(1);
    struct record r = noisy_record(1);
    set(&r, STEP_micro_grad_sq, 80);
    feed(&d, &r);
    double scale = 0;
    assert_true(d.noise.windows[0].signal < 0);
    assert_false(noise_scale(&d.noise.windows[0], &scale));
    diagnostics_done(&d);
}

/* Quiet losses and norms of 1 +- 1/100 but where one is lifted. */
static void add_spiky(
    struct diagnostics *d, uint64_t step, double loss_lift, double norm_lift)
{
    const double wiggle = (double)(step * 37 % 100) / 5000 - 0.01;
    struct record r = step_record(step);
    const double norm = 1 + wiggle + norm_lift;
    set(&r, STEP_loss, 1 + wiggle + loss_lift);
    set(&r, STEP_grad_sq, norm * norm);
    feed(d, &r);
}

/* Lifts the norm at 200 and the loss at loss_step, then rests to the end. */
static struct diagnostics of_spikes(uint64_t loss_step, uint64_t end)
{
    struct diagnostics d = fresh(end);
    for (uint64_t k = 0; k < end; k++) {
        add_spiky(&d, k, k == loss_step ? 1 : 0, k == 200 ? 1 : 0);
    }
    return d;
}

static void test_a_spike_of_the_norm_leads_goes_along_or_is_alone(void **state)
{
    (void)state;
    const struct {
        uint64_t loss_step, end;
        uint64_t leading, with, alone;
    } rows[] = {
        { 201, 400, 1, 0, 0 },
        { 232, 400, 1, 0, 0 }, /* the last that belongs to it */
        { 233, 400, 0, 0, 1 }, { 200, 400, 0, 1, 0 }, { 168, 400, 0, 1, 0 },
        { 167, 400, 0, 0, 1 }, { 999, 400, 0, 0, 1 },
        { 999, 232, 0, 0, 0 }, /* its time is not over */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diagnostics d = of_spikes(rows[i].loss_step, rows[i].end);
        assert_int_equal(d.spikes.n_grad, 1);
        assert_int_equal(d.spikes.leading, rows[i].leading);
        assert_int_equal(d.spikes.with, rows[i].with);
        assert_int_equal(d.spikes.alone, rows[i].alone);
        diagnostics_done(&d);
    }
}

static void test_the_newest_spikes_are_kept(void **state)
{
    (void)state;
    struct diagnostics d = fresh(5000);
    assert_null(diag_spikes_recent(&d.spikes, 0));
    for (uint64_t k = 0; k < 5000; k++) {
        add_spiky(&d, k, 0, k % 200 == 199 ? 1 : 0);
    }
    assert_int_equal(d.spikes.n_grad, 25);
    assert_int_equal(diag_spikes_recent(&d.spikes, 0)->step, 4999);
    assert_int_equal(
        diag_spikes_recent(&d.spikes, SPIKES_RECENT - 1)->step, 4999 - 3000);
    assert_null(diag_spikes_recent(&d.spikes, SPIKES_RECENT));
    diagnostics_done(&d);
}

/* A quadratic with curvature 4 and lr 1/2: lambda_1 = 1/(2 * 4) whatever
 * lambda_0 is; then it may grow by sqrt(1 + theta) and no more. */
static void test_adgd_follows_its_rule(void **state)
{
    (void)state;
    struct diagnostics d = fresh(9);
    static const double curvature[] = { 0, 4, 0.01, 0.01 };
    for (uint64_t k = 0; k < 4; k++) {
        struct record r = step_record(k);
        set(&r, STEP_lr, 0.5);
        set(&r, STEP_delta_sq, 1);
        set(&r, STEP_dgrad_sq, curvature[k] * curvature[k]);
        feed(&d, &r);
    }
    const double first = 0.125;
    const double second = sqrt(1 + first / 0.5) * first;
    const double third = sqrt(1 + second / first) * second;
    assert_int_equal(d.descent.adgd.n, 3);
    assert_close(d.descent.adgd.lambda, third, 1e-15);
    assert_close(d.descent.adgd.ratio, 0.5 / third, 1e-15);
    assert_int_equal(d.descent.adgd.above, 3);
    diagnostics_done(&d);
}

static void test_an_update_of_zero_is_a_skipped_step(void **state)
{
    (void)state;
    struct diagnostics d = fresh(9);
    struct record still = step_record(1);
    set(&still, STEP_delta_sq, 0);
    set(&still, STEP_grad_sq, 0);
    feed(&d, &still); /* nothing to do */
    set(&still, STEP_grad_sq, 1);
    feed(&d, &still);
    set_bits(&still, STEP_flags, TRAJ_STEP_SKIPPED | TRAJ_STEP_FOUND_INF);
    feed(&d, &still);
    assert_int_equal(d.faults.n_updates, 3);
    assert_int_equal(d.faults.still, 3);
    assert_int_equal(d.faults.skipped, 2);
    assert_int_equal(d.faults.found_inf, 1);
    diagnostics_done(&d);
}

static void test_flags_of_what_was_not_measured_are_in_no_share(void **state)
{
    (void)state;
    struct diagnostics d = fresh(9);
    struct record r = step_record(1);
    set_bits(&r, STEP_flags,
        TRAJ_STEP_NOT_MEASURED | TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED |
            TRAJ_STEP_CLIPPED);
    feed(&d, &r);
    assert_int_equal(d.faults.n_flags + d.faults.found_inf, 0);
    assert_int_equal(d.faults.skipped, 0);
    assert_int_equal(d.clip.windows[0].n, 0);
    set_bits(&r, STEP_flags, TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED);
    feed(&d, &r);
    assert_int_equal(d.faults.n_flags, 1);
    assert_int_equal(d.faults.found_inf, 1);
    assert_int_equal(d.faults.skipped, 1);
    diagnostics_done(&d);
}

static void test_a_record_without_a_step_is_left_out(void **state)
{
    (void)state;
    struct diagnostics d = fresh(9);
    struct record r = { 0 };
    set(&r, STEP_loss, (double)NAN);
    feed(&d, &r);
    assert_int_equal(d.records, 0);
    assert_int_equal(d.faults.nonfinite, 0);
    diagnostics_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bound_is_exact_where_the_law_is_saturated),
        cmocka_unit_test(test_the_bound_has_no_seam),
        cmocka_unit_test(test_without_L1_the_bound_is_the_descent_lemma),
        cmocka_unit_test(test_folded_steps_count_as_many),
        cmocka_unit_test(test_a_fold_began_to_fail_at_its_first_step),
        cmocka_unit_test(test_folded_steps_are_no_neighbours),
        cmocka_unit_test(test_only_consecutive_steps_are_compared),
        cmocka_unit_test(test_a_clip_is_known_by_scale_threshold_or_flag),
        cmocka_unit_test(test_windows_hold_the_last_steps_by_number),
        cmocka_unit_test(test_a_norm_that_is_not_finite_is_no_sample),
        cmocka_unit_test(test_the_noise_scale_of_one_step),
        cmocka_unit_test(test_noise_needs_to_know_the_data_behind_g),
        cmocka_unit_test(test_why_there_is_no_noise_scale_is_counted_and_said),
        cmocka_unit_test(test_ranks_own_norms_before_the_reduction_are_parts),
        cmocka_unit_test(test_a_gradient_of_less_data_is_none_of_the_step),
        cmocka_unit_test(test_a_negative_signal_has_no_scale),
        cmocka_unit_test(test_a_spike_of_the_norm_leads_goes_along_or_is_alone),
        cmocka_unit_test(test_the_newest_spikes_are_kept),
        cmocka_unit_test(test_adgd_follows_its_rule),
        cmocka_unit_test(test_an_update_of_zero_is_a_skipped_step),
        cmocka_unit_test(test_flags_of_what_was_not_measured_are_in_no_share),
        cmocka_unit_test(test_a_record_without_a_step_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

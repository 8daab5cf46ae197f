/* Tests of daemon/pure/pairs.c and run_fit.c: which pairs are fitted, which
 * are left out and why, and what is said against the result. */
#include "pure/run_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "traj.h"

static const struct run_fit_query everything = {
    .regressor = PAIR_REGRESSOR_AUTO,
    .estimator = PAIR_ESTIMATOR_AUTO,
    .to_step = UINT64_MAX,
};

/* A whole pair: all norms, far below its ceiling. */
static struct pair whole_pair(uint64_t step, double x, double y)
{
    return (struct pair){
        .step = step,
        .x = { x * 1.5, x * 1.2, x },
        .y = { y * 1.25, y, y },
        .ceiling = { 100 * y, 100 * y, 100 * y },
        .estimator = TRAJ_ESTIMATOR_SAME_BATCH,
        .measured = 0x1ff,
    };
}

/* x goes up and down, so that it is no function of time. */
static double x_at(uint64_t i)
{
    return 0.5 + (double)(i * 7919 % 101) / 10;
}

static void add(struct pairs *pairs, struct pair pair)
{
    assert_true(pairs_add(pairs, &pair));
}

/* y = 2 + 3 x on n steps. */
static void add_law(struct pairs *pairs, size_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        add(pairs, whole_pair(i, x_at(i), 2 + 3 * x_at(i)));
    }
}

static struct run_fit fit(
    const struct pairs *pairs, const struct run_fit_query *query)
{
    struct run_fit ret;
    assert_true(run_fit_compute(pairs, query, &ret));
    return ret;
}

static const struct fit_line *line(const struct run_fit *fit, const char *name)
{
    for (size_t i = 0; i < FIT_METHODS; i++) {
        if (fit->report.fits[i].valid &&
            strcmp(fit->report.fits[i].method, name) == 0) {
            return &fit->report.fits[i].line;
        }
    }
    return NULL;
}

static void test_an_exact_law_is_found(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    add_law(&pairs, 200);
    struct run_fit found = fit(&pairs, &everything);
    assert_int_equal(found.regressor, FIT_REGRESSOR_SIMPSON);
    assert_int_equal(found.estimator, TRAJ_ESTIMATOR_SAME_BATCH);
    assert_int_equal(found.report.n, 200);
    assert_int_equal(found.first_step, 0);
    assert_int_equal(found.last_step, 199);
    assert_null(found.reason);
    assert_int_equal(found.warnings, 0);
    const struct fit_line *relative = line(&found, "nnls_relative");
    assert_non_null(relative);
    assert_true(fabs(relative->L0 - 2) < 1e-9);
    assert_true(fabs(relative->L1 - 3) < 1e-9);
    pairs_done(&pairs);
}

static void test_doubtful_pairs_are_left_out_and_counted(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    add_law(&pairs, 100);
    struct pair bad = whole_pair(500, 1, 1e9);
    bad.flags = TRAJ_PROBE_TINY_STEP;
    add(&pairs, bad);
    bad.flags = TRAJ_PROBE_ROUNDING;
    add(&pairs, bad);
    add(&pairs, bad);
    bad.flags = TRAJ_PROBE_NONFINITE;
    add(&pairs, bad);
    bad.flags = 0;
    bad.y[FIT_REGRESSOR_SIMPSON] = (double)INFINITY;
    add(&pairs, bad);
    bad.y[FIT_REGRESSOR_SIMPSON] = 0;
    add(&pairs, bad);
    bad.y[FIT_REGRESSOR_SIMPSON] = 1e9;
    bad.measured = 0;
    add(&pairs, bad);
    struct run_fit found = fit(&pairs, &everything);
    assert_int_equal(found.report.n, 100);
    assert_int_equal(found.report.n_excluded, 7);
    assert_int_equal(found.excluded[PAIR_TINY_STEP], 1);
    assert_int_equal(found.excluded[PAIR_ROUNDING], 2);
    assert_int_equal(found.excluded[PAIR_NONFINITE], 2);
    assert_int_equal(found.excluded[PAIR_NOT_POSITIVE], 1);
    assert_int_equal(found.excluded[PAIR_NOT_MEASURED], 1);
    assert_true(fabs(line(&found, "envelope")->L1 - 3) < 1e-6);
    pairs_done(&pairs);
}

static void test_estimator_classes_are_never_mixed(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    add_law(&pairs, 60);
    for (uint64_t i = 0; i < 40; i++) {
        struct pair other = whole_pair(i, x_at(i), 1000);
        other.estimator = TRAJ_ESTIMATOR_DIFFERENT;
        add(&pairs, other);
    }
    struct run_fit found = fit(&pairs, &everything);
    assert_int_equal(found.report.n, 60);
    assert_int_equal(found.excluded[PAIR_OTHER_ESTIMATOR], 40);
    assert_true(fabs(line(&found, "ols")->L1 - 3) < 1e-9);

    struct run_fit_query asked = everything;
    asked.estimator = TRAJ_ESTIMATOR_DIFFERENT;
    found = fit(&pairs, &asked);
    assert_int_equal(found.report.n, 40);
    assert_int_equal(found.excluded[PAIR_OTHER_ESTIMATOR], 60);
    assert_true((found.warnings & RUN_FIT_DIFFERENT_DATA) != 0);
    pairs_done(&pairs);
}

static void test_the_regressor_is_the_best_that_most_pairs_have(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    for (uint64_t i = 0; i < 100; i++) {
        struct pair pair = whole_pair(i, x_at(i), 1 + x_at(i));
        if (i % 10 != 0) {
            pair.measured &= (uint8_t) ~(1u << FIT_REGRESSOR_SIMPSON);
        }
        add(&pairs, pair);
    }
    struct run_fit found = fit(&pairs, &everything);
    assert_int_equal(found.regressor, FIT_REGRESSOR_TRAPEZOID);
    assert_int_equal(found.report.n, 100);
    struct run_fit_query asked = everything;
    asked.regressor = FIT_REGRESSOR_SIMPSON;
    found = fit(&pairs, &asked);
    assert_int_equal(found.report.n, 10);
    assert_int_equal(found.excluded[PAIR_NOT_MEASURED], 90);
    assert_string_equal(found.reason, "too_few_pairs");
    pairs_done(&pairs);
}

static void test_a_window_holds_the_steps_it_names(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    add_law(&pairs, 200);
    struct run_fit_query window = everything;
    window.from_step = 50;
    window.to_step = 99;
    struct run_fit found = fit(&pairs, &window);
    assert_int_equal(found.report.n, 50);
    assert_int_equal(found.report.n_excluded, 0);
    assert_int_equal(found.first_step, 50);
    assert_int_equal(found.last_step, 99);
    pairs_done(&pairs);
}

static void test_without_enough_pairs_there_is_a_reason_and_no_fit(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    struct run_fit found = fit(&pairs, &everything);
    assert_string_equal(found.reason, "no_probes");
    add_law(&pairs, FIT_N_MIN - 1);
    found = fit(&pairs, &everything);
    assert_string_equal(found.reason, "too_few_pairs");
    assert_null(line(&found, "ols"));
    assert_null(line(&found, "nnls_relative"));
    assert_int_equal(found.report.n, FIT_N_MIN - 1);
    pairs_done(&pairs);

    pairs_init(&pairs, 1000);
    struct pair bad = whole_pair(1, 1, 1);
    bad.flags = TRAJ_PROBE_TINY_STEP;
    add(&pairs, bad);
    found = fit(&pairs, &everything);
    assert_string_equal(found.reason, "all_excluded");
    pairs_done(&pairs);
}

static void test_a_regressor_that_follows_time_is_doubted(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    for (uint64_t i = 0; i < 100; i++) {
        double x = 1000 - 9.5 * (double)i;
        add(&pairs, whole_pair(i, x, 2 + 3 * x));
    }
    struct run_fit found = fit(&pairs, &everything);
    assert_true(found.has_spearman_step);
    assert_true(found.spearman_step == -1);
    assert_int_equal(found.warnings, RUN_FIT_MONOTONE_IN_TIME);
    pairs_done(&pairs);
}

static void test_smoothness_that_hugs_its_ceiling_is_doubted(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    for (uint64_t i = 0; i < 100; i++) {
        struct pair pair = whole_pair(i, x_at(i), 2 + 3 * x_at(i));
        pair.ceiling[FIT_REGRESSOR_SIMPSON] =
            pair.y[FIT_REGRESSOR_SIMPSON] / (i % 3 == 0 ? 0.1 : 0.7);
        add(&pairs, pair);
    }
    struct run_fit found = fit(&pairs, &everything);
    assert_true(fabs(found.ceiling_ratio - 0.7) < 1e-12);
    assert_int_equal(found.warnings, RUN_FIT_NEAR_CEILING);
    pairs_done(&pairs);
}

static void test_a_narrow_range_and_a_changing_callback_are_doubted(
    void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    for (uint64_t i = 0; i < 100; i++) {
        struct pair pair = whole_pair(i, 10 + x_at(i) / 10, 5 + x_at(i));
        pair.flags = i == 50 ? TRAJ_PROBE_NOT_IDEMPOTENT : 0;
        add(&pairs, pair);
    }
    struct run_fit found = fit(&pairs, &everything);
    assert_int_equal(found.report.n, 100);
    assert_int_equal(
        found.warnings, RUN_FIT_NARROW_RANGE | RUN_FIT_NOT_IDEMPOTENT);
    pairs_done(&pairs);
}

/* ---- rivals and the frontier ---------------------------------------------
 */

/* y = 2 + 3 (f - 1) whatever x is, f from 1 to 4 up and down, of the pairs that
 * have a loss. */
static void add_gap_law(struct pairs *pairs, size_t n, size_t with_loss)
{
    for (uint64_t i = 0; i < n; i++) {
        const double loss = 1 + 3 * (double)(i * 7 % 40) / 40;
        struct pair pair = whole_pair(i, x_at(i), 2 + 3 * (loss - 1));
        pair.loss = i < with_loss ? loss : (double)NAN;
        pair.loss_end = pair.loss;
        add(pairs, pair);
    }
}

static struct run_fit fit_gap_law(size_t n, size_t with_loss)
{
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    add_gap_law(&pairs, n, with_loss);
    const struct run_fit found = fit(&pairs, &everything);
    pairs_done(&pairs);
    return found;
}

static void test_the_rival_that_is_the_law_is_best(void **state)
{
    (void)state;
    const struct run_fit found = fit_gap_law(200, 160);
    assert_null(found.rivals_absent);
    /* With the gradient norm beside it is as good. */
    assert_true(found.rivals.of[found.rivals.best].score < 1e-12);
    assert_true(found.rivals.of[FIT_RIVAL_GRADIENT].score > 0.1);
    assert_int_equal(found.rivals.n, 160);
    assert_int_equal(found.rivals.n_excluded, 40);
    const struct fit_rival *gap = &found.rivals.of[FIT_RIVAL_GAP];
    assert_true(found.rivals.least_loss == 1 && gap->score < 1e-12);
    assert_true(fabs(gap->L0 - 2) < 1e-9 && fabs(gap->H1 - 3) < 1e-9);
    const struct figure ratio = run_fit_score_ratio(&found);
    assert_true(ratio.has && ratio.v < 1e-9);
}

static void test_fewer_than_thirty_losses_are_no_rivals(void **state)
{
    (void)state;
    assert_null(fit_gap_law(100, FIT_N_MIN).rivals_absent);
    const struct run_fit few = fit_gap_law(100, FIT_N_MIN - 1);
    assert_string_equal(few.rivals_absent, "few_losses");
    assert_false(run_fit_score_ratio(&few).has);
    assert_string_equal(fit_gap_law(100, 0).rivals_absent, "few_losses");
    assert_string_equal(fit_gap_law(FIT_N_MIN - 1, FIT_N_MIN - 1).rivals_absent,
        "too_few_pairs");
}

/* At the start of the step the loss is that of the start, else the mean of both
 * ends. */
static void test_the_loss_is_where_the_gradient_norm_is(void **state)
{
    (void)state;
    struct pair pair = whole_pair(0, 1, 1);
    pair.loss = 3;
    pair.loss_end = 1;
    assert_true(pair_loss(&pair, FIT_REGRESSOR_START) == 3);
    assert_true(pair_loss(&pair, FIT_REGRESSOR_TRAPEZOID) == 2);
    assert_true(pair_loss(&pair, FIT_REGRESSOR_SIMPSON) == 2);
    pair.loss_end = (double)NAN;
    assert_true(pair_loss(&pair, FIT_REGRESSOR_START) == 3);
    assert_true(isnan(pair_loss(&pair, FIT_REGRESSOR_SIMPSON)));
}

static struct run_fit fit_whole_numbers(uint64_t n)
{
    struct pairs pairs;
    pairs_init(&pairs, 1000);
    for (uint64_t i = 0; i < n; i++) {
        const double x = 1 + (double)(i * 7 % n);
        add(&pairs, whole_pair(i, x, 2 + 3 * x));
    }
    const struct run_fit found = fit(&pairs, &everything);
    pairs_done(&pairs);
    return found;
}

/* Of 2 + 3 x for x = 1 .. 30: from the largest y down to the law, and from it
 * to L0 = 0 at the largest y/x. */
static void test_the_frontier_goes_by_the_law(void **state)
{
    (void)state;
    const struct run_fit found = fit_whole_numbers(FIT_N_MIN);
    const struct fit_line *v = found.frontier.v;
    assert_int_equal(found.frontier.n, 3);
    assert_true(v[0].L0 == 92 && v[0].L1 == 0);
    assert_true(v[1].L0 == 2 && v[1].L1 == 3);
    assert_true(v[2].L0 == 0 && v[2].L1 == 5);
    assert_int_equal(fit_whole_numbers(FIT_N_MIN - 1).frontier.n, 0);
}

/* y = sqrt(x): each of n points is on the hull. */
static void fit_curve(size_t n, struct run_frontier *ret)
{
    static double x[4000], y[4000];
    assert_true(n <= 4000);
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)(i + 1) / (double)n;
        y[i] = sqrt(x[i]);
    }
    assert_true(run_frontier_of_samples(x, y, n, ret));
}

static void test_of_many_vertices_so_many_stay_and_hold(void **state)
{
    (void)state;
    struct run_frontier all;
    struct run_frontier some;
    fit_curve(RUN_FRONTIER_MAX - 2, &all); /* and (max y, 0) */
    assert_int_equal(all.n, RUN_FRONTIER_MAX - 1);
    fit_curve(RUN_FRONTIER_MAX - 1, &all);
    assert_int_equal(all.n, RUN_FRONTIER_MAX);
    fit_curve(4000, &some);
    assert_int_equal(some.n, RUN_FRONTIER_MAX);
    assert_true(some.v[0].L0 == 1 && some.v[0].L1 == 0);
    assert_true(some.v[some.n - 1].L0 == 0);
    for (size_t i = 1; i < some.n; i++) {
        /* Above b: max_x sqrt(x) - b x = 1/(4b) for b > 1/2; and near. */
        const double b = (some.v[i - 1].L1 + some.v[i].L1) / 2;
        const double L0 = (some.v[i - 1].L0 + some.v[i].L0) / 2;
        assert_true(some.v[i].L1 > some.v[i - 1].L1);
        assert_true(some.v[i].L0 < some.v[i - 1].L0);
        assert_true(i == 1 || i == some.n - 1 || b > 25 ||
                    (L0 >= 1 / (4 * b) * (1 - 1e-6) && L0 < 0.26 / b));
    }
}

static void test_too_many_pairs_are_thinned_evenly_and_said(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs, 100);
    add_law(&pairs, 1000);
    assert_int_equal(pairs.every, 16);
    assert_int_equal(pairs.n, 63); /* 0, 16, ..., 992 */
    for (size_t i = 0; i < pairs.n; i++) {
        assert_int_equal(pairs.v[i].step, 16 * i);
    }
    struct run_fit found = fit(&pairs, &everything);
    assert_int_equal(found.every, 16);
    assert_int_equal(found.warnings, RUN_FIT_THINNED);
    pairs_done(&pairs);
}

/* ---- reading ---- */

struct record {
    uint64_t bits[PROBE_FIELDS];
    uint64_t present;
};

static void set_bits(struct record *r, unsigned field, uint64_t bits)
{
    r->bits[field] = bits;
    r->present |= UINT64_C(1) << field;
}

static void set(struct record *r, unsigned field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    set_bits(r, field, bits);
}

static bool read_pair(const struct record *r, struct pair *ret)
{
    const uint64_t *columns[PROBE_FIELDS] = { NULL };
    for (unsigned f = 0; f < PROBE_FIELDS; f++) {
        columns[f] = (r->present >> f & 1) != 0 ? &r->bits[f] : NULL;
    }
    return pair_read(&(struct row){ columns, r->present, 0 }, ret);
}

static struct record probe_record(void)
{
    struct record r = { 0 };
    set_bits(&r, PROBE_step, 12);
    set(&r, PROBE_smoothness, 8);
    set(&r, PROBE_grad_sq, 1);
    set(&r, PROBE_grad_mid_sq, 4);
    set(&r, PROBE_grad_end_sq, 9);
    set(&r, PROBE_delta_sq, 0.25);
    set(&r, PROBE_dgrad_sq, 2.25);
    set(&r, PROBE_ceiling, 12);
    return r;
}

static void test_a_probe_record_is_read_as_a_pair(void **state)
{
    (void)state;
    struct record r = probe_record();
    struct pair pair;
    assert_true(read_pair(&r, &pair));
    assert_int_equal(pair.step, 12);
    assert_true(pair.x[FIT_REGRESSOR_START] == 1);
    assert_true(pair.x[FIT_REGRESSOR_TRAPEZOID] == 2);
    assert_true(pair.x[FIT_REGRESSOR_SIMPSON] == 2);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), PAIR_USED);
}

static void test_each_regressor_has_the_smoothness_of_its_segment(void **state)
{
    (void)state;
    struct record r = probe_record();
    struct pair pair;
    assert_true(read_pair(&r, &pair));
    assert_true(pair.y[FIT_REGRESSOR_START] == 8);
    assert_true(pair.ceiling[FIT_REGRESSOR_START] == 12);
    /* The whole step: ||g(x + d) - g(x)|| / ||d|| = 1.5 / 0.5. */
    assert_true(pair.y[FIT_REGRESSOR_TRAPEZOID] == 3);
    assert_true(pair.y[FIT_REGRESSOR_SIMPSON] == 3);
    assert_true(pair.ceiling[FIT_REGRESSOR_SIMPSON] == 8); /* (1+3)/0.5 */
}

static void test_without_the_whole_step_there_is_no_secant(void **state)
{
    (void)state;
    struct record r = probe_record();
    r.present &= ~(UINT64_C(1) << PROBE_dgrad_sq);
    struct pair pair;
    assert_true(read_pair(&r, &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), PAIR_NOT_MEASURED);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_USED);
}

static void test_what_was_not_measured_is_no_nan(void **state)
{
    (void)state;
    struct record r = probe_record();
    r.present &= ~(UINT64_C(1) << PROBE_grad_mid_sq);
    struct pair pair;
    assert_true(read_pair(&r, &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), PAIR_NOT_MEASURED);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_USED);
    set(&r, PROBE_grad_mid_sq, (double)NAN);
    assert_true(read_pair(&r, &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), PAIR_NONFINITE);
}

static void test_other_norms_and_unknown_classes_are_no_pairs(void **state)
{
    (void)state;
    struct pair pair;
    struct record norm = probe_record();
    set_bits(&norm, PROBE_norm, 1);
    assert_false(read_pair(&norm, &pair));
    struct record unknown = probe_record();
    set_bits(&unknown, PROBE_estimator, PAIR_ESTIMATORS);
    assert_false(read_pair(&unknown, &pair));
    struct record timeless = probe_record();
    timeless.present &= ~(UINT64_C(1) << PROBE_step);
    assert_false(read_pair(&timeless, &pair));
}

static void test_a_layer_in_its_own_norm_has_a_pair_with_start_alone(
    void **state)
{
    (void)state;
    struct pair pair;
    struct record layer = probe_record();
    set_bits(&layer, PROBE_group, 3);
    set_bits(&layer, PROBE_norm, 1);
    set(&layer, PROBE_grad_dual, 8);
    set(&layer, PROBE_smoothness, 5);
    assert_true(read_pair(&layer, &pair));
    assert_true(pair.x[FIT_REGRESSOR_START] == 8);
    assert_true(pair.y[FIT_REGRESSOR_START] == 5);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_USED);
    assert_int_equal(
        pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_NOT_MEASURED);
    set(&layer, PROBE_noise_floor, 2.6);
    assert_true(read_pair(&layer, &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOISE_LIMITED);
}

static void test_too_many_pairs_leave_every_second_fourth_and_so_on(
    void **state)
{
    (void)state;
    for (size_t max = 2; max < 9; max++) {
        struct pairs pairs;
        pairs_init(&pairs, max);
        for (uint64_t step = 0; step < 1000; step++) {
            const struct pair pair = { .step = step };
            assert_true(pairs_add(&pairs, &pair));
            assert_int_equal(pairs.seen, step + 1);
            assert_true(pairs.n <= max);
            assert_int_equal(pairs.n, step / pairs.every + 1);
            assert_true(pairs.every == 1 || 2 * pairs.n >= max);
            for (size_t i = 0; i < pairs.n; i++) {
                assert_int_equal(pairs.v[i].step, i * pairs.every);
            }
        }
        assert_true(pairs.every > 1);
        pairs_done(&pairs);
        assert_int_equal(pairs.every, 1);
        assert_int_equal(pairs.max, max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_too_many_pairs_leave_every_second_fourth_and_so_on),
        cmocka_unit_test(test_an_exact_law_is_found),
        cmocka_unit_test(test_doubtful_pairs_are_left_out_and_counted),
        cmocka_unit_test(test_estimator_classes_are_never_mixed),
        cmocka_unit_test(test_the_regressor_is_the_best_that_most_pairs_have),
        cmocka_unit_test(test_a_window_holds_the_steps_it_names),
        cmocka_unit_test(
            test_without_enough_pairs_there_is_a_reason_and_no_fit),
        cmocka_unit_test(test_a_regressor_that_follows_time_is_doubted),
        cmocka_unit_test(test_smoothness_that_hugs_its_ceiling_is_doubted),
        cmocka_unit_test(
            test_a_narrow_range_and_a_changing_callback_are_doubted),
        cmocka_unit_test(test_the_rival_that_is_the_law_is_best),
        cmocka_unit_test(test_fewer_than_thirty_losses_are_no_rivals),
        cmocka_unit_test(test_the_loss_is_where_the_gradient_norm_is),
        cmocka_unit_test(test_the_frontier_goes_by_the_law),
        cmocka_unit_test(test_of_many_vertices_so_many_stay_and_hold),
        cmocka_unit_test(test_too_many_pairs_are_thinned_evenly_and_said),
        cmocka_unit_test(test_a_probe_record_is_read_as_a_pair),
        cmocka_unit_test(test_each_regressor_has_the_smoothness_of_its_segment),
        cmocka_unit_test(test_without_the_whole_step_there_is_no_secant),
        cmocka_unit_test(test_what_was_not_measured_is_no_nan),
        cmocka_unit_test(
            test_a_layer_in_its_own_norm_has_a_pair_with_start_alone),
        cmocka_unit_test(test_other_norms_and_unknown_classes_are_no_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

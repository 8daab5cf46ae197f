/* Fits from states against those of the same pairs, and what they warn of. */
#include "pure/run_fit_states.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "math/random.h"
#include "traj.h"

#define N 8000
#define BLOCK 200
#define ROWS (N / BLOCK)

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

struct bed {
    struct pairs pairs;
    struct fit_part part;
    struct fit_sums rows[ROWS];
};

static struct pair pair_of(uint64_t step, double x, double y)
{
    struct pair pair = { .step = step,
        .measured = PAIR_X_BIT(0) | PAIR_Y_BIT(0) | PAIR_CEILING_BIT(0),
        .estimator = TRAJ_ESTIMATOR_FULL,
        .noise_floor = (double)NAN,
        .rounding_floor = (double)NAN,
        .lr = (double)NAN };
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        pair.x[k] = pair.y[k] = pair.ceiling[k] = (double)NAN;
    }
    pair.loss = pair.loss_end = y / 2;
    pair.x[0] = x;
    pair.y[0] = y;
    pair.ceiling[0] = 2 * y;
    return pair;
}

static void add(struct bed *bed, size_t i, const struct pair *pair)
{
    assert_true(pairs_add(&bed->pairs, pair));
    assert_true(fit_part_add(&bed->part, pair, FIT_REGRESSOR_START));
    if (pair_use(pair, FIT_REGRESSOR_START) == PAIR_USED) {
        fit_sums_add(&bed->rows[i / BLOCK], pair->x[0], pair->y[0]);
    }
}

/* y about 2 + 3 x; x up and down, or falling; every 100th probe too small. */
enum course { RANDOM, FALLING };
static struct bed *new_bed(enum course course)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    pairs_init(&bed->pairs, N);
    for (size_t i = 0; i < N; i++) {
        const double x =
            course == RANDOM ? exp2(4 * unit(1, i)) : 9 - 8 * (double)i / N;
        struct pair pair =
            pair_of(i, x, (2 + 3 * x) * exp(0.4 * (unit(2, i) - 0.5)));
        pair.flags = i % 100 == 99 ? TRAJ_PROBE_TINY_STEP : 0;
        add(bed, i, &pair);
    }
    return bed;
}

static void free_bed(struct bed *bed)
{
    pairs_done(&bed->pairs);
    fit_part_done(&bed->part);
    free(bed);
}

static struct run_fit fit_states(const struct bed *bed)
{
    const struct run_fit_states states = {
        .regressor = FIT_REGRESSOR_START,
        .estimator = TRAJ_ESTIMATOR_FULL,
        .in_sight = N,
        .part = &bed->part,
        .rows = bed->rows,
        .n_rows = ROWS,
    };
    struct run_fit fit;
    assert_true(run_fit_of_states(&states, &run_fit_everything, &fit));
    return fit;
}

static struct run_fit fit_pairs(const struct bed *bed)
{
    const struct run_fit_query query = { .regressor = FIT_REGRESSOR_START,
        .estimator = TRAJ_ESTIMATOR_FULL,
        .to_step = UINT64_MAX };
    struct run_fit fit;
    assert_true(run_fit_compute(&bed->pairs, &query, &fit));
    return fit;
}

/* How near each method has to be; 0: it is absent. */
static double tolerance(size_t method)
{
    switch (fit_report_method(method)) {
    case FIT_OLS:
    case FIT_NNLS:
    case FIT_ENVELOPE:
        return 1e-10;
    case FIT_NNLS_RELATIVE:
        return 1e-3;
    case FIT_QUANTILE:
        return 0.03;
    case FIT_EXPECTILE:
    case FIT_ENVELOPE_ROBUST:
        return 0;
    }
    return 0;
}

static void test_lines_are_those_of_the_pairs(void **state)
{
    (void)state;
    struct bed *bed = new_bed(RANDOM);
    const struct run_fit a = fit_states(bed);
    const struct run_fit b = fit_pairs(bed);
    assert_true(a.from_states && !b.from_states);
    for (size_t i = 0; i < FIT_METHODS; i++) {
        assert_int_equal(a.report.fits[i].valid, tolerance(i) > 0);
        assert_string_equal(a.report.fits[i].method, b.report.fits[i].method);
        if (a.report.fits[i].valid) {
            const struct fit_line x = a.report.fits[i].line;
            const struct fit_line y = b.report.fits[i].line;
            assert_close(x.L0 + 4 * x.L1, y.L0 + 4 * y.L1, tolerance(i));
            assert_close(x.L0 + 16 * x.L1, y.L0 + 16 * y.L1, tolerance(i));
        }
    }
    assert_true(a.report.has_loglog);
    assert_close(a.report.loglog.slope, b.report.loglog.slope, 1e-10);
    assert_close(a.report.loglog.pearson_r, b.report.loglog.pearson_r, 1e-10);
    assert_true(isnan(a.report.loglog.theil_sen));
    assert_true(a.frontier.n > 3 && a.frontier.n == b.frontier.n);
    for (size_t i = 0; i < a.frontier.n; i++) {
        assert_close(a.frontier.v[i].L0, b.frontier.v[i].L0, 1e-10);
        assert_close(a.frontier.v[i].L1, b.frontier.v[i].L1, 1e-10);
    }
    assert_string_equal(a.rivals_absent, "from_states");
    free_bed(bed);
}

static void test_counts_and_ranges_are_those_of_the_pairs(void **state)
{
    (void)state;
    struct bed *bed = new_bed(RANDOM);
    const struct run_fit a = fit_states(bed);
    const struct run_fit b = fit_pairs(bed);
    assert_memory_equal(a.excluded, b.excluded, sizeof a.excluded);
    assert_int_equal(a.report.n, b.report.n);
    assert_int_equal(a.report.n_excluded, b.report.n_excluded);
    assert_int_equal(a.first_step, b.first_step);
    assert_int_equal(a.last_step, b.last_step);
    assert_memory_equal(&a.report.x_min, &b.report.x_min, sizeof(double) * 4);
    assert_close(a.spread, b.spread, 0.2);
    assert_int_equal(a.warnings, b.warnings);
    assert_int_equal(a.warnings, 0);
    assert_int_equal(a.every, 1);
    assert_null(a.reason);
    free_bed(bed);
}

static void test_a_law_of_time_is_warned_of(void **state)
{
    (void)state;
    struct bed *bed = new_bed(FALLING);
    assert_int_equal(fit_states(bed).warnings, RUN_FIT_MONOTONE_IN_TIME);
    assert_int_equal(fit_pairs(bed).warnings, RUN_FIT_MONOTONE_IN_TIME);
    free_bed(bed);
}

/* Rows that fall while most of x is noise rank with time; the pairs do not. */
static void test_rows_alone_do_not_make_a_law_of_time(void **state)
{
    (void)state;
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    pairs_init(&bed->pairs, N);
    for (size_t i = 0; i < N; i++) {
        const double x = 9 - 4 * (double)i / N + 3 * unit(3, i);
        const struct pair pair = pair_of(i, x, 2 + 3 * x);
        add(bed, i, &pair);
    }
    assert_int_equal(fit_states(bed).warnings & RUN_FIT_MONOTONE_IN_TIME, 0);
    assert_int_equal(fit_pairs(bed).warnings & RUN_FIT_MONOTONE_IN_TIME, 0);
    free_bed(bed);
}

static void test_the_ceiling_is_counted(void **state)
{
    (void)state;
    struct bed *bed = new_bed(RANDOM);
    struct fit_facts *facts = &bed->part.facts;
    assert_int_equal(facts->ceilings, N - N / 100);
    facts->near_ceiling = facts->ceilings / 2;
    assert_int_equal(fit_states(bed).warnings, 0);
    facts->near_ceiling++;
    assert_int_equal(fit_states(bed).warnings, RUN_FIT_NEAR_CEILING);
    free_bed(bed);
}

static void test_the_interval_is_that_of_the_rows(void **state)
{
    (void)state;
    struct bed *bed = new_bed(RANDOM);
    const struct run_fit fit = fit_states(bed);
    struct fit_ci ci;
    assert_int_equal(
        fit_ci(bed->rows, ROWS, N - 80, 1, 0.95, &ci), FIT_PRESENT);
    assert_int_equal(fit.intervals.absent, FIT_PRESENT);
    assert_memory_equal(&fit.intervals.ci, &ci, sizeof ci);
    free_bed(bed);
}

/* An autoregression with phi = 0.8 has tau = (1 + phi)/(1 - phi) = 9. */
static void test_the_memory_of_residuals_is_seen_in_the_rows(void **state)
{
    (void)state;
    enum { MANY = 400, LENGTH = 500 };
    static struct fit_sums rows[MANY];
    const struct fit_line line = { 2, 3 };
    double e = 0;
    for (size_t i = 0; i < (size_t)MANY * LENGTH; i++) {
        const double x = 1 + unit(5, i);
        e = 0.8 * e + (unit(6, i) - 0.5);
        fit_sums_add(&rows[i / LENGTH], x, 2 + 3 * x + e);
    }
    /* The standard error of a variance of 400 means is 7 %. */
    assert_close(run_fit_batch_tau(rows, MANY, MANY * LENGTH, line), 9, 0.22);
    for (size_t i = 0; i < MANY; i++) {
        rows[i] = (struct fit_sums){ 0 };
        for (size_t k = 0; k < LENGTH; k++) {
            fit_sums_add(&rows[i], 1 + (double)k, 2 + 3 * (1 + (double)k));
        }
    }
    assert_true(run_fit_batch_tau(rows, MANY, MANY * LENGTH, line) <= 1);
}

static void test_of_few_pairs_nothing_is_estimated(void **state)
{
    (void)state;
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    pairs_init(&bed->pairs, N);
    for (size_t i = 0; i < FIT_N_MIN - 1; i++) {
        const struct pair pair = pair_of(i, 1 + (double)i, 2);
        add(bed, i, &pair);
    }
    const struct run_fit fit = fit_states(bed);
    assert_string_equal(fit.reason, "too_few_pairs");
    assert_false(fit.report.fits[1].valid);
    assert_int_equal(fit.report.n, FIT_N_MIN - 1);
    free_bed(bed);
}

static void test_what_needs_pairs_is_taken_from_a_sample(void **state)
{
    (void)state;
    struct bed *bed = new_bed(FALLING);
    struct run_fit fit = fit_states(bed);
    struct run_fit of_sample = fit_pairs(bed);
    const struct fit_line line = fit.report.fits[1].line;
    of_sample.every = 4;
    run_fit_add_sample(&fit, &of_sample);
    assert_int_equal(fit.every, 4);
    assert_true(fit.report.has_spearman && fit.report.has_power);
    assert_null(fit.rivals_absent);
    assert_close(fit.rivals.of[FIT_RIVAL_GAP].H1, 2, 1e-9); /* y is 2 f */
    assert_close(fit.spearman_step, -1, 1e-12);
    assert_close(fit.ceiling_ratio, 0.5, 1e-12);
    assert_memory_equal(&line, &fit.report.fits[1].line, sizeof line);
    free_bed(bed);
}

static void test_the_census_is_that_of_the_pairs(void **state)
{
    (void)state;
    struct bed *bed = new_bed(RANDOM);
    struct pair_census a = { 0 };
    struct pair_census b = { 0 };
    for (size_t i = 0; i < bed->pairs.n; i++) {
        pair_census_add(&a, &bed->pairs.v[i]);
    }
    bed->part.facts.uses[PAIR_WINDOW_OPEN] = 5; /* those are no pairs yet */
    fit_facts_census(
        &bed->part.facts, TRAJ_ESTIMATOR_FULL, FIT_REGRESSOR_START, &b);
    assert_memory_equal(&a, &b, sizeof a);
    free_bed(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_those_of_the_pairs),
        cmocka_unit_test(test_counts_and_ranges_are_those_of_the_pairs),
        cmocka_unit_test(test_a_law_of_time_is_warned_of),
        cmocka_unit_test(test_rows_alone_do_not_make_a_law_of_time),
        cmocka_unit_test(test_the_ceiling_is_counted),
        cmocka_unit_test(test_the_interval_is_that_of_the_rows),
        cmocka_unit_test(test_the_memory_of_residuals_is_seen_in_the_rows),
        cmocka_unit_test(test_of_few_pairs_nothing_is_estimated),
        cmocka_unit_test(test_what_needs_pairs_is_taken_from_a_sample),
        cmocka_unit_test(test_the_census_is_that_of_the_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

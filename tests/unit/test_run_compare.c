/* Runs beside each other: one law over all their pairs, and the test of equal
 * L1, by hand. */
#include "pure/run_compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/chi_squared.h"
#include "traj.h"

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

/* The pairs of the k-th run. */
static struct pairs make_run(size_t number, size_t n, double L1, double noise)
{
    struct pairs pairs;
    uint64_t state = 17 * number + 5;
    pairs_init(&pairs, 10000);
    for (uint64_t k = 0; k < n; k++) {
        const double x = 1 + 9 * uniform(&state);
        const double y = (2 + L1 * x) * (1 + noise * (2 * uniform(&state) - 1));
        const struct pair pair = {
            .step = k,
            .x = { x, x, x },
            .y = { y, y, y },
            .ceiling = { 100 * y, 100 * y, 100 * y },
            .measured = 0x1ff,
            .estimator = TRAJ_ESTIMATOR_FULL,
        };
        assert_true(pairs_add(&pairs, &pair));
    }
    return pairs;
}

static void add_run(
    struct run_compare *compare, size_t n, double L1, double noise)
{
    struct pairs pairs = make_run(compare->n, n, L1, noise);
    assert_true(run_compare_add(compare, &pairs));
    pairs_done(&pairs);
}

static void start(struct run_compare *compare)
{
    run_compare_start(compare, &run_fit_everything);
}

static void test_one_law_of_two_runs(void **state)
{
    (void)state;
    static struct run_compare c;
    start(&c);
    add_run(&c, 1000, 0.7, 0.1);
    add_run(&c, 2000, 0.7, 0.1);
    assert_true(run_compare_pool(&c) && run_compare_finish(&c));
    assert_int_equal(c.n_pairs, 3000);
    assert_int_equal(c.runs[1].fit.report.n, 2000);
    assert_true(c.has_pooled && c.pooled_absent == FIT_PRESENT);
    assert_true(c.pooled_ci.L1.low < 0.7 && 0.7 < c.pooled_ci.L1.high);
    assert_true(c.pooled_ci.L1.se < c.runs[1].intervals.ci.L1.se);
    /* The line of all pairs in one array is the same. */
    struct fit_line line;
    double *workspace = malloc(fit_workspace(3000) * sizeof(double));
    assert_true(fit_nnls_relative(c.x, c.y, 3000, workspace, &line));
    assert_true(line.L0 == c.pooled.L0 && line.L1 == c.pooled.L1);
    free(workspace);
    assert_true(c.p.has && c.p.v > 0.01);
    run_compare_done(&c);
}

static void test_equal_L1_by_hand(void **state)
{
    (void)state;
    static struct run_compare c;
    start(&c);
    add_run(&c, 1000, 0.7, 0.1);
    add_run(&c, 1000, 0.9, 0.1);
    add_run(&c, 20, 5, 0.1); /* too few for an interval: it has no say */
    assert_true(run_compare_pool(&c) && run_compare_finish(&c));
    const struct fit_interval *a = &c.runs[0].intervals.ci.L1;
    const struct fit_interval *b = &c.runs[1].intervals.ci.L1;
    const double d = a->estimate - b->estimate;
    const double q = d * d / (a->se * a->se + b->se * b->se);
    assert_int_equal(c.dof, 1);
    assert_true(c.runs[2].intervals.absent != FIT_PRESENT);
    assert_true(c.pooled_absent == FIT_PRESENT && c.n_pairs == 2020);
    assert_true(fabs(c.q.v - q) < 1e-9 * q);
    assert_true(c.p.v == chi_squared_tail(c.q.v, 1) && c.p.v < 1e-3);
    run_compare_done(&c);
}

/* Of exact laws the errors are rounding. */
static void test_exact_laws_do_not_differ(void **state)
{
    (void)state;
    static struct run_compare c;
    start(&c);
    add_run(&c, 1000, 0.7, 0);
    add_run(&c, 1000, 0.7, 0);
    assert_true(run_compare_pool(&c) && run_compare_finish(&c));
    assert_true(c.runs[0].intervals.absent == FIT_PRESENT);
    assert_false(c.q.has || c.p.has);
    run_compare_done(&c);
}

static void test_too_little_to_compare(void **state)
{
    (void)state;
    static struct run_compare c;
    start(&c);
    assert_true(run_compare_pool(&c) && run_compare_finish(&c));
    assert_false(c.has_pooled || c.q.has);
    run_compare_done(&c);
    start(&c);
    add_run(&c, 1000, 0.7, 0.1);
    add_run(&c, 0, 0.7, 0.1);
    assert_true(run_compare_pool(&c) && run_compare_finish(&c));
    assert_true(c.has_pooled && !c.q.has && !c.p.has);
    assert_true(c.pooled_absent == FIT_PRESENT);
    run_compare_done(&c);
}

/* Where nothing is asked for, the first run says what is compared. */
static void test_classes_are_not_mixed(void **state)
{
    (void)state;
    static struct run_compare c;
    struct pairs pairs;
    start(&c);
    add_run(&c, 100, 0.7, 0.1);
    pairs_init(&pairs, 100);
    const struct pair other = { .x = { 1, 1, 1 },
        .y = { 2, 2, 2 },
        .measured = 0x1ff,
        .estimator = TRAJ_ESTIMATOR_SAME_BATCH };
    assert_true(pairs_add(&pairs, &other));
    assert_true(run_compare_add(&c, &pairs));
    assert_int_equal(c.runs[1].fit.estimator, TRAJ_ESTIMATOR_FULL);
    assert_int_equal(c.runs[1].fit.report.n, 0);
    assert_int_equal(c.runs[1].fit.excluded[PAIR_OTHER_ESTIMATOR], 1);
    pairs_done(&pairs);
    run_compare_done(&c);
}

/* ---- from states ---------------------------------------------------------
 */

#define ROWS 40u

/* A run that comes as states; `length` pairs in a row. */
struct long_run {
    struct pairs pairs;
    struct fit_part part;
    struct fit_sums rows[ROWS];
    size_t n_rows;
};

static void put_rows(
    struct long_run *run, size_t length, const struct fit_weight *weight)
{
    memset(run->rows, 0, sizeof run->rows);
    run->n_rows = run->pairs.n / length;
    assert_true(run->n_rows <= ROWS);
    for (size_t i = 0; i < run->pairs.n; i++) {
        const double x = run->pairs.v[i].x[0];
        fit_sums_add_weighted(&run->rows[i / length], x, run->pairs.v[i].y[0],
            fit_weight_at(weight, x));
    }
}

static void add_long_run(struct run_compare *compare, struct long_run *run,
    size_t n, double L1, size_t length)
{
    struct fit_weight weight;
    *run = (struct long_run){ .pairs = make_run(compare->n, n, L1, 0.1) };
    for (size_t i = 0; i < n; i++) {
        assert_true(
            fit_part_add(&run->part, &run->pairs.v[i], FIT_REGRESSOR_START));
    }
    assert_true(fit_state_weight(&run->part.state, &weight));
    put_rows(run, length, &weight);
    const struct run_fit_states states = { FIT_REGRESSOR_START,
        TRAJ_ESTIMATOR_FULL, n, &run->part, run->rows, run->n_rows };
    assert_true(run_compare_add_states(compare, &states));
}

static void finish_with(
    struct run_compare *c, struct long_run *run, size_t at, size_t length)
{
    assert_true(run_compare_pool(c) && c->has_weight);
    put_rows(run, length, &c->weight);
    assert_true(run_compare_add_rows(c, &c->runs[at], run->rows, run->n_rows));
    assert_true(run_compare_finish(c));
}

static void free_long_run(struct long_run *run)
{
    pairs_done(&run->pairs);
    fit_part_done(&run->part);
}

static void test_runs_from_states_and_of_pairs_have_one_law(void **state)
{
    (void)state;
    static struct run_compare c;
    static struct run_compare of_pairs;
    static struct long_run run;
    run_compare_start(
        &c, &(struct run_fit_query){ FIT_REGRESSOR_START, -1, 0, UINT64_MAX });
    of_pairs = c;
    add_run(&c, 1000, 0.7, 0.1);
    add_long_run(&c, &run, 8000, 0.7, 200);
    add_run(&c, 2000, 0.7, 0.1);
    finish_with(&c, &run, 1, 200);
    add_run(&of_pairs, 1000, 0.7, 0.1);
    add_run(&of_pairs, 8000, 0.7, 0.1);
    add_run(&of_pairs, 2000, 0.7, 0.1);
    assert_true(run_compare_pool(&of_pairs) && run_compare_finish(&of_pairs));

    assert_true(c.from_states && c.runs[1].fit.from_states);
    assert_false(c.runs[0].fit.from_states || of_pairs.from_states);
    assert_true(c.n_pooled == 11000 && of_pairs.n_pooled == 11000);
    assert_true(c.has_pooled && c.pooled_absent == FIT_PRESENT);
    /* As near as the state's relative fit is: 0.003 of the noise. */
    const double there = c.pooled.L0 + 5 * c.pooled.L1;
    const double here = of_pairs.pooled.L0 + 5 * of_pairs.pooled.L1;
    assert_true(fabs(there - here) < 3e-4 * here);
    assert_true(fabs(c.pooled_ci.L1.estimate - of_pairs.pooled_ci.L1.estimate) <
                0.1 * c.pooled_ci.L1.se);
    /* Independent pairs: the error does not depend on the blocks but by
     * chance, of some seventy of them. */
    assert_true(fabs(c.pooled_ci.L1.se / of_pairs.pooled_ci.L1.se - 1) < 0.3);
    assert_true(c.dof == 2 && c.p.v > 0.01);
    run_compare_done(&c);
    run_compare_done(&of_pairs);
    free_long_run(&run);
}

static void test_a_run_of_another_law_differs_from_states_too(void **state)
{
    (void)state;
    static struct run_compare c;
    static struct long_run run;
    start(&c);
    add_long_run(&c, &run, 8000, 0.9, 200);
    add_run(&c, 1000, 0.7, 0.1);
    finish_with(&c, &run, 0, 200);
    assert_true(c.dof == 1 && c.p.v < 1e-6);
    assert_int_equal(c.runs[1].fit.regressor, FIT_REGRESSOR_START);
    assert_true(c.n_rows > 40 + 20);
    run_compare_done(&c);
    free_long_run(&run);
}

static void test_a_run_from_states_alone_has_its_interval(void **state)
{
    (void)state;
    static struct run_compare c;
    static struct long_run run;
    start(&c);
    add_long_run(&c, &run, 8000, 0.7, 200);
    finish_with(&c, &run, 0, 200);
    assert_int_equal(c.pooled_absent, FIT_PRESENT);
    assert_true(c.pooled_ci.L1.low < 0.7 && 0.7 < c.pooled_ci.L1.high);
    assert_true(c.n_pooled == 8000 && c.n_pairs == 0 && !c.q.has);
    run_compare_done(&c);
    free_long_run(&run);
}

static void test_the_longest_memory_counts_for_all(void **state)
{
    (void)state;
    static struct run_compare c;
    static struct long_run run;
    start(&c);
    add_long_run(&c, &run, 8000, 0.7, 200);
    assert_true(c.runs[0].intervals.dependence.tau_int < 5);
    c.runs[0].intervals.dependence.tau_int = 101; /* twice that is 202 */
    finish_with(&c, &run, 0, 200);
    assert_int_equal(c.pooled_absent, FIT_ABSENT_SHORT_BLOCKS);
    run_compare_done(&c);
    free_long_run(&run);
}

/* 16 rows are too few to know how long it remembers. */
static void test_rows_that_tell_no_memory_are_one_block(void **state)
{
    (void)state;
    static struct run_compare c;
    static struct long_run run;
    start(&c);
    add_long_run(&c, &run, 8000, 0.7, 500);
    assert_int_equal(c.runs[0].intervals.absent, FIT_ABSENT_FEW_BLOCKS);
    finish_with(&c, &run, 0, 500);
    assert_true(c.has_pooled && c.n_rows == 1);
    assert_int_equal(c.pooled_absent, FIT_ABSENT_FEW_BLOCKS);
    run_compare_done(&c);
    free_long_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_law_of_two_runs),
        cmocka_unit_test(test_equal_L1_by_hand),
        cmocka_unit_test(test_exact_laws_do_not_differ),
        cmocka_unit_test(test_too_little_to_compare),
        cmocka_unit_test(test_classes_are_not_mixed),
        cmocka_unit_test(test_runs_from_states_and_of_pairs_have_one_law),
        cmocka_unit_test(test_a_run_of_another_law_differs_from_states_too),
        cmocka_unit_test(test_a_run_from_states_alone_has_its_interval),
        cmocka_unit_test(test_the_longest_memory_counts_for_all),
        cmocka_unit_test(test_rows_that_tell_no_memory_are_one_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static void add_run(
    struct run_compare *compare, size_t n, double L1, double noise)
{
    struct pairs pairs;
    uint64_t state = 17 * compare->n + 5;
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
    assert_true(run_compare_finish(&c));
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
    assert_true(run_compare_finish(&c));
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
    assert_true(run_compare_finish(&c));
    assert_true(c.runs[0].intervals.absent == FIT_PRESENT);
    assert_false(c.q.has || c.p.has);
    run_compare_done(&c);
}

static void test_too_little_to_compare(void **state)
{
    (void)state;
    static struct run_compare c;
    start(&c);
    assert_true(run_compare_finish(&c));
    assert_false(c.has_pooled || c.q.has);
    run_compare_done(&c);
    start(&c);
    add_run(&c, 1000, 0.7, 0.1);
    add_run(&c, 0, 0.7, 0.1);
    assert_true(run_compare_finish(&c));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_law_of_two_runs),
        cmocka_unit_test(test_equal_L1_by_hand),
        cmocka_unit_test(test_exact_laws_do_not_differ),
        cmocka_unit_test(test_too_little_to_compare),
        cmocka_unit_test(test_classes_are_not_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Verdicts and comparisons when memory runs out: each allocation fails once,
 * which is told, leaves nothing behind, and the next time all is as ever. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/alloc_faults.h"
#include "pure/run_compare.h"
#include "pure/run_verdict.h"
#include "traj.h"

/* A law, from the 800th pair on with `more` in L0, and operator norms. */
static void make_pairs(
    struct pairs *pairs, struct operator_norms *operators, double more)
{
    uint64_t state = 1;
    pairs_init(pairs, 4096);
    for (uint64_t k = 0; k < 1600; k++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double x = 1 + (double)(state >> 40) * 9 * 0x1p-24;
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double e = (double)(state >> 40) * 0x1p-24 - 0.5;
        const double y = (2 + 0.7 * x + (k < 800 ? 0 : more)) * (1 + 0.1 * e);
        const struct pair pair = {
            .step = k,
            .x = { x, x, x },
            .y = { y, y, y },
            .ceiling = { 100 * y, 100 * y, 100 * y },
            .lr = 0.1,
            .measured = 0x1ff,
            .estimator = TRAJ_ESTIMATOR_FULL,
        };
        assert_true(pairs_add(pairs, &pair));
        if (k % 10 == 0) {
            assert_true(operator_norms_add(operators, k, x, 4 + 2 * x));
        }
    }
}

static void test_a_verdict(void **state)
{
    (void)state;
    struct pairs pairs;
    struct operator_norms operators = { 0 };
    make_pairs(&pairs, &operators, 8); /* two phases */
    const struct run_verdict_input input = {
        .pairs = &pairs,
        .query = run_fit_everything,
        .operators = &operators,
        .optimizer = OPTIMIZER_SGD,
    };
    struct run_verdict verdict;
    bool done = false;
    long sites = 0;
    for (; !done; sites++) {
        alloc_faults_fail(sites);
        done = run_verdict_compute(&input, &verdict);
        assert_int_equal(done, !alloc_faults_off());
        assert_true(done || verdict.v == NULL);
    }
    print_message("run_verdict_compute: %ld allocations\n", sites - 1);
    assert_true(sites > 15);
    assert_int_equal(verdict.n, 2);
    assert_int_equal(verdict.v[1].verdict.kind, VERDICT_GROWS);
    assert_null(verdict.v[1].advice.refusal);
    run_verdict_done(&verdict);
    operator_norms_done(&operators);
    pairs_done(&pairs);
}

/* false: it was told that memory had run out. */
static bool compare(const struct pairs *pairs, struct run_compare *c)
{
    run_compare_start(c, &run_fit_everything);
    return run_compare_add(c, pairs) && run_compare_add(c, pairs) &&
           run_compare_pool(c) && run_compare_finish(c);
}

/* The same with a third run, from states. */
static bool compare_states(const struct pairs *pairs,
    const struct run_fit_states *states, struct run_compare *c)
{
    run_compare_start(c, &run_fit_everything);
    return run_compare_add(c, pairs) && run_compare_add_states(c, states) &&
           run_compare_pool(c) &&
           run_compare_add_rows(c, &c->runs[1], states->rows, states->n_rows) &&
           run_compare_finish(c);
}

static void test_a_comparison(void **state)
{
    (void)state;
    static struct run_compare c;
    struct pairs pairs;
    struct operator_norms operators = { 0 };
    make_pairs(&pairs, &operators, 0);
    bool done = false;
    long sites = 0;
    for (; !done; sites++) {
        alloc_faults_fail(sites);
        done = compare(&pairs, &c);
        assert_int_equal(done, !alloc_faults_off());
        if (!done) {
            run_compare_done(&c);
        }
    }
    print_message("run_compare_*: %ld allocations\n", sites - 1);
    assert_true(sites > 10);
    assert_true(c.has_pooled && c.n_pairs == 3200 && c.p.v == 1);
    run_compare_done(&c);
    operator_norms_done(&operators);
    pairs_done(&pairs);
}

static void test_a_comparison_with_states(void **state)
{
    (void)state;
    static struct run_compare c;
    static struct fit_sums rows[25];
    struct pairs pairs;
    struct fit_part part = { 0 };
    struct operator_norms operators = { 0 };
    make_pairs(&pairs, &operators, 0);
    for (size_t i = 0; i < pairs.n; i++) {
        const struct pair *pair = &pairs.v[i];
        assert_true(fit_part_add(&part, pair, FIT_REGRESSOR_START));
        fit_sums_add(&rows[i / 64], pair->x[0], pair->y[0]);
    }
    const struct run_fit_states states = { FIT_REGRESSOR_START,
        TRAJ_ESTIMATOR_FULL, pairs.n, &part, rows, 25 };
    bool done = false;
    long sites = 0;
    for (; !done; sites++) {
        alloc_faults_fail(sites);
        done = compare_states(&pairs, &states, &c);
        assert_int_equal(done, !alloc_faults_off());
        if (!done) {
            run_compare_done(&c);
        }
    }
    print_message("run_compare_*, states: %ld allocations\n", sites - 1);
    assert_true(sites > 40);
    assert_true(c.has_pooled && c.n_pooled == 3200);
    run_compare_done(&c);
    fit_part_done(&part);
    operator_norms_done(&operators);
    pairs_done(&pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_verdict),
        cmocka_unit_test(test_a_comparison),
        cmocka_unit_test(test_a_comparison_with_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

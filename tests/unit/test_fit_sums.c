/* Sums of blocks: closed forms, and that they add up in any order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "math/fit_sums.h"
#include "math/random.h"

#define N 4096

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

/* x = 1e6 + i/1024, all exact, so sum (x - xbar)^2 = n (n^2 - 1)/12 / 2^20. */
static void test_noise_on_a_million_keeps_fourteen_digits(void **state)
{
    (void)state;
    struct fit_sums sums = { 0 };
    for (size_t i = 0; i < N; i++) {
        const double x = 1e6 + (double)i / 1024;
        fit_sums_add(&sums, x, 3 + 2 * x);
    }
    const double n = N;
    const struct fit_centred c = fit_sums_centred(&sums);
    assert_close(c.xx, n * (n * n - 1) / 12 / 0x1p20, 1e-14);
    assert_close(c.xy, 2 * c.xx, 1e-14);
    assert_close(c.yy, 4 * c.xx, 1e-14);
    assert_close(twofold_value(c.x_mean), 1e6 + (n - 1) / 2 / 1024, 1e-15);
    struct fit_line line;
    assert_true(fit_sums_ols(&sums, &line));
    assert_close(line.L1, 2, 1e-13);
    assert_close(line.L0, 3, 1e-7); /* 2 x 1e6 carries 2^-32 of rounding */
}

/* A block of each sender, merged. */
static void fill(struct fit_block *blocks, size_t n_blocks)
{
    memset(blocks, 0, n_blocks * sizeof *blocks);
    for (size_t i = 0; i < N; i++) {
        const double x = 1e6 + unit(1, i);
        fit_block_add(
            &blocks[random_below(2, i, n_blocks)], i, x, 1e6 * unit(3, i) * x);
    }
}

/* Two that are drawn become one, until one is left: any tree. */
static struct fit_block join(
    struct fit_block *blocks, size_t n_blocks, uint64_t seed)
{
    for (uint64_t draw = 0; n_blocks > 1; draw++) {
        const size_t from = random_below(seed, 2 * draw, n_blocks);
        struct fit_block taken = blocks[from];
        blocks[from] = blocks[--n_blocks];
        fit_block_merge(
            &blocks[random_below(seed, 2 * draw + 1, n_blocks)], &taken);
    }
    return blocks[0];
}

static void assert_same_sums(const struct fit_sums *a, const struct fit_sums *b)
{
    const struct fit_centred one = fit_sums_centred(a);
    const struct fit_centred other = fit_sums_centred(b);
    assert_true(one.n == other.n);
    assert_close(twofold_value(one.x_mean), twofold_value(other.x_mean), 1e-15);
    assert_close(twofold_value(one.y_mean), twofold_value(other.y_mean), 1e-15);
    assert_close(one.xx, other.xx, 1e-12);
    assert_close(one.xy, other.xy, 1e-12);
    assert_close(one.yy, other.yy, 1e-12);
}

static void assert_same_block(
    const struct fit_block *a, const struct fit_block *b)
{
    assert_same_sums(&a->plain, &b->plain);
    assert_same_sums(&a->logs, &b->logs);
    assert_true(a->n_excluded == b->n_excluded);
    assert_true(a->step_first == b->step_first);
    assert_true(a->step_last == b->step_last);
    assert_true(a->x_min == b->x_min && a->x_max == b->x_max);
    assert_true(a->y_min == b->y_min && a->y_max == b->y_max);
}

static void test_any_split_and_tree_gives_the_same(void **state)
{
    (void)state;
    static struct fit_block blocks[64];
    static const size_t senders[] = { 2, 8, 64 };
    fill(blocks, 1);
    const struct fit_block whole = blocks[0];
    assert_true(whole.plain.n == N && whole.step_last == N - 1);
    for (size_t k = 0; k < 3; k++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            fill(blocks, senders[k]);
            const struct fit_block joined = join(blocks, senders[k], seed);
            assert_same_block(&joined, &whole);
            struct fit_line a, b;
            assert_true(fit_sums_ols(&joined.plain, &a));
            assert_true(fit_sums_ols(&whole.plain, &b));
            assert_close(a.L1, b.L1, 1e-12);
            assert_close(a.L0, b.L0, 1e-12);
        }
    }
}

static void test_empty_blocks_change_nothing(void **state)
{
    (void)state;
    struct fit_block block = { 0 };
    struct fit_block empty = { .n_excluded = 2 };
    fit_block_merge(&block, &empty);
    assert_true(block.plain.n == 0 && block.n_excluded == 2);
    fit_block_add(&block, 7, 5, 6);
    fit_block_merge(&block, &empty);
    assert_true(block.plain.n == 1 && block.n_excluded == 4);
    assert_true(block.step_first == 7 && block.step_last == 7);
    assert_true(block.x_min == 5 && block.y_max == 6);
    fit_block_merge(&empty, &block);
    assert_true(empty.plain.n == 1 && empty.step_first == 7);
    assert_true(empty.n_excluded == 6);
}

static void test_what_is_no_sample_is_counted(void **state)
{
    (void)state;
    static const double odd[] = { (double)NAN, (double)INFINITY,
        -(double)INFINITY, 0x1p401, 0x1p-401, -0x1p500 };
    struct fit_block block = { 0 };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        fit_block_add(&block, i, odd[i], 1);
        fit_block_add(&block, i, 1, odd[i]);
    }
    assert_true(block.n_excluded == 12 && block.plain.n == 0);
    fit_block_add(&block, 1, 0, 0x1p400);
    fit_block_add(&block, 2, 0x1p-400, -2);
    assert_true(block.plain.n == 2 && block.logs.n == 0);
    fit_block_add(&block, 3, 2, 3);
    assert_true(block.logs.n == 1);
    assert_close(twofold_value(block.logs.y), log(3), 1e-16);
}

static void test_lines_are_those_of_the_samples(void **state)
{
    (void)state;
    double x[100], y[100];
    for (uint64_t round = 0; round < 60; round++) {
        struct fit_sums sums = { 0 };
        const double a = 4 * unit(5, round) - 2;
        const double b = 4 * unit(6, round) - 2;
        double sse = 0;
        for (size_t i = 0; i < 100; i++) {
            x[i] = 3 * unit(7 + round, i);
            y[i] = a + b * x[i] + unit(99 + round, i);
            fit_sums_add(&sums, x[i], y[i]);
        }
        struct fit_line mine, exact;
        assert_true(fit_sums_ols(&sums, &mine) && fit_ols(x, y, 100, &exact));
        assert_true(fabs(mine.L0 - exact.L0) < 1e-13);
        assert_true(fabs(mine.L1 - exact.L1) < 1e-13);
        assert_true(fit_sums_nnls(&sums, &mine));
        assert_true(fit_nnls(x, y, NULL, 100, &exact));
        assert_true(fabs(mine.L0 - exact.L0) < 1e-13);
        assert_true(fabs(mine.L1 - exact.L1) < 1e-13);
        for (size_t i = 0; i < 100; i++) {
            const double r = y[i] - mine.L0 - mine.L1 * x[i];
            sse += r * r;
        }
        assert_close(fit_sums_sse(&sums, mine), sse, 1e-12);
    }
}

static void test_a_weight_counts_like_repetitions(void **state)
{
    (void)state;
    struct fit_sums weighted = { 0 };
    struct fit_sums repeated = { 0 };
    for (size_t i = 0; i < 10; i++) {
        fit_sums_add_weighted(&weighted, unit(1, i), unit(2, i), 3);
        for (int k = 0; k < 3; k++) {
            fit_sums_add(&repeated, unit(1, i), unit(2, i));
        }
    }
    assert_same_sums(&weighted, &repeated);
}

static void test_equal_x_determine_no_line(void **state)
{
    (void)state;
    struct fit_sums sums = { 0 };
    struct fit_line line;
    assert_false(fit_sums_ols(&sums, &line));
    for (size_t i = 0; i < 1000; i++) {
        fit_sums_add(&sums, 0.1, unit(1, i));
        assert_false(fit_sums_ols(&sums, &line));
        assert_false(fit_sums_nnls(&sums, &line));
    }
    fit_sums_add(&sums, 0.1 * (1 + 1e-10), 1);
    assert_true(fit_sums_ols(&sums, &line));
}

static void test_rows_take_every_pair_once(void **state)
{
    (void)state;
    double x[200];
    struct fit_sums rows[51];
    for (size_t i = 0; i < 200; i++) {
        x[i] = (double)i;
    }
    assert_int_equal(fit_rows(x, x, NULL, 0, 4, rows), 0);
    assert_int_equal(fit_rows(x, x, NULL, 3, 40, rows), 1);
    assert_true(rows[0].n == 3);
    /* A rest below half a block goes to the last, above it is one. */
    assert_int_equal(fit_rows(x, x, NULL, 119, 40, rows), 3);
    assert_true(rows[2].n == 39 && twofold_value(rows[0].x) == 780);
    assert_int_equal(fit_rows(x, x, NULL, 99, 40, rows), 2);
    assert_true(rows[1].n == 59);
    assert_int_equal(fit_rows(x, x, NULL, 200, 4, rows), 50);
    assert_int_equal(fit_rows(x, x, x + 1, 8, 4, rows), 2);
    assert_true(rows[0].n == 10 && twofold_value(rows[0].x) == 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_on_a_million_keeps_fourteen_digits),
        cmocka_unit_test(test_any_split_and_tree_gives_the_same),
        cmocka_unit_test(test_empty_blocks_change_nothing),
        cmocka_unit_test(test_what_is_no_sample_is_counted),
        cmocka_unit_test(test_lines_are_those_of_the_samples),
        cmocka_unit_test(test_a_weight_counts_like_repetitions),
        cmocka_unit_test(test_equal_x_determine_no_line),
        cmocka_unit_test(test_rows_take_every_pair_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The state: merges are exact in what is counted, bytes come back, and fits
 * from bins are near those of the samples. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "math/fit_hull.h"
#include "math/fit_state.h"
#include "math/order.h"
#include "math/random.h"

#define N 6000

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

/* Nearly normal: twelve uniforms. */
static double normal(uint64_t seed, uint64_t i)
{
    double s = -6;
    for (uint64_t k = 0; k < 12; k++) {
        s += unit(seed, 12 * i + k);
    }
    return s;
}

struct pairs {
    double x[N], y[N];
};

/* x over `octaves`, y around 2 + 0.7 x. */
static void draw(struct pairs *p, uint64_t seed, double octaves, double noise)
{
    for (size_t i = 0; i < N; i++) {
        p->x[i] = exp2(octaves * unit(seed, i));
        p->y[i] = (2 + 0.7 * p->x[i]) * exp(noise * normal(seed + 1, i));
    }
}

static void add_range(
    struct fit_state *state, const struct pairs *p, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        assert_true(fit_state_add(state, i, p->x[i], p->y[i]));
    }
}

static struct fit_state state_of(const struct pairs *p)
{
    struct fit_state state = { 0 };
    add_range(&state, p, 0, N);
    return state;
}

/* ---- the sketch -----------------------------------------------------------
 */

static void test_quantiles_are_within_a_hundredth(void **state)
{
    (void)state;
    static double y[N];
    struct fit_sketch sketch = { 0 };
    for (size_t i = 0; i < N; i++) {
        y[i] = exp(0.7 * normal(3, i));
        const int32_t cell = fit_sketch_index(log(y[i]));
        assert_true(fit_sketch_reserve(&sketch, cell, cell));
        fit_sketch_count(&sketch, cell, 1);
    }
    assert_true(fit_sketch_total(&sketch) == N);
    static const double taus[] = { 1e-9, 0.05, 0.5, 0.9, 0.95, 0.99, 0.9999 };
    for (size_t k = 0; k < sizeof taus / sizeof taus[0]; k++) {
        const size_t rank = (size_t)ceil(taus[k] * N);
        const double exact = order_select(y, N, rank - 1);
        assert_close(fit_sketch_quantile(&sketch, taus[k]), exact, 0.01 + 1e-9);
    }
    fit_sketch_done(&sketch);
}

static void test_zeros_are_the_lowest_quantiles(void **state)
{
    (void)state;
    struct fit_sketch sketch = { .zeros = 3 };
    assert_true(fit_sketch_quantile(&sketch, 0.99) == 0);
    assert_true(fit_sketch_reserve(&sketch, 0, 0));
    fit_sketch_count(&sketch, 0, 1);
    assert_true(fit_sketch_quantile(&sketch, 0.75) == 0);
    assert_close(fit_sketch_quantile(&sketch, 0.76), 0.99, 1e-12);
    fit_sketch_done(&sketch);
}

/* 512 cells below the highest, whichever comes first. */
static void test_low_cells_are_one_in_any_order(void **state)
{
    (void)state;
    static const int32_t cells[] = { 0, 600, 300, 88, 89, -40, 600, 599 };
    for (uint64_t order = 0; order < 50; order++) {
        struct fit_sketch sketch = { 0 };
        struct fit_sketch other = { 0 };
        int32_t shuffled[8];
        memcpy(shuffled, cells, sizeof cells);
        for (size_t i = 8; i-- > 1;) {
            const size_t j = random_below(order, i, i + 1);
            const int32_t keep = shuffled[i];
            shuffled[i] = shuffled[j];
            shuffled[j] = keep;
        }
        for (size_t i = 0; i < 8; i++) {
            struct fit_sketch *to = i < order % 9 ? &sketch : &other;
            assert_true(fit_sketch_reserve(to, shuffled[i], shuffled[i]));
            fit_sketch_count(to, shuffled[i], 1);
        }
        assert_true(fit_sketch_merge(&sketch, &other));
        assert_int_equal(sketch.first, 89);
        assert_int_equal(sketch.n, FIT_SKETCH_CELLS);
        assert_int_equal(sketch.cells[0], 4); /* 0, 88, -40 and 89 itself */
        assert_int_equal(sketch.cells[300 - 89], 1);
        assert_int_equal(sketch.cells[600 - 89], 2);
        assert_int_equal(fit_sketch_total(&sketch), 8);
        fit_sketch_done(&sketch);
        fit_sketch_done(&other);
    }
}

/* ---- merging --------------------------------------------------------------
 */

static void assert_same_bin(const struct fit_bin *a, const struct fit_bin *b)
{
    assert_int_equal(a->key, b->key);
    assert_true(a->sums.n == b->sums.n);
    assert_close(twofold_value(a->sums.xy), twofold_value(b->sums.xy), 1e-12);
    assert_int_equal(a->sketch.first, b->sketch.first);
    assert_int_equal(a->sketch.n, b->sketch.n);
    assert_true(a->sketch.zeros == b->sketch.zeros);
    for (uint32_t i = 0; i < a->sketch.n; i++) {
        assert_true(a->sketch.cells[i] == b->sketch.cells[i]);
    }
}

static void assert_same_line(struct fit_line a, struct fit_line b)
{
    assert_close(a.L0, b.L0, 1e-12);
    assert_close(a.L1, b.L1, 1e-12);
}

static void assert_same(const struct fit_state *a, const struct fit_state *b)
{
    struct fit_line one = { 0 };
    struct fit_line other = { 0 };
    assert_true(a->total.plain.n == b->total.plain.n);
    assert_true(a->n_unbinned == b->n_unbinned);
    assert_int_equal(a->n_bins, b->n_bins);
    for (uint32_t i = 0; i < a->n_bins; i++) {
        assert_same_bin(&a->bins[i], &b->bins[i]);
    }
    assert_true(fit_state_relative(a, &one) && fit_state_relative(b, &other));
    assert_same_line(one, other);
    assert_true(fit_state_quantile(a, 0.9, &one));
    assert_true(fit_state_quantile(b, 0.9, &other));
    assert_same_line(one, other);
}

/* 60 octaves: low bins are joined, in every order of coming. */
static void assert_merges_like_one(const struct pairs *p, size_t senders)
{
    struct fit_state whole = state_of(p);
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct fit_state parts[8] = { 0 };
        for (size_t k = 0; k < N; k++) { /* 2741 and N: no common factor */
            const size_t i = k * 2741 % N;
            assert_true(fit_state_add(
                &parts[random_below(seed, i, senders)], i, p->x[i], p->y[i]));
        }
        for (size_t n = senders; n > 1; n--) {
            const size_t into = random_below(seed + 50, n, n - 1);
            assert_true(fit_state_merge(&parts[into], &parts[n - 1]));
            fit_state_done(&parts[n - 1]);
        }
        assert_same(&parts[0], &whole);
        fit_state_done(&parts[0]);
    }
    fit_state_done(&whole);
}

static void test_any_split_and_order_gives_the_same_state(void **state)
{
    (void)state;
    static struct pairs p;
    static const double octaves[] = { 5, 60 };
    for (size_t k = 0; k < 2; k++) {
        draw(&p, 10 + k, octaves[k], 0.5);
        p.x[17] = 0;
        p.y[18] = 0;
        p.x[19] = -1;
        assert_merges_like_one(&p, 1);
        assert_merges_like_one(&p, 2);
        assert_merges_like_one(&p, 8);
    }
}

static void test_bins_keep_32_octaves_below_the_highest(void **state)
{
    (void)state;
    struct fit_state s = { 0 };
    assert_true(fit_state_add(&s, 0, 0, 5));
    assert_int_equal(s.n_bins, 1);
    assert_true(fit_state_add(&s, 0, 0x1p-40, 1));
    assert_true(fit_state_add(&s, 0, 0x1p-32, 2));
    assert_int_equal(s.n_bins, 3);
    assert_int_equal(s.bins[0].key, -256 - 255); /* of x = 0 */
    assert_true(s.bins[0].sums.n == 1 && s.bins[1].key == -320);
    assert_true(fit_state_add(&s, 0, 1, 3));
    assert_int_equal(s.n_bins, 2);
    assert_true(s.bins[0].sums.n == 3 && s.bins[0].key == -255);
    assert_true(s.bins[1].sums.n == 1 && s.bins[1].key == 0);
    fit_state_done(&s);
}

/* The grid is 2^(key/8), to the last bit on both sides of a line. */
static void test_the_grid_is_eight_an_octave(void **state)
{
    (void)state;
    for (int key = -64; key < 64; key++) {
        struct fit_state s = { 0 };
        const double line = exp2(key / 8.0);
        assert_true(fit_state_add(&s, 0, line * (1 + 1e-14), 1));
        assert_true(fit_state_add(&s, 0, line * (1 - 1e-14), 1));
        assert_int_equal(s.n_bins, 2);
        assert_int_equal(s.bins[0].key, key - 1);
        assert_int_equal(s.bins[1].key, key);
        fit_state_done(&s);
    }
}

static void test_what_has_no_bin_is_in_the_sums(void **state)
{
    (void)state;
    struct fit_state s = { 0 };
    assert_true(fit_state_add(&s, 1, -2, 1));
    assert_true(fit_state_add(&s, 2, 2, -1));
    assert_true(fit_state_add(&s, 3, (double)NAN, 1));
    assert_true(s.n_unbinned == 2 && s.n_bins == 0);
    assert_true(s.total.plain.n == 2 && s.total.n_excluded == 1);
    struct fit_line line;
    assert_false(fit_state_relative(&s, &line));
    assert_false(fit_state_quantile(&s, 0.5, &line));
    assert_true(fit_sums_ols(&s.total.plain, &line));
    fit_state_done(&s);
}

/* ---- fits from bins -------------------------------------------------------
 */

/* The largest relative difference of predictions where the weights have not
 * reached their floor: not far below the median of x. */
static double apart(const struct pairs *p, struct fit_line a, struct fit_line b)
{
    double worst = 0;
    static double x[N];
    memcpy(x, p->x, sizeof x);
    const double least = order_median(x, N) / 32;
    for (size_t i = 0; i < N; i++) {
        if (p->x[i] < least) {
            continue;
        }
        const double one = a.L0 + a.L1 * p->x[i];
        const double other = b.L0 + b.L1 * p->x[i];
        worst = fmax(worst, fabs(one / other - 1));
    }
    return worst;
}

static const double octaves_of[] = { 3, 8, 20 };
static const double noise_of[] = { 0.05, 0.4, 1 };

static void test_the_relative_fit_from_bins_is_near_that_of_samples(
    void **state)
{
    (void)state;
    static struct pairs p;
    static double workspace[4 * N];
    for (size_t k = 0; k < 9; k++) {
        struct fit_line exact, binned;
        draw(&p, 100 + k, octaves_of[k / 3], noise_of[k % 3]);
        struct fit_state s = state_of(&p);
        assert_true(fit_nnls_relative(p.x, p.y, N, workspace, &exact));
        assert_true(fit_state_relative(&s, &binned));
        /* The error of the fit itself is noise/sqrt(N) = 0.013 noise. */
        assert_true(apart(&p, binned, exact) < 0.003 * noise_of[k % 3]);
        fit_state_done(&s);
    }
}

/* The law's quantile line is (2 + 0.7 x) e^(noise z). At the mean of x the fit
 * of all samples is sharp, too; at small x it is not, for it weighs them less.
 */
static void test_the_quantile_line_from_bins_is_near_the_law(void **state)
{
    (void)state;
    static struct pairs p;
    static double workspace[4 * N];
    static const double taus[] = { 0.5, 0.9, 0.95 };
    static const double z[] = { 0, 1.2816, 1.6449 };
    for (size_t k = 0; k < 27; k++) {
        struct fit_line exact, binned;
        const double noise = noise_of[k % 3];
        draw(&p, 200 + k, octaves_of[k / 3 % 3], noise);
        struct fit_state s = state_of(&p);
        const double factor = exp(noise * z[k / 9]);
        const struct fit_line law = { .L0 = 2 * factor, .L1 = 0.7 * factor };
        const double x = twofold_value(fit_sums_centred(&s.total.plain).x_mean);
        assert_true(fit_quantile(p.x, p.y, N, taus[k / 9], workspace, &exact));
        assert_true(fit_state_quantile(&s, taus[k / 9], &binned));
        const double off =
            fabs((binned.L0 + binned.L1 * x) / (exact.L0 + exact.L1 * x) - 1);
        assert_true(apart(&p, binned, law) < 0.01 + 0.15 * noise);
        assert_true(off < 0.01 + 0.2 * noise); /* few x are near the mean */
        fit_state_done(&s);
    }
}

/* ---- bytes ----------------------------------------------------------------
 */

static void test_bytes_come_back(void **state)
{
    (void)state;
    static struct pairs p;
    draw(&p, 7, 12, 0.5);
    p.x[3] = 0;
    p.y[4] = 0;
    p.y[5] = -1;
    struct fit_state s = state_of(&p);
    struct fit_state back = { 0 };
    const size_t n = fit_state_encode(&s, NULL, 0);
    assert_true(n < FIT_STATE_BYTES_MAX);
    uint8_t *bytes = malloc(n);
    uint8_t *again = malloc(n);
    assert_non_null(bytes);
    assert_non_null(again);
    assert_int_equal(fit_state_encode(&s, bytes, n), n);
    assert_int_equal(fit_state_decode(bytes, n, &back), FIT_DECODE_OK);
    assert_same(&back, &s);
    assert_int_equal(fit_state_encode(&back, again, n), n);
    assert_memory_equal(bytes, again, n);
    /* Less or more is no state. */
    struct fit_state none = { 0 };
    for (size_t cut = 0; cut < n; cut += 1 + cut / 64) {
        assert_int_equal(fit_state_decode(bytes, cut, &none), FIT_DECODE_BAD);
    }
    bytes[3]++; /* the version */
    assert_int_equal(fit_state_decode(bytes, n, &none), FIT_DECODE_BAD);
    free(bytes);
    free(again);
    fit_state_done(&s);
    fit_state_done(&back);
}

/* ---- the hull -------------------------------------------------------------
 */

static struct fit_state cut_at(const struct pairs *p, size_t at)
{
    struct fit_state merged = { 0 };
    struct fit_state rest = { 0 };
    add_range(&merged, p, at, N);
    add_range(&rest, p, 0, at);
    assert_true(fit_state_merge(&merged, &rest));
    fit_state_done(&rest);
    return merged;
}

static void test_the_hull_is_that_of_the_samples_however_they_come(void **state)
{
    (void)state;
    static struct pairs p;
    static struct xy hull[N + 1];
    draw(&p, 11, 6, 0.3);
    const size_t n = fit_hull_build(p.x, p.y, N, FIT_HULL_PLAIN, hull);
    for (size_t at = 0; at <= N; at += N / 5) {
        struct fit_state s = cut_at(&p, at);
        assert_int_equal(s.n_hull, n);
        assert_memory_equal(s.hull, hull, n * sizeof hull[0]);
        fit_state_done(&s);
    }
}

static void test_the_envelope_is_that_of_the_samples(void **state)
{
    (void)state;
    static struct pairs p;
    static double workspace[2 * N + 2];
    static const double at[] = { (double)NAN, 1, 3, 40, 1e9 };
    draw(&p, 12, 6, 0.3);
    struct fit_state s = state_of(&p);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        struct fit_line line = { 0 };
        struct fit_line right = { 0 };
        bool nomem = true;
        assert_true(fit_state_envelope(&s, at[i], &line, &nomem));
        assert_false(nomem);
        assert_true(isnan(at[i]) ? fit_envelope(p.x, p.y, N, workspace, &right)
                                 : fit_envelope_at(
                                       p.x, p.y, N, at[i], workspace, &right));
        assert_close(line.L0, right.L0, 1e-12 * (1 + right.L0));
        assert_close(line.L1, right.L1, 1e-12 * (1 + right.L1));
    }
    fit_state_done(&s);
}

/* A curve on which each sample is a corner of the hull. */
static void test_the_frontier_is_that_of_the_samples(void **state)
{
    (void)state;
    static struct pairs p;
    static double workspace[2 * N + 2];
    static struct fit_line all[N + 1];
    static struct fit_line mine[FIT_HULL_KEPT + 1];
    draw(&p, 5, 3, 0.4);
    struct fit_state s = state_of(&p);
    size_t n = 0;
    assert_true(fit_state_frontier(&s, mine, &n));
    assert_true(n > 3);
    assert_int_equal(n, fit_frontier(p.x, p.y, N, workspace, all));
    for (size_t i = 0; i < n; i++) {
        assert_close(mine[i].L0, all[i].L0, 1e-12);
        assert_close(mine[i].L1, all[i].L1, 1e-12);
    }
    fit_state_done(&s);
    assert_true(fit_state_frontier(&s, mine, &n) && n == 0);
}

static void test_a_hull_of_many_points_is_drawn_out(void **state)
{
    (void)state;
    struct fit_state s = { 0 };
    for (size_t i = 0; i < 5000; i++) {
        const double x = 1 + (double)(i * 2741 % 5000) / 5000;
        assert_true(fit_state_add(&s, i, x, sqrt(x)));
    }
    assert_true(s.n_hull > FIT_HULL_KEPT / 4 && s.n_hull <= FIT_HULL_KEPT);
    for (size_t i = 0; i < 5000; i++) {
        const double x = 1 + (double)i / 5000;
        const struct xy lower = { x, sqrt(x) * (1 - 1e-13) };
        const struct xy higher = { x, sqrt(x) * (1 + 1e-4) };
        assert_true(fit_hull_covers(s.hull, s.n_hull, lower));
        assert_false(fit_hull_covers(s.hull, s.n_hull, higher));
    }
    fit_state_done(&s);
}

static void test_no_samples_have_no_envelope_and_no_quantile(void **state)
{
    (void)state;
    struct fit_state s = { 0 };
    struct fit_line line;
    bool nomem = true;
    assert_false(fit_state_envelope(&s, 1, &line, &nomem));
    assert_false(nomem);
    assert_true(isnan(fit_state_x_quantile(&s, 0.5)));
}

static void test_quantiles_of_x_are_within_a_bin(void **state)
{
    (void)state;
    static struct pairs p;
    static double sorted[N];
    draw(&p, 13, 6, 0.3);
    struct fit_state s = state_of(&p);
    for (size_t i = 1; i < 20; i++) {
        const double q = (double)i / 20;
        memcpy(sorted, p.x, sizeof sorted);
        const double right = order_select(sorted, N, (size_t)ceil(q * N) - 1);
        assert_close(fit_state_x_quantile(&s, q), right, 0.09 * right);
    }
    fit_state_done(&s);
}

static void test_weights_are_those_of_the_relative_fit(void **state)
{
    (void)state;
    static struct pairs p;
    struct fit_weight weight;
    struct fit_line line;
    struct fit_line again;
    struct fit_sums sums = { 0 };
    draw(&p, 15, 6, 0.3);
    struct fit_state s = state_of(&p);
    assert_true(fit_state_relative(&s, &line));
    assert_true(fit_state_weight(&s, &weight));
    const double ratio = (line.L0 + line.L1 * 40) / (line.L0 + line.L1 * 2);
    assert_close(fit_weight_at(&weight, 2) / fit_weight_at(&weight, 40),
        ratio * ratio, 1e-12);
    fit_state_add_weighted(&s, &weight, &sums);
    assert_true(fit_sums_ols(&sums, &again)); /* one round more */
    assert_close(again.L0, line.L0, 1e-3);
    assert_close(again.L1, line.L1, 1e-3);
    fit_state_done(&s);
    assert_false(fit_state_weight(&s, &weight));
}

static void test_the_block_is_seen_without_the_rest(void **state)
{
    (void)state;
    static struct pairs p;
    static uint8_t bytes[1 << 17];
    struct fit_block block = { 0 };
    draw(&p, 14, 6, 0.3);
    struct fit_state s = state_of(&p);
    const size_t n = fit_state_encode(&s, bytes, sizeof bytes);
    assert_true(n <= sizeof bytes);
    assert_true(fit_state_peek(bytes, n, &block));
    assert_memory_equal(&block, &s.total, sizeof block);
    assert_false(fit_state_peek(bytes, 200, &block));
    bytes[0]++;
    assert_false(fit_state_peek(bytes, n, &block));
    fit_state_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_are_within_a_hundredth),
        cmocka_unit_test(test_zeros_are_the_lowest_quantiles),
        cmocka_unit_test(test_low_cells_are_one_in_any_order),
        cmocka_unit_test(test_any_split_and_order_gives_the_same_state),
        cmocka_unit_test(test_bins_keep_32_octaves_below_the_highest),
        cmocka_unit_test(test_the_grid_is_eight_an_octave),
        cmocka_unit_test(test_what_has_no_bin_is_in_the_sums),
        cmocka_unit_test(
            test_the_relative_fit_from_bins_is_near_that_of_samples),
        cmocka_unit_test(test_the_quantile_line_from_bins_is_near_the_law),
        cmocka_unit_test(test_bytes_come_back),
        cmocka_unit_test(
            test_the_hull_is_that_of_the_samples_however_they_come),
        cmocka_unit_test(test_the_envelope_is_that_of_the_samples),
        cmocka_unit_test(test_the_frontier_is_that_of_the_samples),
        cmocka_unit_test(test_a_hull_of_many_points_is_drawn_out),
        cmocka_unit_test(test_no_samples_have_no_envelope_and_no_quantile),
        cmocka_unit_test(test_quantiles_of_x_are_within_a_bin),
        cmocka_unit_test(test_weights_are_those_of_the_relative_fit),
        cmocka_unit_test(test_the_block_is_seen_without_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of daemon/pure/pair_window.c: means of U keep what its root loses. */
#include "pure/pair_window.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/probe_record.h"
#include "traj.h"

/* ---- records --------------------------------------------------------------
 */

/* K = 2: U(v) = 2 ||vbar||^2 - mean ||v_k||^2. */
static struct record probe(
    uint64_t step, double unbiased_grad_sq, double unbiased_dgrad_sq)
{
    struct record r = { 0 };
    record_set_bits(&r, PROBE_step, step);
    record_set_bits(&r, PROBE_estimator, TRAJ_ESTIMATOR_MICROBATCH);
    record_set_bits(&r, PROBE_micro_batches, 2);
    record_set(&r, PROBE_grad_sq, 100);
    record_set(&r, PROBE_grad_mid_sq, 121);
    record_set(&r, PROBE_grad_end_sq, 144);
    record_set(&r, PROBE_micro_grad_sq, 200 - unbiased_grad_sq);
    record_set(&r, PROBE_dgrad_sq, 50);
    record_set(&r, PROBE_micro_dgrad_sq, 100 - unbiased_dgrad_sq);
    record_set(&r, PROBE_delta_sq, 0.25);
    return r;
}

/* false: it waits. */
static bool add(
    struct pair_window *window, struct record *r, struct pair *ret_pair)
{
    const struct row *row = record_row(r);
    assert_true(pair_read(row, ret_pair));
    return pair_window_add(window, row, ret_pair);
}

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 16 * 0x1p-53 * fabs(expected));
}

/* ---- one window ------------------------------------------------------------
 */

static void test_squares_are_averaged_before_the_root(void **state)
{
    (void)state;
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 3);
    struct record r[] = { probe(10, 16, 9), probe(20, -4, -3),
        probe(30, 36, 30) };
    record_set(&r[2], PROBE_delta_sq, 1);
    for (unsigned i = 0; i < 3; i++) {
        record_set(&r[i], PROBE_loss, 1 + i);
        record_set(&r[i], PROBE_loss_end, 2 * i);
    }
    assert_false(add(&window, &r[0], &pair));
    assert_false(add(&window, &r[1], &pair));
    assert_int_equal(pair_window_waiting(&window), 2);
    assert_true(add(&window, &r[2], &pair));
    assert_int_equal(pair_window_waiting(&window), 0);
    assert_int_equal(pair.step, 30);
    assert_true(pair.loss == 2 && pair.loss_end == 2);
    /* Noise of g: 84, 104, 64; what is left of the others' squares likewise. */
    const double middle = (121.0 - 84 + 121 - 104 + 121 - 64) / 3;
    const double end = (144.0 - 84 + 144 - 104 + 144 - 64) / 3;
    assert_close(pair.x[FIT_REGRESSOR_START], 4);
    assert_close(pair.x[FIT_REGRESSOR_TRAPEZOID], (4 + sqrt(end)) / 2);
    assert_close(
        pair.x[FIT_REGRESSOR_SIMPSON], (4 + 4 * sqrt(middle) + sqrt(end)) / 6);
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        assert_close(pair.y[k], sqrt(36 / 1.5));
        assert_close(pair.ceiling[k], sqrt(3 * 22.0 * 22 / 1.5));
        assert_int_equal(pair_use(&pair, (enum fit_regressor)k), PAIR_USED);
    }
}

static void test_a_mean_below_0_is_noise(void **state)
{
    (void)state;
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 2);
    struct record d[] = { probe(1, 16, 1), probe(2, 16, -2) };
    assert_false(add(&window, &d[0], &pair));
    assert_true(add(&window, &d[1], &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOISE_LIMITED);
    struct record g[] = { probe(3, 1, 4), probe(4, -2, 4) };
    assert_false(add(&window, &g[0], &pair));
    assert_true(add(&window, &g[1], &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOISE_LIMITED);
}

/* y^2 = 36 in each of two. 4 floor^2/2 is 50 for a floor of 5, which limits the
 * mean, and 32 for one of 4, which would limit each alone (64), but not both.
 */
static void test_the_floor_of_a_mean_is_lower(void **state)
{
    (void)state;
    static const double floors[] = { 5, 4 };
    static const enum pair_use uses[] = { PAIR_NOISE_LIMITED, PAIR_USED };
    for (size_t i = 0; i < 2; i++) {
        struct pair_window window;
        struct pair pair;
        pair_window_init(&window, 2);
        struct record r[] = { probe(1, 16, 9), probe(2, 16, 9) };
        record_set(&r[0], PROBE_noise_floor, floors[i]);
        record_set(&r[1], PROBE_noise_floor, floors[i]);
        assert_false(add(&window, &r[0], &pair));
        assert_true(add(&window, &r[1], &pair));
        assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), uses[i]);
    }
}

/* Flags that noise alone sets say nothing of the mean. */
static void test_flags_of_one_probe_do_not_limit_the_mean(void **state)
{
    (void)state;
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 2);
    struct record r[] = { probe(1, 16, 19), probe(2, 16, -1) };
    record_set_bits(&r[0], PROBE_flags, TRAJ_PROBE_NOT_IDEMPOTENT);
    record_set_bits(
        &r[1], PROBE_flags, TRAJ_PROBE_NEGATIVE | TRAJ_PROBE_NOISE_LIMITED);
    assert_false(add(&window, &r[0], &pair));
    assert_true(add(&window, &r[1], &pair));
    assert_int_equal(pair.flags, TRAJ_PROBE_NOT_IDEMPOTENT);
    assert_close(pair.y[FIT_REGRESSOR_START], 6);
}

static void test_what_is_not_usable_passes_and_ends_no_window(void **state)
{
    (void)state;
    static const uint64_t flags[] = { TRAJ_PROBE_TINY_STEP, TRAJ_PROBE_ROUNDING,
        TRAJ_PROBE_NONFINITE, TRAJ_PROBE_BURST };
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 2);
    struct record first = probe(1, 16, 9);
    assert_false(add(&window, &first, &pair));
    for (size_t i = 0; i < 4; i++) {
        struct record odd = probe(2, 1e9, 1e9);
        record_set_bits(&odd, PROBE_flags, flags[i]);
        assert_true(add(&window, &odd, &pair));
        assert_int_not_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_USED);
    }
    struct record other = probe(3, 16, 9);
    record_set_bits(&other, PROBE_estimator, TRAJ_ESTIMATOR_FULL);
    record_set(&other, PROBE_smoothness, 5);
    assert_true(add(&window, &other, &pair));
    assert_true(pair.y[FIT_REGRESSOR_START] == 5);
    struct record unmeasured = probe(4, 16, 9);
    unmeasured.row.present &= ~ROW_BIT(PROBE_micro_dgrad_sq);
    assert_true(add(&window, &unmeasured, &pair));
    struct record last = probe(5, 16, 9);
    assert_true(add(&window, &last, &pair));
    assert_close(pair.y[FIT_REGRESSOR_START], 6);
}

static void test_a_step_back_ends_a_window_and_is_counted(void **state)
{
    (void)state;
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 2);
    struct record r[] = { probe(9, 16, 9), probe(3, 16, 16), probe(4, 16, 16) };
    assert_false(add(&window, &r[0], &pair));
    assert_false(add(&window, &r[1], &pair));
    assert_int_equal(pair_window_waiting(&window), 2);
    assert_true(add(&window, &r[2], &pair));
    assert_close(pair.y[FIT_REGRESSOR_START], 8);
    assert_int_equal(pair_window_waiting(&window), 1);
}

static void test_a_window_of_one_is_the_probe(void **state)
{
    (void)state;
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 1);
    struct record r = probe(1, 16, 9);
    assert_true(add(&window, &r, &pair));
    struct pair alone;
    assert_true(pair_read(record_row(&r), &alone));
    assert_memory_equal(&pair, &alone, sizeof pair);
}

static void test_what_not_all_have_measured_the_mean_has_not(void **state)
{
    (void)state;
    struct pair_window window;
    struct pair pair;
    pair_window_init(&window, 2);
    struct record r[] = { probe(1, 16, 9), probe(2, 16, 9) };
    r[0].row.present &= ~ROW_BIT(PROBE_grad_mid_sq);
    assert_false(add(&window, &r[0], &pair));
    assert_true(add(&window, &r[1], &pair));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_USED);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), PAIR_NOT_MEASURED);
}

/* ---- noise that is known ---------------------------------------------------
 */

static double uniform(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    return sqrt(-2 * log(uniform(state))) * cos(2 * acos(-1) * uniform(state));
}

#define DIMENSIONS 8
#define K 4
#define LENGTH 0.5 /* ||d|| */
#define PROBES 65536

/* ||vbar||^2 and mean ||v_k||^2 of K vectors (truth, 0, ..) + sigma normal. */
static void draw(double truth, double sigma, uint64_t *state,
    double *ret_of_mean, double *ret_mean)
{
    double mean[DIMENSIONS] = { 0 };
    *ret_of_mean = 0;
    *ret_mean = 0;
    for (int k = 0; k < K; k++) {
        for (int i = 0; i < DIMENSIONS; i++) {
            const double v = (i == 0 ? truth : 0) + sigma * normal(state);
            mean[i] += v / K;
            *ret_mean += v * v / K;
        }
    }
    for (int i = 0; i < DIMENSIONS; i++) {
        *ret_of_mean += mean[i] * mean[i];
    }
}

/* ||E D|| = 1 and ||E g|| = 2, in noise of which most single U(D) drown. */
static struct record noisy_probe(uint64_t step, uint64_t *state)
{
    struct record r = probe(step, 0, 0);
    double of_mean = 0;
    double mean = 0;
    record_set_bits(&r, PROBE_micro_batches, K);
    draw(1, 2, state, &of_mean, &mean);
    record_set(&r, PROBE_dgrad_sq, of_mean);
    record_set(&r, PROBE_micro_dgrad_sq, mean);
    draw(2, 2, state, &of_mean, &mean);
    record_set(&r, PROBE_grad_sq, of_mean);
    record_set(&r, PROBE_grad_end_sq, of_mean);
    record_set(&r, PROBE_micro_grad_sq, mean);
    record_set(&r, PROBE_delta_sq, LENGTH * LENGTH);
    return r;
}

/* Of values v. */
struct moments {
    double n, mean, error; /* of the mean */
};

static struct moments moments_of(const double *v, size_t n)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i];
    }
    for (size_t i = 0; i < n; i++) {
        squares += (v[i] - sum / (double)n) * (v[i] - sum / (double)n);
    }
    const double variance = squares / (double)(n - 1);
    return (struct moments){ (double)n, sum / (double)n,
        sqrt(variance / (double)n) };
}

/* y^2 and x^2 of the pairs that can be fitted. */
static size_t collect(
    uint32_t size, double y_sq[static PROBES], double x_sq[static PROBES])
{
    uint64_t state = 7;
    size_t n = 0;
    struct pair_window window;
    pair_window_init(&window, size);
    for (uint64_t step = 0; step < PROBES; step++) {
        struct record r = noisy_probe(step, &state);
        struct pair pair;
        const bool comes = add(&window, &r, &pair);
        const bool used =
            comes && pair_use(&pair, FIT_REGRESSOR_START) == PAIR_USED;
        y_sq[n] = pair.y[0] * pair.y[0];
        x_sq[n] = pair.x[0] * pair.x[0];
        n += used;
    }
    return n;
}

static void test_means_of_u_are_unbiased_where_roots_of_positive_u_are_not(
    void **state)
{
    (void)state;
    const double truth_y_sq = 1 / LENGTH / LENGTH; /* 4 */
    double *y_sq = calloc(2 * (PROBES + 1), sizeof *y_sq);
    assert_non_null(y_sq);
    double *x_sq = y_sq + PROBES + 1;

    const size_t alone = collect(1, y_sq, x_sq);
    const struct moments biased = moments_of(y_sq, alone);
    /* A third and more of the probes have no root; the rest say more than
     * twice the truth, with hundreds of standard errors. */
    assert_true(alone < 2 * PROBES / 3);
    assert_true(biased.mean > 2 * truth_y_sq);
    assert_true(biased.mean - truth_y_sq > 100 * biased.error);

    const size_t n = collect(256, y_sq, x_sq);
    const struct moments y = moments_of(y_sq, n);
    const struct moments x = moments_of(x_sq, n);
    assert_int_equal(n, PROBES / 256); /* nothing is left out */
    assert_true(fabs(y.mean - truth_y_sq) <= 3 * y.error);
    assert_true(fabs(x.mean - 4) <= 3 * x.error);
    /* 1 in 16 of the deviation of one: the test sees a bias of a tenth. */
    assert_true(y.error < 0.03 * truth_y_sq);
    free(y_sq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_squares_are_averaged_before_the_root),
        cmocka_unit_test(test_a_mean_below_0_is_noise),
        cmocka_unit_test(test_the_floor_of_a_mean_is_lower),
        cmocka_unit_test(test_flags_of_one_probe_do_not_limit_the_mean),
        cmocka_unit_test(test_what_is_not_usable_passes_and_ends_no_window),
        cmocka_unit_test(test_a_step_back_ends_a_window_and_is_counted),
        cmocka_unit_test(test_a_window_of_one_is_the_probe),
        cmocka_unit_test(test_what_not_all_have_measured_the_mean_has_not),
        cmocka_unit_test(
            test_means_of_u_are_unbiased_where_roots_of_positive_u_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

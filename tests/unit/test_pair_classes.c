/* Tests of daemon/pure/pairs.c: what each estimator's sums mean. */
#include "pure/pairs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "traj.h"

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

static struct pair pair_of(const struct record *r)
{
    const uint64_t *columns[PROBE_FIELDS] = { NULL };
    for (unsigned f = 0; f < PROBE_FIELDS; f++) {
        columns[f] = (r->present >> f & 1) != 0 ? &r->bits[f] : NULL;
    }
    struct pair pair;
    assert_true(pair_read(&(struct row){ columns, r->present, 0 }, &pair));
    return pair;
}

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 8 * 0x1p-53 * fabs(expected));
}

/* G = 5 and G' = 7 with a sixth between them; ||dg|| = 4, ||d|| = 1/2. */
static struct record probe(enum traj_estimator estimator)
{
    struct record r = { 0 };
    set_bits(&r, PROBE_step, 3);
    set_bits(&r, PROBE_estimator, estimator);
    set(&r, PROBE_smoothness, 9);
    set(&r, PROBE_grad_sq, 25);
    set(&r, PROBE_grad_mid_sq, 36);
    set(&r, PROBE_grad_end_sq, 49);
    set(&r, PROBE_delta_sq, 0.25);
    set(&r, PROBE_dgrad_sq, 16);
    set(&r, PROBE_ceiling, 30);
    return r;
}

/* K = 4: U(g) = (4*25 - 52)/3 = 16, U(D) = (4*16 - 37)/3 = 9. The noise of the
 * mean is 9: of the other gradients 27 and 40 are left. */
static struct record micro_probe(void)
{
    struct record r = probe(TRAJ_ESTIMATOR_MICROBATCH);
    set_bits(&r, PROBE_micro_batches, 4);
    set(&r, PROBE_micro_grad_sq, 52);
    set(&r, PROBE_micro_dgrad_sq, 37);
    return r;
}

static void test_microbatch_pairs_are_unbiased(void **state)
{
    (void)state;
    struct record r = micro_probe();
    struct pair pair = pair_of(&r);
    assert_close(pair.x[FIT_REGRESSOR_START], 4);
    assert_close(pair.x[FIT_REGRESSOR_TRAPEZOID], (4 + sqrt(40)) / 2);
    assert_close(
        pair.x[FIT_REGRESSOR_SIMPSON], (4 + 4 * sqrt(27) + sqrt(40)) / 6);
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        assert_close(pair.y[k], 6);        /* 3 / 0.5 */
        assert_close(pair.ceiling[k], 24); /* (5 + 7) / 0.5 */
        assert_int_equal(pair_use(&pair, (enum fit_regressor)k), PAIR_USED);
    }
}

static void test_microbatch_without_its_sums_was_not_measured(void **state)
{
    (void)state;
    static const unsigned fields[] = { PROBE_micro_batches, PROBE_micro_grad_sq,
        PROBE_micro_dgrad_sq };
    for (size_t i = 0; i < 3; i++) {
        struct record r = micro_probe();
        r.present &= ~(UINT64_C(1) << fields[i]);
        struct pair pair = pair_of(&r);
        assert_int_equal(
            pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOT_MEASURED);
    }
    struct record r = micro_probe();
    set_bits(&r, PROBE_micro_batches, 1);
    struct pair pair = pair_of(&r);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOT_MEASURED);
}

static void test_a_negative_square_is_noise_and_no_number(void **state)
{
    (void)state;
    struct record r = micro_probe();
    set(&r, PROBE_micro_dgrad_sq, 65); /* U(D) = -1/3 */
    struct pair pair = pair_of(&r);
    assert_true(pair.y[FIT_REGRESSOR_START] == 0);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOISE_LIMITED);
    r = micro_probe();
    set(&r, PROBE_micro_grad_sq, 101); /* U(g) = -1/3 */
    pair = pair_of(&r);
    assert_true(pair.x[FIT_REGRESSOR_START] == 0);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOISE_LIMITED);
}

static void test_different_data_is_corrected_by_the_known_noise(void **state)
{
    (void)state;
    struct record r = probe(TRAJ_ESTIMATOR_DIFFERENT);
    struct pair pair = pair_of(&r);
    assert_true(pair.x[FIT_REGRESSOR_START] == 5);
    assert_true(pair.y[FIT_REGRESSOR_START] == 9);
    set(&r, PROBE_noise_sq, 1);
    pair = pair_of(&r);
    assert_close(pair.x[FIT_REGRESSOR_START], sqrt(24));
    assert_close(pair.x[FIT_REGRESSOR_TRAPEZOID], (sqrt(24) + sqrt(48)) / 2);
    assert_close(pair.y[FIT_REGRESSOR_START], sqrt(81 - 8)); /* 2/0.25 */
    assert_close(pair.y[FIT_REGRESSOR_TRAPEZOID], sqrt(64 - 8));
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_USED);
}

/* The floor is sqrt(2 noise_sq)/||d||: y^2 = 64 against 4 * 8 noise_sq. */
static void test_below_twice_the_floor_a_pair_is_noise_limited(void **state)
{
    (void)state;
    struct record r = probe(TRAJ_ESTIMATOR_DIFFERENT);
    set(&r, PROBE_noise_sq, 2);
    struct pair pair = pair_of(&r);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_USED);
    set(&r, PROBE_noise_sq, 2.001);
    pair = pair_of(&r);
    assert_int_equal(
        pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_NOISE_LIMITED);
    /* y = 9 of the same probe is above it. */
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_USED);
}

static void test_a_recorded_floor_limits_any_class(void **state)
{
    (void)state;
    struct record r = probe(TRAJ_ESTIMATOR_SAME_BATCH);
    set(&r, PROBE_noise_floor, 4);
    struct pair pair = pair_of(&r);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_USED);
    set(&r, PROBE_noise_floor, 4.5);
    pair = pair_of(&r);
    assert_int_equal(
        pair_use(&pair, FIT_REGRESSOR_TRAPEZOID), PAIR_NOISE_LIMITED);
    assert_true(pair.y[FIT_REGRESSOR_TRAPEZOID] == 8); /* as measured */
}

/* At gamma = 1/4 the displacement is a fourth, and a floor four times as high.
 * The secant is 8: above twice 1, where the smoothness, 9, is below twice 5. */
static void test_floors_of_the_whole_step_are_gamma_times_those_at_gamma(
    void **state)
{
    (void)state;
    struct record r = probe(TRAJ_ESTIMATOR_SAME_BATCH);
    set(&r, PROBE_noise_floor, 5);
    set(&r, PROBE_rounding_floor, 0.5);
    set(&r, PROBE_smoothness_gamma, 0.25);
    const struct pair pair = pair_of(&r);
    assert_true(pair_noise_floor(&pair, FIT_REGRESSOR_START) == 5);
    assert_true(pair_noise_floor(&pair, FIT_REGRESSOR_SIMPSON) == 1.25);
    assert_true(pair_rounding_floor(&pair, FIT_REGRESSOR_START) == 0.5);
    assert_true(pair_rounding_floor(&pair, FIT_REGRESSOR_TRAPEZOID) == 0.125);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NOISE_LIMITED);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), PAIR_USED);
}

static void test_floors_that_nobody_knows_are_none(void **state)
{
    (void)state;
    struct record r = probe(TRAJ_ESTIMATOR_SAME_BATCH);
    const struct pair pair = pair_of(&r);
    assert_true(isnan(pair_noise_floor(&pair, FIT_REGRESSOR_START)));
    assert_true(isnan(pair_rounding_floor(&pair, FIT_REGRESSOR_SIMPSON)));
    struct record different = probe(TRAJ_ESTIMATOR_DIFFERENT);
    set(&different, PROBE_noise_sq, 2); /* sqrt(2 * 2 / 0.25) */
    const struct pair of_two = pair_of(&different);
    assert_true(pair_noise_floor(&of_two, FIT_REGRESSOR_SIMPSON) == 4);
}

static void test_flags_decide_what_a_pair_is_good_for(void **state)
{
    (void)state;
    static const struct {
        uint64_t flags;
        enum pair_use use;
    } rows[] = {
        { TRAJ_PROBE_NOISE_LIMITED, PAIR_NOISE_LIMITED },
        { TRAJ_PROBE_NEGATIVE, PAIR_NOISE_LIMITED },
        { TRAJ_PROBE_BURST, PAIR_BURST }, { TRAJ_PROBE_FROM_DELTA, PAIR_USED },
        { TRAJ_PROBE_BURST | TRAJ_PROBE_TINY_STEP, PAIR_TINY_STEP },
        { 256, PAIR_USED }, /* of a later version */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record r = probe(TRAJ_ESTIMATOR_FULL);
        set_bits(&r, PROBE_flags, rows[i].flags);
        struct pair pair = pair_of(&r);
        assert_int_equal(pair.flags, rows[i].flags);
        assert_int_equal(pair_use(&pair, FIT_REGRESSOR_SIMPSON), rows[i].use);
    }
}

static void test_noise_that_is_nan_leaves_no_pair(void **state)
{
    (void)state;
    struct record r = micro_probe();
    set(&r, PROBE_micro_grad_sq, (double)NAN);
    struct pair pair = pair_of(&r);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_NONFINITE);
}

/* A class of noise alone does not win against one that can be fitted. */
static void test_the_census_counts_what_can_be_fitted(void **state)
{
    (void)state;
    struct pair_census census = { 0 };
    for (int i = 0; i < 10; i++) {
        struct record r = probe(TRAJ_ESTIMATOR_DIFFERENT);
        set(&r, PROBE_noise_sq, 10);
        struct pair pair = pair_of(&r);
        pair_census_add(&census, &pair);
    }
    struct record r = micro_probe();
    struct pair pair = pair_of(&r);
    pair_census_add(&census, &pair);
    assert_int_equal(pair_census_estimator(&census), TRAJ_ESTIMATOR_MICROBATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_microbatch_pairs_are_unbiased),
        cmocka_unit_test(test_microbatch_without_its_sums_was_not_measured),
        cmocka_unit_test(test_a_negative_square_is_noise_and_no_number),
        cmocka_unit_test(test_different_data_is_corrected_by_the_known_noise),
        cmocka_unit_test(test_below_twice_the_floor_a_pair_is_noise_limited),
        cmocka_unit_test(test_a_recorded_floor_limits_any_class),
        cmocka_unit_test(
            test_floors_of_the_whole_step_are_gamma_times_those_at_gamma),
        cmocka_unit_test(test_floors_that_nobody_knows_are_none),
        cmocka_unit_test(test_flags_decide_what_a_pair_is_good_for),
        cmocka_unit_test(test_noise_that_is_nan_leaves_no_pair),
        cmocka_unit_test(test_the_census_counts_what_can_be_fitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Each rule over the steps of one process: what raises it, what does not, when
 * it is clear again. */
#include "pure/alert_rules.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pure/alert_json.h"
#include "traj.h"

#define NOW INT64_C(1700000000000000000)

static struct alert_rules rules;
static struct alert_windows windows;
static struct alert_limits limits;
static uint64_t step;
static struct alert last; /* that was found */

/* One record at a time. */
struct record {
    uint64_t values[WIRE_FIELDS_MAX];
    uint64_t present;
};

static void set(struct record *r, unsigned field, double value)
{
    memcpy(&r->values[field], &value, sizeof value);
    r->present |= ROW_BIT(field);
}

static void count(struct record *r, unsigned field, uint64_t value)
{
    r->values[field] = value;
    r->present |= ROW_BIT(field);
}

/* At the next step of attempt 1. How many were found; the last of them is in
 * `last`. */
static size_t feed(const struct record *record)
{
    const uint64_t *columns[WIRE_FIELDS_MAX];
    struct record r = *record;
    count(&r, STEP_step, ++step);
    for (size_t i = 0; i < WIRE_FIELDS_MAX; i++) {
        columns[i] = &r.values[i];
    }
    const struct row row = { columns, r.present, 0 };
    struct alert_found found;
    alert_rules_step(&rules, &limits, 1, &row, 1, &found);
    if (found.n > 0) {
        last = found.v[found.n - 1];
    }
    return found.n;
}

static struct record loss_of(double loss)
{
    struct record r = { 0 };
    set(&r, STEP_loss, loss);
    return r;
}

static size_t feed_loss(double loss)
{
    const struct record r = loss_of(loss);
    return feed(&r);
}

static size_t feed_many(const struct record *r, size_t n)
{
    size_t raised = 0;
    for (size_t i = 0; i < n; i++) {
        raised += feed(r);
    }
    return raised;
}

static int fresh(void **state)
{
    (void)state;
    limits = ALERT_LIMITS_DEFAULT;
    alert_windows_init(&windows);
    rules = (struct alert_rules){ .windows = &windows };
    step = 0;
    last = (struct alert){ 0 };
    return 0;
}

static void assert_last(enum alert_rule rule, uint64_t at, const char *sentence)
{
    assert_int_equal(last.rule, rule);
    assert_int_equal(last.step, at);
    assert_int_equal(last.attempt, 1);
    assert_int_equal(last.rank, ALERT_NO_RANK);
    assert_string_equal(last.sentence, sentence);
}

/* ---- names ---- */

static void test_names_are_found_again(void **state)
{
    (void)state;
    enum alert_rule found = ALERT_RULES;
    for (size_t i = 0; i < ALERT_RULES; i++) {
        const char *name = alert_rule_name((enum alert_rule)i);
        assert_true(alert_rule_find(str_of(name), &found));
        assert_int_equal(found, i);
    }
    assert_false(alert_rule_find(STR("spikes"), &found));
    assert_false(alert_rule_find(STR(""), &found));
}

/* ---- non_finite ---- */

static void test_the_first_value_that_is_not_finite_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(feed_loss(1), 0);
    assert_int_equal(feed_loss((double)NAN), 1);
    assert_last(ALERT_NON_FINITE, 2, "the loss is NaN at step 2");
    assert_int_equal(last.severity, ALERT_ERROR);
    assert_true(isnan(last.value) && isnan(last.limit));
    assert_int_equal(feed_loss((double)NAN), 0);
    /* One finite step less than it takes, and again. */
    for (unsigned i = 1; i < ALERT_NON_FINITE_CLEAR; i++) {
        assert_int_equal(feed_loss(1), 0);
    }
    assert_int_equal(feed_loss(-(double)INFINITY), 0);
    for (unsigned i = 0; i < ALERT_NON_FINITE_CLEAR; i++) {
        assert_int_equal(feed_loss(1), 0);
    }
    assert_int_equal(feed_loss((double)INFINITY), 1);
    assert_non_null(strstr(last.sentence, "the loss is infinite at step "));
    assert_true(isinf(last.value));
}

static void test_gradients_and_parameters_are_looked_at(void **state)
{
    static const struct {
        unsigned field;
        bool is_count;
        const char *sentence;
    } cases[] = {
        { STEP_grad_sq, false, "the gradient norm is NaN at step 1" },
        { STEP_param_sq, false, "the parameters' norm is NaN at step 1" },
        { STEP_grad_nan, true, "an element of the gradient is NaN at step 1" },
        { STEP_grad_inf, true,
            "an element of the gradient is infinite at step 1" },
        { STEP_param_nan, true, "a parameter is NaN at step 1" },
        { STEP_param_inf, true, "a parameter is infinite at step 1" },
        { STEP_fold_nonfinite, true,
            "the loss or gradient of a folded step is NaN at step 1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record r = loss_of(1);
        (void)fresh(state);
        if (cases[i].is_count) {
            count(&r, cases[i].field, 3);
        } else {
            set(&r, cases[i].field, (double)NAN);
        }
        assert_int_equal(feed(&r), 1);
        assert_last(ALERT_NON_FINITE, 1, cases[i].sentence);
    }
}

static void test_an_overflow_that_the_loss_scaler_handles_is_none(void **state)
{
    (void)state;
    struct record r = loss_of(1);
    set(&r, STEP_grad_sq, (double)INFINITY);
    count(&r, STEP_grad_inf, 7);
    count(&r, STEP_flags, TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED);
    assert_int_equal(feed(&r), 0);
    /* Seen, and yet the step was made. */
    count(&r, STEP_flags, TRAJ_STEP_FOUND_INF);
    assert_int_equal(feed(&r), 1);
    (void)fresh(state);
    set(&r, STEP_loss, (double)NAN);
    count(&r, STEP_flags, TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED);
    assert_int_equal(feed(&r), 1);
}

/* ---- spike ---- */

/* 0.9, 1, 1.1, 0.9, ...: median 1, MAD 0.1. */
static double ripple(uint64_t k)
{
    return 0.9 + 0.1 * (double)(k % 3);
}

static void settle(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(feed_loss(ripple(i)), 0);
    }
}

static void test_a_spike_of_the_loss_is_raised_with_its_z(void **state)
{
    (void)state;
    settle(96); /* 32 of each of three values */
    assert_int_equal(feed_loss(2), 1);
    assert_int_equal(last.rule, ALERT_SPIKE);
    assert_int_equal(last.severity, ALERT_WARNING);
    /* (2 - 1) / (1.4826 * 0.1) */
    assert_true(fabs(last.value - 6.7449) < 1e-3);
    assert_true(fabs(last.limit - 6) < 1e-15);
    assert_last(ALERT_SPIKE, 97,
        "loss 2 at step 97 is 6.74 robust standard deviations above the median "
        "of the 128 steps before");
}

static void test_one_spike_is_raised_once_and_the_next_after_a_while(
    void **state)
{
    (void)state;
    settle(96);
    assert_int_equal(feed_loss(5), 1);
    assert_int_equal(feed_loss(5), 0);
    settle(ALERT_SPIKE_CLEAR - 1);
    assert_int_equal(feed_loss(5), 0);
    settle(ALERT_SPIKE_CLEAR);
    assert_int_equal(feed_loss(5), 1);
}

static void test_below_the_limit_and_downwards_there_is_no_spike(void **state)
{
    (void)state;
    settle(96);
    assert_int_equal(feed_loss(1.88), 0); /* z = 5.94 */
    assert_int_equal(feed_loss(-100), 0);
    limits.spike_z = 5;
    settle(30);
    assert_int_equal(feed_loss(1.88), 1);
}

static void test_a_spike_of_the_gradient_is_of_its_logarithm(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 96; i++) {
        struct record r = { 0 };
        set(&r, STEP_grad_sq, exp(2 * ripple(i)));
        assert_int_equal(feed(&r), 0);
    }
    struct record r = { 0 };
    set(&r, STEP_grad_sq, exp(4));
    assert_int_equal(feed(&r), 1);
    assert_true(fabs(last.value - 6.7449) < 1e-3);
    assert_last(ALERT_SPIKE, 97,
        "gradient norm 7.389 at step 97 is 6.74 robust standard deviations "
        "above the median of the 128 steps before");
}

static void test_what_the_trainer_flags_is_a_spike(void **state)
{
    (void)state;
    struct record r = loss_of(1);
    count(&r, STEP_flags, TRAJ_STEP_SPIKE);
    assert_int_equal(feed(&r), 1);
    assert_last(ALERT_SPIKE, 1,
        "the trainer reports a spike of loss or gradient norm at step 1");
}

static void test_the_largest_of_folded_steps_is_looked_at(void **state)
{
    (void)state;
    settle(96);
    struct record r = loss_of(1);
    set(&r, STEP_fold_loss_max, 9);
    assert_int_equal(feed(&r), 1);
    assert_int_equal(last.rule, ALERT_SPIKE);
}

static void test_what_is_not_finite_is_no_spike_too(void **state)
{
    (void)state;
    settle(96);
    struct record r = loss_of((double)INFINITY);
    count(&r, STEP_flags, TRAJ_STEP_SPIKE);
    assert_int_equal(feed(&r), 1);
    assert_int_equal(last.rule, ALERT_NON_FINITE);
}

/* ---- clip_fraction ---- */

static struct record clip_scale_of(double scale)
{
    struct record r = { 0 };
    set(&r, STEP_clip_scale, scale);
    return r;
}

static void test_a_full_window_of_clipped_steps_is_raised(void **state)
{
    (void)state;
    const struct record clipped = clip_scale_of(0.5);
    assert_int_equal(feed_many(&clipped, ALERT_CLIP_WINDOW - 1), 0);
    assert_int_equal(feed(&clipped), 1);
    assert_last(ALERT_CLIP_FRACTION, 1000,
        "100 % of the last 1000 steps were clipped: the threshold, not the "
        "learning rate, sets their length, at step 1000 (limit 90 %)");
    assert_true(fabs(last.value - 1) < 1e-15 && fabs(last.limit - 0.9) < 1e-15);
}

static void test_the_share_must_be_above_the_limit_and_clear_well_below(
    void **state)
{
    (void)state;
    const struct record clipped = clip_scale_of(0.5);
    const struct record whole = clip_scale_of(1);
    assert_int_equal(feed_many(&whole, 100), 0);
    assert_int_equal(feed_many(&clipped, 900), 0); /* 0.9: at the limit */
    assert_int_equal(feed(&clipped), 1);           /* 901 of 1000 */
    /* Down to 0.721 of the window and up again: not below 0.72. */
    assert_int_equal(feed_many(&clipped, 99), 0);
    assert_int_equal(feed_many(&whole, 279), 0);
    assert_int_equal(feed_many(&clipped, 1000), 0);
    assert_int_equal(feed_many(&whole, 282), 0);
    assert_int_equal(feed_many(&clipped, 1000), 1);
}

static void test_without_a_word_of_clipping_nothing_is_counted(void **state)
{
    (void)state;
    const struct record silent = loss_of(1);
    assert_int_equal(feed_many(&silent, 3000), 0);
    assert_int_equal(windows.clipped.n, 0);
}

static void test_clipping_is_seen_by_flag_scale_fold_or_threshold(void **state)
{
    struct record cases[4] = { clip_scale_of(0.99) };
    count(&cases[1], STEP_flags, TRAJ_STEP_CLIPPED);
    set(&cases[2], STEP_clip_threshold, 2);
    set(&cases[2], STEP_grad_sq, 9);
    cases[3] = clip_scale_of(1);
    count(&cases[3], STEP_fold_count, 10);
    count(&cases[3], STEP_fold_clipped, 6);
    for (size_t i = 0; i < 4; i++) {
        (void)fresh(state);
        assert_int_equal(feed_many(&cases[i], ALERT_CLIP_WINDOW), 1);
        assert_int_equal(last.rule, ALERT_CLIP_FRACTION);
    }
    (void)fresh(state);
    set(&cases[2], STEP_grad_sq, 4); /* at the threshold */
    assert_int_equal(feed_many(&cases[2], ALERT_CLIP_WINDOW), 0);
}

/* ---- skipped ---- */

static struct record still_of(double grad_sq, double delta_sq, double lr)
{
    struct record r = { 0 };
    set(&r, STEP_grad_sq, grad_sq);
    set(&r, STEP_delta_sq, delta_sq);
    set(&r, STEP_lr, lr);
    return r;
}

static void test_updates_of_zero_under_a_gradient_are_skipped(void **state)
{
    (void)state;
    const struct record still = still_of(1, 0, 0.1);
    const struct record moved = still_of(1, 1, 0.1);
    assert_int_equal(feed_many(&moved, 50), 0);
    assert_int_equal(feed_many(&still, 50), 0); /* half: at the limit */
    assert_int_equal(feed(&still), 1);
    assert_last(ALERT_SKIPPED, 101,
        "51 % of the last 100 steps left the parameters as they were: their "
        "updates were skipped, at step 101 (limit 50 %)");
    assert_int_equal(feed_many(&still, 200), 0);
    assert_int_equal(feed_many(&moved, 61), 0); /* 39: below 0.4 */
    assert_int_equal(feed_many(&still, 100), 1);
}

static void test_without_gradient_or_learning_rate_nothing_is_skipped(
    void **state)
{
    (void)state;
    const struct record at_minimum = still_of(0, 0, 0.1);
    const struct record warming_up = still_of(1, 0, 0);
    assert_int_equal(feed_many(&at_minimum, 200), 0);
    assert_int_equal(feed_many(&warming_up, 200), 0);
    struct record flagged = loss_of(1);
    count(&flagged, STEP_flags, TRAJ_STEP_SKIPPED);
    assert_int_equal(feed_many(&flagged, 100), 1);
    assert_int_equal(last.rule, ALERT_SKIPPED);
}

/* Of an update that its watch did not measure a trainer tells that it was left
 * out, or clipped, and not that it was neither: as shares go, it is none. */
static void test_shares_are_of_measured_steps(void **state)
{
    (void)state;
    const struct record still = still_of(1, 0, 0.1);
    const struct record moved = still_of(1, 1, 0.1);
    struct record unmeasured = loss_of(1);
    count(&unmeasured, STEP_flags, TRAJ_STEP_NOT_MEASURED);
    size_t raised = 0;
    for (int i = 0; i < 100; i++) {
        (void)feed(&unmeasured);
        raised += feed(&still);
    }
    assert_int_equal(raised, 1);
    assert_int_equal(last.rule, ALERT_SKIPPED);
    (void)fresh(state);
    assert_int_equal(feed_many(&moved, 100), 0);
    count(&unmeasured, STEP_flags,
        TRAJ_STEP_NOT_MEASURED | TRAJ_STEP_SKIPPED | TRAJ_STEP_CLIPPED);
    assert_int_equal(feed_many(&unmeasured, 2 * ALERT_CLIP_WINDOW), 0);
    set(&unmeasured, STEP_clip_scale, 0.5); /* said of each */
    assert_int_equal(feed_many(&unmeasured, ALERT_CLIP_WINDOW), 1);
    assert_int_equal(last.rule, ALERT_CLIP_FRACTION);
}

/* ---- of all rules ---- */

/* After a start, when what was raised before counts as not clear. */
static void test_a_window_that_is_not_full_says_neither_yes_nor_no(void **state)
{
    (void)state;
    const struct record clipped = clip_scale_of(0.5);
    const struct record whole = clip_scale_of(1);
    rules.gates[ALERT_CLIP_FRACTION].raised = true;
    assert_int_equal(feed_many(&whole, ALERT_CLIP_WINDOW - 1), 0);
    assert_true(rules.gates[ALERT_CLIP_FRACTION].raised);
    assert_int_equal(feed_many(&clipped, 2 * ALERT_CLIP_WINDOW), 1);
    assert_int_equal(last.step, 1900); /* 901 of 1000 */
    (void)fresh(state);
    rules.gates[ALERT_CLIP_FRACTION].raised = true;
    assert_int_equal(feed_many(&clipped, 2 * ALERT_CLIP_WINDOW), 0);
}

static void test_what_counts_as_raised_must_be_clear_first(void **state)
{
    (void)state;
    const struct record whole = loss_of(1);
    rules.gates[ALERT_NON_FINITE].raised = true;
    assert_int_equal(feed_loss((double)NAN), 0);
    assert_int_equal(feed_many(&whole, ALERT_NON_FINITE_CLEAR), 0);
    assert_int_equal(feed_loss((double)NAN), 1);
}

static void test_without_windows_there_is_what_needs_none(void **state)
{
    (void)state;
    rules.windows = NULL;
    settle(96);
    assert_int_equal(feed_loss(1000), 0);
    struct record r = clip_scale_of(0.5);
    assert_int_equal(feed_many(&r, 2 * ALERT_CLIP_WINDOW), 0);
    count(&r, STEP_flags, TRAJ_STEP_SPIKE | TRAJ_STEP_SKIPPED);
    assert_int_equal(feed_many(&r, 2 * ALERT_SKIPPED_WINDOW), 1);
    assert_int_equal(last.rule, ALERT_SPIKE);
    assert_int_equal(feed_loss((double)NAN), 1);
    assert_int_equal(last.rule, ALERT_NON_FINITE);
}

static void test_one_step_may_have_several(void **state)
{
    (void)state;
    struct record r = clip_scale_of(0.5);
    count(&r, STEP_flags, TRAJ_STEP_SKIPPED);
    rules.gates[ALERT_SKIPPED].raised = true;
    assert_int_equal(feed_many(&r, ALERT_CLIP_WINDOW - 1), 0);
    rules.gates[ALERT_SKIPPED].raised = false;
    set(&r, STEP_loss, (double)NAN);
    assert_int_equal(feed(&r), 3);
}

static void test_an_alert_is_one_object_of_json(void **state)
{
    (void)state;
    struct buf json = { 0 };
    assert_int_equal(feed_loss((double)NAN), 1);
    last.wall_ns = NOW;
    alert_json(&json, "r", &last);
    buf_char(&json, '\0');
    assert_false(json.failed);
    assert_string_equal(json.p,
        "{\"run\":\"r\",\"rule\":\"non_finite\",\"severity\":\"error\","
        "\"attempt\":1,\"rank\":null,\"step\":1,\"value\":\"NaN\","
        "\"limit\":null,\"sentence\":\"the loss is NaN at step 1\","
        "\"wall_ns\":\"1700000000000000000\"}");
    buf_clear(&json);
    last.rank = 17;
    alert_json(&json, "r", &last);
    buf_char(&json, '\0');
    assert_non_null(strstr(json.p, ",\"attempt\":1,\"rank\":17,\"step\":1,"));
    buf_done(&json);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_are_found_again),
        TEST(test_the_first_value_that_is_not_finite_is_told_once),
        TEST(test_gradients_and_parameters_are_looked_at),
        TEST(test_an_overflow_that_the_loss_scaler_handles_is_none),
        TEST(test_a_spike_of_the_loss_is_raised_with_its_z),
        TEST(test_one_spike_is_raised_once_and_the_next_after_a_while),
        TEST(test_below_the_limit_and_downwards_there_is_no_spike),
        TEST(test_a_spike_of_the_gradient_is_of_its_logarithm),
        TEST(test_what_the_trainer_flags_is_a_spike),
        TEST(test_the_largest_of_folded_steps_is_looked_at),
        TEST(test_what_is_not_finite_is_no_spike_too),
        TEST(test_a_full_window_of_clipped_steps_is_raised),
        TEST(test_the_share_must_be_above_the_limit_and_clear_well_below),
        TEST(test_without_a_word_of_clipping_nothing_is_counted),
        TEST(test_clipping_is_seen_by_flag_scale_fold_or_threshold),
        TEST(test_updates_of_zero_under_a_gradient_are_skipped),
        TEST(test_without_gradient_or_learning_rate_nothing_is_skipped),
        TEST(test_shares_are_of_measured_steps),
        TEST(test_a_window_that_is_not_full_says_neither_yes_nor_no),
        TEST(test_what_counts_as_raised_must_be_clear_first),
        TEST(test_without_windows_there_is_what_needs_none),
        TEST(test_one_step_may_have_several),
        TEST(test_an_alert_is_one_object_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

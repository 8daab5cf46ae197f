/* Tests of daemon/pure/derived.c. */
#include "pure/derived.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One record: every field of it holds what the test sets. */
struct record {
    uint64_t bits[WIRE_FIELDS_MAX];
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

/* Columns of one record; NULL where it has nothing. */
static double value(const struct record *r, const struct metric *metric)
{
    const uint64_t *columns[WIRE_FIELDS_MAX] = { NULL };
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        columns[f] = (r->present >> f & 1) != 0 ? &r->bits[f] : NULL;
    }
    return metric_value(metric, columns, 0);
}

static double value_of(const struct record *r, const char *name)
{
    struct metric metric;
    assert_true(metric_find(str_of(name), &metric));
    assert_true(metric_has(&metric, &r->present, NULL, 0));
    return value(r, &metric);
}

static bool has(const struct record *r, const char *name)
{
    struct metric metric;
    assert_true(metric_find(str_of(name), &metric));
    return metric_has(&metric, &r->present, NULL, 0);
}

static struct record step_record(void)
{
    struct record r = { 0 };
    set_bits(&r, STEP_step, 12);
    set(&r, STEP_loss, 0.75);
    set(&r, STEP_lr, 0.1);
    set(&r, STEP_grad_sq, 9);
    set(&r, STEP_grad_clipped_sq, 4);
    set(&r, STEP_param_sq, 100);
    set(&r, STEP_delta_sq, 0.25);
    set_bits(&r, STEP_tokens, 1000);
    set_bits(&r, STEP_wall_ns, (uint64_t)INT64_C(-5));
    return r;
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

static void test_step_fields_go_by_their_own_names(void **state)
{
    (void)state;
    struct record r = step_record();
    assert_true(value_of(&r, "loss") == 0.75);
    assert_true(value_of(&r, "lr") == 0.1);
    assert_true(value_of(&r, "grad_sq") == 9);
    assert_true(value_of(&r, "tokens") == 1000);
    assert_true(value_of(&r, "wall_ns") == -5);
}

static void test_norms_are_roots_of_sums_of_squares(void **state)
{
    (void)state;
    struct record r = step_record();
    assert_true(value_of(&r, "grad_norm") == 3);
    assert_true(value_of(&r, "grad_clipped_norm") == 2);
    assert_true(value_of(&r, "param_norm") == 10);
    assert_true(value_of(&r, "delta_norm") == 0.5);
    assert_true(value_of(&r, "update_ratio") == 0.05);
}

static void test_probe_metrics_follow_the_paper(void **state)
{
    (void)state;
    struct record r = probe_record();
    assert_true(value_of(&r, "smoothness") == 8);
    assert_true(value_of(&r, "probe_grad_norm") == 1);
    assert_true(value_of(&r, "trapezoid") == 2);      /* (1 + 3) / 2 */
    assert_true(value_of(&r, "simpson") == 2);        /* (1 + 8 + 3) / 6 */
    assert_true(value_of(&r, "step_limit") == 0.25);  /* 2 / 8 */
    assert_true(value_of(&r, "secant_ceiling") == 8); /* (1 + 3) / 0.5 */
    assert_true(value_of(&r, "ceiling") == 12);
    assert_true(value_of(&r, "secant") == 3); /* 1.5 / 0.5 */
}

static void test_a_metric_needs_all_its_fields(void **state)
{
    (void)state;
    struct record r = probe_record();
    r.present &= ~(UINT64_C(1) << PROBE_grad_mid_sq);
    assert_false(has(&r, "simpson"));
    assert_true(has(&r, "trapezoid"));
    r.present &= ~(UINT64_C(1) << PROBE_step);
    assert_false(has(&r, "trapezoid"));
    struct record s = step_record();
    s.present &= ~(UINT64_C(1) << STEP_param_sq);
    assert_false(has(&s, "update_ratio"));
    assert_true(has(&s, "delta_norm"));
}

static void test_a_measured_nan_is_a_value(void **state)
{
    (void)state;
    struct record r = step_record();
    set(&r, STEP_loss, (double)NAN);
    set(&r, STEP_grad_sq, (double)INFINITY);
    assert_true(isnan(value_of(&r, "loss")));
    assert_true(isinf(value_of(&r, "grad_norm")));
}

static void test_metric_records_match_by_name(void **state)
{
    (void)state;
    struct record r = { 0 };
    set_bits(&r, METRIC_step, 1);
    set_bits(&r, METRIC_name, 0);
    set(&r, METRIC_value, 0.5);
    const struct str texts[] = { STR("val/loss") };
    struct metric metric;
    assert_true(metric_find(STR("metric:val/loss"), &metric));
    assert_int_equal(metric.kind, WIRE_METRIC);
    assert_true(metric_has(&metric, &r.present, texts, 0));
    assert_true(value(&r, &metric) == 0.5);
    assert_true(metric_find(STR("metric:val/loss2"), &metric));
    assert_false(metric_has(&metric, &r.present, texts, 0));
}

static void test_unknown_names_are_no_metrics(void **state)
{
    (void)state;
    static const char *const names[] = { "", "los", "losss",
        "metric:", "gammas", "grad_mid_sq", "LOSS", "loss " };
    struct metric metric;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_false(metric_find(str_of(names[i]), &metric));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_fields_go_by_their_own_names),
        cmocka_unit_test(test_norms_are_roots_of_sums_of_squares),
        cmocka_unit_test(test_probe_metrics_follow_the_paper),
        cmocka_unit_test(test_a_metric_needs_all_its_fields),
        cmocka_unit_test(test_a_measured_nan_is_a_value),
        cmocka_unit_test(test_metric_records_match_by_name),
        cmocka_unit_test(test_unknown_names_are_no_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

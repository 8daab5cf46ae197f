/* Tests of daemon/pure/derived.c. */
#include "pure/derived.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pure/trainer.h"
#include "traj.h"

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

static const struct trainer one = { .world = 1 };

/* Columns of one record; NULL where it has nothing. */
static bool read(const struct record *r, const char *name,
    const struct trainer *trainer, double *ret)
{
    const uint64_t *columns[WIRE_FIELDS_MAX] = { NULL };
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        columns[f] = (r->present >> f & 1) != 0 ? &r->bits[f] : NULL;
    }
    const struct str texts[] = { STR("val/loss") };
    struct metric metric;
    assert_true(metric_find(str_of(name), &metric));
    return metric_read(&metric, trainer, columns, &r->present, texts, 0, ret);
}

static double value_for(
    const struct record *r, const char *name, const struct trainer *trainer)
{
    double value = 0;
    assert_true(read(r, name, trainer, &value));
    return value;
}

static double value_of(const struct record *r, const char *name)
{
    return value_for(r, name, &one);
}

static bool has(const struct record *r, const char *name)
{
    double value = 0;
    return read(r, name, &one, &value);
}

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 4 * 0x1p-53 * fabs(expected));
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

static void test_a_probe_of_a_group_is_none_of_the_run(void **state)
{
    (void)state;
    struct record r = probe_record();
    set_bits(&r, PROBE_group, 0);
    assert_true(has(&r, "smoothness"));
    set_bits(&r, PROBE_group, 2);
    assert_false(has(&r, "smoothness"));
    assert_false(has(&r, "secant"));
    struct metric metric;
    assert_true(metric_find(STR("smoothness"), &metric));
    assert_true((metric.wants & UINT64_C(1) << PROBE_group) != 0);
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
    struct metric metric;
    assert_true(metric_find(STR("metric:val/loss"), &metric));
    assert_int_equal(metric.kind, WIRE_METRIC);
    assert_true(value_of(&r, "metric:val/loss") == 0.5);
    assert_false(has(&r, "metric:val/loss2"));
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

/* ||g|| = 3 and, clipped, 2, in every combination of what it can be times. */
static void test_grad_norm_is_freed_of_every_factor(void **state)
{
    (void)state;
    for (uint64_t stage = 0; stage < 16; stage++) {
        for (uint64_t k = 1; k <= 4; k += 3) {
            const double factor =
                ((stage & TRAJ_STAGE_SCALED) ? 1024 : 1) *
                ((stage & TRAJ_STAGE_ACCUMULATED) ? (double)k : 1) *
                ((stage & TRAJ_STAGE_REDUCED) ? 8 : 1.0);
            struct record r = step_record();
            set(&r, STEP_grad_sq, 9 * factor * factor);
            set(&r, STEP_grad_clipped_sq, 4 * factor * factor);
            set(&r, STEP_loss_scale, 1024);
            set_bits(&r, STEP_micro_batches, k);
            set_bits(&r, STEP_stage, stage);
            const struct trainer eight = { .world = 8 };
            assert_true(value_for(&r, "grad_norm", &eight) == 3);
            assert_true(value_for(&r, "grad_clipped_norm", &eight) == 2);
            assert_true(value_for(&r, "grad_norm_raw", &eight) == 3 * factor);
            assert_true(
                value_for(&r, "grad_clipped_norm_raw", &eight) == 2 * factor);
            assert_true(value_for(&r, "effective_lr", &eight) == 0.5 / 3);
        }
    }
}

static void test_without_the_factor_there_is_no_norm_but_the_raw_one(
    void **state)
{
    (void)state;
    struct record r = step_record();
    set_bits(&r, STEP_stage, TRAJ_STAGE_SCALED);
    assert_false(has(&r, "grad_norm"));
    assert_false(has(&r, "effective_lr"));
    assert_true(value_of(&r, "grad_norm_raw") == 3);
    static const double no_scales[] = { 0, -1, (double)NAN, (double)INFINITY };
    for (size_t i = 0; i < 4; i++) {
        set(&r, STEP_loss_scale, no_scales[i]);
        assert_false(has(&r, "grad_norm"));
    }
    set(&r, STEP_loss_scale, 2);
    assert_true(value_of(&r, "grad_norm") == 1.5);
    set_bits(&r, STEP_stage, TRAJ_STAGE_ACCUMULATED);
    assert_false(has(&r, "grad_norm"));
    set_bits(&r, STEP_micro_batches, 0);
    assert_false(has(&r, "grad_norm"));
}

/* No factor mends a norm of less data. */
static void test_a_norm_of_less_data_is_none_of_the_step(void **state)
{
    (void)state;
    static const uint64_t stages[] = { TRAJ_STAGE_MICRO, TRAJ_STAGE_LOCAL,
        TRAJ_STAGE_LOCAL | TRAJ_STAGE_ACCUMULATED };
    static const char *const of_step[] = { "grad_norm", "grad_clipped_norm",
        "effective_lr", "step_predicted_decrease" };
    struct record r = step_record();
    set(&r, STEP_grad_delta, -1);
    set_bits(&r, STEP_micro_batches, 4);
    for (size_t i = 0; i < 4; i++) {
        set_bits(&r, STEP_stage, TRAJ_STAGE_UNSCALED);
        assert_true(has(&r, of_step[i]));
        for (size_t k = 0; k < 3; k++) {
            set_bits(&r, STEP_stage, stages[k]);
            assert_false(has(&r, of_step[i]));
        }
    }
    assert_true(value_of(&r, "grad_norm_raw") == 3);
    assert_true(value_of(&r, "grad_clipped_norm_raw") == 2);
}

/* f = (8 x^2 + 2 y^2)/2 at (1, 0) with d = (-1/4, 1/2): g = (8, 0),
 * g' = (6, 1), dg = (-2, 1), f = 4, f' = 2.5. */
static struct record quadratic_probe(void)
{
    struct record r = { 0 };
    set_bits(&r, PROBE_step, 12);
    set(&r, PROBE_grad_sq, 64);
    set(&r, PROBE_grad_end_sq, 37);
    set(&r, PROBE_delta_sq, 0.3125);
    set(&r, PROBE_dgrad_sq, 5);
    set(&r, PROBE_grad_delta, -2);
    set(&r, PROBE_dgrad_delta, 1);
    set(&r, PROBE_grad_grad_end, 48);
    set(&r, PROBE_loss, 4);
    set(&r, PROBE_loss_end, 2.5);
    return r;
}

static void test_probe_diagnostics_of_a_quadratic(void **state)
{
    (void)state;
    struct record r = quadratic_probe();
    assert_close(value_of(&r, "secant"), 4); /* sqrt(5 / 0.3125) */
    assert_close(value_of(&r, "directional_curvature"), 3.2);
    assert_close(value_of(&r, "cos_dgrad_delta"), 0.8);
    assert_close(value_of(&r, "gradient_turn"), 6 / sqrt(37));
    assert_close(value_of(&r, "relative_change"), sqrt(5) / 8);
    assert_close(value_of(&r, "bb1"), 0.3125);
    assert_close(value_of(&r, "bb2"), 0.2);
    assert_close(value_of(&r, "bb"), 0.25); /* 1/y, and sqrt(bb1 bb2) */
    /* Of a quadratic it is the curvature along the step. */
    assert_close(value_of(&r, "directional_smoothness"), 3.2);
    assert_close(value_of(&r, "pointwise_smoothness"), 8);
    assert_close(value_of(&r, "predicted_decrease"), 2);
    assert_close(value_of(&r, "realised_decrease"), 1.5);
    assert_close(value_of(&r, "decrease_ratio"), 0.75);
}

/* Of consecutive steps, each on its own data: the loss changes with it. */
static void test_losses_of_two_batches_are_not_compared(void **state)
{
    (void)state;
    static const char *const of_losses[] = { "directional_smoothness",
        "realised_decrease", "decrease_ratio" };
    struct record r = quadratic_probe();
    set_bits(&r, PROBE_estimator, TRAJ_ESTIMATOR_DIFFERENT);
    for (size_t i = 0; i < 3; i++) {
        assert_false(has(&r, of_losses[i]));
    }
    assert_close(value_of(&r, "predicted_decrease"), 2);
    set_bits(&r, PROBE_estimator, TRAJ_ESTIMATOR_SAME_BATCH);
    for (size_t i = 0; i < 3; i++) {
        assert_true(has(&r, of_losses[i]));
    }
}

/* Else a column that nobody asked for would be none. */
static void test_what_makes_a_difference_is_asked_for(void **state)
{
    (void)state;
    static const char *const of_losses[] = { "directional_smoothness",
        "realised_decrease", "decrease_ratio" };
    for (size_t i = 0; i < 3; i++) {
        struct metric metric;
        assert_true(metric_find(str_of(of_losses[i]), &metric));
        assert_true((metric.wants & ROW_BIT(PROBE_estimator)) != 0);
    }
}

static void test_signs_of_curvature_are_kept(void **state)
{
    (void)state;
    struct record r = quadratic_probe();
    set(&r, PROBE_dgrad_delta, -1);
    assert_close(value_of(&r, "directional_curvature"), -3.2);
    assert_close(value_of(&r, "cos_dgrad_delta"), -0.8);
    assert_close(value_of(&r, "bb1"), -0.3125);
    assert_close(value_of(&r, "bb2"), -0.2);
    assert_close(value_of(&r, "bb"), 0.25);
}

static void test_what_is_divided_by_zero_was_not_measured(void **state)
{
    (void)state;
    static const char *const of_probe[] = { "directional_curvature",
        "cos_dgrad_delta", "relative_change", "gradient_turn", "bb1", "bb2",
        "bb", "directional_smoothness", "pointwise_smoothness",
        "decrease_ratio", "step_limit", "secant", "secant_ceiling" };
    struct record r = quadratic_probe();
    set(&r, PROBE_smoothness, 0);
    for (unsigned f = PROBE_grad_sq; f <= PROBE_grad_grad_end; f++) {
        set(&r, f, 0);
    }
    for (size_t i = 0; i < sizeof of_probe / sizeof of_probe[0]; i++) {
        assert_false(has(&r, of_probe[i]));
    }
    struct record s = step_record();
    set(&s, STEP_grad_sq, 0);
    set(&s, STEP_grad_delta, 0);
    set(&s, STEP_param_sq, 0);
    assert_false(has(&s, "cos_update"));
    assert_false(has(&s, "effective_lr"));
    assert_false(has(&s, "update_ratio"));
}

/* g = (3, 0), d = (-0.3, 0.4); g before = (2, 4). */
static void test_step_diagnostics_follow_from_the_sums(void **state)
{
    (void)state;
    struct record r = step_record();
    set(&r, STEP_grad_delta, -0.9);
    set(&r, STEP_dgrad_sq, 17);
    set(&r, STEP_grad_prev, 6);
    assert_close(value_of(&r, "cos_update"), 0.6);
    assert_close(value_of(&r, "step_gradient_turn"), 6 / (3 * sqrt(20)));
    assert_close(value_of(&r, "step_predicted_decrease"), 0.9);
    /* All of it of 4 g: only what has the unit of g needs the factor. */
    set(&r, STEP_grad_sq, 9 * 16);
    set(&r, STEP_grad_delta, -0.9 * 4);
    set(&r, STEP_dgrad_sq, 17 * 16);
    set(&r, STEP_grad_prev, 6 * 16);
    set_bits(&r, STEP_stage, TRAJ_STAGE_ACCUMULATED);
    set_bits(&r, STEP_micro_batches, 4);
    assert_close(value_of(&r, "cos_update"), 0.6);
    assert_close(value_of(&r, "step_gradient_turn"), 6 / (3 * sqrt(20)));
    assert_close(value_of(&r, "step_predicted_decrease"), 0.9);
}

static void test_a_cosine_does_not_pass_1(void **state)
{
    (void)state;
    struct record r = step_record();
    set(&r, STEP_grad_delta, -1.5000000000000002); /* of 3 * 0.5 */
    assert_true(value_of(&r, "cos_update") == 1);
    set(&r, STEP_grad_delta, 1.5000000000000002);
    assert_true(value_of(&r, "cos_update") == -1);
    set(&r, STEP_grad_delta, (double)NAN);
    assert_true(isnan(value_of(&r, "cos_update")));
}

static void test_the_edge_of_stability_is_the_optimizers(void **state)
{
    (void)state;
    static const struct {
        enum optimizer optimizer;
        double edge; /* times lr, for momentum 1/2 */
    } rows[] = {
        { OPTIMIZER_SGD, 3 },
        { OPTIMIZER_HEAVY_BALL, 3 },
        { OPTIMIZER_EMA_MOMENTUM, 6 },
        { OPTIMIZER_NESTEROV, 1.5 },
        { OPTIMIZER_ADAM, 6 },
    };
    struct record r = step_record();
    double edge = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct trainer trainer = { 1, rows[i].optimizer };
        r.present &= ~(UINT64_C(1) << STEP_momentum);
        assert_int_equal(read(&r, "edge_of_stability", &trainer, &edge),
            rows[i].optimizer == OPTIMIZER_SGD);
        set(&r, STEP_momentum, 0.5);
        assert_close(
            value_for(&r, "edge_of_stability", &trainer), rows[i].edge / 0.1);
    }
    assert_false(read(&r, "edge_of_stability", &one, &edge));
    const struct trainer sgd = { 1, OPTIMIZER_SGD };
    r.present &= ~(UINT64_C(1) << STEP_momentum);
    assert_close(value_for(&r, "edge_of_stability", &sgd), 20);
    /* 38/eta at beta1 = .9: 2207.14484 */
    const struct trainer adam = { 1, OPTIMIZER_ADAM };
    set(&r, STEP_momentum, 0.9);
    assert_true(fabs(value_for(&r, "edge_of_stability", &adam) - 380) < 1e-9);
    set(&r, STEP_lr, 0);
    assert_false(read(&r, "edge_of_stability", &sgd, &edge));
}

static void test_a_hello_says_world_and_optimizer(void **state)
{
    (void)state;
    struct trainer t = trainer_of_hello(
        "{\"run_id\":\"r\",\"world\": 8 ,\"optimizer\":\"AdamW\"}");
    assert_int_equal(t.world, 8);
    assert_int_equal(t.optimizer, OPTIMIZER_ADAM);
    t = trainer_of_hello("{\"optimizer\":\"momentum\"}");
    assert_int_equal(t.world, 1);
    assert_int_equal(t.optimizer, OPTIMIZER_HEAVY_BALL);
    assert_int_equal(
        trainer_of_hello("{\"optimizer\":\"Heavy-Ball\"}").optimizer,
        OPTIMIZER_HEAVY_BALL);
    assert_int_equal(
        trainer_of_hello("{\"optimizer\":\"gd\"}").optimizer, OPTIMIZER_SGD);
    t = trainer_of_hello("{\"optimizer\":\"adamax\",\"world\":0}");
    assert_int_equal(t.world, 1);
    assert_int_equal(t.optimizer, OPTIMIZER_OTHER);
    t = trainer_of_hello(NULL);
    assert_int_equal(t.world, 1);
    /* Not those of a member. */
    t = trainer_of_hello("{\"config\":{\"world\":9,\"optimizer\":\"sgd\"}}");
    assert_int_equal(t.world, 1);
    assert_int_equal(t.optimizer, OPTIMIZER_OTHER);
}

static void test_layers_are_asked_for_by_field_and_name(void **state)
{
    (void)state;
    struct metric metric;
    assert_true(metric_find(STR("group:grad_norm:a:b"), &metric));
    assert_int_equal(metric.kind, WIRE_GROUP);
    assert_true(metric.is_root && metric.field == GROUP_grad_sq);
    assert_true(str_equal(metric.match, STR("a:b")));
    assert_true(metric_find(STR("group:delta_norm:a"), &metric));
    assert_false(metric.is_root); /* a field, of a norm that is not L2 */
    assert_true(metric_find(STR("group:update_norm:a"), &metric));
    assert_true(metric.is_root && metric.field == GROUP_delta_sq);
    assert_false(metric_find(STR("group:grad_sq:"), &metric));
    assert_false(metric_find(STR("group:grad_sq"), &metric));
    assert_false(metric_find(STR("group:wall_ns:a"), &metric));
    assert_false(metric_find(STR("group:stage:a"), &metric));
    assert_false(metric_find(STR("group::a"), &metric));
}

static void test_a_layer_is_told_by_its_number(void **state)
{
    (void)state;
    struct record r = { 0 };
    set_bits(&r, GROUP_step, 1);
    set_bits(&r, GROUP_group, 7);
    set(&r, GROUP_grad_sq, 9);
    const uint64_t *columns[WIRE_FIELDS_MAX] = { NULL };
    for (unsigned f = 0; f < GROUP_FIELDS; f++) {
        columns[f] = &r.bits[f];
    }
    struct metric metric;
    double value = 0;
    assert_true(metric_find(STR("group:grad_norm:x"), &metric));
    metric.group = 7;
    assert_true(
        metric_read(&metric, &one, columns, &r.present, NULL, 0, &value));
    assert_true(value == 3);
    metric.group = 8;
    assert_false(
        metric_read(&metric, &one, columns, &r.present, NULL, 0, &value));
}

/* What is kept holds every metric there is, under the name that it says. */
static void test_every_metric_is_kept(void **state)
{
    (void)state;
    static const char *const names[] = { "loss", "step", "wall_ns", "tokens",
        "grad_sq", "grad_norm", "grad_norm_raw", "param_norm", "update_ratio",
        "edge_of_stability", "smoothness", "ceiling", "probe_grad_norm",
        "secant", "bb", "metric:a", "group:grad_norm:a", "group:grad_nan:a",
        "group:delta_norm:a" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct metric metric;
        struct metric kept;
        size_t found = 0;
        assert_true(metric_find(str_of(names[i]), &metric));
        for (size_t k = 0; metric_kept(metric.kind, k, &kept); k++) {
            assert_false(kept.is_root);
            assert_true(k < 64);
            found += str_equal(kept.kept, metric.kept);
        }
        assert_int_equal(found, 1);
    }
}

static void test_many_values_are_those_of_each_record(void **state)
{
    (void)state;
    static const char *const names[] = { "loss", "tokens", "grad_norm",
        "update_ratio", "param_norm" };
    struct record r[3] = { step_record(), step_record(), step_record() };
    r[1].present &= ~(UINT64_C(1) << STEP_loss);
    set(&r[2], STEP_param_sq, -4);
    uint64_t bits[WIRE_FIELDS_MAX][3];
    uint64_t present[3];
    const uint64_t *columns[WIRE_FIELDS_MAX];
    for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
        for (size_t i = 0; i < 3; i++) {
            bits[f][i] = r[i].bits[f];
        }
        columns[f] = bits[f];
    }
    for (size_t i = 0; i < 3; i++) {
        present[i] = r[i].present;
    }
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        struct metric metric;
        bool has[3];
        double values[3];
        assert_true(metric_find(str_of(names[k]), &metric));
        metric_values(&metric, &one, columns, present, NULL, 3, has, values);
        for (size_t i = 0; i < 3; i++) {
            double value = 0;
            assert_int_equal(has[i],
                metric_read(&metric, &one, columns, present, NULL, i, &value));
            value = has[i] ? value : 0;
            double of_root = metric.is_root ? sqrt(values[i]) : values[i];
            of_root = has[i] ? of_root : 0;
            assert_true(of_root == value || (isnan(of_root) && isnan(value)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_fields_go_by_their_own_names),
        cmocka_unit_test(test_norms_are_roots_of_sums_of_squares),
        cmocka_unit_test(test_probe_metrics_follow_the_paper),
        cmocka_unit_test(test_a_metric_needs_all_its_fields),
        cmocka_unit_test(test_a_probe_of_a_group_is_none_of_the_run),
        cmocka_unit_test(test_a_measured_nan_is_a_value),
        cmocka_unit_test(test_metric_records_match_by_name),
        cmocka_unit_test(test_unknown_names_are_no_metrics),
        cmocka_unit_test(test_grad_norm_is_freed_of_every_factor),
        cmocka_unit_test(
            test_without_the_factor_there_is_no_norm_but_the_raw_one),
        cmocka_unit_test(test_a_norm_of_less_data_is_none_of_the_step),
        cmocka_unit_test(test_probe_diagnostics_of_a_quadratic),
        cmocka_unit_test(test_losses_of_two_batches_are_not_compared),
        cmocka_unit_test(test_what_makes_a_difference_is_asked_for),
        cmocka_unit_test(test_signs_of_curvature_are_kept),
        cmocka_unit_test(test_what_is_divided_by_zero_was_not_measured),
        cmocka_unit_test(test_step_diagnostics_follow_from_the_sums),
        cmocka_unit_test(test_a_cosine_does_not_pass_1),
        cmocka_unit_test(test_the_edge_of_stability_is_the_optimizers),
        cmocka_unit_test(test_a_hello_says_world_and_optimizer),
        cmocka_unit_test(test_layers_are_asked_for_by_field_and_name),
        cmocka_unit_test(test_a_layer_is_told_by_its_number),
        cmocka_unit_test(test_every_metric_is_kept),
        cmocka_unit_test(test_many_values_are_those_of_each_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

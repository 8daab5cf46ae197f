/* Advice: against the formulas of theory.md 5 at figures worked out by hand,
 * and each guard. */
#include "pure/advice.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define N 20

/* x = 1, ..., 20, y = 2 + x/2: the law (2, 0.5). */
struct run {
    double x[N], y[N];
    struct advice_input input;
};

static void new_run(struct run *run)
{
    for (size_t i = 0; i < N; i++) {
        run->x[i] = (double)(i + 1);
        run->y[i] = 2 + 0.5 * run->x[i];
    }
    run->input = (struct advice_input){
        .verdict = VERDICT_GROWS,
        .law = { 2, 0.5 },
        .x = run->x,
        .y = run->y,
        .n = N,
        .optimizer = OPTIMIZER_SGD,
        .grad_norm = { true, 8 },
        .lr = { true, 0.25 },
    };
}

static struct advice advice_of(const struct run *run)
{
    struct advice advice;
    assert_true(advice_compute(&run->input, &advice));
    return advice;
}

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) <= 1e-14 * fabs(b));
}

static void test_a_law(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    const struct advice a = advice_of(&run);
    assert_null(a.refusal);
    assert_false(a.unconfirmed);
    assert_near(a.knee, 4);
    assert_near(a.share_above, 0.8);
    assert_near(a.most, 20);
    assert_near(a.target, 1); /* the 1st of 20 */
    /* L0 + 1.5 L1 G = 8; 1/(2 L0) = 1/4, 1/(3 L1 G) = 1/12; fixed: G = 20 */
    assert_near(a.steps[TRAJ_RULE_L0L1].v, 1.0 / 8);
    assert_near(a.steps[TRAJ_RULE_CLIPPED_L0L1].v, 1.0 / 12);
    assert_near(a.steps[TRAJ_RULE_FIXED].v, 1.0 / 24);
    assert_near(a.steps[TRAJ_RULE_OPTIMAL].v, log(1 + 4.0 / 6) / 4);
    /* (20/2 + 2)/(2 + 1.5/2) */
    assert_near(a.bound_ratio, 12 / 2.75);
    /* q95 of y is the 19th: 11.5 */
    assert_near(a.lr_limit.v, 2 / 11.5);
    assert_near(a.lr_over_limit.v, 0.25 * 11.5 / 2);
    assert_near(a.own_threshold.v, 1 / (3 * 0.5 * 0.25));
    assert_string_equal(a.recipes[0].name, "clipped");
    assert_near(a.recipes[0].lr, 1.0 / 20);
    assert_near(a.recipes[0].threshold, 4);
    assert_near(a.recipes[1].lr, 1.0 / 4);
    assert_near(a.recipes[1].threshold, 8.0 / 3);
    assert_near(a.recipes[2].lr, 1.0 / 2);
    assert_near(a.recipes[2].threshold, 4);
    double each = 0;
    double same = 0;
    for (size_t i = 0; i < N; i++) {
        each += run.x[i] * run.x[i] / run.y[i];
        same += run.x[i] * run.x[i] / 12;
    }
    assert_near(a.adaptivity, each / same);
}

/* 10 L0 is the smaller one. */
static void test_the_other_branch_of_the_first_recipe(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    run.input.law.L1 = 0.05;
    assert_near(advice_of(&run).recipes[0].threshold, 20);
}

/* No knee, and no clipping: nothing grows. */
static void test_a_flat_law(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    run.input.verdict = VERDICT_FLAT;
    run.input.law = (struct fit_line){ 4, 0 };
    for (size_t i = 0; i < N; i++) {
        run.y[i] = 4;
    }
    const struct advice a = advice_of(&run);
    assert_null(a.refusal);
    assert_true(isinf(a.knee) && a.share_above == 0);
    assert_true(isinf(a.recipes[1].threshold));
    assert_false(a.own_threshold.has);
    assert_near(a.adaptivity, 1);
    assert_near(a.bound_ratio, 1);
    assert_near(a.lr_limit.v, 0.5);
}

static void test_what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    run.input.grad_norm.has = run.input.lr.has = false;
    run.input.target = (struct figure){ true, 0.1 };
    run.input.verdict = VERDICT_GROWS_UNCONFIRMED;
    const struct advice a = advice_of(&run);
    assert_true(a.unconfirmed);
    assert_true(a.steps[TRAJ_RULE_FIXED].has);
    assert_false(a.steps[TRAJ_RULE_L0L1].has);
    assert_false(a.lr_over_limit.has || a.own_threshold.has);
    assert_true(a.lr_limit.has);
    assert_near(a.bound_ratio, 12 / (2 + 0.075));
}

static double limit_with(enum optimizer optimizer, double beta)
{
    struct run run;
    new_run(&run);
    run.input.optimizer = optimizer;
    run.input.momentum = (struct figure){ true, beta };
    return advice_of(&run).lr_limit.v * 11.5; /* times q95 of y */
}

/* Edge of stability, theory.md 3: of the effective step. */
static void test_momentum_moves_the_limit(void **state)
{
    (void)state;
    assert_near(limit_with(OPTIMIZER_SGD, 0), 2);
    assert_near(limit_with(OPTIMIZER_SGD, 0.5), 3);
    assert_near(limit_with(OPTIMIZER_HEAVY_BALL, 0.5), 3);
    assert_near(limit_with(OPTIMIZER_EMA_MOMENTUM, 0.5), 6);
    assert_near(limit_with(OPTIMIZER_NESTEROV, 0.5), 1.5);
    struct run run;
    new_run(&run);
    run.input.optimizer = OPTIMIZER_HEAVY_BALL; /* by how much? */
    const struct advice a = advice_of(&run);
    assert_false(a.lr_limit.has || a.lr_over_limit.has);
    assert_true(a.own_threshold.has && a.refusal == NULL);
}

/* Steps add up: ten of them at b = 0.9. */
static void test_momentum_shortens_the_rates(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    const struct advice plain = advice_of(&run);
    run.input.momentum = (struct figure){ true, 0.9 };
    run.input.optimizer = OPTIMIZER_HEAVY_BALL;
    const struct advice a = advice_of(&run);
    for (size_t i = 0; i < ADVICE_RECIPES; i++) {
        assert_true(fabs(a.recipes[i].lr / plain.recipes[i].lr - 0.1) < 1e-12);
        assert_near(a.recipes[i].threshold, plain.recipes[i].threshold);
    }
    assert_true(fabs(a.own_threshold.v / plain.own_threshold.v - 0.1) < 1e-12);
    assert_true(fabs(a.steps[TRAJ_RULE_L0L1].v / plain.steps[TRAJ_RULE_L0L1].v -
                     0.1) < 1e-12);
    run.input.optimizer = OPTIMIZER_EMA_MOMENTUM; /* an average of gradients */
    assert_near(advice_of(&run).recipes[0].lr, plain.recipes[0].lr);
}

/* ||H|| bounds the smoothness along any direction, also those not taken. */
static void test_a_larger_operator_norm_lowers_the_limit(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    run.input.operator_high = (struct figure){ true, 11 };
    assert_near(advice_of(&run).lr_limit.v, 2 / 11.5); /* q95 of y is more */
    run.input.operator_high.v = 40;
    assert_near(advice_of(&run).lr_limit.v, 2.0 / 40);
    assert_near(advice_of(&run).lr_over_limit.v, 0.25 * 40 / 2);
}

static void assert_refused(const struct run *run, const char *why)
{
    const struct advice a = advice_of(run);
    assert_non_null(a.refusal);
    assert_string_equal(a.refusal, why);
}

static void test_guards(void **state)
{
    (void)state;
    for (int kind = 0; kind < VERDICT_KINDS; kind++) {
        struct run run;
        new_run(&run);
        run.input.verdict = (enum verdict_kind)kind;
        if (kind == VERDICT_GROWS || kind == VERDICT_GROWS_UNCONFIRMED ||
            kind == VERDICT_FLAT) {
            assert_null(advice_of(&run).refusal);
        } else {
            assert_refused(&run, verdict_name((enum verdict_kind)kind));
        }
    }
    struct run run;
    new_run(&run);
    run.input.optimizer = OPTIMIZER_ADAM;
    assert_refused(&run, "optimizer");
    run.input.of_layer = true; /* what comes first */
    assert_refused(&run, "layer");
    run.input.of_layer = false;
    run.input.optimizer = OPTIMIZER_OTHER;
    assert_refused(&run, "optimizer");
    run.input.optimizer = OPTIMIZER_SGD;
    run.input.law = (struct fit_line){ 0, 0 };
    assert_refused(&run, "no_law");
    new_run(&run);
    run.input.n = 0;
    assert_refused(&run, "no_law");
}

/* Gluon's radius t = x/(L0 + L1 x): of (2, 1/2) at 8 it is 8/6. */
static void test_of_a_layer_there_is_the_radius_of_its_own_part(void **state)
{
    (void)state;
    struct run run;
    new_run(&run);
    run.input.of_layer = true;
    run.input.optimizer = OPTIMIZER_OTHER; /* a radius is of no optimizer */
    const struct advice a = advice_of(&run);
    assert_string_equal(a.refusal, "layer");
    assert_true(a.of_layer);
    assert_true(a.radius.has && a.grad_norm.has);
    assert_near(a.radius.v, 8.0 / 6);
    assert_near(a.grad_norm.v, 8);
    assert_near(a.knee, 4);
    assert_near(a.share_above, 0.8);
    assert_true(a.unconfirmed);
    run.input.law = (struct fit_line){ 4, 0 };
    run.input.verdict = VERDICT_FLAT;
    assert_near(advice_of(&run).radius.v, 2);
    run.input.grad_norm.has = false;
    assert_false(advice_of(&run).radius.has);
    run.input.grad_norm = (struct figure){ true, 0 };
    assert_false(advice_of(&run).radius.has);
    /* No law of use, no radius. */
    run.input.grad_norm.v = 8;
    run.input.verdict = VERDICT_NOISE_LIMITED;
    const struct advice none = advice_of(&run);
    assert_string_equal(none.refusal, "noise_limited");
    assert_false(none.radius.has || none.of_layer || none.knee > 0);
}

static void test_rules_have_names(void **state)
{
    (void)state;
    for (unsigned rule = 1; rule <= ADVICE_RULES; rule++) {
        assert_non_null(advice_rule_name((enum traj_rule)rule));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_law),
        cmocka_unit_test(test_the_other_branch_of_the_first_recipe),
        cmocka_unit_test(test_a_flat_law),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_momentum_moves_the_limit),
        cmocka_unit_test(test_momentum_shortens_the_rates),
        cmocka_unit_test(test_a_larger_operator_norm_lowers_the_limit),
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_of_a_layer_there_is_the_radius_of_its_own_part),
        cmocka_unit_test(test_rules_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

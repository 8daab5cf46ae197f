/* Verdicts: each of the closed list from the figures that call for it, what
 * goes first where several would, each limit crossed, and the sentences. */
#include "pure/verdict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct figure is(double value)
{
    return (struct figure){ true, value };
}

/* A clear law that the operator norm confirms. */
static struct verdict_facts law(void)
{
    return (struct verdict_facts){
        .probes = 1100,
        .n = 1000,
        .noise = 50,
        .rounding = 50,
        .growth = is(0.7),
        .n_eff = is(300),
        .ceiling_ratio = is(0.05),
        .x_spread = is(12),
        .proportional = is(8.5),
        .step_rank = is(-0.4),
        .partial_rank = is(0.8),
        .partial_p = is(0.001),
        .partial_p_any = is(0.002),
        .slope = is(7.9),
        .slope_low = is(7.1),
        .slope_high = is(8.6),
        .slope_p = is(1e-6),
        .level = 0.95,
        .operator_n = 100,
        .operator_spread = is(5),
        .operator_rank = is(0.8),
        .operator_p = is(1e-4),
        .operator_growth = is(0.6),
        .operator_growth_se = is(0.05),
        .operator_share = is(0.9),
    };
}

static struct verdict decided(const struct verdict_facts *facts)
{
    struct verdict verdict;
    verdict_decide(facts, &verdict);
    return verdict;
}

static void assert_verdict(
    const struct verdict_facts *facts, const char *name, const char *sentence)
{
    const struct verdict verdict = decided(facts);
    assert_string_equal(verdict_name(verdict.kind), name);
    struct buf out = { 0 };
    verdict_sentence(&verdict, facts, &out);
    buf_char(&out, '\0');
    assert_false(out.failed);
    if (strcmp(out.p, sentence) != 0) {
        fail_msg("'%s' is not '%s'", out.p, sentence);
    }
    buf_done(&out);
}

static void test_a_law(void **state)
{
    (void)state;
    const struct verdict_facts facts = law();
    assert_verdict(&facts, "grows",
        "smoothness grows with gradient norm (L1 = 7.9, 95 % 7.1 to 8.6; "
        "operator norm agrees)");
}

static void assert_kind(const struct verdict_facts *facts, const char *name)
{
    assert_string_equal(verdict_name(decided(facts).kind), name);
}

static void test_an_operator_norm_that_stays(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.operator_growth = is(0.01);
    facts.operator_growth_se = is(0.02);
    assert_verdict(&facts, "direction_artefact",
        "looks like L1 > 0 (L1 = 7.9, 95 % 7.1 to 8.6) but the operator norm "
        "does not follow: direction artefact");
    facts.operator_growth = is(-0.7);
    assert_kind(&facts, "direction_artefact");
    /* Half of the growth is what it must certainly stay below. */
    facts.operator_growth = is(0.3);
    assert_kind(&facts, "direction_artefact");
    facts.operator_growth_se = is(0.03);
    assert_kind(&facts, "grows"); /* and three sevenths are more than 1/4 */
}

static void test_an_operator_norm_that_does_not_tell(void **state)
{
    (void)state;
    static const char does_not_tell[] =
        "smoothness along the update grows with gradient norm (L1 = 7.9, 95 % "
        "7.1 to 8.6); the operator norms that were measured do not tell";
    struct verdict_facts facts = law();
    facts.operator_p = is(0.11); /* too few, or too noisy */
    assert_verdict(&facts, "grows_unconfirmed", does_not_tell);
    facts = law();
    facts.operator_p.has = false; /* it follows the step */
    assert_kind(&facts, "grows_unconfirmed");
    facts = law();
    facts.operator_growth.has = false;
    assert_kind(&facts, "grows_unconfirmed");
    facts = law();
    facts.operator_growth = is(0.17); /* of 0.7 less than a quarter */
    facts.operator_growth_se = is(0.1);
    assert_kind(&facts, "grows_unconfirmed");
    facts.operator_growth = is(0.18);
    assert_kind(&facts, "grows");
    facts.operator_rank = is(-0.1);
    assert_kind(&facts, "grows_unconfirmed");
    facts = law(); /* below what was measured along the update: impossible */
    facts.operator_share = is(1.51);
    assert_verdict(&facts, "grows_unconfirmed", does_not_tell);
    facts.operator_share = is(1.5);
    assert_kind(&facts, "grows");
    facts.operator_n = VERDICT_OPERATOR_MIN - 1;
    assert_verdict(&facts, "grows_unconfirmed",
        "smoothness along the update grows with gradient norm (L1 = 7.9, 95 % "
        "7.1 to 8.6), as it does on a quadratic too: only the operator norm "
        "could confirm it");
}

static void test_too_little(void **state)
{
    (void)state;
    struct verdict_facts facts = { .level = 0.95 };
    assert_verdict(&facts, "no_data", "nothing was probed");
    facts = law();
    facts.n = VERDICT_PAIRS_MIN - 1;
    facts.noise = facts.rounding = 0;
    assert_verdict(
        &facts, "too_few", "too few probes: 29 pairs of 1100, 30 are needed");
    facts.left_out = "incomplete";
    assert_verdict(&facts, "too_few",
        "too few probes: 29 pairs of 1100, 30 are needed (most were left out: "
        "incomplete)");
    facts.n = VERDICT_PAIRS_MIN;
    assert_int_equal(decided(&facts).kind, VERDICT_GROWS);
    facts.slope_low.has = false;
    assert_verdict(&facts, "inconclusive",
        "inconclusive: 30 pairs that follow each other are too few for an "
        "interval of L1");
}

static void test_noise_and_rounding(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.noise = 1000;
    assert_verdict(&facts, "noise_limited",
        "limited by sampling noise: 1000 probes lie at the noise floor, 1000 "
        "above it");
    facts.noise = 50;
    facts.rounding = 1000;
    assert_verdict(&facts, "rounding_limited",
        "limited by rounding: in 1000 probes the gradient changed by no more "
        "than rounding, in 1000 by more");
    facts.still = 501;
    assert_verdict(&facts, "rounding_limited",
        "nothing to measure: in 1000 probes the update was zero, or too short "
        "for its precision, in 1000 it was not");
    /* None is left, and why: not only "too few". */
    facts.n = 0;
    assert_int_equal(decided(&facts).kind, VERDICT_ROUNDING_LIMITED);
    facts.rounding = 0;
    facts.noise = 1;
    assert_int_equal(decided(&facts).kind, VERDICT_NOISE_LIMITED);
    facts.noise = 0;
    assert_int_equal(decided(&facts).kind, VERDICT_TOO_FEW);
    facts = law();
    facts.noise_unknown = true;
    assert_verdict(&facts, "noise_limited",
        "gradients of different batches whose noise is not known: it alone may "
        "give this picture");
}

static void test_the_ceiling(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.ceiling_ratio = is(0.61);
    assert_verdict(&facts, "near_ceiling",
        "the smoothness is 0.61 of the most that unrelated gradients could "
        "give: noise alone would look like this");
    facts.ceiling_ratio = is(0.6);
    assert_int_equal(decided(&facts).kind, VERDICT_GROWS);
}

static void test_what_cannot_be_told_apart(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.x_spread = is(1.4);
    assert_verdict(&facts, "not_identifiable",
        "not identifiable: the gradient norm varied by 1.4x");
    facts.x_spread = is(2);
    assert_int_equal(decided(&facts).kind, VERDICT_GROWS);
    facts.n_eff = is(29);
    assert_verdict(&facts, "not_identifiable",
        "not identifiable: 1000 pairs that follow each other are worth 29 "
        "independent ones");
    facts.n_eff = is(30);
    facts.step_rank = is(-0.99);
    assert_verdict(&facts, "not_separable_from_time",
        "not separable from time: the gradient norm follows the step (Spearman "
        "-0.990)");
    facts.step_rank = is(-0.98);
    assert_int_equal(decided(&facts).kind, VERDICT_GROWS);
    facts.slope_low = is(-1);
    facts.slope_high = is(9);
    assert_verdict(&facts, "not_identifiable",
        "not identifiable: L1 = 7.9, 95 % -1 to 9, which holds both no growth "
        "and growth in proportion (8.5)");
}

static void test_no_growth(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.slope = is(0.1);
    facts.slope_low = is(-0.3);
    facts.slope_high = is(0.5);
    facts.slope_p = is(0.3);
    assert_verdict(&facts, "flat",
        "smoothness does not grow measurably (L1 = 0.1, 95 % -0.3 to 0.5)");
    facts.slope = is(-2);
    facts.slope_low = is(-3);
    facts.slope_high = is(-1);
    facts.slope_p = is(0.9999);
    facts.partial_rank = is(-0.3);
    assert_verdict(&facts, "falls",
        "smoothness falls as the gradient norm grows (L1 = -2, 95 % -3 to -1)");
    /* It asks for as much as growth does. */
    facts.phases = 10;
    facts.partial_p_any = is(0.006);
    assert_kind(&facts, "inconclusive");
    facts.phases = 1;
    assert_kind(&facts, "falls");
    facts.slope_p = is(0.94);
    assert_kind(&facts, "inconclusive");
    facts.slope_p = is(0.9999);
    facts.partial_rank = is(0.3); /* given the step it rises */
    assert_kind(&facts, "inconclusive");
    facts = (struct verdict_facts){ .probes = 100, .n = 100, .constant = true };
    assert_verdict(&facts, "flat", "smoothness is constant");
    /* The slope says so, ranks do not. */
    facts = law();
    facts.partial_p = is(0.05);
    assert_verdict(&facts, "inconclusive",
        "inconclusive: L1 = 7.9, 95 % 7.1 to 8.6, but ranks, with time taken "
        "out, do not confirm it");
    facts.partial_p.has = false;
    assert_verdict(&facts, "inconclusive",
        "inconclusive: L1 = 7.9, 95 % 7.1 to 8.6, but it cannot be told from a "
        "common course in time or of the learning rate");
    facts = law(); /* 5 % on one side, and an interval that holds 0 */
    facts.slope_low = is(-0.01);
    facts.slope_high = is(8);
    assert_kind(&facts, "flat");
}

static void test_what_noise_took_out_tilts_the_rest(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.noise = 112;
    assert_verdict(&facts, "inconclusive",
        "inconclusive: L1 = 7.9, 95 % 7.1 to 8.6, but 112 of 1112 probes lie "
        "at "
        "the noise floor, and leaving them out tilts what is left");
    facts.noise = 111;
    assert_kind(&facts, "grows");
}

/* Of ten phases one has a p of 0.005 by chance in twenty runs. */
static void test_many_phases_ask_for_more(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    facts.phases = 10;
    facts.partial_p = is(0.004);
    assert_int_equal(decided(&facts).kind, VERDICT_GROWS);
    facts.partial_p = is(0.006);
    assert_int_equal(decided(&facts).kind, VERDICT_INCONCLUSIVE);
    facts.partial_p = is(0.004);
    facts.slope_p = is(0.006);
    assert_verdict(&facts, "inconclusive",
        "inconclusive: L1 = 7.9, 95 % 7.1 to 8.6, which of 10 phases one may "
        "show by chance");
}

static const struct verdict_reason *reason(
    const struct verdict *verdict, const char *name)
{
    for (size_t i = 0; i < verdict->n_reasons; i++) {
        if (strcmp(verdict->reasons[i].name, name) == 0) {
            return &verdict->reasons[i];
        }
    }
    return NULL;
}

static void test_reasons_are_data(void **state)
{
    (void)state;
    struct verdict_facts facts = law();
    struct verdict verdict = decided(&facts);
    const struct verdict_reason *r = reason(&verdict, "operator_p");
    assert_true(r != NULL && r->value == 1e-4 && r->limit == VERDICT_P_MAX);
    assert_true(r->speaks_for);
    r = reason(&verdict, "ceiling_ratio");
    assert_true(r != NULL && r->value == 0.05 && !r->speaks_for);
    facts.ceiling_ratio = is(0.9);
    verdict = decided(&facts);
    assert_null(reason(&verdict, "operator_p")); /* it was not asked */
    r = reason(&verdict, "ceiling_ratio");
    assert_true(r != NULL && r->value == 0.9 && r->speaks_for);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_law),
        cmocka_unit_test(test_an_operator_norm_that_stays),
        cmocka_unit_test(test_an_operator_norm_that_does_not_tell),
        cmocka_unit_test(test_what_noise_took_out_tilts_the_rest),
        cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_noise_and_rounding),
        cmocka_unit_test(test_the_ceiling),
        cmocka_unit_test(test_what_cannot_be_told_apart),
        cmocka_unit_test(test_no_growth),
        cmocka_unit_test(test_many_phases_ask_for_more),
        cmocka_unit_test(test_reasons_are_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

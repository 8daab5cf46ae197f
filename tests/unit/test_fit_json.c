/* Tests of daemon/pure/fit_json.c. */
#include "pure/fit_json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "traj.h"

static cJSON *json_of(const struct run_fit *fit, const char *run_uid)
{
    struct buf out = { 0 };
    fit_json(&out, fit, run_uid);
    assert_false(out.failed);
    assert_null(strchr(out.p, '\n'));
    cJSON *json = cJSON_Parse(out.p);
    assert_non_null(json);
    buf_done(&out);
    return json;
}

static const cJSON *member(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    assert_non_null(item);
    return item;
}

/* Of the fit below. */
static void assert_power(const cJSON *json)
{
    const cJSON *power = member(json, "power");
    assert_true(member(power, "rho")->valuedouble == 0.25);
    assert_true(member(power, "L0")->valuedouble == 3);
    assert_true(member(power, "L1")->valuedouble == 4);
    const cJSON *scores = member(power, "scores");
    assert_int_equal(cJSON_GetArraySize(scores), 9);
    assert_string_equal(cJSON_GetArrayItem(scores, 0)->valuestring, "Infinity");
    assert_true(cJSON_GetArrayItem(scores, 8)->valuedouble == 0.5);
}

static void assert_frontier(const cJSON *json)
{
    const cJSON *frontier = member(json, "frontier");
    assert_int_equal(cJSON_GetArraySize(frontier), 2);
    const cJSON *vertex = cJSON_GetArrayItem(frontier, 1);
    assert_true(cJSON_GetArrayItem(vertex, 0)->valuedouble == 0.1);
    assert_true(cJSON_GetArrayItem(vertex, 1)->valuedouble == 1e300);
}

static void assert_rivals(const cJSON *json)
{
    const cJSON *rivals = member(json, "rivals");
    assert_true(cJSON_IsNull(member(json, "rivals_absent")));
    assert_true(member(rivals, "n")->valuedouble == 38);
    assert_true(member(rivals, "n_excluded")->valuedouble == 2);
    assert_true(member(rivals, "f_star")->valuedouble == 0.25);
    assert_string_equal(member(rivals, "best")->valuestring, "both");
    assert_true(member(rivals, "score_ratio")->valuedouble == 3);
    assert_true(cJSON_IsNull(member(rivals, "gap")));
    assert_true(member(member(rivals, "both"), "H1")->valuedouble == 3);
    assert_true(member(member(rivals, "gradient"), "L1")->valuedouble == 2);
    assert_true(
        member(member(rivals, "constant"), "score")->valuedouble == 0.75);
}

static void test_a_fit_is_written_exactly(void **state)
{
    (void)state;
    struct run_fit fit = {
        .regressor = FIT_REGRESSOR_TRAPEZOID,
        .estimator = TRAJ_ESTIMATOR_SUBSET,
        .first_step = 3,
        .last_step = UINT64_MAX,
        .every = 1,
        .report = { .n = 40,
            .n_excluded = 2,
            .x_min = 0.1,
            .x_max = 1e300,
            .y_min = 1,
            .y_max = 2,
            .has_spearman = true,
            .spearman = -0.5 },
        .excluded = { [PAIR_ROUNDING] = 2 },
        .warnings = RUN_FIT_NEAR_CEILING | RUN_FIT_THINNED,
    };
    fit.report.fits[1].method = "ols";
    fit.report.fits[1].tau = (double)NAN;
    fit.report.fits[1].valid = true;
    fit.report.fits[1].line = (struct fit_line){ 0.1, -1.0 / 3 };
    fit.report.fits[3].method = "quantile";
    fit.report.fits[3].tau = 0.95;
    fit.report.fits[3].valid = true;
    fit.report.fits[3].line = (struct fit_line){ 1, 2 };
    fit.report.has_power = true;
    fit.report.power.rho = 0.25;
    fit.report.power.line = (struct fit_line){ 3, 4 };
    fit.report.power.scores[0] = (double)INFINITY;
    fit.report.power.scores[8] = 0.5;
    fit.frontier = (struct run_frontier){ 2, { { 7, 0 }, { 0.1, 1e300 } } };
    fit.rivals = (struct fit_rivals){ .n = 38,
        .n_excluded = 2,
        .least_loss = 0.25,
        .best = FIT_RIVAL_BOTH,
        .of = { { true, 1, 0, 0, 0.75 }, { true, 1, 2, 0, 0.25 },
            { false, 0, 0, 0, (double)INFINITY }, { true, 1, 2, 3, 0.125 } } };

    cJSON *json = json_of(&fit, "a\"b");
    assert_string_equal(member(json, "run")->valuestring, "a\"b");
    assert_string_equal(member(json, "regressor")->valuestring, "trapezoid");
    assert_string_equal(member(json, "estimator")->valuestring, "subset");
    assert_true(member(json, "n")->valuedouble == 40);
    assert_true(member(member(json, "excluded"), "rounding")->valuedouble == 2);
    assert_true(
        member(member(json, "excluded"), "tiny_step")->valuedouble == 0);
    const cJSON *fits = member(json, "fits");
    assert_int_equal(cJSON_GetArraySize(fits), 2);
    const cJSON *ols = cJSON_GetArrayItem(fits, 0);
    assert_true(cJSON_IsNull(member(ols, "tau")));
    assert_true(member(ols, "L1")->valuedouble == -1.0 / 3);
    assert_true(
        member(cJSON_GetArrayItem(fits, 1), "tau")->valuedouble == 0.95);
    assert_true(
        cJSON_GetArrayItem(member(json, "x_range"), 1)->valuedouble == 1e300);
    assert_string_equal(
        cJSON_GetArrayItem(member(json, "step_range"), 1)->valuestring,
        "18446744073709551615");
    assert_power(json);
    assert_frontier(json);
    assert_rivals(json);
    assert_true(cJSON_IsNull(member(json, "loglog")));
    assert_true(cJSON_IsNull(member(json, "spearman_step_x")));
    assert_true(cJSON_IsNull(member(json, "reason")));
    const cJSON *warnings = member(json, "warnings");
    assert_int_equal(cJSON_GetArraySize(warnings), 2);
    assert_string_equal(
        cJSON_GetArrayItem(warnings, 0)->valuestring, "near_ceiling");
    cJSON_Delete(json);
}

static void test_an_absent_fit_is_null_and_says_why(void **state)
{
    (void)state;
    struct run_fit fit = {
        .every = 1, .reason = "no_probes", .rivals_absent = "too_few_pairs"
    };
    cJSON *json = json_of(&fit, NULL);
    assert_null(cJSON_GetObjectItemCaseSensitive(json, "run"));
    assert_true(cJSON_IsNull(member(json, "x_range")));
    assert_true(cJSON_IsNull(member(json, "power")));
    assert_true(cJSON_IsNull(member(json, "frontier")));
    assert_true(cJSON_IsNull(member(json, "rivals")));
    assert_string_equal(
        member(json, "rivals_absent")->valuestring, "too_few_pairs");
    assert_true(cJSON_IsNull(member(json, "step_range")));
    assert_true(cJSON_IsNull(member(json, "spearman")));
    assert_int_equal(cJSON_GetArraySize(member(json, "fits")), 0);
    assert_string_equal(member(json, "reason")->valuestring, "no_probes");
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fit_is_written_exactly),
        cmocka_unit_test(test_an_absent_fit_is_null_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table `fits` of runs of many pairs: from their states, as GET /fits, and
 * without reading the records; of few, from the pairs. */
#include "../lib/sql_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pure/run_fit.h"
#include "traj.h"

#define BATCH 64u

/* y = 2 + 3 x, up and down by a tenth. */
static struct rig_record probe(
    uint64_t seq, uint64_t step, uint64_t estimator, uint64_t *seed)
{
    struct rig_record r = { .seq = seq, .kind = WIRE_PROBE };
    const double g = 1 + (double)(rig_random(seed) % 1000) / 100;
    const double noise = rig_random(seed) % 2 == 0 ? 0.9 : 1.1;
    rig_set_u64(&r, PROBE_step, step);
    rig_set_u64(&r, PROBE_estimator, estimator);
    rig_set(&r, PROBE_smoothness, (2 + 3 * g) * noise);
    rig_set(&r, PROBE_grad_sq, g * g);
    rig_set(&r, PROBE_ceiling, 100);
    return r;
}

static void add(struct rig *rig, struct stream_state *s, uint64_t step,
    size_t n, uint64_t estimator, uint64_t *seed)
{
    while (n > 0) {
        struct rig_records records = { 0 };
        for (size_t i = 1; i <= BATCH && n > 0; i++, n--) {
            struct rig_record r =
                probe(s->committed_seq + i, step++, estimator, seed);
            rig_records_add(&records, &r);
        }
        rig_append(rig, s, 1, &records, 0, records.n);
        rig_records_done(&records);
    }
}

static struct stream_state start(struct sql_bed *bed)
{
    return rig_hello(&bed->rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
}

static void test_one_pair_more_than_a_fit_takes_is_fitted_from_states(
    void **state)
{
    struct sql_bed *bed = *state;
    uint64_t seed = 5;
    static const char sql[] =
        "SELECT from_states, every, n, tau_int IS NULL, "
        "partial_p IS NULL, difference_p IS NULL, spearman IS NULL "
        "FROM fits('r') WHERE method = 'ols'";
    struct stream_state s = start(bed);
    add(&bed->rig, &s, 0, RUN_FIT_PAIRS_MAX, TRAJ_ESTIMATOR_FULL, &seed);
    assert_rows(bed, sql, "0|1|65536|0|0|0|0;");
    add(&bed->rig, &s, RUN_FIT_PAIRS_MAX, 1, TRAJ_ESTIMATOR_FULL, &seed);
    (void)rig_seal(&bed->rig, &s, true);
    assert_rows(bed, sql, "1|1|65537|0|1|1|1;");
}

/* Of records that cannot be read: 33 rows of 16 chunks of 128. */
static void test_fits_of_many_pairs_read_no_record(void **state)
{
    struct sql_bed *bed = *state;
    uint64_t seed = 7;
    struct stream_state s = start(bed);
    add(&bed->rig, &s, 0, 66944, TRAJ_ESTIMATOR_FULL, &seed);
    add(&bed->rig, &s, 66944, 640, TRAJ_ESTIMATOR_SAME_BATCH, &seed);
    (void)rig_seal(&bed->rig, &s, true);
    rig_sql(&bed->rig, "UPDATE chunk SET body = x'00'");
    assert_int_equal(sql_bed_fails(bed, "SELECT max(smoothness) FROM probes"),
        SQLITE_CORRUPT);
    assert_rows(bed,
        "SELECT estimator, is_default, from_states, n, n_excluded, "
        "first_step, last_step, round(L1, 1), L1_low < 3 AND 3 < L1_high, "
        "L0_low < 2 AND 2 < L0_high, level, interval_absent, "
        "loglog_slope BETWEEN 0.5 AND 1, loglog_theil_sen, power_rho, window "
        "FROM fits('r') WHERE method = 'nnls_relative'",
        "full|1|1|66944|640|0|66943|3.0|1|1|0.95|NULL|1|NULL|NULL|1;"
        "same_batch|0|1|640|66944|66944|67583|3.0|NULL|NULL|NULL|few_blocks|1|"
        "NULL|NULL|1;");
}

static void test_of_few_pairs_all_is_known(void **state)
{
    struct sql_bed *bed = *state;
    uint64_t seed = 9;
    struct stream_state s = start(bed);
    add(&bed->rig, &s, 0, 4000, TRAJ_ESTIMATOR_FULL, &seed);
    assert_rows(bed,
        "SELECT from_states, L1_low < 3 AND 3 < L1_high, dof > 18, "
        "L1_se > 0 AND abs(L1_high - L1_low - 4 * L1_se) < 0.1 * L1_se, "
        "abs(L0_estimate + L1_estimate * x_mean - centroid) < 1e-9, "
        "corr < 0, tau_int, n_eff, slope_p < 1e-9, partial_spearman > 0.9, "
        "partial_p, difference_spearman > 0.9, difference_p, "
        "power_rho, abs(power_L1 - 3) < 0.1, json_array_length(power_scores), "
        "loglog_theil_sen BETWEEN 0.5 AND 1 "
        "FROM fits('r') WHERE method = 'nnls_relative'",
        "0|1|1|1|1|1|1.0|4000.0|1|1|0.001|1|0.001|1.0|1|9|1;");
}

static void test_rank_tests_are_those_of_a_statement_that_asks(void **state)
{
    struct sql_bed *bed = *state;
    uint64_t seed = 9;
    struct stream_state s = start(bed);
    add(&bed->rig, &s, 0, 400, TRAJ_ESTIMATOR_FULL, &seed);
    static const char *const columns[] = { "partial_spearman", "partial_p",
        "difference_spearman", "difference_p" };
    for (size_t i = 0; i < 4; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql,
            "SELECT %s IS NULL FROM fits('r') LIMIT 1", columns[i]);
        assert_rows(bed, sql, "0;");
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, sql_bed_open, sql_bed_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_pair_more_than_a_fit_takes_is_fitted_from_states),
        TEST(test_fits_of_many_pairs_read_no_record),
        TEST(test_of_few_pairs_all_is_known),
        TEST(test_rank_tests_are_those_of_a_statement_that_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

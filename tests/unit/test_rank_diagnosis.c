/* Tests of daemon/pure/rank_diagnosis.c and rank_factor.c. */
#include "pure/rank_diagnosis.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pure/ranks.h"

#define STEPS 20

/* One rank's STEP record. */
struct record {
    uint64_t present;
    uint64_t bits[WIRE_FIELDS_MAX];
};

static void set_bits(struct record *r, unsigned field, uint64_t bits)
{
    r->bits[field] = bits;
    r->present |= ROW_BIT(field);
}

static void set(struct record *r, unsigned field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    set_bits(r, field, bits);
}

/* What a trainer records at a step; changes *r of rank. */
typedef void (*trainer_fn)(struct record *r, uint32_t rank, uint64_t step);

static bool diagnose(void *context, const struct rank_step *step)
{
    rank_diagnosis_add(context, step);
    return true;
}

/* The findings of STEPS steps, from step 100 on, of `world` ranks of plain
 * SGD. */
static size_t findings_of(uint32_t world, trainer_fn trainer,
    struct rank_finding ret[static RANK_FINDINGS_MAX])
{
    const struct trainer sgd = { .world = world, .optimizer = OPTIMIZER_SGD };
    struct rank_diagnosis *d = rank_diagnosis_new(&sgd);
    assert_non_null(d);
    struct ranks *ranks = ranks_new(&(struct ranks_options){ .kind = WIRE_STEP,
        .items = 1,
        .world = world,
        .window = RANKS_WINDOW,
        .keep_values = true,
        .visit = diagnose,
        .context = d });
    assert_non_null(ranks);
    for (uint32_t rank = 0; rank < world; rank++) {
        for (uint64_t step = 100; step < 100 + STEPS; step++) {
            struct record r = { 0 };
            set_bits(&r, STEP_step, step);
            trainer(&r, rank, step);
            const uint64_t *columns[WIRE_FIELDS_MAX];
            for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
                columns[f] = &r.bits[f];
            }
            const struct row row = { columns, r.present, 0 };
            const struct ranks_source source = { rank, world, 1, 0 };
            assert_true(ranks_add(
                ranks, &source, &(struct ranks_record){ .row = &row }));
        }
    }
    assert_true(ranks_flush(ranks));
    size_t n = rank_diagnosis_findings(d, ret);
    ranks_free(ranks);
    rank_diagnosis_free(d);
    return n;
}

static struct rank_finding the_finding(uint32_t world, trainer_fn trainer)
{
    struct rank_finding findings[RANK_FINDINGS_MAX];
    assert_int_equal(findings_of(world, trainer, findings), 1);
    return findings[0];
}

static void nothing_of(uint32_t world, trainer_fn trainer)
{
    struct rank_finding findings[RANK_FINDINGS_MAX];
    assert_int_equal(findings_of(world, trainer, findings), 0);
}

/* ---- trainers -------------------------------------------------------------
 */

static void replica(struct record *r, uint32_t rank, uint64_t step)
{
    (void)rank;
    set_bits(r, STEP_combine, TRAJ_COMBINE_REPLICA);
    set(r, STEP_loss, 1.0 / (double)step);
    set(r, STEP_lr, 0.1);
    set(r, STEP_grad_sq, 4.0 + (double)step);
    set(r, STEP_param_sq, 100);
    set(r, STEP_delta_sq, 0.01 * (4.0 + (double)step));
}

/* Squares of 1, 1.1, .. for each rank: those of shards of one kind. */
static void mistaken_shard(struct record *r, uint32_t rank, uint64_t step)
{
    double size = 1 + 0.1 * rank;
    replica(r, rank, step);
    set(r, STEP_grad_sq, size * (double)step);
    set(r, STEP_param_sq, 100 * size);
    set(r, STEP_delta_sq, 0.01 * size * (double)step);
}

static void unsaid_shard(struct record *r, uint32_t rank, uint64_t step)
{
    mistaken_shard(r, rank, step);
    set_bits(r, STEP_combine, TRAJ_COMBINE_NONE);
}

static void unsaid_shard_without_x(
    struct record *r, uint32_t rank, uint64_t step)
{
    unsaid_shard(r, rank, step);
    r->present &= ~ROW_BIT(STEP_param_sq);
}

static void right_shard(struct record *r, uint32_t rank, uint64_t step)
{
    mistaken_shard(r, rank, step);
    set_bits(r, STEP_combine, TRAJ_COMBINE_SHARD);
}

static void own_data(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    r->present &= ~ROW_BIT(STEP_delta_sq);
    set(r, STEP_loss, 1.0 + 0.1 * rank);
    set(r, STEP_grad_sq, (4.0 + rank) * (double)step);
}

static void drifting(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank == 2 && step >= 110) {
        set(r, STEP_param_sq, 100 * (1 + 1e-5 * (double)(step - 109)));
    }
}

/* Parameters apart by more than rounding and less than shards would be. */
static void drifted_far(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    set(r, STEP_param_sq, 100 * (1 + 1e-4 * rank));
    set(r, STEP_grad_sq, 4.0 + rank);
}

static void nan_of_one(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank == 1 && step == 105) {
        set(r, STEP_grad_sq, (double)NAN);
    }
}

static void infinite_square_of_one(
    struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank == 1 && step == 105) {
        set(r, STEP_grad_sq, (double)INFINITY);
    }
}

static void infinite_loss_of_one(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank == 2) {
        set(r, STEP_loss, (double)INFINITY);
    }
}

static void infinite_low_of_one(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank == 2) {
        set(r, STEP_loss, -(double)INFINITY);
    }
}

static void nan_loss_of_one(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank == 2) {
        set(r, STEP_loss, (double)NAN);
    }
}

static void two_rules(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    set_bits(
        r, STEP_combine, rank == 1 ? TRAJ_COMBINE_SHARD : TRAJ_COMBINE_REPLICA);
}

static void two_lrs(struct record *r, uint32_t rank, uint64_t step)
{
    right_shard(r, rank, step);
    set(r, STEP_lr, rank == 3 && step > 103 ? 0.2 : 0.1);
}

/* ---- replicas and shards --------------------------------------------------
 */

static void test_a_sound_run_has_no_findings(void **state)
{
    (void)state;
    nothing_of(1, replica);
    nothing_of(4, replica);
    nothing_of(2, right_shard);
    nothing_of(4, right_shard);
    nothing_of(256, right_shard);
}

static void test_shards_that_pass_for_the_run_are_named(void **state)
{
    (void)state;
    static const trainer_fn trainers[] = { mistaken_shard, unsaid_shard,
        unsaid_shard_without_x };
    for (size_t i = 0; i < 3; i++) {
        struct rank_finding f = the_finding(4, trainers[i]);
        assert_int_equal(f.code, RANK_FINDING_ONE_SHARD);
        /* sqrt of (1 + 1.1 + 1.2 + 1.3) over the median, 1.15: 2. */
        assert_true(fabs(f.factor - 2) < 1e-12);
        assert_int_equal(f.first_step, 100);
        assert_int_equal(f.steps, STEPS);
        assert_non_null(strstr(f.text, "one shard's norm"));
    }
}

static void test_gradients_of_own_data_are_no_shards(void **state)
{
    (void)state;
    struct rank_finding f = the_finding(4, own_data);
    assert_int_equal(f.code, RANK_FINDING_OWN_DATA);
    assert_int_equal(f.first_step, 100);
    assert_non_null(strstr(f.text, "stage LOCAL"));
}

static void test_a_replica_that_drifts_is_named_with_its_first_step(
    void **state)
{
    (void)state;
    struct rank_finding f = the_finding(4, drifting);
    assert_int_equal(f.code, RANK_FINDING_DISAGREE);
    assert_string_equal(f.field, "param_sq");
    assert_int_equal(f.first_step, 110);
    assert_int_equal(f.steps, 10);
    assert_int_equal(f.n_ranks, 1);
    assert_int_equal(f.ranks[0], 2);
    assert_true(fabs(f.factor - 1e-4 / (1 + 1e-4)) < 1e-12);
}

static void test_gradients_of_parameters_that_drifted_are_not_own_data(
    void **state)
{
    (void)state;
    struct rank_finding findings[RANK_FINDINGS_MAX];
    assert_int_equal(findings_of(4, drifted_far, findings), 2);
    assert_int_equal(findings[0].code, RANK_FINDING_DISAGREE);
    assert_string_equal(findings[0].field, "grad_sq");
    assert_int_equal(findings[1].code, RANK_FINDING_DISAGREE);
    assert_string_equal(findings[1].field, "param_sq");
    assert_int_equal(findings[1].n_ranks, 4);
}

static void test_a_nan_of_one_replica_is_a_disagreement(void **state)
{
    (void)state;
    struct rank_finding f = the_finding(4, nan_of_one);
    assert_int_equal(f.code, RANK_FINDING_DISAGREE);
    assert_string_equal(f.field, "grad_sq");
    assert_int_equal(f.first_step, 105);
    assert_int_equal(f.steps, 1);
    assert_int_equal(f.n_ranks, 1);
    assert_int_equal(f.ranks[0], 1);
    assert_true(isinf(f.factor));
}

static void test_an_infinite_square_of_one_replica_is_a_disagreement(
    void **state)
{
    (void)state;
    struct rank_finding f = the_finding(4, infinite_square_of_one);
    assert_int_equal(f.code, RANK_FINDING_DISAGREE);
    assert_string_equal(f.field, "grad_sq");
    assert_true(isinf(f.factor));
    assert_int_equal(f.n_ranks, 1);
    assert_int_equal(f.ranks[0], 1);
    assert_non_null(strstr(f.text,
        "grad_sq is finite on some ranks and not on others, since step 105 "
        "(rank 1, for one)"));
}

/* Of fields whose values by rank are not kept too. */
static void test_the_rank_without_a_number_is_the_one_named(void **state)
{
    (void)state;
    static const trainer_fn trainers[] = { infinite_loss_of_one,
        infinite_low_of_one, nan_loss_of_one };
    for (size_t i = 0; i < 3; i++) {
        struct rank_finding f = the_finding(4, trainers[i]);
        assert_int_equal(f.code, RANK_FINDING_DIFFER);
        assert_string_equal(f.field, "loss");
        assert_true(isinf(f.factor));
        assert_int_equal(f.n_ranks, 1);
        assert_int_equal(f.ranks[0], 2);
    }
}

static void test_rules_that_differ_are_named(void **state)
{
    (void)state;
    struct rank_finding f = the_finding(4, two_rules);
    assert_int_equal(f.code, RANK_FINDING_MIXED);
    assert_int_equal(f.steps, STEPS);
}

static void test_what_ranks_say_differently_is_named(void **state)
{
    (void)state;
    struct rank_finding f = the_finding(4, two_lrs);
    assert_int_equal(f.code, RANK_FINDING_DIFFER);
    assert_string_equal(f.field, "lr");
    assert_int_equal(f.first_step, 104);
    assert_true(f.factor == 0.5);
    assert_int_equal(f.n_ranks, 2);
    assert_int_equal(f.ranks[0] == 3 || f.ranks[1] == 3, 1);
}

static void lonely(struct record *r, uint32_t rank, uint64_t step)
{
    replica(r, rank, step);
    if (rank < 20) {
        set(r, STEP_param_sq, 100 + rank);
    }
}

static void test_of_many_ranks_the_lowest_are_listed(void **state)
{
    (void)state;
    struct rank_finding f = the_finding(64, lonely);
    assert_int_equal(f.n_ranks, 19);
    assert_int_equal(f.ranks[0], 1);
    assert_int_equal(f.ranks[RANK_FINDING_RANKS - 1], RANK_FINDING_RANKS);
}

/* ---- factors --------------------------------------------------------------
 */

/* ||d|| = lr c ||g|| of a true ||g|| = 3; recorded is ||g|| times `wrong`. */
static double wrong;

static void sgd(struct record *r, uint32_t rank, uint64_t step)
{
    (void)rank;
    double norm = 3 + 0.1 * (double)step;
    set_bits(r, STEP_combine, TRAJ_COMBINE_REPLICA);
    set(r, STEP_lr, 0.1);
    set(r, STEP_clip_scale, 0.5);
    set(r, STEP_loss_scale, 1024);
    set_bits(r, STEP_micro_batches, 8);
    set(r, STEP_grad_sq, wrong * norm * wrong * norm);
    set(r, STEP_delta_sq, 0.05 * norm * 0.05 * norm);
}

static void sgd_with_momentum(struct record *r, uint32_t rank, uint64_t step)
{
    sgd(r, rank, step);
    set(r, STEP_momentum, 0.9);
}

static void sgd_from_delta(struct record *r, uint32_t rank, uint64_t step)
{
    sgd(r, rank, step);
    set_bits(r, STEP_flags, TRAJ_STEP_FROM_DELTA);
}

static void sgd_clipped_by_who_knows(
    struct record *r, uint32_t rank, uint64_t step)
{
    sgd(r, rank, step);
    r->present &= ~ROW_BIT(STEP_clip_scale);
    set(r, STEP_clip_threshold, 1);
}

static void sgd_that_says_scaled(struct record *r, uint32_t rank, uint64_t step)
{
    sgd(r, rank, step);
    set_bits(r, STEP_stage, TRAJ_STAGE_SCALED);
}

static void sgd_unsteady(struct record *r, uint32_t rank, uint64_t step)
{
    sgd(r, rank, step);
    if (step % 5 == 0) {
        set(r, STEP_delta_sq, 7);
    }
}

static void test_a_factor_in_the_norm_is_named_by_its_cause(void **state)
{
    (void)state;
    static const struct {
        double wrong;
        double factor;
        const char *cause;
    } cases[] = {
        { 1024, 1.0 / 1024, "the loss scale is in it" },
        { 1.0 / 1024, 1024, "SCALED is wrong" },
        { 8, 1.0 / 8, "the sum over the microbatches" },
        { 1.0 / 8, 8, "a mean over the microbatches already" },
        { 16, 1.0 / 16, "the sum over the ranks" },
        { 1.0 / 16, 16, "a mean over the ranks already" },
        { 0.25, 4, "one shard's" },
        { 4, 0.25, "every replica's square" },
        { 8 * 1.009, 1.0 / 8, "the sum over the microbatches" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wrong = cases[i].wrong;
        struct rank_finding f = the_finding(16, sgd);
        assert_int_equal(f.code, RANK_FINDING_FACTOR);
        assert_true(fabs(f.factor / cases[i].factor - 1) < 1e-12);
        assert_non_null(strstr(f.text, cases[i].cause));
        assert_int_equal(f.first_step, 100);
        assert_int_equal(f.steps, STEPS);
    }
}

static void test_causes_of_one_factor_are_all_named(void **state)
{
    (void)state;
    wrong = 8;
    struct rank_finding f = the_finding(8, sgd);
    assert_non_null(strstr(f.text, "the sum over the microbatches"));
    assert_non_null(strstr(f.text, ", or it is the sum over the ranks"));
}

static void test_a_right_or_unknown_factor_is_no_finding(void **state)
{
    (void)state;
    static const double harmless[] = { 1, 1.02, 8 * 1.011, 5, 1.0 / 7 };
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        wrong = harmless[i];
        nothing_of(16, sgd);
    }
    wrong = 1024;
    nothing_of(16, sgd_with_momentum);
    nothing_of(16, sgd_from_delta);
    nothing_of(16, sgd_clipped_by_who_knows);
    nothing_of(16, sgd_that_says_scaled); /* and is */
    nothing_of(16, sgd_unsteady);
}

static void test_one_process_can_be_off_too(void **state)
{
    (void)state;
    wrong = 8;
    struct rank_finding f = the_finding(1, sgd);
    assert_true(f.factor == 1.0 / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_run_has_no_findings),
        cmocka_unit_test(test_shards_that_pass_for_the_run_are_named),
        cmocka_unit_test(test_gradients_of_own_data_are_no_shards),
        cmocka_unit_test(
            test_a_replica_that_drifts_is_named_with_its_first_step),
        cmocka_unit_test(
            test_gradients_of_parameters_that_drifted_are_not_own_data),
        cmocka_unit_test(test_a_nan_of_one_replica_is_a_disagreement),
        cmocka_unit_test(
            test_an_infinite_square_of_one_replica_is_a_disagreement),
        cmocka_unit_test(test_the_rank_without_a_number_is_the_one_named),
        cmocka_unit_test(test_rules_that_differ_are_named),
        cmocka_unit_test(test_what_ranks_say_differently_is_named),
        cmocka_unit_test(test_of_many_ranks_the_lowest_are_listed),
        cmocka_unit_test(test_a_factor_in_the_norm_is_named_by_its_cause),
        cmocka_unit_test(test_causes_of_one_factor_are_all_named),
        cmocka_unit_test(test_a_right_or_unknown_factor_is_no_finding),
        cmocka_unit_test(test_one_process_can_be_off_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

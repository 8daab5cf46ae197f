/* Tests of daemon/pure/rank_probe.c, and of rank_sum.c and ranks.c with probes
 * and layers: a probe cut into shards is the probe. */
#include "pure/rank_pairs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/probe_record.h"
#include "pure/ranks.h"
#include "traj.h"

#define GOT_MAX 64
#define POINTS RECORD_POINTS
#define ELEMENTS 12

/* ---- records --------------------------------------------------------------
 */

static struct str points_of(const struct record *r)
{
    return (struct str){ (const char *)r->points,
        r->n_points * sizeof r->points[0] };
}

/* ---- a step of a model of ELEMENTS parameters ------------------------------
 */

static const double gammas[POINTS] = { 0.25, 0.5, 1 };

struct step {
    double g[ELEMENTS];          /* gradient at x */
    double at[POINTS][ELEMENTS]; /* gradient at x + gamma d */
    double again[ELEMENTS];      /* at x, once more */
    double d[ELEMENTS], x[ELEMENTS];
};

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* In (-1, 1). */
static double uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-52 - 1;
}

static struct step draw(uint64_t seed)
{
    struct step s;
    for (size_t i = 0; i < ELEMENTS; i++) {
        s.g[i] = uniform(&seed);
        s.again[i] = s.g[i] + 1e-3 * uniform(&seed);
        s.d[i] = 0.1 * uniform(&seed);
        s.x[i] = 3 * uniform(&seed);
        for (size_t k = 0; k < POINTS; k++) {
            s.at[k][i] = s.g[i] + 0.2 * uniform(&seed);
        }
    }
    return s;
}

/* sum (a - b)^2 over [from, to); b may be NULL. */
static double sq(const double *a, const double *b, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++) {
        const double v = a[i] - (b == NULL ? 0 : b[i]);
        sum += v * v;
    }
    return sum;
}

static double dot(const double *a, const double *b, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* The point of the largest smoothness. */
static size_t best_of(const struct record *r)
{
    size_t best = 0;
    for (size_t k = 1; k < POINTS; k++) {
        if (r->points[k][2] / r->points[k][3] >
            r->points[best][2] / r->points[best][3]) {
            best = k;
        }
    }
    return best;
}

/* What is no sum, as libtraj finds it (client/math/probe_measure.c). */
static void set_norms(
    struct record *r, const struct step *s, size_t from, size_t to)
{
    const double u = 0x1p-24;
    const double *best = r->points[best_of(r)];
    const double delta = sqrt(best[3]);
    const double g_sq = sq(s->g, NULL, from, to);
    const double repeat = sqrt(sq(s->again, s->g, from, to));
    const double round = u * sqrt((g_sq + best[1]) / (8 * log(2)));
    record_set(r, PROBE_smoothness, sqrt(best[2]) / delta);
    record_set(r, PROBE_smoothness_gamma, best[0]);
    record_set(r, PROBE_ceiling, (sqrt(g_sq) + sqrt(best[1])) / delta);
    record_set(r, PROBE_noise_floor, repeat / delta);
    record_set(r, PROBE_rounding_floor, round / delta);
    record_set(r, PROBE_idempotence, repeat / sqrt(g_sq));
}

/* The probe of the elements [from, to) alone. */
static struct record probe_of(const struct step *s, size_t from, size_t to)
{
    struct record r = { .n_points = POINTS };
    record_set_bits(&r, PROBE_step, 7);
    record_set_bits(&r, PROBE_estimator, TRAJ_ESTIMATOR_SAME_BATCH);
    record_set_bits(&r, PROBE_dtype, TRAJ_F32);
    record_set_bits(&r, PROBE_combine, TRAJ_COMBINE_SHARD);
    record_set_bits(&r, PROBE_grad_evals, 4);
    record_set_bits(&r, PROBE_cost_ns, 100 + from);
    record_set_bits(&r, PROBE_flags, 0);
    record_set(&r, PROBE_loss, 0.5);
    record_set(&r, PROBE_grad_sq, sq(s->g, NULL, from, to));
    record_set(&r, PROBE_grad_mid_sq, sq(s->at[1], NULL, from, to));
    record_set(&r, PROBE_grad_end_sq, sq(s->at[2], NULL, from, to));
    record_set(&r, PROBE_param_sq, sq(s->x, NULL, from, to));
    record_set(&r, PROBE_delta_sq, sq(s->d, NULL, from, to));
    record_set(&r, PROBE_dgrad_sq, sq(s->at[2], s->g, from, to));
    record_set(&r, PROBE_grad_delta, dot(s->g, s->d, from, to));
    record_set(&r, PROBE_grad_grad_end, dot(s->g, s->at[2], from, to));
    for (size_t k = 0; k < POINTS; k++) {
        r.points[k][0] = gammas[k];
        r.points[k][1] = sq(s->at[k], NULL, from, to);
        r.points[k][2] = sq(s->at[k], s->g, from, to);
        r.points[k][3] = gammas[k] * gammas[k] * sq(s->d, NULL, from, to);
    }
    set_norms(&r, s, from, to);
    return r;
}

/* ---- putting together -----------------------------------------------------
 */

struct got {
    size_t n;
    struct rank_step v[GOT_MAX];
    struct rank_pairs tally;
};

static bool take(void *context, const struct rank_step *step)
{
    struct got *got = context;
    assert_true(got->n < GOT_MAX);
    got->v[got->n++] = *step;
    rank_pairs_add(&got->tally, step);
    return true;
}

/* End with done. */
static struct ranks *ranks_for(
    enum wire_kind kind, uint32_t world, struct got *got)
{
    assert_true(rank_pairs_init(&got->tally, world));
    struct ranks *ranks = ranks_new(&(struct ranks_options){
        .kind = kind,
        .items = PAIR_ESTIMATORS,
        .world = world,
        .window = 16,
        .visit = take,
        .context = got,
    });
    assert_non_null(ranks);
    return ranks;
}

static void done(struct ranks *ranks, struct got *got)
{
    ranks_free(ranks);
    rank_pairs_done(&got->tally);
}

static void add(
    struct ranks *ranks, uint32_t world, uint32_t rank, struct record *r)
{
    const struct ranks_source source = { rank, world, 1, 0 };
    const struct ranks_record record = {
        .row = record_row(r),
        .item = (uint32_t)r->bits[PROBE_estimator],
        .points = points_of(r),
    };
    assert_true(ranks_add(ranks, &source, &record));
}

/* The only one that comes of these. */
static struct rank_step put_together(
    enum wire_kind kind, struct record *records, uint32_t world)
{
    struct got got = { 0 };
    struct ranks *ranks = ranks_for(kind, world, &got);
    for (uint32_t rank = 0; rank < world; rank++) {
        add(ranks, world, rank, &records[rank]);
    }
    assert_true(ranks_flush(ranks));
    done(ranks, &got);
    assert_int_equal(got.n, 1);
    return got.v[0];
}

static double f64(const struct rank_step *step, unsigned field)
{
    double value = 0;
    assert_true((step->present & ROW_BIT(field)) != 0);
    memcpy(&value, &step->values[field], sizeof value);
    return value;
}

/* Sums of a few dozen terms, their roots and ratios: 64 roundings. */
static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 64 * 0x1p-53 * fabs(expected));
}

static struct rank_step of_shards(const struct step *s, uint32_t world)
{
    struct record records[4];
    for (uint32_t rank = 0; rank < world; rank++) {
        records[rank] =
            probe_of(s, rank * ELEMENTS / world, (rank + 1) * ELEMENTS / world);
    }
    return put_together(WIRE_PROBE, records, world);
}

static struct pair pair_of(const struct rank_step *step)
{
    const uint64_t *columns[WIRE_FIELDS_MAX];
    const struct row row = rank_step_row(step, columns);
    struct pair pair;
    assert_true(rank_pair_read(step, &row, &pair));
    return pair;
}

/* ---- shards ---------------------------------------------------------------
 */

static void test_a_probe_cut_into_shards_is_the_probe(void **state)
{
    (void)state;
    static const unsigned fields[] = { PROBE_smoothness, PROBE_smoothness_gamma,
        PROBE_ceiling, PROBE_noise_floor, PROBE_rounding_floor,
        PROBE_idempotence, PROBE_grad_sq, PROBE_grad_mid_sq, PROBE_grad_end_sq,
        PROBE_param_sq, PROBE_delta_sq, PROBE_dgrad_sq, PROBE_loss };
    for (uint64_t seed = 1; seed < 40; seed++) {
        const struct step s = draw(seed);
        struct record one = probe_of(&s, 0, ELEMENTS);
        const struct row *whole = record_row(&one);
        for (uint32_t world = 2; world <= 4; world++) {
            const struct rank_step got = of_shards(&s, world);
            assert_int_equal(got.flags, 0);
            assert_int_equal(got.values[PROBE_flags], 0);
            for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
                assert_close(f64(&got, fields[i]), row_f64(whole, fields[i]));
            }
        }
    }
}

/* Norms of parts do not add, and neither do their ratios: the shards' maxima
 * are at other gammas than the whole's in many of these. */
static void test_the_pair_is_that_of_the_whole(void **state)
{
    (void)state;
    const struct step s = draw(3);
    struct record one = probe_of(&s, 0, ELEMENTS);
    struct pair whole;
    assert_true(pair_read(record_row(&one), &whole));
    const struct rank_step got = of_shards(&s, 3);
    const struct pair pair = pair_of(&got);
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        assert_close(pair.x[k], whole.x[k]);
        assert_close(pair.y[k], whole.y[k]);
        assert_close(pair.ceiling[k], whole.ceiling[k]);
        assert_int_equal(pair_use(&pair, (enum fit_regressor)k), PAIR_USED);
    }
}

static void test_the_cost_is_that_of_the_slowest_rank(void **state)
{
    (void)state;
    const struct step s = draw(5);
    const struct rank_step got = of_shards(&s, 4);
    assert_int_equal(got.values[PROBE_cost_ns], 100 + 9);
    assert_int_equal(got.values[PROBE_grad_evals], 4);
}

static void test_a_missing_shard_leaves_no_norm(void **state)
{
    (void)state;
    const struct step s = draw(6);
    struct record records[3] = { probe_of(&s, 0, 4), probe_of(&s, 4, 8) };
    struct got got = { 0 };
    struct ranks *ranks = ranks_for(WIRE_PROBE, 3, &got);
    add(ranks, 3, 0, &records[0]);
    add(ranks, 3, 1, &records[1]);
    assert_int_equal(got.n, 0);
    assert_true(ranks_flush(ranks));
    uint32_t missing[3] = { 99, 99, 99 };
    assert_int_equal(got.tally.incomplete, 1);
    assert_int_equal(rank_pairs_missing(&got.tally, 3, missing), 1);
    assert_int_equal(missing[0], 2);
    done(ranks, &got);
    assert_int_equal(got.n, 1);
    const uint64_t lost = ROW_BIT(PROBE_grad_sq) | ROW_BIT(PROBE_smoothness) |
                          ROW_BIT(PROBE_ceiling) | ROW_BIT(PROBE_delta_sq) |
                          ROW_BIT(PROBE_noise_floor) | ROW_BIT(PROBE_gammas);
    assert_true((got.v[0].present & lost) == 0);
    assert_int_equal(pair_of(&got.v[0]).left_out, PAIR_INCOMPLETE);
}

static void test_other_gammas_are_refused_by_name(void **state)
{
    (void)state;
    const struct step s = draw(7);
    struct record records[2] = { probe_of(&s, 0, 6), probe_of(&s, 6, 12) };
    records[1].points[1][0] = 0.5 + 0x1p-53;
    struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.flags, RANK_GAMMAS);
    assert_int_equal(pair_of(&got).left_out, PAIR_GAMMAS_DIFFER);
    records[1] = probe_of(&s, 6, 12);
    records[1].n_points = 2;
    got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(pair_of(&got).left_out, PAIR_GAMMAS_DIFFER);
    assert_false(rank_step_is_whole(&got));
}

static void test_a_floor_that_one_rank_lacks_is_not_known(void **state)
{
    (void)state;
    const struct step s = draw(8);
    struct record records[2] = { probe_of(&s, 0, 6), probe_of(&s, 6, 12) };
    records[1].row.present &=
        ~(ROW_BIT(PROBE_noise_floor) | ROW_BIT(PROBE_idempotence));
    const struct rank_step got = put_together(WIRE_PROBE, records, 2);
    const uint64_t lost =
        ROW_BIT(PROBE_noise_floor) | ROW_BIT(PROBE_idempotence);
    assert_true((got.present & lost) == 0);
    assert_true((got.present & ROW_BIT(PROBE_rounding_floor)) != 0);
}

/* Shards whose own noise hides their smoothness, in a whole that shows it. */
static void test_flags_that_compare_norms_are_found_anew(void **state)
{
    (void)state;
    const struct step s = draw(9);
    struct record records[2] = { probe_of(&s, 0, 6), probe_of(&s, 6, 12) };
    record_set_bits(&records[0], PROBE_flags,
        TRAJ_PROBE_NOISE_LIMITED | TRAJ_PROBE_ROUNDING | TRAJ_PROBE_BURST);
    const struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.values[PROBE_flags], TRAJ_PROBE_BURST);
    record_set_bits(&records[1], PROBE_flags, TRAJ_PROBE_TINY_STEP);
    const struct rank_step tiny = put_together(WIRE_PROBE, records, 2);
    assert_true((tiny.present & ROW_BIT(PROBE_smoothness)) == 0);
    const struct pair pair = pair_of(&tiny);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_TINY_STEP);
}

/* ||g|| = 1 on each of 2 shards, ||dg|| = 10 u ||g|| on one and 0 on the other:
 * the whole's is below 10 u sqrt(2). */
static void test_a_whole_may_be_rounding_though_one_shard_is_not(void **state)
{
    (void)state;
    struct record records[2] = { 0 };
    for (size_t i = 0; i < 2; i++) {
        struct record *r = &records[i];
        r->n_points = 1;
        record_set_bits(r, PROBE_step, 1);
        record_set_bits(r, PROBE_combine, TRAJ_COMBINE_SHARD);
        record_set_bits(r, PROBE_dtype, TRAJ_F32);
        record_set_bits(r, PROBE_flags, i == 0 ? 0 : TRAJ_PROBE_ROUNDING);
        record_set(r, PROBE_grad_sq, 1);
        r->points[0][0] = 1;
        r->points[0][1] = 1;
        r->points[0][2] = i == 0 ? 121 * 0x1p-48 : 0; /* 11 u ||g|| */
        r->points[0][3] = 1;
    }
    struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.values[PROBE_flags], TRAJ_PROBE_ROUNDING);
    records[0].points[0][2] = 225 * 0x1p-48; /* 15 u > 10 sqrt(2) u */
    got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.values[PROBE_flags], 0);
}

/* K = 4: ||Dbar||^2 = 9 + 16, mean ||D_k||^2 = 40 + 17: U = (100 - 57)/3. */
static void test_microbatch_sums_add_up_before_the_root(void **state)
{
    (void)state;
    struct record records[2] = { 0 };
    for (size_t i = 0; i < 2; i++) {
        struct record *r = &records[i];
        r->n_points = 1;
        record_set_bits(r, PROBE_step, 1);
        record_set_bits(r, PROBE_estimator, TRAJ_ESTIMATOR_MICROBATCH);
        record_set_bits(r, PROBE_combine, TRAJ_COMBINE_SHARD);
        record_set_bits(r, PROBE_micro_batches, 4);
        record_set_bits(r, PROBE_flags, i == 0 ? TRAJ_PROBE_NEGATIVE : 0);
        record_set(r, PROBE_grad_sq, 2);
        record_set(r, PROBE_dgrad_sq, i == 0 ? 9 : 16);
        record_set(r, PROBE_micro_dgrad_sq, i == 0 ? 40 : 17);
        record_set(r, PROBE_micro_grad_sq, 3);
        record_set(r, PROBE_delta_sq, 0.5);
        r->points[0][0] = 1;
        r->points[0][1] = 2;
        r->points[0][2] = i == 0 ? 9 : 16;
        r->points[0][3] = 0.5;
    }
    struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_close(f64(&got, PROBE_smoothness), sqrt(43.0 / 3));
    assert_int_equal(got.values[PROBE_flags], 0);
    assert_close(pair_of(&got).y[FIT_REGRESSOR_START], sqrt(43.0 / 3));
    record_set_bits(&records[1], PROBE_micro_batches, 8);
    got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(pair_of(&got).left_out, PAIR_RANKS_DIFFER);
}

static void test_a_probe_of_two_steps_has_its_one_point(void **state)
{
    (void)state;
    struct record records[2] = { 0 };
    for (size_t i = 0; i < 2; i++) {
        struct record *r = &records[i];
        record_set_bits(r, PROBE_step, 1);
        record_set_bits(r, PROBE_estimator, TRAJ_ESTIMATOR_DIFFERENT);
        record_set_bits(r, PROBE_combine, TRAJ_COMBINE_SHARD);
        record_set(r, PROBE_smoothness_gamma, 1);
        record_set(r, PROBE_grad_sq, 4);
        record_set(r, PROBE_grad_end_sq, 12);
        record_set(r, PROBE_dgrad_sq, i == 0 ? 9 : 16);
        record_set(r, PROBE_delta_sq, i == 0 ? 0.25 : 0.75);
        record_set(r, PROBE_noise_sq, 1.5);
    }
    const struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_close(f64(&got, PROBE_smoothness), 5);
    assert_close(f64(&got, PROBE_noise_sq), 3);
    assert_close(f64(&got, PROBE_ceiling), sqrt(8) + sqrt(24));
}

/* Shards measured in another norm: their squares are still L2's. */
static void test_over_shards_the_norm_is_l2(void **state)
{
    (void)state;
    const struct step s = draw(11);
    struct record records[2] = { probe_of(&s, 0, 6), probe_of(&s, 6, 12) };
    struct record one = probe_of(&s, 0, ELEMENTS);
    for (size_t i = 0; i < 2; i++) {
        record_set_bits(&records[i], PROBE_norm, TRAJ_NORM_LINF);
        record_set_bits(&records[i], PROBE_group, 3);
        record_set(&records[i], PROBE_smoothness, 1e6);
        record_set(&records[i], PROBE_grad_dual, 1e6);
    }
    const struct rank_step got = put_together(WIRE_PROBE, records, 2);
    const uint64_t lost = ROW_BIT(PROBE_norm) | ROW_BIT(PROBE_grad_dual) |
                          ROW_BIT(PROBE_noise_floor);
    assert_true((got.present & lost) == 0);
    assert_close(f64(&got, PROBE_smoothness),
        row_f64(record_row(&one), PROBE_smoothness));
}

/* ---- other rules ----------------------------------------------------------
 */

static void test_replicas_are_one_probe_and_must_agree(void **state)
{
    (void)state;
    const struct step s = draw(12);
    struct record records[2] = { probe_of(&s, 0, ELEMENTS),
        probe_of(&s, 0, ELEMENTS) };
    for (size_t i = 0; i < 2; i++) {
        record_set_bits(&records[i], PROBE_combine, TRAJ_COMBINE_REPLICA);
    }
    record_set_bits(&records[1], PROBE_cost_ns, 5000);
    struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.flags, 0);
    assert_true(f64(&got, PROBE_smoothness) ==
                row_f64(record_row(&records[0]), PROBE_smoothness));
    assert_int_equal(got.values[PROBE_cost_ns], 5000);
    record_set(&records[1], PROBE_dgrad_sq,
        row_f64(record_row(&records[0]), PROBE_dgrad_sq) * 1.01);
    got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.flags, RANK_DISAGREE);
    assert_true(got.disagree == ROW_BIT(PROBE_dgrad_sq));
    assert_true(rank_step_is_whole(&got));
}

/* ||dg||^2 is a difference: rounding of g of 1e-7 is no disagreement. */
static void test_a_difference_may_be_off_by_the_rounding_of_what_it_is_of(
    void **state)
{
    (void)state;
    const struct step s = draw(13);
    struct record records[2] = { probe_of(&s, 0, ELEMENTS),
        probe_of(&s, 0, ELEMENTS) };
    for (size_t i = 0; i < 2; i++) {
        record_set_bits(&records[i], PROBE_combine, TRAJ_COMBINE_REPLICA);
        record_set(&records[i], PROBE_grad_sq, 1e6);
        record_set(&records[i], PROBE_dgrad_sq, 1 + 5e-4 * (double)i);
    }
    struct rank_step got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.flags, 0); /* 1e-6 * 1 * 1e3 is allowed */
    record_set(&records[1], PROBE_dgrad_sq, 1 + 2e-3);
    got = put_together(WIRE_PROBE, records, 2);
    assert_int_equal(got.flags, RANK_DISAGREE);
}

static void test_of_replicas_one_will_do(void **state)
{
    (void)state;
    const struct step s = draw(14);
    struct record one = probe_of(&s, 0, ELEMENTS);
    record_set_bits(&one, PROBE_combine, TRAJ_COMBINE_REPLICA);
    struct got got = { 0 };
    struct ranks *ranks = ranks_for(WIRE_PROBE, 2, &got);
    add(ranks, 2, 1, &one);
    assert_true(ranks_flush(ranks));
    const struct pair pair = pair_of(&got.v[0]);
    assert_int_equal(pair_use(&pair, FIT_REGRESSOR_START), PAIR_USED);
    uint32_t missing[2] = { 99, 99 };
    assert_int_equal(got.tally.unchecked, 1);
    assert_int_equal(got.tally.whole + got.tally.incomplete, 0);
    assert_int_equal(rank_pairs_missing(&got.tally, 2, missing), 1);
    assert_int_equal(missing[0], 0);
    done(ranks, &got);
}

/* ---- classes and passes ---------------------------------------------------
 */

static void test_classes_of_one_step_are_apart_in_any_order(void **state)
{
    (void)state;
    const struct step s = draw(15);
    struct got got = { 0 };
    struct ranks *ranks = ranks_for(WIRE_PROBE, 2, &got);
    for (uint32_t rank = 0; rank < 2; rank++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct record r = probe_of(&s, rank * 6, rank * 6 + 6);
            record_set_bits(&r, PROBE_estimator,
                (i == rank) ? TRAJ_ESTIMATOR_FULL : TRAJ_ESTIMATOR_SUBSET);
            add(ranks, 2, rank, &r);
        }
    }
    done(ranks, &got);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.v[0].flags | got.v[1].flags, 0);
    assert_int_equal(got.v[0].item, TRAJ_ESTIMATOR_SUBSET);
    assert_int_equal(got.v[1].item, TRAJ_ESTIMATOR_FULL);
}

static void test_a_probe_taken_twice_is_a_second_pass(void **state)
{
    (void)state;
    const struct step s = draw(16);
    struct got got = { 0 };
    struct ranks *ranks = ranks_for(WIRE_PROBE, 2, &got);
    for (uint32_t rank = 0; rank < 2; rank++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct record r = probe_of(&s, rank * 6, rank * 6 + 6);
            record_set(&r, PROBE_lr, i);
            add(ranks, 2, rank, &r);
        }
    }
    done(ranks, &got);
    assert_int_equal(got.n, 2);
    assert_true(f64(&got.v[0], PROBE_lr) == 0 && got.v[0].flags == 0);
    assert_true(f64(&got.v[1], PROBE_lr) == 1 && got.v[1].flags == 0);
}

/* ---- layers ---------------------------------------------------------------
 */

/* Item 1 is on ranks 1 and 2, item 2 on rank 2 alone. */
static bool lives_there(
    void *context, uint32_t world, uint32_t rank, uint32_t item)
{
    (void)context;
    (void)world;
    return item == 0 || rank == 2 || (item == 1 && rank == 1);
}

static void test_a_layer_is_whole_with_those_that_have_it(void **state)
{
    (void)state;
    static const uint32_t expected[] = { 3, 2, 1 };
    struct got got = { 0 };
    assert_true(rank_pairs_init(&got.tally, 3));
    struct ranks *ranks = ranks_new(&(struct ranks_options){
        .kind = WIRE_GROUP,
        .items = 3,
        .world = 3,
        .window = 16,
        .holds = lives_there,
        .visit = take,
        .context = &got,
    });
    for (uint32_t rank = 0; rank < 3; rank++) {
        for (uint32_t item = 0; item < 3; item++) {
            struct record r = { 0 };
            record_set_bits(&r, GROUP_step, 4);
            record_set_bits(&r, GROUP_combine, TRAJ_COMBINE_SHARD);
            record_set(&r, GROUP_grad_sq, 1 << (2 * rank));
            const struct ranks_source source = { rank, 3, 1, 0 };
            const struct ranks_record record = { .row = record_row(&r),
                .item = item };
            assert_true(ranks_add(ranks, &source, &record));
        }
    }
    done(ranks, &got);
    assert_int_equal(got.n, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct rank_step *step = &got.v[i];
        assert_int_equal(step->flags, 0);
        assert_int_equal(step->item, i);
        assert_int_equal(step->n_in, expected[i]);
        assert_int_equal(step->holders, expected[i]);
    }
    assert_true(f64(&got.v[0], GROUP_grad_sq) == 21);
    assert_true(f64(&got.v[1], GROUP_grad_sq) == 20);
    assert_true(f64(&got.v[2], GROUP_grad_sq) == 16);
}

/* ---- many ranks -----------------------------------------------------------
 */

static void test_256_shards_make_the_probe_of_the_whole(void **state)
{
    (void)state;
    struct got got = { 0 };
    struct ranks *ranks = ranks_for(WIRE_PROBE, 256, &got);
    for (uint32_t i = 0; i < 256; i++) {
        const uint32_t rank = i * 77 % 256;
        const double part = rank + 1.0;
        struct record r = { .n_points = 1 };
        record_set_bits(&r, PROBE_step, 1);
        record_set_bits(&r, PROBE_combine, TRAJ_COMBINE_SHARD);
        record_set(&r, PROBE_grad_sq, part);
        r.points[0][0] = 1;
        r.points[0][2] = part * part;
        r.points[0][3] = part;
        add(ranks, 256, rank, &r);
    }
    done(ranks, &got);
    assert_int_equal(got.n, 1);
    /* sum n^2 / sum n = (2n + 1)/3 */
    assert_close(f64(&got.v[0], PROBE_smoothness), sqrt(513.0 / 3));
    assert_true(f64(&got.v[0], PROBE_grad_sq) == 256.0 * 257 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_probe_cut_into_shards_is_the_probe),
        cmocka_unit_test(test_the_pair_is_that_of_the_whole),
        cmocka_unit_test(test_the_cost_is_that_of_the_slowest_rank),
        cmocka_unit_test(test_a_missing_shard_leaves_no_norm),
        cmocka_unit_test(test_other_gammas_are_refused_by_name),
        cmocka_unit_test(test_a_floor_that_one_rank_lacks_is_not_known),
        cmocka_unit_test(test_flags_that_compare_norms_are_found_anew),
        cmocka_unit_test(test_a_whole_may_be_rounding_though_one_shard_is_not),
        cmocka_unit_test(test_microbatch_sums_add_up_before_the_root),
        cmocka_unit_test(test_a_probe_of_two_steps_has_its_one_point),
        cmocka_unit_test(test_over_shards_the_norm_is_l2),
        cmocka_unit_test(test_replicas_are_one_probe_and_must_agree),
        cmocka_unit_test(
            test_a_difference_may_be_off_by_the_rounding_of_what_it_is_of),
        cmocka_unit_test(test_of_replicas_one_will_do),
        cmocka_unit_test(test_classes_of_one_step_are_apart_in_any_order),
        cmocka_unit_test(test_a_probe_taken_twice_is_a_second_pass),
        cmocka_unit_test(test_a_layer_is_whole_with_those_that_have_it),
        cmocka_unit_test(test_256_shards_make_the_probe_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of daemon/pure/ranks.c and rank_sum.c. */
#include "pure/ranks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOT_MAX 4096

struct got {
    size_t n;
    size_t stop_after; /* visit says stop at this many; 0 = never */
    struct rank_step v[GOT_MAX];
    uint64_t in[GOT_MAX]; /* of the first 64 ranks */
};

/* One STEP record. */
struct record {
    uint64_t present;
    uint64_t bits[WIRE_FIELDS_MAX];
};

static bool take(void *context, const struct rank_step *step)
{
    struct got *got = context;
    assert_true(got->n < GOT_MAX);
    got->v[got->n] = *step;
    got->in[got->n] = step->in[0];
    got->n++;
    return got->n != got->stop_after;
}

static struct got *got_new(void)
{
    struct got *got = calloc(1, sizeof *got);
    assert_non_null(got);
    return got;
}

static struct ranks *ranks_of(uint32_t world, size_t window, struct got *got)
{
    struct ranks *ranks = ranks_new(&(struct ranks_options){ .kind = WIRE_STEP,
        .items = 1,
        .world = world,
        .window = window,
        .keep_values = true,
        .visit = take,
        .context = got });
    assert_non_null(ranks);
    return ranks;
}

static void done(struct ranks *ranks, struct got *got)
{
    ranks_free(ranks);
    free(got);
}

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

static bool add_from(struct ranks *ranks, const struct ranks_source *source,
    const struct record *r)
{
    const uint64_t *columns[WIRE_FIELDS_MAX];
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        columns[f] = (r->present >> f & 1) != 0 ? &r->bits[f] : NULL;
    }
    const struct row row = { columns, r->present, 0 };
    return ranks_add(ranks, source, &(struct ranks_record){ .row = &row });
}

static void add(
    struct ranks *ranks, uint32_t world, uint32_t rank, const struct record *r)
{
    const struct ranks_source source = { rank, world, 1, 0 };
    assert_true(add_from(ranks, &source, r));
}

/* step, loss 0.5, grad_sq, combine. */
static struct record record_of(
    uint64_t step, enum traj_combine rule, double grad_sq)
{
    struct record r = { 0 };
    set_bits(&r, STEP_step, step);
    set(&r, STEP_loss, 0.5);
    set(&r, STEP_grad_sq, grad_sq);
    set_bits(&r, STEP_combine, rule);
    return r;
}

static struct record shard(uint64_t step, double grad_sq)
{
    return record_of(step, TRAJ_COMBINE_SHARD, grad_sq);
}

static bool has(const struct rank_step *step, unsigned field)
{
    return (step->present & ROW_BIT(field)) != 0;
}

static double f64(const struct rank_step *step, unsigned field)
{
    double value = 0;
    assert_true(has(step, field));
    memcpy(&value, &step->values[field], sizeof value);
    return value;
}

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- who is in ------------------------------------------------------------
 */

/* Four ranks, 200 steps each, in an order drawn from the seed. */
static void feed_in_any_order(struct ranks *ranks, uint64_t seed)
{
    uint64_t next[4] = { 0 };
    for (size_t left = 4 * 200; left > 0; left--) {
        uint32_t rank = (uint32_t)(next_random(&seed) % 4);
        while (next[rank] == 200) {
            rank = (rank + 1) % 4;
        }
        uint64_t step = next[rank]++;
        struct record r = shard(step, (double)(step + 1) * (1u << rank));
        add(ranks, 4, rank, &r);
    }
}

static void test_each_step_comes_once_whatever_the_order_of_ranks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct got *got = got_new();
        struct ranks *ranks = ranks_of(4, RANKS_WINDOW, got);
        feed_in_any_order(ranks, seed);
        assert_int_equal(got->n, 200);
        for (uint64_t k = 0; k < 200; k++) {
            assert_int_equal(got->v[k].step, k);
            assert_int_equal(got->v[k].flags, 0);
            assert_int_equal(got->v[k].n_in, 4);
            assert_true(f64(&got->v[k], STEP_grad_sq) == (double)(k + 1) * 15);
            assert_true(f64(&got->v[k], STEP_loss) == 0.5);
        }
        done(ranks, got);
    }
}

static void test_one_rank_alone_is_its_own_record(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(1, RANKS_WINDOW, got);
    struct record r = { 0 };
    for (unsigned f = 0; f < STEP_FIELDS; f++) {
        set(&r, f, 1.0 + f);
    }
    set_bits(&r, STEP_combine, TRAJ_COMBINE_SHARD);
    set_bits(&r, STEP_stage, TRAJ_STAGE_LOCAL | TRAJ_STAGE_ACCUMULATED);
    add(ranks, 1, 0, &r);
    assert_int_equal(got->n, 1);
    assert_true(got->v[0].present == r.present);
    assert_memory_equal(got->v[0].values, r.bits, sizeof got->v[0].values);
    assert_int_equal(got->v[0].flags & RANK_INCOMPLETE, 0);
    done(ranks, got);
}

static void test_a_step_waits_for_a_late_rank(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(3, RANKS_WINDOW, got);
    for (uint64_t k = 0; k < 50; k++) {
        struct record r = shard(k, 1);
        add(ranks, 3, 2, &r);
        add(ranks, 3, 0, &r);
    }
    assert_int_equal(got->n, 0);
    for (uint64_t k = 0; k < 50; k++) {
        struct record r = shard(k, 2);
        add(ranks, 3, 1, &r);
        assert_int_equal(got->n, k + 1);
        assert_int_equal(got->v[k].step, k);
        assert_true(f64(&got->v[k], STEP_grad_sq) == 4);
    }
    done(ranks, got);
}

static void test_a_gap_of_one_rank_is_told_when_a_later_step_is_whole(
    void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    struct record five = shard(5, 1);
    struct record six = shard(6, 1);
    add(ranks, 2, 0, &five);
    add(ranks, 2, 0, &six);
    add(ranks, 2, 1, &six);
    assert_int_equal(got->n, 2);
    assert_int_equal(got->v[0].step, 5);
    assert_int_equal(got->v[0].flags, RANK_INCOMPLETE);
    assert_int_equal(got->v[0].n_in, 1);
    assert_int_equal(got->in[0], 1);
    assert_int_equal(got->v[1].step, 6);
    assert_int_equal(got->v[1].flags, 0);
    done(ranks, got);
}

static void test_a_sum_that_lacks_a_shard_is_left_out(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(3, RANKS_WINDOW, got);
    struct record r = shard(5, 1);
    set(&r, STEP_grad_max_abs, 1);
    set_bits(&r, STEP_grad_nan, 1);
    add(ranks, 3, 0, &r);
    add(ranks, 3, 2, &r);
    assert_true(ranks_flush(ranks));
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].flags, RANK_INCOMPLETE);
    assert_true(got->v[0].present == (ROW_BIT(STEP_step) | ROW_BIT(STEP_loss) |
                                         ROW_BIT(STEP_combine)));
    done(ranks, got);
}

static void test_a_rank_that_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(3, RANKS_WINDOW, got);
    assert_true(ranks_gone(ranks, 2));
    struct record r = shard(1, 1);
    add(ranks, 3, 0, &r);
    add(ranks, 3, 1, &r);
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].flags, RANK_INCOMPLETE);
    r = shard(2, 1);
    add(ranks, 3, 0, &r);
    r = shard(3, 1);
    add(ranks, 3, 0, &r);
    assert_int_equal(got->n, 1);
    assert_true(ranks_gone(ranks, 1));
    assert_int_equal(got->n, 3);
    assert_int_equal(got->v[1].step, 2);
    assert_int_equal(got->v[2].step, 3);
    assert_true(ranks_gone(ranks, 1)); /* twice, or nobody: nothing */
    assert_true(ranks_gone(ranks, 77));
    done(ranks, got);
}

static void test_a_full_window_gives_out_what_was_opened_first(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    for (uint64_t k = 0; k < RANKS_WINDOW; k++) {
        struct record r = shard(k, 1);
        add(ranks, 2, 0, &r);
    }
    assert_int_equal(got->n, 0);
    struct record r = shard(RANKS_WINDOW, 1);
    add(ranks, 2, 0, &r);
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].step, 0);
    assert_int_equal(got->v[0].flags, RANK_INCOMPLETE);
    /* The other rank finds the steps that are still open. */
    for (uint64_t k = 1; k <= RANKS_WINDOW; k++) {
        r = shard(k, 1);
        add(ranks, 2, 1, &r);
        assert_int_equal(got->n, k + 1);
        assert_int_equal(got->v[k].step, k);
        assert_int_equal(got->v[k].flags, 0);
    }
    done(ranks, got);
}

static void test_the_window_shrinks_with_the_world_alone(void **state)
{
    (void)state;
    assert_int_equal(ranks_window(1), RANKS_WINDOW);
    assert_int_equal(ranks_window(256), RANKS_WINDOW);
    assert_int_equal(ranks_window(2048), RANKS_WINDOW);
    assert_int_equal(ranks_window(4096), 512);
    assert_int_equal(ranks_window(65536), 32);
}

static void test_what_belongs_to_no_step_or_no_rank_is_left_out(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    struct record r = shard(1, 1);
    add(ranks, 2, 2, &r);
    add(ranks, 3, 0, &r); /* a world larger than promised */
    r.present &= ~ROW_BIT(STEP_step);
    add(ranks, 2, 0, &r);
    assert_true(ranks_flush(ranks));
    assert_int_equal(got->n, 0);
    done(ranks, got);
}

static void test_visit_may_stop(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(1, RANKS_WINDOW, got);
    struct record r = shard(1, 1);
    const struct ranks_source source = { 0, 1, 1, 0 };
    got->stop_after = 2;
    assert_true(add_from(ranks, &source, &r));
    r = shard(2, 1);
    assert_false(add_from(ranks, &source, &r));
    done(ranks, got);
}

/* ---- what belongs together ------------------------------------------------
 */

static void test_a_rank_restarted_alone_goes_on_with_the_others(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    for (uint64_t k = 0; k < 10; k++) {
        struct record r = shard(k, 1);
        const struct ranks_source other = { 1, 2, k < 5 ? 1 : 2, 0 };
        add(ranks, 2, 0, &r);
        assert_true(add_from(ranks, &other, &r));
    }
    assert_int_equal(got->n, 10);
    for (uint64_t k = 0; k < 10; k++) {
        assert_int_equal(got->v[k].flags, 0);
        assert_int_equal(got->v[k].attempt, k < 5 ? 1 : 2);
        assert_true(f64(&got->v[k], STEP_grad_sq) == 2);
    }
    done(ranks, got);
}

static void test_no_step_mixes_a_new_attempt_with_an_old_one(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    const struct ranks_source old[] = { { 0, 2, 1, 0 }, { 1, 2, 1, 0 } };
    const struct ranks_source new[] = { { 0, 2, 2, 1 }, { 1, 2, 3, 1 } };
    struct record before = shard(7, 1);
    struct record again = shard(7, 100);
    /* Rank 0 has gone back and come to the step before rank 1 did at all. */
    assert_true(add_from(ranks, &old[0], &before));
    assert_true(add_from(ranks, &new[0], &again));
    assert_true(add_from(ranks, &old[1], &before));
    assert_int_equal(got->n, 0);
    assert_true(add_from(ranks, &new[1], &again));
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].attempt, 3);
    assert_true(f64(&got->v[0], STEP_grad_sq) == 200);
    done(ranks, got);
}

static void test_an_equal_attempt_joins_though_one_rank_was_a_step_ahead(
    void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    const struct ranks_source ahead = { 0, 2, 2, 1 };
    const struct ranks_source other = { 1, 2, 2, 0 };
    struct record r = shard(9, 1);
    assert_true(add_from(ranks, &other, &r));
    assert_true(add_from(ranks, &ahead, &r));
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].flags, 0);
    done(ranks, got);
}

static void test_worlds_are_never_mixed(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(4, RANKS_WINDOW, got);
    struct record r = shard(3, 1);
    for (uint32_t rank = 1; rank < 4; rank++) {
        const struct ranks_source wide = { rank, 4, 1, 0 };
        assert_true(add_from(ranks, &wide, &r));
    }
    for (uint32_t rank = 0; rank < 2; rank++) {
        const struct ranks_source narrow = { rank, 2, 2, 0 };
        assert_true(add_from(ranks, &narrow, &r));
    }
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].world, 2);
    assert_true(f64(&got->v[0], STEP_grad_sq) == 2);
    done(ranks, got);
}

static void test_a_second_pass_goes_with_the_second_of_the_others(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(3, RANKS_WINDOW, got);
    static const uint64_t steps[] = { 1, 2, 3, 4, 3, 4, 5, 6 };
    for (uint32_t rank = 0; rank < 3; rank++) {
        for (size_t i = 0; i < 8; i++) {
            struct record r = shard(steps[i], (double)i);
            add(ranks, 3, rank, &r);
        }
    }
    assert_int_equal(got->n, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(got->v[i].step, steps[i]);
        assert_int_equal(got->v[i].flags, 0);
        assert_true(f64(&got->v[i], STEP_grad_sq) == 3 * (double)i);
    }
    done(ranks, got);
}

static void test_a_step_that_one_rank_alone_did_again_does_no_harm(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    for (uint64_t k = 0; k < 5; k++) {
        struct record r = shard(k, 1);
        add(ranks, 2, 0, &r);
        add(ranks, 2, 1, &r);
        r = shard(k, 99);
        add(ranks, 2, 0, &r);
    }
    assert_true(ranks_flush(ranks));
    const struct record two = shard(0, 2);
    size_t whole = 0;
    size_t right = 0;
    for (size_t i = 0; i < got->n; i++) {
        bool is_whole = got->v[i].flags == 0;
        whole += is_whole;
        right += is_whole &&
                 got->v[i].values[STEP_grad_sq] == two.bits[STEP_grad_sq];
    }
    assert_int_equal(right, 5);
    assert_int_equal(whole, 5);
    done(ranks, got);
}

/* ---- rules ----------------------------------------------------------------
 */

/* Every field, of value 1 .. by rank; counts whole. */
static struct record full(uint32_t rank, enum traj_combine rule)
{
    struct record r = { 0 };
    for (unsigned f = 0; f < STEP_FIELDS; f++) {
        set(&r, f, 10.0 * (rank + 1) + f);
    }
    static const unsigned counts[] = { STEP_grad_nan, STEP_grad_inf,
        STEP_param_nan, STEP_param_inf };
    for (size_t i = 0; i < 4; i++) {
        set_bits(&r, counts[i], rank + 1);
    }
    set_bits(&r, STEP_step, 12);
    set_bits(&r, STEP_stage, TRAJ_STAGE_UNSCALED);
    set_bits(&r, STEP_flags, 1u << rank);
    set_bits(&r, STEP_combine, rule);
    return r;
}

static void test_shards_add_up_field_by_field(void **state)
{
    (void)state;
    static const unsigned added[] = { STEP_grad_sq, STEP_param_sq,
        STEP_delta_sq, STEP_grad_delta, STEP_dgrad_sq, STEP_dgrad_delta,
        STEP_grad_prev, STEP_grad_clipped_sq, STEP_micro_grad_sq,
        STEP_fold_grad_sq_sum, STEP_fold_delta_sq_sum };
    static const unsigned counted[] = { STEP_grad_nan, STEP_grad_inf,
        STEP_param_nan, STEP_param_inf };
    static const unsigned said[] = { STEP_wall_ns, STEP_loss, STEP_lr,
        STEP_clip_threshold, STEP_clip_scale, STEP_loss_scale,
        STEP_micro_batches, STEP_tokens, STEP_batch_samples, STEP_fold_loss_sum,
        STEP_fold_count };
    static const unsigned lost[] = { STEP_fold_grad_sq_min,
        STEP_fold_grad_sq_min_step, STEP_fold_grad_sq_max,
        STEP_fold_grad_sq_max_step, STEP_fold_nonfinite };
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    for (uint32_t rank = 2; rank-- > 0;) {
        struct record r = full(rank, TRAJ_COMBINE_SHARD);
        add(ranks, 2, rank, &r);
    }
    const struct rank_step *s = &got->v[0];
    const struct record low = full(0, TRAJ_COMBINE_SHARD);
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
        assert_true(f64(s, added[i]) == 30.0 + 2 * added[i]);
    }
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        assert_int_equal(s->values[counted[i]], 3);
    }
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        assert_true(s->values[said[i]] == low.bits[said[i]]);
    }
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        assert_false(has(s, lost[i]));
    }
    assert_true(f64(s, STEP_grad_max_abs) == 20.0 + STEP_grad_max_abs);
    assert_int_equal(s->values[STEP_flags], 3);
    assert_int_equal(s->values[STEP_combine], TRAJ_COMBINE_SHARD);
    done(ranks, got);
}

static void test_a_sum_needs_the_field_of_every_shard(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    struct record r = shard(1, 1);
    add(ranks, 2, 0, &r);
    set(&r, STEP_param_sq, 4);
    add(ranks, 2, 1, &r);
    assert_true(has(&got->v[0], STEP_grad_sq));
    assert_false(has(&got->v[0], STEP_param_sq));
    done(ranks, got);
}

/* The flags of a step whose two replicas have these squares. */
static unsigned replicas(unsigned field, double a, double b)
{
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    struct record r = record_of(1, TRAJ_COMBINE_REPLICA, 4);
    set(&r, STEP_param_sq, 1e4);
    set(&r, STEP_delta_sq, 1e-8);
    set(&r, field, b);
    add(ranks, 2, 1, &r);
    set(&r, field, a);
    add(ranks, 2, 0, &r);
    assert_int_equal(got->n, 1);
    assert_memory_equal(&got->v[0].values[field], &r.bits[field], 8);
    unsigned flags = got->v[0].flags;
    uint64_t disagree = got->v[0].disagree;
    assert_true(disagree == (flags != 0 ? ROW_BIT(field) : 0));
    done(ranks, got);
    return flags;
}

static void test_replicas_are_the_lowest_rank_and_must_agree(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    const double nan = (double)NAN;
    assert_int_equal(replicas(STEP_grad_sq, 4, 4), 0);
    assert_int_equal(replicas(STEP_grad_sq, 4, 4 * (1 + 0.9e-6)), 0);
    assert_int_equal(
        replicas(STEP_grad_sq, 4, 4 * (1 + 1.1e-6)), RANK_DISAGREE);
    assert_int_equal(
        replicas(STEP_grad_sq, 4, 4 * (1 - 1.1e-6)), RANK_DISAGREE);
    assert_int_equal(replicas(STEP_grad_sq, nan, nan), 0);
    assert_int_equal(replicas(STEP_grad_sq, nan, 4), RANK_DISAGREE);
    assert_int_equal(replicas(STEP_grad_sq, 4, nan), RANK_DISAGREE);
    assert_int_equal(replicas(STEP_grad_sq, inf, inf), 0);
    assert_int_equal(replicas(STEP_grad_sq, inf, 4), RANK_DISAGREE);
    assert_int_equal(replicas(STEP_grad_sq, 0, 0), 0);
    assert_int_equal(replicas(STEP_loss, 0.5, 0.25), RANK_DISAGREE);
    assert_int_equal(replicas(STEP_loss, -0.5, -0.5), 0);
    /* ||d|| is a difference of parameters: 1e-6 ||d|| ||x|| = 1e-8 more. */
    assert_int_equal(replicas(STEP_delta_sq, 1e-8, 1.9e-8), 0);
    assert_int_equal(replicas(STEP_delta_sq, 1e-8, 3e-8), RANK_DISAGREE);
}

static void test_replicas_speak_though_one_is_missing(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(3, RANKS_WINDOW, got);
    struct record r = record_of(1, TRAJ_COMBINE_REPLICA, 4);
    add(ranks, 3, 2, &r);
    add(ranks, 3, 1, &r);
    assert_true(ranks_flush(ranks));
    assert_int_equal(got->v[0].flags, RANK_INCOMPLETE);
    assert_true(f64(&got->v[0], STEP_grad_sq) == 4);
    done(ranks, got);
}

static void test_without_a_rule_rank_0_speaks(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(4, RANKS_WINDOW, got);
    struct record r = record_of(1, TRAJ_COMBINE_NONE, 4);
    add(ranks, 4, 0, &r);
    r = record_of(2, TRAJ_COMBINE_NONE, 9);
    r.present &= ~ROW_BIT(STEP_combine);
    add(ranks, 4, 3, &r);
    r = record_of(3, TRAJ_COMBINE_NONE, 1);
    add(ranks, 4, 0, &r);
    r = record_of(3, TRAJ_COMBINE_NONE, 25);
    add(ranks, 4, 1, &r);
    assert_true(ranks_flush(ranks));
    assert_int_equal(got->n, 3);
    assert_int_equal(got->v[0].flags, 0);
    assert_true(f64(&got->v[0], STEP_grad_sq) == 4);
    assert_int_equal(got->v[1].flags, RANK_INCOMPLETE);
    assert_true(got->v[1].present == ROW_BIT(STEP_step));
    assert_int_equal(got->v[2].flags, 0);
    assert_true(f64(&got->v[2], STEP_grad_sq) == 1);
    done(ranks, got);
}

static void test_rules_that_differ_are_flagged_and_nothing_is_added(
    void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    struct record r = record_of(1, TRAJ_COMBINE_REPLICA, 4);
    add(ranks, 2, 1, &r);
    r = shard(1, 4);
    add(ranks, 2, 0, &r);
    assert_true((got->v[0].flags & RANK_MIXED) != 0);
    assert_true(f64(&got->v[0], STEP_grad_sq) == 4);
    done(ranks, got);
}

static struct record local(uint64_t step, double grad_sq)
{
    struct record r = record_of(step, TRAJ_COMBINE_REPLICA, grad_sq);
    set_bits(&r, STEP_stage, TRAJ_STAGE_LOCAL | TRAJ_STAGE_SCALED);
    set_bits(&r, STEP_batch_samples, 32);
    set(&r, STEP_param_sq, 100);
    set(&r, STEP_grad_delta, -1);
    return r;
}

static void test_local_gradients_are_the_microbatches_of_the_run(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(4, RANKS_WINDOW, got);
    for (uint32_t rank = 0; rank < 4; rank++) {
        struct record r = local(1, rank + 1.0);
        set(&r, STEP_loss, rank);
        add(ranks, 4, rank, &r);
    }
    const struct rank_step *s = &got->v[0];
    assert_int_equal(s->flags, RANK_LOCAL);
    assert_true(f64(s, STEP_micro_grad_sq) == 2.5);
    assert_int_equal(s->values[STEP_micro_batches], 4);
    assert_int_equal(s->values[STEP_batch_samples], 128);
    assert_int_equal(s->values[STEP_stage], TRAJ_STAGE_SCALED);
    assert_true(f64(s, STEP_param_sq) == 100);
    assert_false(has(s, STEP_grad_sq));
    assert_false(has(s, STEP_grad_delta));
    done(ranks, got);
}

static void test_a_local_sum_over_microbatches_counts_as_its_mean(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    for (uint32_t rank = 0; rank < 2; rank++) {
        struct record r = local(1, 64);
        set_bits(&r, STEP_stage, TRAJ_STAGE_LOCAL | TRAJ_STAGE_ACCUMULATED);
        set_bits(&r, STEP_micro_batches, 4);
        add(ranks, 2, rank, &r);
    }
    assert_true(f64(&got->v[0], STEP_micro_grad_sq) == 4);
    assert_int_equal(got->v[0].values[STEP_micro_batches], 2);
    assert_int_equal(got->v[0].values[STEP_stage], 0);
    done(ranks, got);
}

static void test_local_gradients_of_some_ranks_are_no_mean(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(2, RANKS_WINDOW, got);
    struct record r = local(1, 1);
    add(ranks, 2, 0, &r);
    assert_true(ranks_flush(ranks));
    assert_int_equal(got->v[0].flags, RANK_LOCAL | RANK_INCOMPLETE);
    assert_false(has(&got->v[0], STEP_micro_grad_sq));
    add(ranks, 2, 0, &r);
    r = record_of(1, TRAJ_COMBINE_REPLICA, 1);
    add(ranks, 2, 1, &r);
    assert_true((got->v[1].flags & RANK_MIXED) != 0);
    assert_false(has(&got->v[1], STEP_micro_grad_sq));
    assert_false(has(&got->v[1], STEP_grad_sq));
    done(ranks, got);
}

/* ||g|| is one, the norms before the reduction are each rank's own. */
static void test_replicas_have_the_mean_of_their_own_norms(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(4, RANKS_WINDOW, got);
    for (uint32_t rank = 0; rank < 4; rank++) {
        struct record r = record_of(1, TRAJ_COMBINE_REPLICA, 16);
        set(&r, STEP_micro_grad_sq, 1u << (2 * rank));
        set_bits(&r, STEP_micro_batches, 1);
        add(ranks, 4, rank, &r);
    }
    assert_int_equal(got->n, 1);
    assert_int_equal(got->v[0].flags, 0);
    assert_true(f64(&got->v[0], STEP_micro_grad_sq) == 85.0 / 4);
    assert_true(f64(&got->v[0], STEP_grad_sq) == 16);
    assert_int_equal(got->v[0].values[STEP_micro_batches], 1);
    done(ranks, got);
}

static void test_256_ranks_make_the_norm_of_the_whole_vector(void **state)
{
    (void)state;
    struct got *got = got_new();
    struct ranks *ranks = ranks_of(256, RANKS_WINDOW, got);
    for (uint64_t step = 0; step < 8; step++) {
        for (uint32_t i = 0; i < 256; i++) {
            /* Each rank once, in an order of its own at each step. */
            uint32_t rank = (i * 77 + (uint32_t)step * 13) % 256;
            double part = rank + 1.0;
            struct record r = shard(step, part * part);
            set(&r, STEP_grad_max_abs, part);
            add(ranks, 256, rank, &r);
        }
    }
    assert_int_equal(got->n, 8);
    for (size_t k = 0; k < 8; k++) {
        assert_int_equal(got->v[k].flags, 0);
        /* n(n + 1)(2n + 1)/6, exact in double. */
        assert_true(f64(&got->v[k], STEP_grad_sq) == 256.0 * 257 * 513 / 6);
        assert_true(f64(&got->v[k], STEP_grad_max_abs) == 256);
    }
    done(ranks, got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_step_comes_once_whatever_the_order_of_ranks),
        cmocka_unit_test(test_one_rank_alone_is_its_own_record),
        cmocka_unit_test(test_a_step_waits_for_a_late_rank),
        cmocka_unit_test(
            test_a_gap_of_one_rank_is_told_when_a_later_step_is_whole),
        cmocka_unit_test(test_a_sum_that_lacks_a_shard_is_left_out),
        cmocka_unit_test(test_a_rank_that_is_gone_is_not_waited_for),
        cmocka_unit_test(test_a_full_window_gives_out_what_was_opened_first),
        cmocka_unit_test(test_the_window_shrinks_with_the_world_alone),
        cmocka_unit_test(test_what_belongs_to_no_step_or_no_rank_is_left_out),
        cmocka_unit_test(test_visit_may_stop),
        cmocka_unit_test(test_a_rank_restarted_alone_goes_on_with_the_others),
        cmocka_unit_test(test_no_step_mixes_a_new_attempt_with_an_old_one),
        cmocka_unit_test(
            test_an_equal_attempt_joins_though_one_rank_was_a_step_ahead),
        cmocka_unit_test(test_worlds_are_never_mixed),
        cmocka_unit_test(test_a_second_pass_goes_with_the_second_of_the_others),
        cmocka_unit_test(
            test_a_step_that_one_rank_alone_did_again_does_no_harm),
        cmocka_unit_test(test_shards_add_up_field_by_field),
        cmocka_unit_test(test_a_sum_needs_the_field_of_every_shard),
        cmocka_unit_test(test_replicas_are_the_lowest_rank_and_must_agree),
        cmocka_unit_test(test_replicas_speak_though_one_is_missing),
        cmocka_unit_test(test_without_a_rule_rank_0_speaks),
        cmocka_unit_test(
            test_rules_that_differ_are_flagged_and_nothing_is_added),
        cmocka_unit_test(test_local_gradients_are_the_microbatches_of_the_run),
        cmocka_unit_test(test_a_local_sum_over_microbatches_counts_as_its_mean),
        cmocka_unit_test(test_local_gradients_of_some_ranks_are_no_mean),
        cmocka_unit_test(test_replicas_have_the_mean_of_their_own_norms),
        cmocka_unit_test(test_256_ranks_make_the_norm_of_the_whole_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

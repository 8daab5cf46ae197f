/*
 * A watch of one pass (one_pass) beside one of two that watches the same
 * training: what waits for the next gradient, or for the end, is recorded as it
 * would have been, to the bit. The trainer is gradient descent on 1/2 sum a_i
 * x_i^2, x in an array of float32 and one of float64. What does not wait:
 * test_watch_one_pass_at_once.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "../lib/spool_rig.h"
#include "traj.h"

/* Longer than a block of the sums, with an end that fills no row. */
#define LONG 5003
#define SHORT 37

/* What a trainer does and says, in this step. */
struct manner {
    double lr;
    double worse;          /* added to the loss */
    double steep;          /* added to g */
    double scale;          /* of g, till its update */
    struct traj_step told; /* beside step, loss and lr */
};

struct trainer {
    const struct manner *manner;
    size_t n32, n64;
    float x32[LONG], g32[LONG];
    double x64[LONG], g64[LONG];
    struct recorded recorded;
    traj_watch *watch;
    struct traj_step step; /* the last one */
};

struct pair {
    struct manner manner;
    struct traj_watch_options options; /* of both */
    struct trainer two, one;           /* passes */
};

/* ---- the trainer --------------------------------------------------------- */

/* Of the loss, which is added to *loss, by element i. */
static double slope(const struct manner *m, size_t i, double x, double *loss)
{
    const double a = 1 + (double)(i % 5) / 4;
    *loss += a * x * x / 2;
    return m->scale * (a * x + m->steep);
}

static enum traj_status before(struct trainer *t, uint64_t k)
{
    double loss = t->manner->worse;
    for (size_t i = 0; i < t->n32; i++) {
        t->g32[i] = (float)slope(t->manner, i, (double)t->x32[i], &loss);
    }
    for (size_t i = 0; i < t->n64; i++) {
        t->g64[i] = slope(t->manner, i, t->x64[i], &loss);
    }
    t->step = t->manner->told;
    t->step.step = k;
    t->step.lr = t->manner->lr;
    t->step.loss = loss;
    return traj_before_update(t->watch, &t->step);
}

static void update(struct trainer *t)
{
    const double by = t->manner->lr / t->manner->scale;
    for (size_t i = 0; i < t->n32; i++) {
        t->x32[i] -= (float)by * t->g32[i];
    }
    for (size_t i = 0; i < t->n64; i++) {
        t->x64[i] -= by * t->g64[i];
    }
}

static enum traj_status after(struct trainer *t)
{
    update(t);
    return traj_after_update(t->watch, &t->step);
}

static uint64_t recorded_by(const struct trainer *t)
{
    struct traj_stats stats = { .size = sizeof stats };
    assert_int_equal(traj_get_stats(t->recorded.run, &stats), TRAJ_OK);
    return stats.recorded;
}

/* ---- both watches -------------------------------------------------------- */

static void place(
    struct trainer *t, const struct manner *manner, size_t n32, size_t n64)
{
    t->manner = manner;
    t->n32 = n32;
    t->n64 = n64;
    for (size_t i = 0; i < LONG; i++) {
        t->x64[i] = 1 + (double)(i * 37 % LONG) / LONG;
        t->x32[i] = -(float)t->x64[i];
    }
}

static void set_up(struct pair *p, size_t n32, size_t n64)
{
    memset(p, 0, sizeof *p);
    p->manner = (struct manner){ .lr = 0.125, .scale = 1 };
    traj_step_init(&p->manner.told);
    p->manner.told.clip_scale = 1;
    p->options = (struct traj_watch_options)TRAJ_WATCH_INIT;
    p->options.different_every = UINT32_MAX;
    place(&p->two, &p->manner, n32, n64);
    place(&p->one, &p->manner, n32, n64);
}

static void open_watch(struct trainer *t, struct traj_watch_options o)
{
    const struct traj_watch_segment segments[] = {
        { TRAJ_F32, t->n32, t->x32, t->g32, 0 },
        { TRAJ_F64, t->n64, t->x64, t->g64, 0 },
    };
    o.segments = segments;
    o.n_segments = 2;
    recorded_open(&t->recorded, NULL, 0);
    assert_int_equal(traj_watch_open(t->recorded.run, &o, &t->watch), TRAJ_OK);
}

static void open_both(struct pair *p)
{
    open_watch(&p->two, p->options);
    p->options.one_pass = 1;
    open_watch(&p->one, p->options);
}

static void before_both(struct pair *p, uint64_t k)
{
    assert_int_equal(before(&p->two, k), TRAJ_OK);
    assert_int_equal(before(&p->one, k), TRAJ_OK);
    assert_memory_equal(&p->two.step, &p->one.step, sizeof p->two.step);
}

/* The step has no d yet, what follows from it is not told, and it is not
 * recorded. */
static void after_both(struct pair *p)
{
    assert_int_equal(after(&p->two), TRAJ_OK);
    assert_int_equal(after(&p->one), TRAJ_OK);
    struct traj_step known = p->two.step;
    known.delta_sq = known.grad_delta = traj_unset();
    known.flags &= ~(uint64_t)(TRAJ_STEP_SKIPPED | TRAJ_STEP_CLIPPED);
    assert_memory_equal(&known, &p->one.step, sizeof known);
    assert_int_equal(recorded_by(&p->two), recorded_by(&p->one) + 1);
}

static void train(struct pair *p, uint64_t k)
{
    before_both(p, k);
    after_both(p);
}

static void train_many(struct pair *p, uint64_t from, uint64_t to)
{
    for (uint64_t k = from; k < to; k++) {
        train(p, k);
    }
}

/* The first three doubles from this number on. */
static void place_at(struct trainer *t, double first)
{
    for (size_t i = 0; i < 3; i++) {
        t->x64[i] = first + (double)i;
    }
}

/* ---- what they recorded -------------------------------------------------- */

static void assert_same(
    const struct recorded_one *a, const struct recorded_one *b)
{
    const uint64_t times =
        a->kind == WIRE_STEP
            ? UINT64_C(1) << STEP_wall_ns | UINT64_C(1) << STEP_mono_ns
            : UINT64_C(1) << PROBE_wall_ns;
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->present, b->present);
    assert_memory_equal(a->text, b->text, sizeof a->text);
    for (unsigned field = 0; field < WIRE_FIELDS_MAX; field++) {
        assert_true(
            (times >> field & 1) != 0 || a->values[field] == b->values[field]);
    }
}

static void assert_same_of(const struct pair *p, unsigned kind, size_t n)
{
    assert_int_equal(recorded_count(&p->two.recorded, kind), n);
    assert_int_equal(recorded_count(&p->one.recorded, kind), n);
    for (size_t i = 0; i < n; i++) {
        assert_same(recorded_at(&p->two.recorded, kind, i),
            recorded_at(&p->one.recorded, kind, i));
    }
}

/* Close the watches; both have recorded the same steps, so many, and pairs of
 * steps. */
static void close_both(struct pair *p, size_t steps, size_t pairs)
{
    traj_watch_close(p->two.watch);
    traj_watch_close(p->one.watch);
    assert_int_equal(recorded_by(&p->one), steps + pairs);
    recorded_close_run(&p->two.recorded);
    recorded_close_run(&p->one.recorded);
    assert_same_of(p, WIRE_STEP, steps);
    assert_same_of(p, WIRE_PROBE, pairs);
}

static void done(struct pair *p)
{
    recorded_done(&p->two.recorded);
    recorded_done(&p->one.recorded);
}

static const struct recorded_one *step_of(const struct pair *p, size_t i)
{
    return recorded_at(&p->one.recorded, WIRE_STEP, i);
}

static uint64_t flags_of(const struct pair *p, size_t i)
{
    return recorded_u64(step_of(p, i), STEP_flags);
}

/* ---- records that wait --------------------------------------------------- */

static void records_are_those_of_two_passes(size_t n32, size_t n64)
{
    struct pair p;
    set_up(&p, n32, n64);
    p.options.threads = 2;
    open_both(&p);
    for (uint64_t k = 0; k < 8; k++) {
        p.manner.lr = 0.5 / (double)(k + 1);
        p.manner.told.clip_scale = k % 3 == 1 ? 0.25 : 1;
        p.manner.told.epoch = (double)k / 8;
        p.manner.told.tokens = 100 * k;
        train(&p, 1000 + 3 * k);
    }
    close_both(&p, 8, 0);
    done(&p);
}

static void test_the_records_are_those_of_two_passes_to_the_bit(void **state)
{
    (void)state;
    records_are_those_of_two_passes(LONG, 0);
    records_are_those_of_two_passes(0, LONG);
    records_are_those_of_two_passes(LONG, SHORT);
    records_are_those_of_two_passes(SHORT, LONG);
}

/* Numbers of 16 bits, of either type: from 0.5 to 2. */
static uint16_t half_number(enum traj_dtype dtype, size_t i)
{
    return (uint16_t)((dtype == TRAJ_BF16 ? 0x3f00 : 0x3800) + i * 89 % 0xff);
}

static void fill_halves(
    enum traj_dtype dtype, size_t from, uint16_t numbers[static SHORT])
{
    for (size_t i = 0; i < SHORT; i++) {
        numbers[i] = half_number(dtype, from + 3 * i);
    }
}

static void train_halves(
    enum traj_dtype dtype, int one_pass, struct recorded *recorded)
{
    uint16_t x[SHORT], g[SHORT];
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    traj_watch *watch = NULL;
    o.dtype = dtype;
    o.n = SHORT;
    o.param = x;
    o.grad = g;
    o.one_pass = one_pass;
    o.different_every = UINT32_MAX;
    recorded_open(recorded, NULL, 0);
    fill_halves(dtype, 0, x);
    assert_int_equal(traj_watch_open(recorded->run, &o, &watch), TRAJ_OK);
    for (uint64_t k = 0; k < 4; k++) {
        struct traj_step step;
        traj_step_init(&step);
        step.step = k;
        step.clip_scale = 1;
        fill_halves(dtype, 7 * k, g);
        assert_int_equal(traj_before_update(watch, &step), TRAJ_OK);
        fill_halves(dtype, 5 * k + 5, x);
        assert_int_equal(traj_after_update(watch, &step), TRAJ_OK);
        assert_int_equal(traj_is_unset(step.delta_sq), one_pass);
    }
    traj_watch_close(watch);
    recorded_close_run(recorded);
}

static void test_numbers_of_16_bits_are_the_same(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_BF16, TRAJ_F16 };
    for (size_t d = 0; d < 2; d++) {
        struct recorded two, one;
        train_halves(dtypes[d], 0, &two);
        train_halves(dtypes[d], 1, &one);
        assert_int_equal(two.n, 4);
        assert_int_equal(one.n, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_same(&two.records[i], &one.records[i]);
            assert_true(recorded_f64(&one.records[i], STEP_delta_sq) > 0);
        }
        recorded_done(&two);
        recorded_done(&one);
    }
}

static void test_a_record_comes_with_the_next_gradient_the_last_at_the_end(
    void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, SHORT, SHORT);
    p.manner.told.delta_sq = p.manner.told.grad_delta = 77; /* of no step */
    open_both(&p);
    for (uint64_t k = 0; k < 5; k++) {
        before_both(&p, k);
        assert_int_equal(recorded_by(&p.one), k);
        after_both(&p);
        assert_int_equal(recorded_by(&p.one), k);
        assert_true(traj_is_unset(p.one.step.delta_sq));
        assert_true(traj_is_unset(p.one.step.grad_delta));
    }
    close_both(&p, 5, 0); /* before the run is closed */
    done(&p);
}

static void test_a_clipped_and_a_skipped_update_are_flagged(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, SHORT, SHORT);
    open_both(&p);
    train(&p, 0);
    p.manner.told.clip_scale = 0.5;
    train(&p, 1);
    p.manner.lr = 0;
    train(&p, 2);
    p.manner.told.clip_scale = 1;
    train(&p, 3);
    close_both(&p, 4, 0);
    assert_int_equal(flags_of(&p, 0), 0);
    assert_int_equal(flags_of(&p, 1), TRAJ_STEP_CLIPPED);
    assert_int_equal(flags_of(&p, 2), TRAJ_STEP_CLIPPED | TRAJ_STEP_SKIPPED);
    assert_int_equal(flags_of(&p, 3), TRAJ_STEP_SKIPPED);
    done(&p);
}

static void test_flags_that_are_unset_are_none(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, SHORT, SHORT);
    open_both(&p);
    p.manner.told.flags = TRAJ_UNSET_COUNT;
    train(&p, 0);
    p.manner.told.flags = TRAJ_STEP_FOUND_INF;
    train(&p, 1);
    close_both(&p, 2, 0);
    assert_int_equal(flags_of(&p, 0), 0);
    assert_int_equal(flags_of(&p, 1), TRAJ_STEP_FOUND_INF);
    done(&p);
}

static void test_a_spike_is_told_with_its_update(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, SHORT, SHORT);
    open_both(&p);
    train_many(&p, 0, 40);
    p.manner.worse = 1e6;
    train(&p, 40);
    assert_int_equal(p.one.step.flags, TRAJ_STEP_SPIKE);
    p.manner.worse = 0;
    train(&p, 41);
    p.manner.steep = 1e6;
    train(&p, 42);
    assert_int_equal(p.one.step.flags, TRAJ_STEP_SPIKE);
    close_both(&p, 43, 0);
    assert_int_equal(flags_of(&p, 40), TRAJ_STEP_SPIKE);
    assert_int_equal(flags_of(&p, 41), 0);
    assert_int_equal(flags_of(&p, 42), TRAJ_STEP_SPIKE);
    done(&p);
}

static void test_a_minimum_is_no_update_left_out_and_nan_is_none(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, SHORT, SHORT);
    for (size_t i = 0; i < SHORT; i++) {
        p.two.x32[i] = p.one.x32[i] = 0;
        p.two.x64[i] = p.one.x64[i] = 0;
    }
    open_both(&p);
    train(&p, 0);
    p.manner.lr = (double)NAN;
    train(&p, 1);
    close_both(&p, 2, 0);
    assert_int_equal(flags_of(&p, 0), 0);
    assert_int_equal(flags_of(&p, 1), 0);
    assert_true(isnan(recorded_f64(step_of(&p, 1), STEP_delta_sq)));
    done(&p);
}

static void pairs_are_those_of_two_passes(uint32_t every, size_t pairs)
{
    struct pair p;
    set_up(&p, LONG, SHORT);
    p.options.different_every = every;
    open_both(&p);
    p.manner.told.micro_batches = 4;
    for (uint64_t k = 0; k < 10; k++) {
        p.manner.lr = 0.5 / (double)(k + 1);
        p.manner.told.micro_grad_sq = 1e5 / (double)(k + 1);
        train(&p, 5 * k);
    }
    close_both(&p, 10, pairs);
    const struct recorded_one *r = recorded_at(&p.one.recorded, WIRE_PROBE, 1);
    assert_int_equal(recorded_u64(r, PROBE_step), 5 * (uint64_t)every);
    assert_true(recorded_f64(r, PROBE_lr) == 0.5 / (every + 1));
    done(&p);
}

static void test_probes_of_consecutive_steps_are_the_same(void **state)
{
    (void)state;
    pairs_are_those_of_two_passes(1, 9);
    pairs_are_those_of_two_passes(3, 3);
}

/* 8 to 8, 16 to 16, 1 to 1. */
static void test_what_looks_back_does_so_in_one_unit_of_the_gradient(
    void **state)
{
    (void)state;
    static const double scales[] = { 1, 8, 8, 16, 16, 1, 1 };
    struct pair p;
    set_up(&p, SHORT, LONG);
    p.options.different_every = 1;
    open_both(&p);
    for (uint64_t k = 0; k < 7; k++) {
        p.manner.scale = p.manner.told.loss_scale = scales[k];
        p.manner.told.stage =
            scales[k] > 1 ? TRAJ_STAGE_SCALED : TRAJ_STAGE_UNSCALED;
        train(&p, k);
    }
    close_both(&p, 7, 3);
    assert_false(recorded_has(step_of(&p, 3), STEP_dgrad_delta));
    assert_true(recorded_has(step_of(&p, 4), STEP_dgrad_delta));
    done(&p);
}

/* x = (1, 2, 3) and g = (1, 2.5, 4.5), which no update uses; then x = (2, 3, 4)
 * and g = (2, 3.75, 6). */
static void test_what_changes_before_the_next_gradient_is_of_the_update(
    void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, 0, 3);
    p.manner.lr = 0;
    p.options.one_pass = 1;
    place_at(&p.one, 1);
    open_watch(&p.one, p.options);
    assert_int_equal(before(&p.one, 0), TRAJ_OK);
    assert_int_equal(after(&p.one), TRAJ_OK);
    place_at(&p.one, 2);
    assert_int_equal(before(&p.one, 1), TRAJ_OK);
    assert_int_equal(after(&p.one), TRAJ_OK);
    place_at(&p.one, 0);
    traj_watch_close(p.one.watch);
    recorded_close_run(&p.one.recorded);
    assert_int_equal(flags_of(&p, 0), 0);
    assert_true(recorded_f64(step_of(&p, 0), STEP_delta_sq) == 3);
    assert_true(recorded_f64(step_of(&p, 0), STEP_grad_delta) == 8);
    assert_true(recorded_f64(step_of(&p, 1), STEP_delta_sq) == 3 * 4);
    assert_true(recorded_f64(step_of(&p, 1), STEP_grad_delta) == -23.5);
    recorded_done(&p.one.recorded);
}

/* ---- calls out of order, and failures ------------------------------------ */

static void test_a_gradient_whose_update_is_not_told_is_none_of_a_record(
    void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, LONG, SHORT);
    open_both(&p);
    train_many(&p, 0, 2);
    before_both(&p, 100);
    update(&p.two);
    update(&p.one);
    before_both(&p, 200);
    assert_int_equal(recorded_by(&p.one), 2);
    after_both(&p);
    train_many(&p, 201, 203);
    before_both(&p, 300);
    close_both(&p, 5, 0);
    done(&p);
}

static enum traj_status after_again(struct trainer *t)
{
    return traj_after_update(t->watch, &t->step);
}

static void test_an_update_without_its_gradient_changes_nothing(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, LONG, SHORT);
    open_both(&p);
    train_many(&p, 0, 2);
    assert_int_equal(after_again(&p.two), TRAJ_EINVAL);
    assert_int_equal(after_again(&p.one), TRAJ_EINVAL);
    assert_int_equal(recorded_by(&p.one), 1);
    train(&p, 2);
    assert_int_equal(after_again(&p.one), TRAJ_EINVAL);
    close_both(&p, 3, 0);
    done(&p);
}

/* There is no such rule to combine. */
static void test_a_record_that_is_refused_fails_at_once(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p, LONG, SHORT);
    p.options.different_every = 1;
    open_both(&p);
    train(&p, 0);
    p.manner.told.combine = (enum traj_combine)9;
    before_both(&p, 1);
    assert_int_equal(after(&p.two), TRAJ_EINVAL);
    assert_int_equal(after(&p.one), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "no such combine: 9"));
    assert_memory_equal(&p.two.step, &p.one.step, sizeof p.two.step);
    p.manner.told.combine = TRAJ_COMBINE_NONE;
    train(&p, 2);
    train(&p, 3);
    close_both(&p, 3, 3);
    done(&p);
}

static void fill(traj_run *run)
{
    struct traj_step step;
    traj_step_init(&step);
    enum traj_status status = TRAJ_OK;
    while (status == TRAJ_OK) {
        status = traj_step(run, &step);
    }
    assert_int_equal(status, TRAJ_EFULL);
}

static void open_at_a_limit(struct trainer *t, struct traj_watch_options o)
{
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.mode = TRAJ_MODE_OFFLINE;
    options.spool_bytes = 1u << 20;
    test_dir_make(t->recorded.dir);
    options.dir = t->recorded.dir;
    assert_int_equal(traj_open(&options, &t->recorded.run), TRAJ_OK);
    o.dtype = TRAJ_F64;
    o.n = t->n64;
    o.param = t->x64;
    o.grad = t->g64;
    o.one_pass = 1;
    assert_int_equal(traj_watch_open(t->recorded.run, &o, &t->watch), TRAJ_OK);
}

static void test_a_full_spool_is_told_and_the_gradient_measured(void **state)
{
    (void)state;
    struct pair p;
    struct trainer *t = &p.one;
    struct traj_stats stats = { .size = sizeof stats };
    set_up(&p, 0, SHORT);
    open_at_a_limit(t, p.options);
    assert_int_equal(before(t, 0), TRAJ_OK);
    assert_int_equal(after(t), TRAJ_OK);
    fill(t->recorded.run);
    assert_int_equal(before(t, 1), TRAJ_EFULL);
    assert_false(traj_is_unset(t->step.dgrad_delta));
    assert_int_equal(after(t), TRAJ_OK);
    traj_watch_close(t->watch);
    assert_int_equal(traj_get_stats(t->recorded.run, &stats), TRAJ_OK);
    assert_int_equal(stats.dropped, 3); /* fill's, and these two */
    traj_close(t->recorded.run);
    test_dir_remove(t->recorded.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_records_are_those_of_two_passes_to_the_bit),
        cmocka_unit_test(test_numbers_of_16_bits_are_the_same),
        cmocka_unit_test(
            test_a_record_comes_with_the_next_gradient_the_last_at_the_end),
        cmocka_unit_test(test_a_clipped_and_a_skipped_update_are_flagged),
        cmocka_unit_test(test_flags_that_are_unset_are_none),
        cmocka_unit_test(test_a_spike_is_told_with_its_update),
        cmocka_unit_test(test_a_minimum_is_no_update_left_out_and_nan_is_none),
        cmocka_unit_test(test_probes_of_consecutive_steps_are_the_same),
        cmocka_unit_test(
            test_what_looks_back_does_so_in_one_unit_of_the_gradient),
        cmocka_unit_test(
            test_what_changes_before_the_next_gradient_is_of_the_update),
        cmocka_unit_test(
            test_a_gradient_whose_update_is_not_told_is_none_of_a_record),
        cmocka_unit_test(test_an_update_without_its_gradient_changes_nothing),
        cmocka_unit_test(test_a_record_that_is_refused_fails_at_once),
        cmocka_unit_test(test_a_full_spool_is_told_and_the_gradient_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

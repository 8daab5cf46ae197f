/*
 * A watch of one pass (one_pass) beside one of two that watches the same
 * training: what asks for d at once has it at once, and all records are the
 * same in the same order, to the bit. The trainer is gradient descent on 1/2
 * sum a_i x_i^2, x in an array of float32 and one of float64, each a group of
 * its own.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "traj.h"

#define FLOATS 37
#define DOUBLES 5

/* What a trainer does and says, in this step. */
struct manner {
    double lr;             /* 0: the update is left out */
    double worse;          /* added to the loss */
    double steep;          /* added to the doubles of g */
    double clip;           /* g is multiplied by it in place */
    int answer;            /* of the callback */
    struct traj_step told; /* beside step, loss and lr */
};

struct trainer {
    const struct manner *manner;
    float x32[FLOATS], g32[FLOATS];
    double x64[DOUBLES], g64[DOUBLES];
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

static double gradient(const struct trainer *t, float *g32, double *g64)
{
    double loss = t->manner->worse;
    for (size_t i = 0; i < FLOATS; i++) {
        g32[i] = (float)(1 + i % 3) * t->x32[i];
        loss += (double)g32[i] * (double)t->x32[i] / 2;
    }
    for (size_t i = 0; i < DOUBLES; i++) {
        const double slope = (double)(1 + i % 2) * t->x64[i];
        g64[i] = slope + t->manner->steep;
        loss += slope * t->x64[i] / 2;
    }
    return loss;
}

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    const struct trainer *t = context;
    void *const *arrays = ret_grad;
    *ret_loss = gradient(t, arrays[0], arrays[1]);
    return t->manner->answer;
}

static enum traj_status before(struct trainer *t, uint64_t k)
{
    t->step = t->manner->told;
    t->step.step = k;
    t->step.lr = t->manner->lr;
    t->step.loss = gradient(t, t->g32, t->g64);
    return traj_before_update(t->watch, &t->step);
}

static enum traj_status after(struct trainer *t)
{
    const struct manner *m = t->manner;
    for (size_t i = 0; i < FLOATS && m->lr > 0; i++) {
        t->g32[i] *= (float)m->clip;
        t->x32[i] -= (float)m->lr * t->g32[i];
    }
    for (size_t i = 0; i < DOUBLES && m->lr > 0; i++) {
        t->g64[i] *= m->clip;
        t->x64[i] -= m->lr * t->g64[i];
    }
    return traj_after_update(t->watch, &t->step);
}

static uint64_t recorded_by(const struct trainer *t)
{
    struct traj_stats stats = { .size = sizeof stats };
    assert_int_equal(traj_get_stats(t->recorded.run, &stats), TRAJ_OK);
    return stats.recorded;
}

/* ---- both watches -------------------------------------------------------- */

static void place(struct trainer *t, const struct manner *manner)
{
    t->manner = manner;
    for (size_t i = 0; i < FLOATS; i++) {
        t->x32[i] = 1 + (float)i / FLOATS;
    }
    for (size_t i = 0; i < DOUBLES; i++) {
        t->x64[i] = 1 - (double)i / 3;
    }
}

static void set_up(struct pair *p)
{
    static const struct traj_group groups[] = {
        { .name = "floats", .size = FLOATS, .norm = TRAJ_NORM_LINF },
        { .name = "doubles", .size = DOUBLES, .norm = TRAJ_NORM_RMS },
    };
    memset(p, 0, sizeof *p);
    p->manner = (struct manner){ .lr = 0.125, .clip = 1 };
    traj_step_init(&p->manner.told);
    p->manner.told.clip_scale = 1;
    p->options = (struct traj_watch_options)TRAJ_WATCH_INIT;
    p->options.groups = groups;
    p->options.n_groups = 2;
    p->options.group_every = UINT32_MAX;
    p->options.different_every = UINT32_MAX;
    place(&p->two, &p->manner);
    place(&p->one, &p->manner);
}

/* With probes. */
static void set_up_probes(struct pair *p, uint32_t every)
{
    set_up(p);
    p->options.gradient = callback;
    p->options.probe_every = every;
}

static void open_watch(
    struct trainer *t, struct traj_watch_options o, traj_run *run)
{
    const struct traj_watch_segment segments[] = {
        { TRAJ_F32, FLOATS, t->x32, t->g32, 1 },
        { TRAJ_F64, DOUBLES, t->x64, t->g64, 2 },
    };
    o.segments = segments;
    o.n_segments = 2;
    o.context = t;
    assert_int_equal(traj_watch_open(run, &o, &t->watch), TRAJ_OK);
}

static void open_both(struct pair *p)
{
    recorded_open(&p->two.recorded, p->options.groups, p->options.n_groups);
    recorded_open(&p->one.recorded, p->options.groups, p->options.n_groups);
    open_watch(&p->two, p->options, p->two.recorded.run);
    p->options.one_pass = 1;
    open_watch(&p->one, p->options, p->one.recorded.run);
}

static void train(struct pair *p, uint64_t k)
{
    assert_int_equal(before(&p->two, k), TRAJ_OK);
    assert_int_equal(before(&p->one, k), TRAJ_OK);
    const enum traj_status status = after(&p->two);
    assert_int_equal(after(&p->one), status);
}

/* Nothing of the step is to come. */
static void at_once(struct pair *p, uint64_t k)
{
    train(p, k);
    assert_memory_equal(&p->two.step, &p->one.step, sizeof p->two.step);
    assert_int_equal(recorded_by(&p->one), recorded_by(&p->two));
}

static void waits(struct pair *p, uint64_t k)
{
    train(p, k);
    assert_true(traj_is_unset(p->one.step.delta_sq));
    assert_true(traj_is_unset(p->one.step.grad_delta));
    assert_int_equal(recorded_by(&p->one), recorded_by(&p->two) - 1);
}

static void many_wait(struct pair *p, uint64_t from, uint64_t to)
{
    for (uint64_t k = from; k < to; k++) {
        waits(p, k);
    }
}

/* ---- what they recorded -------------------------------------------------- */

#define BIT(field) (UINT64_C(1) << (field))

static void assert_same(
    const struct recorded_one *a, const struct recorded_one *b)
{
    static const uint64_t times[WIRE_KINDS] = {
        [WIRE_STEP] = BIT(STEP_wall_ns) | BIT(STEP_mono_ns),
        [WIRE_PROBE] = BIT(PROBE_wall_ns) | BIT(PROBE_cost_ns),
        [WIRE_EVENT] = BIT(EVENT_wall_ns),
        [WIRE_SHARPNESS] = BIT(SHARPNESS_wall_ns) | BIT(SHARPNESS_cost_ns),
        [WIRE_GROUP] = BIT(GROUP_wall_ns),
    };
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->present, b->present);
    assert_memory_equal(a->text, b->text, sizeof a->text);
    for (unsigned field = 0; field < WIRE_FIELDS_MAX; field++) {
        assert_true((times[a->kind] & BIT(field)) != 0 ||
                    a->values[field] == b->values[field]);
    }
}

static void close_both(struct pair *p)
{
    traj_watch_close(p->two.watch);
    traj_watch_close(p->one.watch);
    recorded_close_run(&p->two.recorded);
    recorded_close_run(&p->one.recorded);
}

static void done(struct pair *p)
{
    recorded_done(&p->two.recorded);
    recorded_done(&p->one.recorded);
}

/* Close both: all records are the same, in order, and of this kind so many. */
static void finish(struct pair *p, unsigned kind, size_t n)
{
    close_both(p);
    assert_int_equal(p->one.recorded.n, p->two.recorded.n);
    for (size_t i = 0; i < p->two.recorded.n; i++) {
        assert_same(&p->two.recorded.records[i], &p->one.recorded.records[i]);
    }
    assert_int_equal(recorded_count(&p->one.recorded, kind), n);
    done(p);
}

/* The same, but of this kind alone: the order of kinds is not. */
static void assert_same_of(const struct pair *p, unsigned kind, size_t n)
{
    assert_int_equal(recorded_count(&p->two.recorded, kind), n);
    assert_int_equal(recorded_count(&p->one.recorded, kind), n);
    for (size_t i = 0; i < n; i++) {
        assert_same(recorded_at(&p->two.recorded, kind, i),
            recorded_at(&p->one.recorded, kind, i));
    }
}

/* ---- probes -------------------------------------------------------------- */

/* With two groups a probe makes three records. */
static void test_a_probe_that_is_due_has_its_update_measured(void **state)
{
    (void)state;
    struct pair p;
    set_up_probes(&p, 3);
    p.options.sharpness_every = 2;
    open_both(&p);
    for (uint64_t k = 0; k < 12; k += 3) {
        at_once(&p, k);
        many_wait(&p, k + 1, k + 3);
    }
    finish(&p, WIRE_PROBE, 3 * 4);
}

static void test_a_step_is_recorded_before_its_probe(void **state)
{
    (void)state;
    static const unsigned kinds[] = { WIRE_STEP, WIRE_PROBE, WIRE_PROBE,
        WIRE_PROBE, WIRE_STEP, WIRE_STEP, WIRE_PROBE };
    struct pair p;
    set_up_probes(&p, 2);
    open_both(&p);
    at_once(&p, 0);
    waits(&p, 1);
    at_once(&p, 2);
    close_both(&p);
    assert_int_equal(p.one.recorded.n, 9);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(p.one.recorded.records[i].kind, kinds[i]);
    }
    done(&p);
}

/* They are of updates that wait, too, and may come before the second's step. */
static void test_probes_of_two_kinds_are_the_same(void **state)
{
    (void)state;
    struct pair p;
    set_up_probes(&p, 3);
    p.options.different_every = 1;
    open_both(&p);
    for (uint64_t k = 0; k < 9; k += 3) {
        at_once(&p, k);
        many_wait(&p, k + 1, k + 3);
    }
    close_both(&p);
    assert_same_of(&p, WIRE_STEP, 9);
    assert_same_of(&p, WIRE_PROBE, 3 * 3 + 8);
    done(&p);
}

static void test_a_probe_that_is_given_up_leaves_its_step(void **state)
{
    (void)state;
    struct pair p;
    set_up_probes(&p, 2);
    open_both(&p);
    at_once(&p, 0);
    waits(&p, 1);
    p.manner.answer = 7;
    at_once(&p, 2);
    waits(&p, 3);
    at_once(&p, 4);
    waits(&p, 5);
    finish(&p, WIRE_EVENT, 2); /* the reason, and how often, after step 5 */
}

static uint64_t probed_as_burst(const struct pair *p)
{
    return traj_watch_probe(p->one.watch)->flags & TRAJ_PROBE_BURST;
}

static void test_the_updates_of_a_burst_are_measured_at_once(void **state)
{
    (void)state;
    struct pair p;
    set_up_probes(&p, 1000);
    p.options.burst_probes = 3;
    open_both(&p);
    at_once(&p, 0);
    assert_int_equal(probed_as_burst(&p), 0);
    many_wait(&p, 1, 40);
    p.manner.worse = 1e6;
    at_once(&p, 40);
    assert_int_equal(probed_as_burst(&p), TRAJ_PROBE_BURST);
    p.manner.worse = 0;
    at_once(&p, 41);
    at_once(&p, 42);
    many_wait(&p, 43, 46);
    finish(&p, WIRE_PROBE, 3 * 4);
}

/* Of 40 updates that are not measured the last has a spike of its loss. */
static void test_a_burst_after_an_unmeasured_update_is_the_same(void **state)
{
    (void)state;
    struct pair p;
    set_up_probes(&p, 1000);
    p.options.burst_probes = 3;
    p.options.measure_every = 1000;
    open_both(&p);
    for (uint64_t k = 0; k < 50; k++) {
        p.manner.worse = k == 41 ? 1e6 : 0;
        at_once(&p, k);
    }
    finish(&p, WIRE_PROBE, 3 * 4);
}

static void test_without_a_run_all_is_measured(void **state)
{
    (void)state;
    struct pair p;
    set_up_probes(&p, 2);
    open_watch(&p.two, p.options, NULL);
    p.options.one_pass = 1;
    open_watch(&p.one, p.options, NULL);
    train(&p, 0);
    assert_memory_equal(&p.two.step, &p.one.step, sizeof p.two.step);
    train(&p, 1); /* there is no record that could wait */
    assert_memory_equal(&p.two.step, &p.one.step, sizeof p.two.step);
    train(&p, 2);
    assert_memory_equal(&p.two.step, &p.one.step, sizeof p.two.step);
    const struct traj_probe *two = traj_watch_probe(p.two.watch);
    const struct traj_probe *one = traj_watch_probe(p.one.watch);
    assert_true(one->step == 2 && one->smoothness == two->smoothness);
    train(&p, 3);
    traj_watch_close(p.two.watch);
    traj_watch_close(p.one.watch);
}

/* ---- what else asks for d ------------------------------------------------ */

static void test_records_of_groups_are_the_same(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p);
    p.options.group_every = 4;
    open_both(&p);
    for (uint64_t k = 0; k < 12; k += 4) {
        at_once(&p, k);
        many_wait(&p, k + 1, k + 4);
    }
    finish(&p, WIRE_GROUP, 2 * 3);
}

/* The array tells of it now, and no longer with the next gradient. */
static void test_clipping_that_is_not_told_is_found_at_once(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p);
    open_both(&p);
    waits(&p, 0);
    p.manner.clip = 0.5;
    p.manner.told.clip_scale = traj_unset();
    at_once(&p, 1);
    assert_true(fabs(p.one.step.clip_scale - 0.5) < 1e-7);
    p.manner.told.clip_scale = 0.5;
    waits(&p, 2);
    p.manner.clip = 1;
    p.manner.told.clip_scale = traj_unset();
    at_once(&p, 3);
    assert_true(p.one.step.clip_scale == 1);
    finish(&p, WIRE_STEP, 4);
}

/* Of a gradient this steep, with these flags told. */
static uint64_t flags_of(double steep, double lr, uint64_t told)
{
    struct pair p;
    set_up(&p);
    open_both(&p);
    waits(&p, 0);
    p.manner.steep = steep;
    p.manner.lr = lr;
    p.manner.told.flags = told;
    at_once(&p, 1);
    const uint64_t flags = p.one.step.flags;
    p.manner.steep = 0;
    p.manner.lr = 0.125;
    p.manner.told.flags = 0;
    waits(&p, 2);
    finish(&p, WIRE_STEP, 3);
    return flags;
}

/* It is a spike, unless the loss scaler saw it and left the update out. 1e200
 * is finite, its square is not. */
static void test_a_gradient_that_is_not_finite_is_judged_at_once(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    const double inf = (double)INFINITY;
    const uint64_t seen = TRAJ_STEP_FOUND_INF;
    const uint64_t left_out = TRAJ_STEP_SKIPPED;
    assert_int_equal(flags_of(nan, 0, seen), seen | left_out);
    assert_int_equal(flags_of(inf, 0, seen), seen | left_out);
    assert_int_equal(flags_of(1e200, 0, seen), seen | left_out);
    assert_int_equal(flags_of(1e200, 1e-200, seen), seen | TRAJ_STEP_SPIKE);
    assert_int_equal(flags_of(nan, 0, 0), left_out | TRAJ_STEP_SPIKE);
}

/* No gradient after it is measured that could. */
static void test_the_last_before_an_unmeasured_update_is_measured_at_once(
    void **state)
{
    (void)state;
    struct pair p;
    set_up(&p);
    p.options.measure_every = 4;
    open_both(&p);
    for (uint64_t k = 0; k < 12; k += 4) {
        waits(&p, k);
        at_once(&p, k + 1);
        p.manner.told.grad_sq = 1; /* by one who measures it as well */
        at_once(&p, k + 2);
        at_once(&p, k + 3);
        assert_int_equal(p.one.step.flags, TRAJ_STEP_NOT_MEASURED);
    }
    waits(&p, 12);
    finish(&p, WIRE_STEP, 13);
}

/* ---- options ------------------------------------------------------------- */

static void test_an_older_callers_watch_has_two_passes(void **state)
{
    (void)state;
    struct pair p;
    set_up(&p);
    p.options.size = offsetof(struct traj_watch_options, one_pass);
    open_both(&p);
    at_once(&p, 0);
    at_once(&p, 1);
    assert_false(traj_is_unset(p.one.step.delta_sq));
    finish(&p, WIRE_STEP, 2);
}

static void test_one_pass_is_refused_with_delta_only(void **state)
{
    (void)state;
    double x = 1;
    traj_watch *watch = NULL;
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.dtype = TRAJ_F64;
    o.n = 1;
    o.param = &x;
    o.delta_only = 1;
    o.optimizer = TRAJ_OPTIMIZER_SGD;
    o.one_pass = 1;
    assert_int_equal(traj_watch_open(NULL, &o, &watch), TRAJ_EINVAL);
    assert_null(watch);
    assert_non_null(strstr(traj_last_error(), "one_pass"));
    o.one_pass = 0;
    assert_int_equal(traj_watch_open(NULL, &o, &watch), TRAJ_OK);
    traj_watch_close(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_probe_that_is_due_has_its_update_measured),
        cmocka_unit_test(test_a_step_is_recorded_before_its_probe),
        cmocka_unit_test(test_probes_of_two_kinds_are_the_same),
        cmocka_unit_test(test_a_probe_that_is_given_up_leaves_its_step),
        cmocka_unit_test(test_the_updates_of_a_burst_are_measured_at_once),
        cmocka_unit_test(test_a_burst_after_an_unmeasured_update_is_the_same),
        cmocka_unit_test(test_without_a_run_all_is_measured),
        cmocka_unit_test(test_records_of_groups_are_the_same),
        cmocka_unit_test(test_clipping_that_is_not_told_is_found_at_once),
        cmocka_unit_test(test_a_gradient_that_is_not_finite_is_judged_at_once),
        cmocka_unit_test(
            test_the_last_before_an_unmeasured_update_is_measured_at_once),
        cmocka_unit_test(test_an_older_callers_watch_has_two_passes),
        cmocka_unit_test(test_one_pass_is_refused_with_delta_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

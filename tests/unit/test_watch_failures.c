/* A callback that gives up, as the run tells of it: the trainer is gradient
 * descent on x^2/2, its callback answers what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "traj.h"

struct trainer {
    double x, g;
    int answer;
    struct recorded recorded;
    traj_watch *watch;
};

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    const struct trainer *t = context;
    double *grad = ret_grad;
    *grad = t->x;
    *ret_loss = t->x * t->x / 2;
    return t->answer;
}

static void open_watch(struct trainer *t)
{
    *t = (struct trainer){ .x = 1 };
    recorded_open(&t->recorded, NULL, 0);
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    o.dtype = TRAJ_F64;
    o.n = 1;
    o.param = &t->x;
    o.grad = &t->g;
    o.gradient = callback;
    o.context = t;
    o.probe_every = 1;
    assert_int_equal(traj_watch_open(t->recorded.run, &o, &t->watch), TRAJ_OK);
}

static enum traj_status train(struct trainer *t, uint64_t k, int answer)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = k;
    t->answer = answer;
    t->g = t->x;
    assert_int_equal(traj_before_update(t->watch, &step), TRAJ_OK);
    t->x -= t->g / 2;
    return traj_after_update(t->watch, &step);
}

static void close_watch(struct trainer *t)
{
    traj_watch_close(t->watch);
    recorded_close_run(&t->recorded);
}

static const char *event(const struct trainer *t, size_t i)
{
    return recorded_at(&t->recorded, WIRE_EVENT, i)->text;
}

static void test_each_reason_is_an_event_once_and_counted_at_the_end(
    void **state)
{
    (void)state;
    struct trainer t;
    open_watch(&t);
    static const int answers[] = { 0, 7, 7, 8, 7 };
    for (uint64_t k = 0; k < 5; k++) {
        assert_int_equal(train(&t, k, answers[k]),
            answers[k] == 0 ? TRAJ_OK : TRAJ_ECALLBACK);
    }
    close_watch(&t);
    assert_int_equal(recorded_count(&t.recorded, WIRE_STEP), 5);
    assert_int_equal(recorded_count(&t.recorded, WIRE_PROBE), 1);
    assert_int_equal(recorded_count(&t.recorded, WIRE_EVENT), 3);
    const struct recorded_one *first = recorded_at(&t.recorded, WIRE_EVENT, 0);
    assert_string_equal(
        first->text, "probe: the gradient callback returned 7 at gamma 0.5");
    assert_int_equal(recorded_u64(first, EVENT_step), 1);
    assert_int_equal(recorded_u64(first, EVENT_severity), TRAJ_WARNING);
    assert_int_equal(recorded_u64(first, EVENT_event), TRAJ_EVENT_TEXT);
    assert_string_equal(
        event(&t, 1), "probe: the gradient callback returned 8 at gamma 0.5");
    assert_string_equal(event(&t, 2),
        "3 probes failed: probe: the gradient callback returned 7 at gamma "
        "0.5");
    assert_false(
        recorded_has(recorded_at(&t.recorded, WIRE_EVENT, 2), EVENT_step));
    recorded_done(&t.recorded);
}

static void test_reasons_beyond_the_eighth_are_counted_together(void **state)
{
    (void)state;
    struct trainer t;
    open_watch(&t);
    for (int k = 1; k <= 10; k++) {
        assert_int_equal(train(&t, (uint64_t)k, k), TRAJ_ECALLBACK);
    }
    assert_int_equal(train(&t, 11, 10), TRAJ_ECALLBACK);
    assert_int_equal(train(&t, 12, 8), TRAJ_ECALLBACK);
    close_watch(&t);
    assert_int_equal(recorded_count(&t.recorded, WIRE_EVENT), 10);
    assert_non_null(strstr(event(&t, 7), "returned 8"));
    assert_non_null(strstr(event(&t, 8), "2 probes failed"));
    assert_string_equal(event(&t, 9), "3 probes failed for other reasons");
    recorded_done(&t.recorded);
}

static void test_the_caller_still_gets_the_reason(void **state)
{
    (void)state;
    struct trainer t;
    open_watch(&t);
    assert_int_equal(train(&t, 0, 7), TRAJ_ECALLBACK);
    assert_string_equal(traj_last_error(),
        "probe: the gradient callback returned 7 at gamma 0.5");
    close_watch(&t);
    recorded_done(&t.recorded);
}

static void test_a_run_whose_probes_work_has_no_event(void **state)
{
    (void)state;
    struct trainer t;
    open_watch(&t);
    assert_int_equal(train(&t, 0, 0), TRAJ_OK);
    close_watch(&t);
    assert_int_equal(recorded_count(&t.recorded, WIRE_EVENT), 0);
    recorded_done(&t.recorded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_each_reason_is_an_event_once_and_counted_at_the_end),
        cmocka_unit_test(test_reasons_beyond_the_eighth_are_counted_together),
        cmocka_unit_test(test_the_caller_still_gets_the_reason),
        cmocka_unit_test(test_a_run_whose_probes_work_has_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

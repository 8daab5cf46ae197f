/* Folded steps through the public calls, to a scripted daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/peer.h"
#include "../lib/spool_rig.h"
#include "traj.h"
#include "transport/cursor.h"
#include "transport/fold.h"
#include "transport/record.h"

struct world {
    char dir[64];
    struct peer peer;
    struct traj_options options;
    traj_run *run;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    test_dir_make(w->dir);
    peer_start(&w->peer);
    w->options = (struct traj_options)TRAJ_OPTIONS_INIT;
    w->options.endpoint = w->peer.endpoint;
    w->options.dir = w->dir;
    w->options.run_id = "run";
    w->options.fold_steps = 4;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peer_stop(&w->peer);
    peer_done(&w->peer);
    test_dir_remove(w->dir);
    free(w);
    return 0;
}

static void open_run(struct world *w)
{
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
}

static struct traj_step plain_step(uint64_t number)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = number;
    step.loss = (double)number / 2;
    step.grad_sq = 100 - (double)number;
    step.delta_sq = 0.25;
    step.flags = TRAJ_STEP_CLIPPED;
    return step;
}

static void record(struct world *w, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct traj_step step = plain_step(i);
        assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    }
}

static uint64_t bits(double value)
{
    uint64_t b = 0;
    memcpy(&b, &value, sizeof b);
    return b;
}

static bool has(const struct fake_record *r, unsigned field)
{
    return (r->present >> field & 1) != 0;
}

/* That r is the fold of plain steps from..to-1. */
static void assert_fold(const struct fake_record *r, uint64_t from, uint64_t to)
{
    double n = (double)(to - from);
    double numbers = (double)(from + to - 1) * n / 2;
    assert_int_equal(r->kind, WIRE_STEP);
    assert_int_equal(r->values[STEP_step], to - 1);
    assert_int_equal(r->values[STEP_fold_count], to - from);
    assert_int_equal(r->values[STEP_fold_first_step], from);
    assert_int_equal(r->values[STEP_fold_loss_sum], bits(numbers / 2));
    assert_int_equal(r->values[STEP_fold_loss_min], bits((double)from / 2));
    assert_int_equal(r->values[STEP_fold_loss_min_step], from);
    assert_int_equal(r->values[STEP_fold_loss_max], bits((double)(to - 1) / 2));
    assert_int_equal(r->values[STEP_fold_loss_max_step], to - 1);
    assert_int_equal(r->values[STEP_fold_grad_sq_sum], bits(100 * n - numbers));
    assert_int_equal(
        r->values[STEP_fold_grad_sq_min], bits(100 - (double)(to - 1)));
    assert_int_equal(r->values[STEP_fold_grad_sq_min_step], to - 1);
    assert_int_equal(
        r->values[STEP_fold_grad_sq_max], bits(100 - (double)from));
    assert_int_equal(r->values[STEP_fold_grad_sq_max_step], from);
    assert_int_equal(r->values[STEP_fold_delta_sq_sum], bits(n / 4));
    assert_int_equal(r->values[STEP_fold_nonfinite], 0);
    assert_int_equal(r->values[STEP_fold_clipped], to - from);
    assert_int_equal(r->values[STEP_loss], bits((double)(to - 1) / 2));
}

static void test_every_kth_call_makes_a_record_and_finish_the_last(void **state)
{
    struct world *w = *state;
    open_run(w);
    record(w, 0, 10);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_stream *s = &d->streams[0];
    assert_int_equal(d->malformed, 0);
    assert_int_equal(s->n, 4);
    assert_fold(&s->records[0], 0, 4);
    assert_fold(&s->records[1], 4, 8);
    assert_fold(&s->records[2], 8, 10);
    assert_int_equal(s->records[3].values[EVENT_event], TRAJ_EVENT_FINISH);
    assert_int_equal(s->records[0].present, s->records[2].present);
    assert_true(s->records[1].values[STEP_mono_ns] >=
                s->records[0].values[STEP_mono_ns]);
    peer_unlock(&w->peer);
}

static void test_an_open_fold_goes_before_any_other_record(void **state)
{
    struct world *w = *state;
    struct traj_probe probe;
    traj_probe_init(&probe);
    open_run(w);
    record(w, 0, 1);
    assert_int_equal(traj_log(w->run, "a/b", 0, 1), TRAJ_OK);
    record(w, 1, 3);
    assert_int_equal(traj_log_probe(w->run, &probe), TRAJ_OK);
    record(w, 3, 6);
    assert_int_equal(traj_event(w->run, TRAJ_INFO, 5, "here"), TRAJ_OK);
    record(w, 6, 10);
    assert_int_equal(traj_event(w->run, TRAJ_INFO, 9, "there"), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_int_equal(d->streams[0].n, 9);
    assert_fold(&r[0], 0, 1);
    assert_int_equal(r[1].kind, WIRE_METRIC);
    assert_fold(&r[2], 1, 3);
    assert_int_equal(r[3].kind, WIRE_PROBE);
    assert_fold(&r[4], 3, 6);
    assert_string_equal(r[5].text, "here");
    assert_fold(&r[6], 6, 10); /* was full: nothing open before the event */
    assert_string_equal(r[7].text, "there");
    peer_unlock(&w->peer);
}

/* A step with ||g||^2 = 1 in the units of the loss. */
static struct traj_step scaled_step(uint64_t number, double scale)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = number;
    step.stage = TRAJ_STAGE_SCALED;
    step.loss_scale = scale;
    step.grad_sq = scale * scale;
    return step;
}

static void test_a_new_loss_scale_begins_a_new_fold(void **state)
{
    struct world *w = *state;
    const double scales[] = { 8, 8, 16, 16, 4 };
    open_run(w);
    for (uint64_t i = 0; i < 5; i++) {
        struct traj_step step = scaled_step(i, scales[i]);
        assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    }
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_int_equal(d->streams[0].n, 4);
    assert_int_equal(r[0].values[STEP_fold_grad_sq_sum], bits(2 * 8 * 8));
    assert_int_equal(r[0].values[STEP_loss_scale], bits(8));
    assert_int_equal(r[1].values[STEP_fold_grad_sq_sum], bits(2 * 16 * 16));
    assert_int_equal(r[1].values[STEP_fold_grad_sq_max], bits(16 * 16));
    assert_int_equal(r[1].values[STEP_loss_scale], bits(16));
    assert_int_equal(r[2].values[STEP_fold_grad_sq_sum], bits(4 * 4));
    peer_unlock(&w->peer);
}

/* So that trajd can tell the fault from what the loss scaler saw. */
static void test_an_overflow_has_a_fold_of_its_own(void **state)
{
    struct world *w = *state;
    const uint64_t handled = TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED;
    const uint64_t flags[] = { 0, 0, handled, handled, 0 };
    const double losses[] = { 1, 1, (double)INFINITY, (double)INFINITY,
        (double)NAN };
    open_run(w);
    for (uint64_t i = 0; i < 5; i++) {
        struct traj_step step = scaled_step(i, 8);
        step.flags = flags[i];
        step.loss = losses[i];
        assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    }
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_int_equal(d->streams[0].n, 4); /* and the end */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r[i].values[STEP_flags], i == 1 ? handled : 0);
        assert_int_equal(r[i].values[STEP_fold_count], i < 2 ? 2 : 1);
        assert_int_equal(r[i].values[STEP_fold_nonfinite], (3 - i) % 3);
    }
    peer_unlock(&w->peer);
}

static void test_close_records_the_open_fold(void **state)
{
    struct world *w = *state;
    w->options.mode = TRAJ_MODE_OFFLINE;
    open_run(w);
    record(w, 0, 3);
    traj_close(w->run);
    w->options.mode = TRAJ_MODE_ONLINE;
    open_run(w);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    size_t old = strstr(d->streams[0].json, "\"attempt\":1,") != NULL ? 0 : 1;
    assert_int_equal(d->streams[old].n, 1);
    assert_fold(&d->streams[old].records[0], 0, 3);
    peer_unlock(&w->peer);
}

static void test_no_folding_means_no_fields_of_it(void **state)
{
    struct world *w = *state;
    w->options.fold_steps = 1;
    open_run(w);
    record(w, 0, 2);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->streams[0].n, 3);
    assert_false(has(&d->streams[0].records[0], STEP_fold_count));
    peer_unlock(&w->peer);
}

static void test_an_unset_quantity_has_no_sum_and_no_extremes(void **state)
{
    struct world *w = *state;
    struct traj_step step;
    traj_step_init(&step);
    open_run(w);
    assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_int_equal(r->values[STEP_fold_count], 1);
    assert_int_equal(r->present >> STEP_fold_count & 0x7fff,
        1u | 3u << (STEP_fold_nonfinite - STEP_fold_count));
    peer_unlock(&w->peer);
}

static void test_more_than_a_million_steps_are_not_folded(void **state)
{
    struct world *w = *state;
    w->options.fold_steps = 1000001;
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "fold_steps is 1000001"));
    w->options.fold_steps = 1000000;
    open_run(w);
    traj_close(w->run);
}

static void test_a_dropped_fold_is_one_dropped_record_and_the_last_none(
    void **state)
{
    struct world *w = *state;
    struct fake_daemon *d = peer_lock(&w->peer);
    d->silent = true;
    peer_unlock(&w->peer);
    w->options.spool_bytes = 1u << 20;
    open_run(w);
    struct traj_step step = plain_step(0);
    uint64_t calls = 0;
    enum traj_status status = TRAJ_OK;
    while (status == TRAJ_OK) {
        status = traj_step(w->run, &step);
        calls++;
    }
    assert_int_equal(status, TRAJ_EFULL);
    assert_int_equal(calls % 4, 0);
    record(w, 1, 3); /* open, and not dropped at the end */
    struct traj_stats stats = { .size = sizeof stats };
    assert_int_equal(traj_get_stats(w->run, &stats), TRAJ_OK);
    assert_int_equal(stats.dropped, 1);
    d = peer_lock(&w->peer);
    d->silent = false;
    peer_unlock(&w->peer);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    size_t folds = calls / 4 - 1;
    double one = 1;
    assert_int_equal(d->streams[0].n, folds + 3);
    assert_fold(&r[folds], 1, 3);
    assert_int_equal(r[folds + 1].values[EVENT_event], TRAJ_EVENT_DROPPED);
    assert_memory_equal(&r[folds + 1].values[EVENT_value], &one, 8);
    assert_int_equal(r[folds + 2].values[EVENT_event], TRAJ_EVENT_FINISH);
    peer_unlock(&w->peer);
}

static void test_a_late_fold_has_both_clocks_of_its_last_step(void **state)
{
    (void)state;
    struct spool_rig rig;
    struct fold fold = { .steps_max = 100 };
    struct traj_step step = plain_step(0);
    struct times now = { .wall_ns = 5000000000, .mono_ns = 90000000000 };
    spool_rig_open(&rig, 0);
    assert_false(fold_add(&fold, &step, now.mono_ns - 2000000000));
    assert_int_equal(record_fold(&rig.stream.spool,
                         fold_close(&fold, now.mono_ns), SPOOL_ORDINARY, now),
        TRAJ_OK);
    struct cursor at = cursor_at_front(&rig.stream.spool, 1);
    const struct record_head *record = cursor_peek(&at);
    const uint64_t *values = (const uint64_t *)(const void *)(record + 1);
    assert_int_equal(values[STEP_wall_ns], 3000000000);
    assert_int_equal(values[STEP_mono_ns], 88000000000);
    spool_rig_close(&rig);
}

static void test_block_loses_no_fold(void **state)
{
    struct world *w = *state;
    w->options.spool_bytes = 1u << 20;
    w->options.full = TRAJ_FULL_BLOCK;
    w->options.fold_steps = 2;
    open_run(w);
    for (uint64_t i = 0; i < 40000; i++) {
        struct traj_step step = plain_step(i);
        assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    }
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->streams[0].n, 20001);
    for (size_t i = 0; i < 20000; i++) {
        const struct fake_record *r = &d->streams[0].records[i];
        assert_int_equal(r->values[STEP_fold_first_step], 2 * i);
    }
    peer_unlock(&w->peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_kth_call_makes_a_record_and_finish_the_last),
        TEST(test_an_open_fold_goes_before_any_other_record),
        TEST(test_a_new_loss_scale_begins_a_new_fold),
        TEST(test_an_overflow_has_a_fold_of_its_own),
        TEST(test_close_records_the_open_fold),
        TEST(test_no_folding_means_no_fields_of_it),
        TEST(test_an_unset_quantity_has_no_sum_and_no_extremes),
        TEST(test_more_than_a_million_steps_are_not_folded),
        TEST(test_a_dropped_fold_is_one_dropped_record_and_the_last_none),
        TEST(test_block_loses_no_fold),
        cmocka_unit_test(test_a_late_fold_has_both_clocks_of_its_last_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

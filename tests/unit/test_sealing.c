/* sealing: what is due, what a slice does, and what cannot be sealed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "base/counters.h"
#include "threads/sealing.h"

static struct sealing sealing;

/* A stream with n STEP records in the log, and sealing told of it. */
static struct stream_state filled(
    struct rig *rig, uint32_t uid, size_t n, bool ended)
{
    char json[64];
    (void)snprintf(
        json, sizeof json, "{\"run_id\":\"r%u\",\"attempt\":1}", uid);
    struct stream_state s = rig_hello(rig, uid, json);
    rig_steps(rig, &s, uid, 0, n);
    sealing_note(&sealing, s.stream, s.log_records, ended);
    return s;
}

static int64_t chunks(const struct rig *rig)
{
    return rig_number(rig, "SELECT count(*) FROM chunk");
}

static int64_t in_log(const struct rig *rig)
{
    return rig_number(rig, "SELECT sum(log_records) FROM stream_progress");
}

static int open_rig(void **state)
{
    static struct rig rig;
    sealing = (struct sealing){ 0 };
    rig_open(&rig, 0);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

static void test_a_chunk_is_due_and_less_only_of_a_stream_that_ended(
    void **state)
{
    struct rig *rig = *state;
    (void)filled(rig, 1, SEALING_CHUNK - 1, false);
    assert_false(sealing_is_due(&sealing));
    (void)filled(rig, 2, 0, true);
    assert_false(sealing_is_due(&sealing));
    (void)filled(rig, 3, 1, true);
    assert_true(sealing_is_due(&sealing));
    assert_int_equal(sealing.n, 1);
}

static void drain(struct rig *rig)
{
    for (int i = 0; i < 100 && sealing_is_due(&sealing); i++) {
        sealing_slice(&sealing, rig->store);
    }
}

static void test_slices_seal_all_that_is_due(void **state)
{
    struct rig *rig = *state;
    (void)filled(rig, 1, 3 * SEALING_CHUNK + 5, false);
    (void)filled(rig, 2, 10, true);
    assert_int_equal(sealing.records, 3 * SEALING_CHUNK + 15);
    drain(rig);
    assert_int_equal(sealing.n, 0);
    assert_int_equal(sealing.records, 0);
    assert_int_equal(chunks(rig), 4);
    assert_int_equal(in_log(rig), 5);
}

static void test_a_slice_ends_in_time_unless_sealing_is_behind(void **state)
{
    struct rig *rig = *state;
    size_t n = 80 * SEALING_CHUNK;
    (void)filled(rig, 1, n, false);
    assert_true(n > SEALING_BEHIND_MAX);
    sealing_slice(&sealing, rig->store);
    assert_true(chunks(rig) >= 16); /* down to what it may be behind */
    assert_true(sealing.records <= SEALING_BEHIND_MAX);
    assert_true(sealing_is_due(&sealing));
}

static void damage(const struct rig *rig, const struct stream_state *s)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql,
        "UPDATE log SET frame = x'00' WHERE stream = %lld",
        (long long)s->stream.v);
    rig_sql(rig, sql);
}

static void test_a_stream_that_cannot_be_sealed_holds_up_no_other(void **state)
{
    struct rig *rig = *state;
    struct stream_state bad = filled(rig, 1, SEALING_CHUNK, false);
    (void)filled(rig, 2, 2 * SEALING_CHUNK, false);
    (void)filled(rig, 3, 7, true);
    damage(rig, &bad);
    uint64_t errors = counter_get(COUNTER_COMMIT_ERRORS);
    drain(rig);
    assert_int_equal(counter_get(COUNTER_COMMIT_ERRORS), errors + 1);
    assert_int_equal(chunks(rig), 3);
    assert_int_equal(in_log(rig), SEALING_CHUNK);
    assert_int_equal(sealing.n, 1); /* and is tried again, later */
    assert_true(sealing.due[0].not_before_mono_ns != 0);
}

static void test_what_has_failed_is_tried_again_by_itself(void **state)
{
    struct rig *rig = *state;
    struct stream_state bad = filled(rig, 1, SEALING_CHUNK, false);
    damage(rig, &bad);
    sealing_slice(&sealing, rig->store);
    (void)filled(rig, 2, SEALING_CHUNK, false);
    struct sealing_due failed = sealing.due[0];
    assert_true(failed.not_before_mono_ns != 0);
    failed.not_before_mono_ns = 1; /* the time has come */
    sealing.due[0] = sealing.due[1];
    sealing.due[1] = failed;
    drain(rig);
    assert_int_equal(chunks(rig), 1);
    assert_int_equal(sealing.n, 1);
}

static void test_a_deleted_run_is_nothing_to_seal(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    struct stream_state s = filled(rig, 1, SEALING_CHUNK, false);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(store_delete_run(rig->store, s.run, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    drain(rig);
    assert_int_equal(sealing.n, 0);
    assert_int_equal(sealing.records, 0);
}

static void test_what_was_left_unsealed_is_found_at_the_start(void **state)
{
    struct rig *rig = *state;
    (void)filled(rig, 1, SEALING_CHUNK, false);
    struct stream_state s = filled(rig, 2, 3, false);
    rig_bye(rig, &s, 2, 0, RIG_NOW_NS);
    (void)filled(rig, 3, 3, false);
    rig_reopen(rig, 0);
    sealing = (struct sealing){ 0 };
    sealing_find(&sealing, rig->store);
    assert_int_equal(sealing.n, 2);
    drain(rig);
    assert_int_equal(chunks(rig), 2);
    assert_int_equal(in_log(rig), 3);
}

static void test_more_streams_than_can_wait_ask_again(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= SEALING_STREAMS_MAX + 1; i++) {
        sealing_note(&sealing, (struct stream_id){ i }, SEALING_CHUNK, false);
    }
    assert_int_equal(sealing.n, SEALING_STREAMS_MAX);
    sealing_note(&sealing, (struct stream_id){ 1 }, SEALING_CHUNK + 1, false);
    assert_int_equal(
        sealing.records, (uint64_t)SEALING_STREAMS_MAX * SEALING_CHUNK + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_a_chunk_is_due_and_less_only_of_a_stream_that_ended, open_rig,
            close_rig),
        cmocka_unit_test_setup_teardown(
            test_slices_seal_all_that_is_due, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_a_slice_ends_in_time_unless_sealing_is_behind, open_rig,
            close_rig),
        cmocka_unit_test_setup_teardown(
            test_a_stream_that_cannot_be_sealed_holds_up_no_other, open_rig,
            close_rig),
        cmocka_unit_test_setup_teardown(
            test_what_has_failed_is_tried_again_by_itself, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_a_deleted_run_is_nothing_to_seal, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_what_was_left_unsealed_is_found_at_the_start, open_rig,
            close_rig),
        cmocka_unit_test_setup_teardown(
            test_more_streams_than_can_wait_ask_again, open_rig, close_rig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

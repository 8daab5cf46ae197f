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

#define CHUNK 2048u /* records of one, by default */

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
    sealing_note(&sealing, &s, ended);
    return s;
}

/* A stream with n records of layers and none of a step. */
static struct stream_state filled_with_layers(
    struct rig *rig, uint32_t uid, size_t n)
{
    char json[64];
    struct rig_records records = { 0 };
    (void)snprintf(
        json, sizeof json, "{\"run_id\":\"r%u\",\"attempt\":1}", uid);
    struct stream_state s = rig_hello(rig, uid, json);
    for (size_t i = 0; i < n; i++) {
        struct rig_record r = { .seq = i + 1, .kind = WIRE_GROUP };
        rig_set_u64(&r, GROUP_step, i);
        rig_set_u64(&r, GROUP_group, 1);
        rig_set(&r, GROUP_grad_sq, (double)i / 3);
        rig_records_add(&records, &r);
    }
    for (size_t i = 0; i < n; i += 4096) {
        rig_append(rig, &s, uid, &records, i, i + 4096 < n ? i + 4096 : n);
    }
    rig_records_done(&records);
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

static int64_t bytes_in_log(const struct rig *rig)
{
    return rig_number(rig, "SELECT coalesce(sum(length(frame)), 0) FROM log");
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
    (void)filled(rig, 1, CHUNK - 1, false);
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
    (void)filled(rig, 1, 3 * CHUNK + 5, false);
    (void)filled(rig, 2, 10, true);
    assert_int_equal(sealing.bytes, bytes_in_log(rig));
    drain(rig);
    assert_int_equal(sealing.n, 0);
    assert_int_equal(sealing.bytes, 0);
    assert_int_equal(chunks(rig), 4);
    assert_int_equal(in_log(rig), 5);
}

/* Some 30 chunks, of which one takes longer than a slice. */
static void test_a_slice_ends_in_time_unless_sealing_is_behind(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = filled_with_layers(rig, 1, 800000);
    sealing_note(&sealing, &s, false);
    sealing_slice(&sealing, rig->store);
    assert_int_equal(sealing.bytes, bytes_in_log(rig));
    assert_true(sealing.bytes > s.log_bytes / 2);
    assert_true(sealing_is_due(&sealing));
    s.log_bytes += SEALING_BEHIND_MAX; /* as if there were that much */
    sealing_note(&sealing, &s, false);
    sealing_slice(&sealing, rig->store);
    assert_true(bytes_in_log(rig) < 4 << 20); /* what is no chunk */
}

/* Which are in no count of records: they come by the hundred a step. */
static void test_layers_are_due_by_their_bytes(void **state)
{
    struct rig *rig = *state;
    struct stream_state few = filled_with_layers(rig, 1, 4096);
    sealing_note(&sealing, &few, false);
    assert_false(sealing_is_due(&sealing));
    sealing_note(&sealing, &few, true);
    assert_int_equal(sealing.n, 1);
    drain(rig);
    assert_int_equal(bytes_in_log(rig), 0);
    struct stream_state many = filled_with_layers(rig, 2, 200000);
    assert_true(many.log_bytes > 4 << 20);
    sealing_note(&sealing, &many, false);
    assert_true(sealing_is_due(&sealing));
    drain(rig);
    assert_true(bytes_in_log(rig) < 4 << 20);
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
    struct stream_state bad = filled(rig, 1, CHUNK, false);
    (void)filled(rig, 2, 2 * CHUNK, false);
    (void)filled(rig, 3, 7, true);
    damage(rig, &bad);
    uint64_t errors = counter_get(COUNTER_COMMIT_ERRORS);
    drain(rig);
    assert_int_equal(counter_get(COUNTER_COMMIT_ERRORS), errors + 1);
    assert_int_equal(chunks(rig), 3);
    assert_int_equal(in_log(rig), CHUNK);
    assert_int_equal(sealing.n, 1); /* and is tried again, later */
    assert_true(sealing.due[0].not_before_mono_ns != 0);
}

static void test_what_has_failed_is_tried_again_by_itself(void **state)
{
    struct rig *rig = *state;
    struct stream_state bad = filled(rig, 1, CHUNK, false);
    damage(rig, &bad);
    sealing_slice(&sealing, rig->store);
    (void)filled(rig, 2, CHUNK, false);
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
    struct stream_state s = filled(rig, 1, CHUNK, false);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(store_delete_run(rig->store, s.run, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    drain(rig);
    assert_int_equal(sealing.n, 0);
    assert_int_equal(sealing.bytes, 0);
}

static void test_what_was_left_unsealed_is_found_at_the_start(void **state)
{
    struct rig *rig = *state;
    (void)filled(rig, 1, CHUNK, false);
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

static void test_layers_that_were_left_are_found_at_the_start(void **state)
{
    struct rig *rig = *state;
    struct stream_state ended = filled_with_layers(rig, 1, 3);
    rig_bye(rig, &ended, 1, 0, RIG_NOW_NS);
    (void)filled_with_layers(rig, 2, 200000);
    (void)filled_with_layers(rig, 3, 3);
    rig_reopen(rig, 0);
    sealing_find(&sealing, rig->store);
    assert_int_equal(sealing.n, 2);
    assert_true(sealing.bytes > 4 << 20);
}

static void test_more_streams_than_can_wait_ask_again(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= SEALING_STREAMS_MAX + 1; i++) {
        const struct stream_state s = {
            .stream = { i }, .log_bytes = 100, .fills_chunk = true
        };
        sealing_note(&sealing, &s, false);
    }
    assert_int_equal(sealing.n, SEALING_STREAMS_MAX);
    const struct stream_state grown = {
        .stream = { 1 }, .log_bytes = 101, .fills_chunk = true
    };
    sealing_note(&sealing, &grown, false);
    assert_int_equal(sealing.bytes, (uint64_t)SEALING_STREAMS_MAX * 100 + 1);
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
            test_layers_are_due_by_their_bytes, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_layers_that_were_left_are_found_at_the_start, open_rig,
            close_rig),
        cmocka_unit_test_setup_teardown(
            test_more_streams_than_can_wait_ask_again, open_rig, close_rig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What came again, what came late, and whether a run is complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "traj.h"

static int open_rig(void **state)
{
    static struct rig rig;
    rig_open(&rig, 0);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

static struct stream_state stream_of(struct rig *rig, uint32_t uid,
    unsigned attempt, unsigned rank, unsigned world)
{
    char json[128];
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":%u,\"rank\":%u,\"world\":%u}", attempt,
        rank, world);
    return rig_hello(rig, uid, json);
}

/* Records [from, to) of n steps, seq 1 to n, of which `finish` (0: none) is a
 * FINISH event. */
static void send_some(struct rig *rig, struct stream_state *s, uint32_t uid,
    size_t from, size_t to, uint64_t finish)
{
    struct rig_records records = { 0 };
    for (uint64_t seq = 1; seq <= to; seq++) {
        struct rig_record r = rig_step(seq, seq, 1);
        if (seq == finish) {
            r = (struct rig_record){ .seq = seq,
                .kind = WIRE_EVENT,
                .present = 1u << EVENT_event | 1u << EVENT_exit_code,
                .values = { [EVENT_event] = TRAJ_EVENT_FINISH } };
        }
        rig_records_add(&records, &r);
    }
    rig_append(rig, s, uid, &records, from, to);
    rig_records_done(&records);
}

static unsigned gaps(const struct rig *rig)
{
    struct run_row row = rig_run(rig, "r");
    unsigned found = row.gaps;
    run_row_done(&row);
    return found;
}

static void assert_counts(
    const struct rig *rig, uint64_t repeated, uint64_t late, uint64_t steps)
{
    struct run_row row = rig_run(rig, "r");
    assert_int_equal(row.repeated_records, repeated);
    assert_int_equal(row.late_records, late);
    assert_int_equal(row.records[WIRE_STEP], steps);
    run_row_done(&row);
}

static void test_what_comes_again_is_left_out_and_counted(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = stream_of(rig, 1, 1, 0, 1);
    send_some(rig, &s, 1, 0, 10, 0);
    assert_counts(rig, 0, 0, 10);
    uint64_t revision =
        (uint64_t)rig_number(rig, "SELECT revision FROM run_progress");
    send_some(rig, &s, 1, 0, 10, 0);
    assert_counts(rig, 10, 0, 10);
    assert_int_equal(
        rig_number(rig, "SELECT revision FROM run_progress"), revision + 1);
    send_some(rig, &s, 1, 4, 15, 0);
    assert_counts(rig, 16, 0, 15);
    send_some(rig, &s, 1, 15, 16, 0);
    assert_counts(rig, 16, 0, 16);
}

static void test_what_comes_after_a_bye_is_late(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = stream_of(rig, 1, 1, 0, 1);
    send_some(rig, &s, 1, 0, 10, 0);
    rig_bye(rig, &s, 1, WIRE_F_SYNC | WIRE_F_WRITER_GONE, RIG_NOW_NS);
    assert_counts(rig, 0, 0, 10);
    send_some(rig, &s, 1, 8, 13, 0);
    assert_counts(rig, 2, 3, 13);
}

static void test_what_comes_after_a_finish_is_late_in_one_frame_or_many(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state s = stream_of(rig, 1, 1, 0, 1);
    send_some(rig, &s, 1, 0, 10, 10);
    assert_counts(rig, 0, 0, 9);
    send_some(rig, &s, 1, 10, 12, 0);
    assert_counts(rig, 0, 2, 11);
    struct stream_state other = stream_of(rig, 2, 2, 0, 1);
    send_some(rig, &other, 2, 0, 10, 7);
    assert_counts(rig, 0, 5, 20);
}

static void test_a_run_is_complete_when_its_trainer_has_ended(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = stream_of(rig, 1, 1, 0, 1);
    send_some(rig, &s, 1, 0, 10, 0);
    assert_int_equal(gaps(rig), RUN_GAP_OPEN);
    rig_bye(rig, &s, 1, WIRE_F_SYNC, RIG_NOW_NS); /* of a sync: who knows */
    assert_int_equal(gaps(rig), RUN_GAP_OPEN);
    rig_bye(rig, &s, 1, 0, RIG_NOW_NS);
    assert_int_equal(gaps(rig), 0);
    send_some(rig, &s, 1, 10, 11, 0); /* heard again: more may come */
    assert_int_equal(gaps(rig), RUN_GAP_OPEN);
    send_some(rig, &s, 1, 11, 12, 12);
    assert_int_equal(gaps(rig), 0);
}

static void test_lost_and_dropped_records_are_gaps(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = stream_of(rig, 1, 1, 0, 1);
    send_some(rig, &s, 1, 0, 3, 3);
    rig_sql(rig, "UPDATE stream_progress SET lost_records = 1;");
    assert_int_equal(gaps(rig), RUN_GAP_LOST);
    rig_sql(rig, "UPDATE stream_progress SET dropped_records = 1;");
    assert_int_equal(gaps(rig), RUN_GAP_LOST | RUN_GAP_DROPPED);
}

static void test_every_rank_of_the_world_must_be_there_in_some_attempt(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state first = stream_of(rig, 1, 1, 0, 3);
    send_some(rig, &first, 1, 0, 1, 1);
    assert_int_equal(gaps(rig), RUN_GAP_RANK);
    struct stream_state last = stream_of(rig, 2, 1, 2, 3);
    send_some(rig, &last, 2, 0, 1, 1);
    assert_int_equal(gaps(rig), RUN_GAP_RANK);
    struct stream_state again = stream_of(rig, 3, 2, 2, 3);
    send_some(rig, &again, 3, 0, 1, 1);
    assert_int_equal(gaps(rig), RUN_GAP_RANK); /* rank 2 twice is one */
    struct stream_state middle = stream_of(rig, 4, 2, 1, 3);
    send_some(rig, &middle, 4, 0, 1, 1);
    assert_int_equal(gaps(rig), 0);
}

static void test_an_attempt_that_was_left_open_is_a_gap_until_its_bye(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state killed = stream_of(rig, 1, 1, 0, 1);
    send_some(rig, &killed, 1, 0, 5, 0);
    struct stream_state s = stream_of(rig, 2, 2, 0, 1);
    send_some(rig, &s, 2, 0, 2, 2);
    assert_int_equal(gaps(rig), RUN_GAP_OPEN);
    rig_bye(rig, &killed, 1, WIRE_F_SYNC | WIRE_F_WRITER_GONE, RIG_NOW_NS);
    assert_int_equal(gaps(rig), 0);
}

static void test_each_gap_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(run_gap_name(0), "lost_records");
    assert_string_equal(run_gap_name(RUN_GAPS - 1), "rank_missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_what_comes_again_is_left_out_and_counted, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_what_comes_after_a_bye_is_late, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_what_comes_after_a_finish_is_late_in_one_frame_or_many,
            open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_a_run_is_complete_when_its_trainer_has_ended, open_rig,
            close_rig),
        cmocka_unit_test_setup_teardown(
            test_lost_and_dropped_records_are_gaps, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_every_rank_of_the_world_must_be_there_in_some_attempt,
            open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_an_attempt_that_was_left_open_is_a_gap_until_its_bye, open_rig,
            close_rig),
        cmocka_unit_test(test_each_gap_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the store promises its writer: store.h. */
#include "../lib/store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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

static void test_committed_records_come_back_bit_for_bit(void **state)
{
    struct rig *rig = *state;
    struct stream_state s =
        rig_hello(rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    struct rig_records sent = { 0 };
    uint64_t seed = 7;
    for (uint64_t seq = 1; seq <= 300; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    rig_append(rig, &s, 1, &sent, 0, 100);
    rig_append(rig, &s, 1, &sent, 100, 300);
    assert_int_equal(s.committed_seq, 300);

    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(s.run, (enum wire_kind)kind);
        rig_scan(rig, &query, &got);
        rig_assert_same(&sent, kind, &got);
        rig_records_done(&got);
    }
    rig_records_done(&sent);
}

static void test_sealed_records_come_back_bit_for_bit(void **state)
{
    struct rig *rig = *state;
    struct stream_state s =
        rig_hello(rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    struct rig_records sent = { 0 };
    uint64_t seed = 8;
    for (uint64_t seq = 1; seq <= 3000; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    for (size_t i = 0; i < 3000; i += 100) {
        rig_append(rig, &s, 1, &sent, i, i + 100);
    }
    assert_int_equal(rig_seal(rig, &s, false), 1);
    assert_int_equal(rig_number(rig, "SELECT sum(records) FROM chunk"), 2100);

    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got = { 0 };
        struct scan_query query = rig_query(s.run, (enum wire_kind)kind);
        rig_scan(rig, &query, &got);
        rig_assert_same(&sent, kind, &got);
        rig_records_done(&got);
    }
    rig_records_done(&sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_committed_records_come_back_bit_for_bit, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(
            test_sealed_records_come_back_bit_for_bit, open_rig, close_rig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

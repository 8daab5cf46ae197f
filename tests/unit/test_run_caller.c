/* Callers that bend floating point: built as with -Ofast, with exceptions
 * trapped. What they record must come through bit for bit. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Ofast")
#endif
#define _GNU_SOURCE /* feenableexcept */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fenv.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/peer.h"
#include "../lib/spool_rig.h"
#include "traj.h"
#include "values.h"

static double from_bits(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_the_marker_is_told_from_every_nan_in_fast_math(void **state)
{
    (void)state;
    double marker = traj_unset();
    assert_true(traj_is_unset(marker));
    assert_true(traj_is_unset(from_bits(TRAJ_UNSET_BITS)));
    assert_false(traj_is_unset(from_bits(0x7ff8000000000000u)));
    assert_false(traj_is_unset(from_bits(0xfff8000000000000u)));
    assert_false(traj_is_unset(from_bits(TRAJ_UNSET_BITS ^ 1)));
    assert_false(traj_is_unset(0.0));
}

static void record_everything(traj_run *run)
{
    for (uint64_t i = 0; i < 2000; i++) {
        struct traj_step step = rig_traj_step(i);
        assert_int_equal(traj_step(run, &step), TRAJ_OK);
    }
    assert_int_equal(
        traj_log(run, "signalling", 1, from_bits(0x7ff4000000000001u)),
        TRAJ_OK);
}

static void test_trapped_exceptions_and_signalling_nans_do_not_stop_us(
    void **state)
{
    (void)state;
    struct peer peer;
    char dir[64];
    struct traj_options options = TRAJ_OPTIONS_INIT;
    traj_run *run = NULL;
    test_dir_make(dir);
    peer_start(&peer);
    options.dir = dir;
    options.endpoint = peer.endpoint;
    int before = feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    assert_int_equal(traj_open(&options, &run), TRAJ_OK);
    record_everything(run);
    assert_int_equal(traj_finish(run, 0, 10000), TRAJ_OK);
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)fedisableexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(before);
    struct fake_daemon *d = peer_lock(&peer);
    const struct fake_record *records = d->streams[0].records;
    assert_int_equal(d->streams[0].n, 2002);
    for (uint64_t i = 0; i < 2000; i++) {
        const struct fake_record *r = &records[i];
        assert_is_rig_step(i, r->kind, r->present, r->values);
    }
    assert_int_equal(records[2000].values[METRIC_value], 0x7ff4000000000001u);
    peer_unlock(&peer);
    peer_stop(&peer);
    peer_done(&peer);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_marker_is_told_from_every_nan_in_fast_math),
        cmocka_unit_test(
            test_trapped_exceptions_and_signalling_nans_do_not_stop_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

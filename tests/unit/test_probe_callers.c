/* What the probe promises about the trainer, what callers of other versions of
 * traj.h may pass, and what it refuses. */
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/probe_rig.h"
#include "traj.h"

/* ---- what the trainer owns ---------------------------------------------- */

static void prepare_all_dtypes(struct probe_rig *r)
{
    probe_rig_integers(r);
    probe_rig_segment(r, TRAJ_F16, 2, 0);
    probe_rig_segment(r, TRAJ_BF16, 3, 1);
    probe_rig_segment(r, TRAJ_F64, 2, 0);
    probe_rig_segment(r, TRAJ_F32, 1, 1);
    probe_rig_group(r, (struct traj_group){ .norm = TRAJ_NORM_L2 });
    for (size_t i = 0; i < 8; i++) {
        r->start[i] = 1 / (3 + (double)i);
        r->end[i] = i % 2 == 0 ? -0.0 : 1.1 * r->start[i];
    }
    r->input.check_idempotence = 1;
}

static void test_segments_come_back_bit_for_bit_on_every_path(void **state)
{
    (void)state;
    for (int fail_at = 0; fail_at <= 3; fail_at++) {
        struct probe_rig r;
        prepare_all_dtypes(&r);
        probe_rig_place(&r);
        r.fail_at = fail_at;
        const struct probe_rig before = r;
        enum traj_status status = probe_rig_try(&r);
        assert_int_equal(status, fail_at == 0 ? TRAJ_OK : TRAJ_ECALLBACK);
        assert_int_equal(r.calls, fail_at == 0 ? 3 : fail_at);
        assert_memory_equal(r.memory, before.memory, sizeof r.memory);
        const bool kept = memcmp(&r.probe, &before.probe, sizeof r.probe) == 0;
        const bool group_kept = memcmp(r.group_probes, before.group_probes,
                                    sizeof r.group_probes) == 0;
        assert_true(kept == (fail_at > 0) && group_kept == (fail_at > 0));
    }
}

static int traps(void *context, void *ret_grad, double *ret_loss)
{
    int *seen = context;
    void *const *arrays = ret_grad;
    *(uint16_t *)arrays[0] = 0x7e00; /* NaN */
    *(float *)arrays[1] = (float)NAN;
    *ret_loss = (double)NAN;
    *seen += fegetround() == FE_UPWARD && (fegetexcept() & FE_INVALID) &&
             fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT;
    return 0;
}

static void test_traps_and_rounding_of_the_trainer_do_not_matter(void **state)
{
    (void)state;
    struct probe_rig r;
    int seen = 0;
    probe_rig_init(&r, (struct function){ .gradient = quadratic, .n = 2 });
    probe_rig_segment(&r, TRAJ_F16, 1, 1);
    probe_rig_segment(&r, TRAJ_F32, 1, 1);
    probe_rig_group(&r, (struct traj_group){ .norm = TRAJ_NORM_RMS });
    r.start[0] = r.start[1] = 1;
    r.end[0] = r.end[1] = 1 + 3 * 0x1p-10;
    probe_rig_place(&r);
    r.input.gradient = traps;
    r.input.context = &seen;
    r.input.check_idempotence = 1;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feraiseexcept(FE_INEXACT);
    (void)fesetround(FE_UPWARD);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    enum traj_status status = probe_rig_try(&r);
    const int trapped = fegetexcept();
    const int flags = fetestexcept(FE_ALL_EXCEPT);
    (void)fesetenv(FE_DFL_ENV);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(seen, 3);
    assert_int_equal(trapped, FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    assert_int_equal(flags, FE_INEXACT);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NONFINITE);
    /* To nearest even, whatever way the trainer rounds: 2 gaps, not 1.5. */
    assert_true(
        r.group_probes[0].points[0].delta_sq == 4 * 0x1p-20 + 9 * 0x1p-22);
}

/* ---- callers of other versions ------------------------------------------ */

static void test_an_older_callers_structs_are_taken_as_they_are(void **state)
{
    (void)state;
    static const size_t one[] = { 50 };
    struct probe_rig r;
    probe_rig_radial(&r, one, 1);
    probe_rig_run(&r);
    const struct traj_probe full = r.probe;
    r.input.dtype = TRAJ_F64;
    r.input.n = 50;
    r.input.param = r.segments[0].param;
    r.input.param_start = r.segments[0].param_start;
    r.input.grad_start = r.segments[0].grad_start;
    r.input.gradient = probe_rig_flat_callback;
    /* What lies beyond its struct is something else. */
    const size_t input_size = offsetof(struct traj_probe_input, segments);
    memset((char *)&r.input + input_size, 0xa5, sizeof r.input - input_size);
    r.input.size = input_size;
    const size_t size = offsetof(struct traj_probe, group);
    memset(&r.probe, 0xa5, sizeof r.probe);
    traj_probe_init_sized(&r.probe, size);
    assert_int_equal(probe_rig_try(&r), TRAJ_OK);
    assert_true(r.probe.smoothness == full.smoothness);
    assert_true(r.probe.points[1].dgrad_sq == full.points[1].dgrad_sq);
    const unsigned char *bytes = (const unsigned char *)&r.probe;
    for (size_t i = size; i < sizeof r.probe; i++) {
        assert_int_equal(bytes[i], 0xa5);
    }
}

static void refused(
    struct probe_rig *r, enum traj_status expected, const char *text)
{
    _Alignas(64) static unsigned char workspace[65536];
    r->input.workspace = workspace;
    const struct traj_probe before = r->probe;
    enum traj_status status = traj_smoothness_probe(&r->input, &r->probe);
    assert_int_equal(status, expected);
    assert_non_null(strstr(traj_last_error(), text));
    assert_memory_equal(&r->probe, &before, sizeof before);
    assert_int_equal(r->calls, 0);
}

static void test_structs_shorter_than_the_first_version_are_refused(
    void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    probe_rig_place(&r);
    r.input.size = offsetof(struct traj_probe_input, segments) - 1;
    refused(&r, TRAJ_EINVAL, "input->size");
    assert_int_equal(traj_probe_workspace(&r.input), 0);
    r.input.size = sizeof r.input;
    r.probe.size = offsetof(struct traj_probe, group) - 1;
    refused(&r, TRAJ_EINVAL, "traj_probe_init");
}

/* A later version appends fields: its elements lie further apart. */
struct later_probe {
    struct traj_probe probe;
    double more[7];
};

static void test_group_results_of_a_newer_caller_lie_further_apart(void **state)
{
    (void)state;
    struct probe_rig r;
    struct later_probe later[2];
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_RMS);
    probe_rig_run(&r);
    for (size_t i = 0; i < 2; i++) {
        traj_probe_init_sized(&later[i].probe, sizeof later[i]);
        later[i].more[6] = 17;
    }
    r.input.ret_groups = &later[0].probe;
    probe_rig_run(&r);
    for (size_t i = 0; i < 2; i++) {
        assert_true(later[i].probe.smoothness == r.group_probes[i].smoothness);
        assert_int_equal(later[i].probe.group, i + 1);
        assert_true(later[i].more[6] == 17);
    }
}

/* ---- refusals ----------------------------------------------------------- */

static void test_null_segments_say_which_array(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    probe_rig_place(&r);
    r.segments[1].param = NULL;
    refused(&r, TRAJ_ENOGRAD, "param is NULL");
    probe_rig_place(&r);
    r.segments[2].param_start = NULL;
    refused(&r, TRAJ_ENOGRAD, "param_start is NULL");
    probe_rig_place(&r);
    r.segments[3].grad_start = NULL;
    refused(&r, TRAJ_ENOGRAD, "grad_start is NULL");
    probe_rig_place(&r);
    r.segments[0].param_start = r.segments[0].param;
    refused(&r, TRAJ_EINVAL, "param itself");
}

static void test_the_two_forms_exclude_each_other(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    probe_rig_place(&r);
    r.input.n = 8;
    refused(&r, TRAJ_EINVAL, "leave them 0");
    r.input.n = 0;
    r.input.n_segments = 0;
    refused(&r, TRAJ_EINVAL, "n_segments is 0");
    r.input.n_segments = 4;
    r.input.segments = NULL;
    refused(&r, TRAJ_EINVAL, "segments is NULL");
    assert_int_equal(traj_probe_workspace(&r.input), 0);
}

static void test_wrong_groups_are_refused(void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
    probe_rig_place(&r);
    r.segments[1].group = 3;
    refused(&r, TRAJ_EINVAL, "segments[1].group is 3 of 2");
    r.segments[1].group = 1;
    r.groups[1].norm = (enum traj_norm)4;
    refused(&r, TRAJ_EINVAL, "groups[1].norm is 4");
    r.groups[1].norm = TRAJ_NORM_L2;
    r.group_probes[1].size = sizeof r.group_probes[1] + 8;
    refused(&r, TRAJ_EINVAL, "ret_groups[1]");
    r.input.ret_groups = NULL;
    refused(&r, TRAJ_EINVAL, "ret_groups is NULL");
    r.input.n_groups = TRAJ_GROUPS_MAX + 1;
    refused(&r, TRAJ_EINVAL, "4097 groups, above 4096");
}

static void test_a_spectral_group_of_two_segments_or_another_shape_is_refused(
    void **state)
{
    (void)state;
    struct probe_rig r;
    probe_rig_groups(&r, TRAJ_NORM_SPECTRAL, TRAJ_NORM_L2);
    probe_rig_place(&r);
    r.groups[0].rows = 2;
    r.groups[0].cols = 2; /* the segment has 3 */
    refused(&r, TRAJ_EINVAL, "groups[0] is spectral");
    r.groups[0].norm = TRAJ_NORM_L2;
    r.groups[1].norm = TRAJ_NORM_SPECTRAL;
    r.groups[1].rows = 1;
    r.groups[1].cols = 2; /* of each of its two segments */
    refused(&r, TRAJ_EINVAL, "groups[1] is spectral");
}

static void test_sizes_beyond_all_memory_are_too_large(void **state)
{
    (void)state;
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8,
        SIZE_MAX / 16 };
    for (size_t i = 0; i < 4; i++) {
        struct probe_rig r;
        probe_rig_groups(&r, TRAJ_NORM_L2, TRAJ_NORM_L2);
        probe_rig_place(&r);
        r.segments[0].n = r.segments[2].n = sizes[i];
        assert_int_equal(traj_probe_workspace(&r.input), 0);
        refused(&r, TRAJ_EINVAL, "too large");
        r.input.n_segments = sizes[i];
        assert_int_equal(traj_probe_workspace(&r.input), 0);
    }
    assert_int_equal(traj_probe_workspace(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_come_back_bit_for_bit_on_every_path),
        cmocka_unit_test(test_traps_and_rounding_of_the_trainer_do_not_matter),
        cmocka_unit_test(test_an_older_callers_structs_are_taken_as_they_are),
        cmocka_unit_test(
            test_structs_shorter_than_the_first_version_are_refused),
        cmocka_unit_test(
            test_group_results_of_a_newer_caller_lie_further_apart),
        cmocka_unit_test(test_null_segments_say_which_array),
        cmocka_unit_test(test_the_two_forms_exclude_each_other),
        cmocka_unit_test(test_wrong_groups_are_refused),
        cmocka_unit_test(
            test_a_spectral_group_of_two_segments_or_another_shape_is_refused),
        cmocka_unit_test(test_sizes_beyond_all_memory_are_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

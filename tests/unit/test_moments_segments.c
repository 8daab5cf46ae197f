/* Moments of many arrays: each as if it were alone, and all as if they were
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/moment_arrays.h"
#include "math/kernel.h"
#include "math/moments_crew.h"
#include "traj.h"

/* One array after the other of all sizes that matter, cut from common ones. */
#define CUTS 12u
static const size_t cuts[CUTS] = { 1, 0, 15, 16, 17, 4095, 4096, 4097, 3,
    CREW_JOB, CREW_JOB + 1, 3 * CREW_JOB + 5 };

static size_t cut(enum traj_dtype dtype, enum traj_dtype grad_dtype,
    unsigned set, char *const memory[4], struct traj_segment ret[CUTS])
{
    size_t first = 0;
    for (size_t i = 0; i < CUTS; i++) {
        char *at[4];
        for (size_t k = 0; k < 4; k++) {
            at[k] = memory[k] +
                    first * dtype_width(k % 2 == 0 ? dtype : grad_dtype);
        }
        ret[i] = moment_segment(dtype, grad_dtype, set, cuts[i], at, 0);
        first += cuts[i];
    }
    return first;
}

static void test_each_segment_is_as_if_it_were_alone(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < CUTS; i++) {
        n += cuts[i];
    }
    struct moment_arrays a = moment_arrays_eighths(TRAJ_F32, TRAJ_BF16, n, 0);
    struct traj_segment segments[CUTS];
    assert_int_equal(cut(TRAJ_F32, TRAJ_BF16, 15, a.memory, segments), n);
    struct traj_moments total, each[CUTS];
    assert_int_equal(traj_moments_of(segments, CUTS, 3, &total, each), TRAJ_OK);
    double grad_sq = 0;
    for (size_t i = 0; i < CUTS; i++) {
        struct traj_moments own, own_total;
        assert_int_equal(
            traj_moments_of(&segments[i], 1, 1, &own_total, &own), TRAJ_OK);
        assert_memory_equal(&own, &each[i], sizeof own);
        assert_memory_equal(&own_total, &own, sizeof own);
        grad_sq += each[i].grad_sq; /* eighths: exact */
    }
    assert_true(total.grad_sq == grad_sq);
    const struct traj_segment whole =
        moment_segment(TRAJ_F32, TRAJ_BF16, 15, n, a.memory, 0);
    const struct traj_moments flat = moments_measured(&whole, 1, 1);
    assert_memory_equal(&flat, &total, sizeof flat);
    moment_arrays_free(&a);
}

static void test_one_array_is_a_list_of_one_segment(void **state)
{
    (void)state;
    struct moment_arrays a =
        moment_arrays_eighths(TRAJ_F16, TRAJ_F16, 70000, 0);
    const struct traj_segment s =
        moment_segment(TRAJ_F16, 0, 15, 70000, a.memory, 0);
    const struct traj_moments m = moments_measured(&s, 1, 5);
    struct traj_moments flat;
    assert_int_equal(
        traj_moments(TRAJ_F16, 70000, s.x, s.g, s.x0, s.g0, &flat), TRAJ_OK);
    assert_memory_equal(&m, &flat, sizeof m);
    moment_arrays_free(&a);
}

static void test_more_segments_than_a_job_takes_are_all_summed(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const float one = 1;
    struct traj_segment *segments = calloc(N, sizeof *segments);
    struct traj_moments *each = calloc(N, sizeof *each);
    assert_non_null(segments);
    assert_non_null(each);
    for (size_t i = 0; i < N; i++) {
        segments[i] = (struct traj_segment){
            .dtype = TRAJ_F32, .n = i % 2, .g = i % 2 ? &one : NULL
        };
    }
    struct traj_moments total;
    assert_int_equal(traj_moments_of(segments, N, 1, &total, each), TRAJ_OK);
    assert_true(total.grad_sq == N / 2);
    assert_true(traj_is_unset(total.param_sq));
    for (size_t i = 0; i < N; i++) {
        assert_true(each[i].grad_sq == (double)(i % 2));
    }
    free(segments);
    free(each);
}

static void test_no_segments_give_nothing_measured(void **state)
{
    (void)state;
    const struct traj_moments m = moments_measured(NULL, 0, 4);
    assert_true(traj_is_unset(m.grad_sq));
    assert_int_equal(m.grad_nan, TRAJ_UNSET_COUNT);
}

static void test_segments_without_elements_give_zeros(void **state)
{
    (void)state;
    const float unused = 0;
    const struct traj_segment s[2] = { { .dtype = TRAJ_F32, .g = &unused },
        { .dtype = TRAJ_F64 } };
    const struct traj_moments m = moments_measured(s, 2, 1);
    assert_true(m.grad_sq == 0 && m.grad_max_abs == 0);
    assert_true(traj_is_unset(m.param_sq));
}

static void test_rounding_does_not_add_up_over_segments(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float values[N];
    struct traj_segment segments[N];
    for (size_t i = 0; i < N; i++) {
        values[i] = i == 0 ? 64 : 0x1p-26f;
        segments[i] =
            (struct traj_segment){ .dtype = TRAJ_F32, .n = 1, .g = &values[i] };
    }
    const struct traj_moments m = moments_measured(segments, N, 1);
    assert_true(m.grad_sq == 4096 + 4095 * 0x1p-52);
}

/* Quarters of the last place of a sum, one in each block: lost if a job's own
 * compensation is. */
static void test_rounding_does_not_add_up_over_jobs(void **state)
{
    (void)state;
    const size_t n = 3 * CREW_JOB;
    float *g = calloc(n, sizeof *g);
    assert_non_null(g);
    for (size_t i = 0; i < n; i += KERNEL_BLOCK) {
        g[i] = i == 0 ? 64 : 0x1p-21f;
    }
    const struct traj_segment s = { .dtype = TRAJ_F32, .n = n, .g = g };
    const struct traj_moments m = moments_measured(&s, 1, 1);
    const double small = (double)(n / KERNEL_BLOCK - 1) * 0x1p-42;
    assert_true(m.grad_sq == 4096 + small);
    free(g);
}

static void test_a_segment_without_elements_asks_nothing_of_others(void **state)
{
    (void)state;
    const float three = 3;
    const struct traj_segment s[2] = { { .dtype = TRAJ_F32, .x = &three },
        { .dtype = TRAJ_F32, .n = 1, .g = &three } };
    const struct traj_moments m = moments_measured(s, 2, 1);
    assert_true(m.grad_sq == 9);
    assert_true(traj_is_unset(m.param_sq));
}

static void test_an_array_that_others_have_is_asked_for_by_name(void **state)
{
    (void)state;
    static const char *const names[4] = { "x", "g", "x0", "g0" };
    struct moment_arrays a = moment_arrays_eighths(TRAJ_F32, TRAJ_F32, 20, 0);
    for (unsigned k = 0; k < 4; k++) {
        const struct traj_segment s[3] = {
            moment_segment(TRAJ_F32, 0, 15, 20, a.memory, 0),
            moment_segment(TRAJ_F32, 0, 0, 0, a.memory, 0),
            moment_segment(TRAJ_F32, 0, 15u & ~(1u << k), 20, a.memory, 0),
        };
        struct traj_moments m = { .grad_nan = 77 };
        assert_int_equal(traj_moments_of(s, 3, 1, &m, NULL), TRAJ_ENOGRAD);
        assert_int_equal(m.grad_nan, 77);
        char expected[100];
        (void)snprintf(expected, sizeof expected,
            "moments: %s of segment 2 is NULL, and others have it (is the "
            "array allocated yet?)",
            names[k]);
        assert_string_equal(traj_last_error(), expected);
    }
    moment_arrays_free(&a);
}

static void test_wrong_segments_are_refused_with_a_text(void **state)
{
    (void)state;
    struct traj_moments m;
    const struct traj_segment unknown[2] = { { .dtype = TRAJ_F32 },
        { .dtype = (enum traj_dtype)5 } };
    const struct traj_segment unknown_grad = { .dtype = TRAJ_F32,
        .grad_dtype = (enum traj_dtype)9 };
    assert_int_equal(traj_moments_of(unknown, 2, 1, &m, NULL), TRAJ_EINVAL);
    assert_string_equal(
        traj_last_error(), "moments: segment 1: unknown dtype 5");
    assert_int_equal(
        traj_moments_of(&unknown_grad, 1, 1, &m, NULL), TRAJ_EINVAL);
    assert_string_equal(
        traj_last_error(), "moments: segment 0: unknown grad_dtype 9");
    const struct traj_segment wide = { .dtype = TRAJ_F32,
        .grad_dtype = TRAJ_F64,
        .n = (size_t)PTRDIFF_MAX / sizeof(double) + 1 };
    assert_int_equal(traj_moments_of(&wide, 1, 1, &m, NULL), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "segment 0: no array has"));
    assert_int_equal(traj_moments_of(NULL, 1, 1, &m, NULL), TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "moments: segments is NULL");
    assert_int_equal(traj_moments_of(unknown, 1, 1, NULL, NULL), TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "moments: ret_total is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_segment_is_as_if_it_were_alone),
        cmocka_unit_test(test_one_array_is_a_list_of_one_segment),
        cmocka_unit_test(test_more_segments_than_a_job_takes_are_all_summed),
        cmocka_unit_test(test_no_segments_give_nothing_measured),
        cmocka_unit_test(test_segments_without_elements_give_zeros),
        cmocka_unit_test(test_rounding_does_not_add_up_over_segments),
        cmocka_unit_test(test_rounding_does_not_add_up_over_jobs),
        cmocka_unit_test(
            test_a_segment_without_elements_asks_nothing_of_others),
        cmocka_unit_test(test_an_array_that_others_have_is_asked_for_by_name),
        cmocka_unit_test(test_wrong_segments_are_refused_with_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The sharpness of parameters of every dtype, in one array or several. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "../lib/meter_rig.h"
#include "math/element.h"
#include "traj.h"

/* g = 4 x has every value exactly. x +- e v is rounded, by up to half of e in
 * bfloat16; the quotient of what was really moved is 4 all the same. */
static void test_rounded_displacements_do_not_bias_the_quotient(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
        TRAJ_F16 };
    static const double u[] = { 0x1p-24, 0x1p-53, 0x1p-8, 0x1p-11 };
    static const double a[3] = { 4, 4, 4 };
    static const double x[3] = { 1.5, -2, 3 };
    for (size_t i = 0; i < 4; i++) {
        struct meter_rig r;
        meter_rig_init(&r,
            (struct function){ .gradient = quadratic, .n = 3, .a = a },
            dtypes[i], x);
        meter_rig_once(&r);
        assert_close(r.found.value, 4, 1e-15);
        assert_true(r.found.residual <= 1e-14);
        assert_int_equal(r.found.dtype, dtypes[i]);
        assert_close(r.found.epsilon, cbrt(u[i]) * (1 + sqrt(15.25)), 1e-14);
    }
}

/* Powers of two: g is exact, so every value is a Rayleigh quotient of H. */
static void test_the_norm_is_never_exceeded_in_coarse_dtypes(void **state)
{
    (void)state;
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_BF16, TRAJ_F16 };
    static const double a[4] = { 0.5, 8, 2, 1 };
    static const double x[4] = { 0.3, 1.7, -5, 0.01 };
    for (size_t i = 0; i < 3; i++) {
        struct meter_rig r;
        meter_rig_init(&r,
            (struct function){ .gradient = quadratic, .n = 4, .a = a },
            dtypes[i], x);
        meter_rig_open(&r);
        for (int k = 0; k < 5; k++) {
            meter_rig_measure(&r);
            assert_true(r.found.value <= 8 * (1 + 1e-14));
        }
        assert_true(r.found.value > 8 * 0.98);
        assert_int_equal(r.found.flags, 0);
        traj_sharpness_close(r.meter);
    }
}

static int split_gradient(void *context, void *ret_grad, double *ret_loss)
{
    struct meter_rig *r = context;
    void *const *arrays = ret_grad;
    double x[METER_RIG_MAX];
    double g[METER_RIG_MAX];
    size_t first = 0;
    (void)ret_loss;
    for (size_t i = 0; i < r->options.n_segments; i++) {
        const struct traj_probe_segment *s = &r->segments[i];
        element_widen(s->dtype, s->param, 0, s->n, x + first);
        first += s->n;
    }
    r->f.gradient(&r->f, x, g);
    int code = meter_rig_answer(r, g);
    first = 0;
    for (size_t i = 0; i < r->options.n_segments; i++) {
        const struct traj_probe_segment *s = &r->segments[i];
        element_narrow(s->dtype, g + first, s->n, arrays[i], 0);
        first += s->n;
    }
    return code;
}

static void test_segments_give_what_one_array_gives(void **state)
{
    (void)state;
    double x[50];
    for (size_t i = 0; i < 50; i++) {
        x[i] = 2 * (2 + sin((double)i)) / sqrt(50);
    }
    struct meter_rig flat;
    struct meter_rig split;
    const struct function f = {
        .gradient = radial, .n = 50, .L0 = 2, .L1 = 0.7
    };
    meter_rig_init(&flat, f, TRAJ_F64, x);
    meter_rig_init(&split, f, TRAJ_F64, x);
    static const size_t sizes[] = { 7, 0, 33, 10 };
    size_t first = 0;
    for (size_t i = 0; i < 4; i++) {
        split.segments[i] = (struct traj_probe_segment){
            .dtype = TRAJ_F64, .n = sizes[i], .param = split.param + first
        };
        first += sizes[i];
    }
    split.options.dtype = (enum traj_dtype)0;
    split.options.n = 0;
    split.options.param = NULL;
    split.options.segments = split.segments;
    split.options.n_segments = 4;
    split.options.gradient = split_gradient;
    meter_rig_once(&flat);
    meter_rig_once(&split);
    assert_close(split.found.value, flat.found.value, 1e-12);
    assert_close(split.found.epsilon, flat.found.epsilon, 1e-15);
    assert_int_equal(split.found.hvps, flat.found.hvps);
}

static void test_mixed_segments_are_of_the_coarsest_dtype(void **state)
{
    (void)state;
    static const double x[3] = { 1.5, -2, 3 };
    static const double a[3] = { 4, 4, 4 };
    struct meter_rig r;
    uint16_t bf16[1];
    float f32[2];
    meter_rig_init(&r,
        (struct function){ .gradient = quadratic, .n = 3, .a = a }, TRAJ_F64,
        x);
    element_narrow(TRAJ_BF16, x, 1, bf16, 0);
    element_narrow(TRAJ_F32, x + 1, 2, f32, 0);
    r.segments[0] = (struct traj_probe_segment){
        .dtype = TRAJ_BF16, .n = 1, .param = bf16
    };
    r.segments[1] =
        (struct traj_probe_segment){ .dtype = TRAJ_F32, .n = 2, .param = f32 };
    r.options.dtype = (enum traj_dtype)0;
    r.options.n = 0;
    r.options.param = NULL;
    r.options.segments = r.segments;
    r.options.n_segments = 2;
    r.options.gradient = split_gradient;
    meter_rig_once(&r);
    assert_close(r.found.value, 4, 1e-15);
    assert_int_equal(r.found.dtype, TRAJ_BF16);
    assert_close(r.found.epsilon, cbrt(0x1p-8) * (1 + sqrt(15.25)), 1e-14);
    assert_true(f32[0] == -2 && f32[1] == 3 && bf16[0] == 0x3fc0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounded_displacements_do_not_bias_the_quotient),
        cmocka_unit_test(test_the_norm_is_never_exceeded_in_coarse_dtypes),
        cmocka_unit_test(test_segments_give_what_one_array_gives),
        cmocka_unit_test(test_mixed_segments_are_of_the_coarsest_dtype),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

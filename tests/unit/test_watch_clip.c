/*
 * Clipping in place of gradients that every operation rounds: what the watch
 * tells of it in each dtype, and that nothing else passes for it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traj.h"

#define N 1000

/* Of numbers in the format's normal range; IEEE 754-2008, 3.4. */
struct format {
    enum traj_dtype dtype;
    size_t bytes;
    int mantissa; /* bits behind the point */
    int bias;
};

static const struct format formats[] = { { TRAJ_F32, 4, 23, 127 },
    { TRAJ_F64, 8, 52, 1023 }, { TRAJ_BF16, 2, 7, 127 },
    { TRAJ_F16, 2, 10, 15 } };
#define FORMATS (sizeof formats / sizeof formats[0])

/* To the nearest number of the format. */
static double put(
    const struct format *format, void *array, size_t i, double value)
{
    int exponent = 0;
    const double part = frexp(fabs(value), &exponent); /* in [1/2, 1) */
    const double scaled = rint(ldexp(part, format->mantissa + 1));
    const double rounded = ldexp(scaled, exponent - format->mantissa - 1);
    (void)frexp(rounded, &exponent);
    const uint64_t whole =
        (uint64_t)ldexp(rounded, format->mantissa + 1 - exponent);
    const uint64_t mantissa = whole - (UINT64_C(1) << format->mantissa);
    const uint64_t sign = (uint64_t)(value < 0) << (8 * format->bytes - 1);
    const uint64_t bits =
        sign | (uint64_t)(exponent - 1 + format->bias) << format->mantissa |
        mantissa;
    memcpy((char *)array + i * format->bytes, &bits, format->bytes);
    return value < 0 ? -rounded : rounded;
}

/* In +-[1/8, 2); no library's generator. */
static double element(size_t i)
{
    uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z ^= z >> 27;
    const double size = 0.125 + 1.875 * (double)(z >> 11) * 0x1p-53;
    return (z & 1) != 0 ? -size : size;
}

/* One step, whose gradient becomes scale g + decay x in place. *ret_sq: its
 * ||g||^2 then. */
static struct traj_step stepped(
    const struct format *format, double scale, double decay, double *ret_sq)
{
    uint64_t stored_x[N], stored_g[N]; /* room for any format */
    double g[N];
    traj_watch *watch = NULL;
    struct traj_watch_options o = TRAJ_WATCH_INIT;
    struct traj_step step;
    o.dtype = format->dtype;
    o.n = N;
    o.param = stored_x;
    o.grad = stored_g;
    for (size_t i = 0; i < N; i++) {
        g[i] = put(format, stored_g, i, element(i));
        (void)put(format, stored_x, i, element(i + N));
    }
    assert_int_equal(traj_watch_open(NULL, &o, &watch), TRAJ_OK);
    traj_step_init(&step);
    assert_int_equal(traj_before_update(watch, &step), TRAJ_OK);
    *ret_sq = 0;
    for (size_t i = 0; i < N; i++) {
        const double now =
            put(format, stored_g, i, scale * g[i] + decay * element(i + N));
        *ret_sq += now * now;
        (void)put(format, stored_x, i, element(i + 2 * N));
    }
    assert_int_equal(traj_after_update(watch, &step), TRAJ_OK);
    traj_watch_close(watch);
    return step;
}

static void test_clipping_is_told_in_every_dtype(void **state)
{
    (void)state;
    static const double scales[] = { 0.01, 0.3, 0.7, 0.95, 0.98 };
    for (size_t f = 0; f < FORMATS; f++) {
        const double u = ldexp(1, -formats[f].mantissa - 1);
        for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
            double sq = 0;
            struct traj_step step = stepped(&formats[f], scales[i], 0, &sq);
            assert_int_equal(step.flags, TRAJ_STEP_CLIPPED);
            assert_true(fabs(step.clip_scale - scales[i]) <= u + 1e-14);
            assert_true(fabs(step.grad_clipped_sq - sq) <= 1e-12 * sq);
        }
    }
}

/* A fraction of a rounding error to many of them, and not along g. */
static void test_weight_decay_in_place_is_no_clipping(void **state)
{
    (void)state;
    for (size_t f = 0; f < FORMATS; f++) {
        const double u = ldexp(1, -formats[f].mantissa - 1);
        for (int sign = -1; sign <= 1; sign += 2) {
            for (double size = 0.25; size < 20; size *= 2) {
                double sq = 0;
                struct traj_step step =
                    stepped(&formats[f], 1, sign * size * u, &sq);
                assert_int_equal(step.flags, 0);
                assert_true(
                    traj_is_unset(step.clip_scale) || step.clip_scale == 1);
            }
        }
    }
}

static void test_two_factors_are_no_clipping(void **state)
{
    (void)state;
    for (size_t f = 0; f < FORMATS; f++) {
        double sq = 0;
        struct traj_step step = stepped(&formats[f], 0.5, 0.1, &sq);
        assert_int_equal(step.flags, 0);
        assert_true(traj_is_unset(step.clip_scale));
        assert_true(traj_is_unset(step.grad_clipped_sq));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clipping_is_told_in_every_dtype),
        cmocka_unit_test(test_weight_decay_in_place_is_no_clipping),
        cmocka_unit_test(test_two_factors_are_no_clipping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

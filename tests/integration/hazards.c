/*
 * hazards: measures data that bring trainers down, in the floating-point
 * environment of the trainer: default, trapped or flushed. Built once as
 * usual and once with -Ofast. Prints what is measured bit by bit, after a line
 * that says what the environment does to a subnormal.
 */
#define _GNU_SOURCE
#include <fenv.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "traj.h"

#define N 5000

struct dtype {
    enum traj_dtype dtype;
    size_t bytes;
    uint64_t bits[8]; /* 0, smallest, -largest subnormal, 1, -1.5, Inf, NaN,
                         and a NaN with a sign and a payload */
};
static const struct dtype dtypes[] = {
    { TRAJ_F32, 4,
        { 0, 1, 0x807fffff, 0x3f800000, 0xbfc00000, 0x7f800000, 0x7fc00000,
            0xff800001 } },
    { TRAJ_F64, 8,
        { 0, 1, 0x800fffffffffffff, 0x3ff0000000000000, 0xbff8000000000000,
            0x7ff0000000000000, 0x7ff8000000000000, 0xfff0000000000001 } },
    { TRAJ_BF16, 2, { 0, 1, 0x807f, 0x3f80, 0xbfc0, 0x7f80, 0x7fc0, 0xff81 } },
    { TRAJ_F16, 2, { 0, 1, 0x83ff, 0x3c00, 0xbe00, 0x7c00, 0x7e00, 0xfc01 } },
};

static char arrays[4][N * 8];

/* Of the first `kinds` values, in a different order in each array. */
static void fill(const struct dtype *d, unsigned kinds)
{
    uint32_t state = 1;
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < N; i++) {
            state = state * 1664525u + 1013904223u;
            memcpy(arrays[k] + i * d->bytes, &d->bits[(state >> 16) % kinds],
                d->bytes);
        }
    }
}

static void print_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    (void)printf(" %016" PRIx64 "%s", bits, traj_is_unset(value) ? "u" : "");
}

static void print_moments(const struct traj_moments *m)
{
    print_double(m->grad_sq);
    print_double(m->param_sq);
    print_double(m->delta_sq);
    print_double(m->dgrad_sq);
    print_double(m->grad_delta);
    print_double(m->dgrad_delta);
    print_double(m->grad_prev);
    print_double(m->grad_max_abs);
    (void)printf(" %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
        m->grad_nan, m->grad_inf, m->param_nan, m->param_inf);
}

static void require(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(stderr, "hazards: %s\n", traj_last_error());
        exit(1);
    }
}

static void measure(const struct dtype *d, unsigned kinds)
{
    fill(d, kinds);
    struct traj_moments m;
    require(traj_moments(
        d->dtype, N, arrays[0], arrays[1], arrays[2], arrays[3], &m));
    (void)printf("moments %d %u", (int)d->dtype, kinds);
    print_moments(&m);
    for (int norm = 0; norm <= TRAJ_NORM_SPECTRAL; norm++) {
        double value, dual;
        require(traj_norm((enum traj_norm)norm, d->dtype, 50, N / 50, arrays[0],
            arrays[2], &value));
        require(traj_dual_norm((enum traj_norm)norm, d->dtype, 50, N / 50,
            arrays[1], NULL, &dual));
        (void)printf("norm %d %d %u", norm, (int)d->dtype, kinds);
        print_double(value);
        print_double(dual);
        (void)puts("");
    }
}

/* A layer in float32 with gradients in this type, large enough for threads. */
static void measure_many(const struct dtype *d)
{
    const size_t n = (size_t)3 << 21;
    float *x = calloc(n, sizeof *x);
    char *g = calloc(n, d->bytes);
    if (x == NULL || g == NULL) {
        exit(1);
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t subnormal = (uint32_t)i;
        memcpy(&x[i], &subnormal, sizeof subnormal);
        memcpy(g + i * d->bytes, &d->bits[i % 1000 == 0 ? 6 : i % 5], d->bytes);
    }
    const struct traj_segment segment = {
        .dtype = TRAJ_F32, .grad_dtype = d->dtype, .n = n, .x = x, .g = g
    };
    struct traj_moments m;
    require(traj_moments_of(&segment, 1, 3, &m, NULL));
    (void)printf("segment %d", (int)d->dtype);
    print_moments(&m);
    free(x);
    free(g);
}

/* Infinity is an argument: with -Ofast none can be made here. */
static void measure_noise(double infinity)
{
    double signal_sq, noise;
    traj_gradient_noise(0, 0, 0, 0, &signal_sq, &noise);
    (void)printf("noise");
    print_double(signal_sq);
    print_double(noise);
    traj_gradient_noise(1, infinity, 2, infinity, &signal_sq, &noise);
    print_double(signal_sq);
    print_double(noise);
    print_double(traj_unbiased_sq(1, 0, 0));
    print_double(traj_unbiased_sq(2, infinity, infinity));
    (void)puts("");
}

static void set_environment(const char *mode)
{
    if (strcmp(mode, "trapped") == 0) {
        (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    }
#if defined(__x86_64__)
    if (strcmp(mode, "flushed") == 0) {
        _mm_setcsr(_mm_getcsr() | 0x8040);
    }
#endif
}

static int flushes(void)
{
    volatile double half = 0x1p-1022;
    half *= 0.5;
    uint64_t bits;
    const double result = half;
    memcpy(&bits, &result, sizeof bits);
    return bits == 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    double infinity;
    memcpy(&infinity, &dtypes[1].bits[5], sizeof infinity);
    set_environment(argv[1]);
    (void)printf("flushes %d\n", flushes());
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        for (unsigned kinds = 1; kinds <= 8; kinds++) {
            measure(&dtypes[i], kinds);
        }
        measure_many(&dtypes[i]);
    }
    measure_noise(infinity);
    return 0;
}

/*
 * The norm of one and the same gradient, however it is stored when it is
 * measured: times a loss scale, summed over microbatches, in shards or
 * replicas, clipped, and in every dtype. What traj_moments says of each,
 * combined as records are, must be the norm of the float64 reference.
 */
#include "traj.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { N = 1000, MICRO_MAX = 4 };

struct format {
    enum traj_dtype dtype;
    size_t bytes;
    int mantissa; /* bits behind the point */
    int bias;     /* of the exponent; the least normal number is 2^(1-bias) */
};

static const struct format f32 = { TRAJ_F32, 4, 23, 127 };
static const struct format f64 = { TRAJ_F64, 8, 52, 1023 };
static const struct format bf16 = { TRAJ_BF16, 2, 7, 127 };
static const struct format f16 = { TRAJ_F16, 2, 10, 15 };

/* One way to have the gradient lie there. */
struct layout {
    double loss_scale; /* 1: none */
    int accumulate;    /* microbatches summed; 1: their mean */
    int ranks;
    enum traj_combine combine;
    bool clip;
};

/* ---- the gradient ------------------------------------------------------- */

/* In +-[1/8, 2), in every microbatch another; no library's generator. */
static double element(int i, int micro)
{
    uint64_t z =
        (uint64_t)(i * MICRO_MAX + micro + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z ^= z >> 27;
    double size = 0.125 + 1.875 * (double)(z >> 11) * 0x1p-53;
    return (z & 1) != 0 ? -size : size;
}

static void reference(int accumulate, double *ret_g)
{
    for (int i = 0; i < N; i++) {
        ret_g[i] = 0;
        for (int k = 0; k < accumulate; k++) {
            ret_g[i] += element(i, k) / accumulate;
        }
    }
}

static double norm_of(const double *at)
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += at[i] * at[i];
    }
    return sqrt(sum);
}

/* ---- storing it --------------------------------------------------------- */

/* To the nearest number of the format, ties to even. */
static double rounded(const struct format *format, double value)
{
    int exponent = value != 0 ? ilogb(value) : 0;
    int least = 1 - format->bias;
    int quantum = (exponent > least ? exponent : least) - format->mantissa;
    return ldexp(rint(ldexp(value, -quantum)), quantum);
}

/* value is a number of the format. */
static uint16_t bits_of(const struct format *format, double value)
{
    double size = fabs(value);
    int least = 1 - format->bias;
    int exponent = size > 0 ? ilogb(size) : least;
    exponent = exponent > least ? exponent : least;
    /* The leading 1 of a normal number carries into the exponent. */
    double bits = ldexp(size, format->mantissa - exponent) +
                  ldexp(exponent - least, format->mantissa);
    return (uint16_t)((unsigned)bits | (value < 0 ? 0x8000u : 0u));
}

static void store(const struct format *format, const double *from, void *to)
{
    for (int i = 0; i < N; i++) {
        double value = rounded(format, from[i]);
        if (format->dtype == TRAJ_F64) {
            ((double *)to)[i] = value;
        } else if (format->dtype == TRAJ_F32) {
            ((float *)to)[i] = (float)value;
        } else {
            ((uint16_t *)to)[i] = bits_of(format, value);
        }
    }
}

/* ---- measuring it ------------------------------------------------------- */

static double grad_sq(
    const struct format *format, const char *g, int from, int to)
{
    struct traj_moments m;
    const void *at = g + (size_t)from * format->bytes;
    enum traj_status status = traj_moments(
        format->dtype, (size_t)(to - from), NULL, at, NULL, NULL, &m);
    assert_int_equal(status, TRAJ_OK);
    return m.grad_sq;
}

/* As trajd combines the records of the ranks: squares of shards add up,
 * replicas say the same. Then the stage: loss scale, sum over microbatches. */
static double recorded_norm(
    const struct format *format, const struct layout *layout, const char *g)
{
    double sum = 0;
    for (int r = 0; r < layout->ranks; r++) {
        bool shard = layout->combine == TRAJ_COMBINE_SHARD;
        int from = shard ? N * r / layout->ranks : 0;
        int to = shard ? N * (r + 1) / layout->ranks : N;
        double square = grad_sq(format, g, from, to);
        assert_true(shard || r == 0 || square == sum);
        sum = shard ? sum + square : square;
    }
    return sqrt(sum) / layout->loss_scale / layout->accumulate;
}

/*
 * Each stored element is off by at most u of itself, or by half of the least
 * subnormal number; so is the norm, with sqrt(N) times the latter. The clipped
 * one has been rounded twice. The sums are good to 3.4e-14, and 1e-12 is what
 * is asked of float64.
 */
static void check(const struct format *format, const struct layout *layout)
{
    static double g[N], stored[N];
    static _Alignas(8) char array[N * sizeof(double)];
    const double factor = layout->loss_scale * layout->accumulate;
    reference(layout->accumulate, g);
    double expected = norm_of(g);
    for (int i = 0; i < N; i++) {
        stored[i] = rounded(format, factor * g[i]);
    }
    double u = ldexp(1, -format->mantissa - 1);
    double tolerance = 1e-12 + u;
    double least = sqrt(N) * ldexp(1, -format->bias - format->mantissa);
    if (layout->clip) {
        double clip = expected / 3;
        double scale = clip * factor / norm_of(stored);
        for (int i = 0; i < N; i++) {
            stored[i] *= scale;
        }
        expected = clip;
        tolerance += u;
        least *= 2;
    }
    store(format, stored, array);
    double found = recorded_norm(format, layout, array);
    assert_true(fabs(found - expected) <= tolerance * expected + least);
}

static void check_all(const struct format *format)
{
    static const double scales[] = { 1, 1024 };
    static const int accumulates[] = { 1, MICRO_MAX };
    static const struct {
        int n;
        enum traj_combine combine;
    } ranks[] = { { 1, TRAJ_COMBINE_NONE }, { 2, TRAJ_COMBINE_SHARD },
        { 4, TRAJ_COMBINE_SHARD }, { 3, TRAJ_COMBINE_REPLICA } };
    for (int i = 0; i < 2 * 2 * 4 * 2; i++) {
        const struct layout layout = { scales[i & 1], accumulates[i >> 1 & 1],
            ranks[i >> 2 & 3].n, ranks[i >> 2 & 3].combine, (i >> 4) != 0 };
        check(format, &layout);
    }
}

static void test_norms_of_float32_gradients_are_the_reference(void **unused)
{
    (void)unused;
    check_all(&f32);
}

static void test_norms_of_float64_gradients_are_the_reference(void **unused)
{
    (void)unused;
    check_all(&f64);
}

static void test_norms_of_bfloat16_gradients_are_the_reference(void **unused)
{
    (void)unused;
    check_all(&bf16);
}

static void test_norms_of_binary16_gradients_are_the_reference(void **unused)
{
    (void)unused;
    check_all(&f16);
}

/* The encoder above, at the corners of both 16-bit formats. */
static void test_the_bits_of_16_bit_formats_are_the_published_ones(
    void **unused)
{
    (void)unused;
    assert_int_equal(bits_of(&f16, 1), 0x3c00);
    assert_int_equal(bits_of(&f16, -2), 0xc000);
    assert_int_equal(bits_of(&f16, 65504), 0x7bff);
    assert_int_equal(bits_of(&f16, 0x1p-14), 0x0400);
    assert_int_equal(bits_of(&f16, 0x1p-24), 0x0001);
    assert_int_equal(bits_of(&f16, rounded(&f16, 1.0 / 3)), 0x3555);
    assert_int_equal(bits_of(&bf16, 1), 0x3f80);
    assert_int_equal(bits_of(&bf16, -0.5), 0xbf00);
    assert_int_equal(bits_of(&bf16, rounded(&bf16, 3.14159265)), 0x4049);
    assert_int_equal(bits_of(&bf16, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms_of_float32_gradients_are_the_reference),
        cmocka_unit_test(test_norms_of_float64_gradients_are_the_reference),
        cmocka_unit_test(test_norms_of_bfloat16_gradients_are_the_reference),
        cmocka_unit_test(test_norms_of_binary16_gradients_are_the_reference),
        cmocka_unit_test(
            test_the_bits_of_16_bit_formats_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

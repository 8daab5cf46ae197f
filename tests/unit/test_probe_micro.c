/* The microbatch estimator: small cases by hand, and its expectation over many
 * draws of noise where the plain pair is biased. */
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/functions.h"
#include "traj.h"

#define N 6
#define K_MAX 8

static uint64_t random_state = 7;
static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53;
}

static double normal(void)
{
    return sqrt(-2 * log(1 - uniform())) * cos(2 * acos(-1) * uniform());
}

/* Microbatch k: the gradient of f plus slopes[k] of its own, and curvatures
 * a_i[k] of its own: D_k = (H + A_k) d. */
struct rig {
    struct function f;
    double param[N], start[N];
    double slope[K_MAX][N], curvature[K_MAX][N];
    double hidden; /* what each call adds to element 0, times its number */
    uint32_t calls;
    uint32_t fail_at;
    uint32_t order[3 * K_MAX];
    struct traj_probe_input input;
    struct traj_group groups[2];
    struct traj_probe group_probes[2];
    struct traj_probe_segment segments[2];
    struct traj_probe probe;
    _Alignas(64) unsigned char workspace[16384];
};

static void gradient_of(const struct rig *r, uint32_t k, double *g)
{
    r->f.gradient(&r->f, r->param, g);
    for (size_t i = 0; i < N; i++) {
        g[i] += r->slope[k][i] + r->curvature[k][i] * r->param[i];
    }
    g[0] += r->hidden * r->calls;
}

static int answer(struct rig *r, uint32_t k, double *ret_loss)
{
    r->order[r->calls++] = k;
    *ret_loss = r->calls;
    return r->calls == r->fail_at ? 5 : 0;
}

static int flat(void *context, uint32_t k, void *ret_grad, double *ret_loss)
{
    struct rig *r = context;
    gradient_of(r, k, ret_grad);
    return answer(r, k, ret_loss);
}

/* In two arrays; the parameters of both lie in
 * r->param. */
static int split(void *context, uint32_t k, void *ret_grad, double *ret_loss)
{
    struct rig *r = context;
    void *const *arrays = ret_grad;
    double g[N];
    gradient_of(r, k, g);
    memcpy(arrays[0], g, 2 * sizeof *g);
    memcpy(arrays[1], g + 2, 4 * sizeof *g);
    return answer(r, k, ret_loss);
}

static const double HALF[] = { 0.5 };
static const double ONE[] = { 1 };

static void rig_init(struct rig *r, uint32_t micro_batches)
{
    memset(r, 0, sizeof *r);
    r->f = (struct function){ .gradient = quadratic, .n = N };
    for (size_t i = 0; i < N; i++) {
        r->start[i] = 1;
        r->param[i] = i % 2 == 0 ? 2 : 0.5;
    }
    r->input = (struct traj_probe_input){
        .size = sizeof r->input,
        .dtype = TRAJ_F64,
        .n = N,
        .param = r->param,
        .param_start = r->start,
        .loss_start = traj_unset(),
        .gammas = ONE,
        .n_gammas = 1,
        .micro_gradient = flat,
        .micro_batches = micro_batches,
        .context = r,
        .workspace = r->workspace,
    };
    traj_probe_init(&r->probe);
    assert_in_range(traj_probe_workspace(&r->input), 1, sizeof r->workspace);
}

static void probe(struct rig *r)
{
    assert_int_equal(traj_smoothness_probe(&r->input, &r->probe), TRAJ_OK);
}

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

/* d = 1, -1/2, ... Two microbatches whose gradients at x differ from the mean,
 * 1 .. 6, by +-1 in element 0, and whose D_k = i d_i by +-1/2 in element 1. */
static void prepare_two(struct rig *r)
{
    rig_init(r, 2);
    r->slope[0][0] = 1;
    r->slope[1][0] = -1;
    r->curvature[0][1] = 1; /* and 1 more in element 1 at x */
    r->curvature[1][1] = -1;
}

/* sum i^2 d_i^2 = 1 + 9 + 25 + (4 + 16 + 36) / 4 = 49; ||d||^2 = 3.75. */
static void test_two_microbatches_by_hand(void **state)
{
    (void)state;
    struct rig r;
    prepare_two(&r);
    r.probe.batch_samples = 12;
    probe(&r);
    const struct traj_probe *p = &r.probe;
    assert_true(p->grad_sq == 91 && p->micro_grad_sq == 91 + 2);
    assert_true(p->dgrad_sq == 49 && p->micro_dgrad_sq == 49.25);
    assert_true(p->delta_sq == 3.75 && p->param_sq == 6);
    assert_true(p->grad_delta == 1 + 3 + 5 - (2 + 4 + 6) / 2.);
    assert_true(p->dgrad_delta == 1 + 3 + 5 + (2 + 4 + 6) / 4.);
    assert_true(p->grad_end_sq == 4 * 35 + 56 / 4.);
    assert_true(p->grad_grad_end == 2 * 35 + 56 / 2.);
    /* U = (2 * 49 - 49.25) / 1. */
    assert_close(p->smoothness, sqrt(48.75 / 3.75), 1e-15);
    assert_close(p->noise_floor, sqrt(0.25 / 3.75), 1e-15);
    assert_true(p->noise_sq == 2);
    assert_true(p->smoothness_gamma == 1 && p->n_points == 1);
    assert_true(p->points[0].dgrad_sq == 49);
    assert_close(p->ceiling, (sqrt(91) + sqrt(154)) / sqrt(3.75), 1e-15);
    assert_int_equal(p->estimator, TRAJ_ESTIMATOR_MICROBATCH);
    assert_int_equal(p->micro_batches, 2);
    assert_int_equal(p->batch_samples, 12);
    assert_int_equal(p->grad_evals, 4);
    assert_int_equal(p->flags, 0);
    /* Loss: of calls 1, 2, 3, 4 the odd ones are at x. */
    assert_true(p->loss == 2 && p->loss_end == 3);
    static const uint32_t order[] = { 0, 0, 1, 1 };
    assert_memory_equal(r.order, order, sizeof order);
    /* ||g_k||^2 + ||g'_k||^2, each rounded by itself. */
    const double g_sq = 2 * 93;
    const double end_sq =
        (9 + 1.5 * 1.5 + 36 + 4 + 100 + 9) + (1 + 0.5 * 0.5 + 36 + 4 + 100 + 9);
    assert_close(p->rounding_floor,
        0x1p-53 * sqrt((g_sq + end_sq) / 4 / (8 * log(2)) / 3.75), 1e-14);
}

static void test_at_half_way_the_named_points_are_unset(void **state)
{
    (void)state;
    struct rig r;
    prepare_two(&r);
    r.input.gammas = HALF;
    probe(&r);
    assert_true(r.probe.dgrad_sq == 49 / 4.);
    assert_true(r.probe.micro_dgrad_sq == 49.25 / 4);
    assert_true(r.probe.points[0].delta_sq == 3.75 / 4);
    assert_close(r.probe.smoothness, sqrt(48.75 / 3.75), 1e-15);
    assert_true(traj_is_unset(r.probe.grad_end_sq));
    assert_true(traj_is_unset(r.probe.loss_end));
    assert_false(traj_is_unset(r.probe.grad_mid_sq));
}

static void test_nothing_but_noise_may_be_negative_and_is_flagged(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 2);
    r.f.a = r.slope[2]; /* zeros: a linear function */
    r.curvature[0][0] = 1;
    r.curvature[1][0] = -1;
    probe(&r);
    /* Dbar = 0, mean ||D_k||^2 = 1: U = -1. */
    assert_true(r.probe.smoothness == 0);
    assert_close(r.probe.noise_floor, 1 / sqrt(3.75), 1e-15);
    assert_int_equal(r.probe.flags,
        TRAJ_PROBE_NEGATIVE | TRAJ_PROBE_NOISE_LIMITED | TRAJ_PROBE_ROUNDING);
}

static void test_groups_have_their_own_and_other_norms_become_l2(void **state)
{
    (void)state;
    struct rig r;
    prepare_two(&r);
    r.segments[0] = (struct traj_probe_segment){ .dtype = TRAJ_F64,
        .n = 2,
        .param = r.param,
        .param_start = r.start,
        .group = 1 };
    r.segments[1] = (struct traj_probe_segment){ .dtype = TRAJ_F64,
        .n = 4,
        .param = r.param + 2,
        .param_start = r.start + 2,
        .group = 2 };
    r.groups[0].norm = TRAJ_NORM_RMS;
    r.groups[1].norm = TRAJ_NORM_LINF;
    r.input.dtype = (enum traj_dtype)0;
    r.input.n = 0;
    r.input.param = NULL;
    r.input.param_start = NULL;
    r.input.segments = r.segments;
    r.input.n_segments = 2;
    r.input.groups = r.groups;
    r.input.n_groups = 2;
    r.input.ret_groups = r.group_probes;
    r.input.micro_gradient = split;
    traj_probe_init(&r.group_probes[0]);
    traj_probe_init(&r.group_probes[1]);
    probe(&r);
    assert_close(r.probe.smoothness, sqrt(48.75 / 3.75), 1e-15);
    /* Elements 0 and 1: Dbar = 1, -1; U = 2 * 2 - 2.25; n = 2. */
    const struct traj_probe *one = &r.group_probes[0];
    assert_int_equal(one->norm, TRAJ_NORM_RMS);
    assert_true(one->dgrad_sq == 2 && one->micro_dgrad_sq == 2.25);
    assert_close(one->smoothness, 2 * sqrt(1.75 / 1.25), 1e-15);
    assert_close(one->noise_floor, 2 * sqrt(0.25 / 1.25), 1e-15);
    assert_close(one->grad_dual, sqrt(2 * 5.), 1e-15);
    const struct traj_probe *two = &r.group_probes[1];
    assert_int_equal(two->norm, TRAJ_NORM_L2);
    assert_close(two->smoothness, sqrt(47 / 2.5), 1e-15);
    assert_true(two->noise_floor == 0 && two->noise_sq == 0);
    assert_true(traj_is_unset(two->grad_dual));
}

/*
 * N1: linear f, so the truth is 0; microbatches whose D_k are pure noise of
 * variance s^2 per element. U/K-statistics: E U = 0 and Var U =
 * 2 n s^4 / (K (K - 1)), as U = sum_{j != k} <D_j, D_k> / (K (K - 1)). The
 * square of the plain mean has E = n s^2 / K instead.
 */
static void test_noise_averages_to_nothing_where_the_plain_pair_does_not(
    void **state)
{
    (void)state;
    enum { K = 4, DRAWS = 4000 };
    double u = 0;
    double plain = 0;
    double noise = 0;
    int negative = 0;
    for (int draw = 0; draw < DRAWS; draw++) {
        struct rig r;
        rig_init(&r, K);
        r.f.a = r.slope[K_MAX - 1];
        for (size_t i = 0; i < K * N; i++) {
            /* d_i curvature is the noise of D_k: let it have variance 1. */
            const double d = r.param[i % N] - r.start[i % N];
            r.curvature[i / N][i % N] = normal() / d;
            r.slope[i / N][i % N] = 3 * normal() - r.curvature[i / N][i % N];
        }
        probe(&r);
        u += traj_unbiased_sq(K, r.probe.micro_dgrad_sq, r.probe.dgrad_sq) /
             DRAWS;
        plain += r.probe.dgrad_sq / DRAWS;
        noise += r.probe.noise_sq / DRAWS;
        negative += (r.probe.flags & TRAJ_PROBE_NEGATIVE) != 0;
    }
    const double error = sqrt(2. * N / (K * (K - 1)) / DRAWS);
    assert_true(fabs(u) < 4 * error);
    assert_true(fabs(plain - N / (double)K) < 4 * sqrt(2. * N / DRAWS) / K);
    assert_true(plain > 50 * error);
    assert_in_range(negative, DRAWS / 3, 2 * DRAWS / 3);
    /* noise_sq: 9 N / K, of relative variance 2 / (N (K - 1)). */
    assert_close(noise, 9. * N / K, 4 * sqrt(2. / (N * (K - 1)) / DRAWS));
}

static void test_curvature_under_noise_is_found_without_bias(void **state)
{
    (void)state;
    enum { K = 4, DRAWS = 4000 };
    double u = 0;
    for (int draw = 0; draw < DRAWS; draw++) {
        struct rig r;
        rig_init(&r, K);
        for (size_t i = 0; i < K * N; i++) {
            r.curvature[i / N][i % N] =
                3 * normal() / (r.param[i % N] - r.start[i % N]);
        }
        probe(&r);
        u += traj_unbiased_sq(K, r.probe.micro_dgrad_sq, r.probe.dgrad_sq) /
             DRAWS;
    }
    /* Var U = 4 s^2 ||D||^2 / K + 2 n s^4 / (K (K - 1)), s = 3, ||D||^2 = 49;
     * the plain square would be N s^2 / K = 13.5 too large. */
    const double error =
        sqrt((4. * 9 * 49 / K + 2. * N * 81 / (K * (K - 1))) / DRAWS);
    assert_true(fabs(u - 49) < 4 * error && error < 0.5);
}

static void test_a_repetition_of_the_first_microbatch_shows_hidden_state(
    void **state)
{
    (void)state;
    struct rig r;
    prepare_two(&r);
    r.input.check_idempotence = 1;
    probe(&r);
    assert_true(r.probe.idempotence == 0);
    assert_int_equal(r.probe.grad_evals, 5);
    static const uint32_t order[] = { 0, 0, 0, 1, 1 };
    assert_memory_equal(r.order, order, sizeof order);
    assert_int_equal(r.probe.flags, 0);
    assert_close(r.probe.smoothness, sqrt(48.75 / 3.75), 1e-15);

    r.calls = 0;
    r.hidden = 0.5; /* g_0 = 2, 3, 3, 4, 5, 6 */
    probe(&r);
    assert_close(r.probe.idempotence, 0.5 / sqrt(99), 1e-15);
    assert_true(r.probe.flags & TRAJ_PROBE_NOT_IDEMPOTENT);
}

static void test_parameters_come_back_from_every_microbatch(void **state)
{
    (void)state;
    for (uint32_t fail_at = 1; fail_at <= 5; fail_at++) {
        struct rig r;
        prepare_two(&r);
        r.param[3] = -0.0;
        r.input.check_idempotence = 1;
        r.fail_at = fail_at;
        const struct rig before = r;
        assert_int_equal(
            traj_smoothness_probe(&r.input, &r.probe), TRAJ_ECALLBACK);
        assert_non_null(strstr(traj_last_error(), "returned 5"));
        assert_int_equal(r.calls, fail_at);
        assert_memory_equal(r.param, before.param, sizeof r.param);
        assert_memory_equal(&r.probe, &before.probe, sizeof r.probe);
    }
}

static void test_a_nan_in_one_microbatch_leaves_no_smoothness(void **state)
{
    (void)state;
    struct rig r;
    prepare_two(&r);
    r.slope[1][2] = (double)NAN;
    (void)feenableexcept(FE_INVALID);
    enum traj_status status = traj_smoothness_probe(&r.input, &r.probe);
    (void)fesetenv(FE_DFL_ENV);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_NONFINITE);
    assert_true(traj_is_unset(r.probe.smoothness));
    assert_true(r.param[0] == 2);
}

static void test_a_tiny_step_calls_nothing(void **state)
{
    (void)state;
    struct rig r;
    prepare_two(&r);
    memcpy(r.param, r.start, sizeof r.param);
    probe(&r);
    assert_int_equal(r.probe.flags, TRAJ_PROBE_TINY_STEP);
    assert_int_equal(r.calls, 0);
    assert_true(traj_is_unset(r.probe.noise_floor));
}

static void refused(struct rig *r, const char *text)
{
    assert_int_equal(traj_smoothness_probe(&r->input, &r->probe), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), text));
    assert_int_equal(r->calls, 0);
}

static int never(void *context, void *ret_grad, double *ret_loss)
{
    (void)context;
    (void)ret_grad;
    (void)ret_loss;
    return 1;
}

static void test_microbatches_need_two_one_gamma_and_one_callback(void **state)
{
    (void)state;
    static const double two[] = { 0.5, 1 };
    struct rig r;
    prepare_two(&r);
    r.input.micro_batches = 1;
    refused(&r, "micro_batches is 1");
    r.input.micro_batches = 2;
    r.input.gammas = two;
    r.input.n_gammas = 2;
    refused(&r, "one gamma");
    r.input.n_gammas = 1;
    r.input.gradient = never;
    refused(&r, "both set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_microbatches_by_hand),
        cmocka_unit_test(test_at_half_way_the_named_points_are_unset),
        cmocka_unit_test(test_nothing_but_noise_may_be_negative_and_is_flagged),
        cmocka_unit_test(test_groups_have_their_own_and_other_norms_become_l2),
        cmocka_unit_test(
            test_noise_averages_to_nothing_where_the_plain_pair_does_not),
        cmocka_unit_test(test_curvature_under_noise_is_found_without_bias),
        cmocka_unit_test(
            test_a_repetition_of_the_first_microbatch_shows_hidden_state),
        cmocka_unit_test(test_parameters_come_back_from_every_microbatch),
        cmocka_unit_test(test_a_nan_in_one_microbatch_leaves_no_smoothness),
        cmocka_unit_test(test_a_tiny_step_calls_nothing),
        cmocka_unit_test(test_microbatches_need_two_one_gamma_and_one_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

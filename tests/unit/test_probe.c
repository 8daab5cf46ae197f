/* The smoothness probe: closed forms of theory.md section 6, and what it
 * promises about the trainer's arrays and floating-point environment. */
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
#include "math/fit.h"
#include "traj.h"

#define N_MAX 64
static const double GAMMAS[] = { 0.25, 0.5, 0.75, 1 };
#define N_GAMMAS 4u

struct bench {
    struct function f;
    int calls;
    int fail_at;   /* the call that gives up; 0 = none */
    double hidden; /* what each call adds to the gradient: hidden state */
    double param[N_MAX], start[N_MAX], grad[N_MAX];
    _Alignas(64) unsigned char workspace[2 * N_MAX * sizeof(double) + 4096];
    struct traj_probe_input input;
    struct traj_probe probe;
};

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    struct bench *b = context;
    b->calls++;
    b->f.gradient(&b->f, b->param, ret_grad);
    ((double *)ret_grad)[0] += b->hidden * b->calls;
    *ret_loss = 100 + b->calls;
    return b->calls == b->fail_at ? 7 : 0;
}

static void prepare(struct bench *b, struct function f, const double *x)
{
    memset(b, 0, sizeof *b);
    b->f = f;
    memcpy(b->start, x, f.n * sizeof *x);
    b->f.gradient(&b->f, x, b->grad);
    b->input = (struct traj_probe_input){
        .size = sizeof b->input,
        .dtype = TRAJ_F64,
        .n = f.n,
        .param = b->param,
        .param_start = b->start,
        .grad_start = b->grad,
        .loss_start = 100,
        .gammas = GAMMAS,
        .n_gammas = N_GAMMAS,
        .gradient = callback,
        .context = b,
        .workspace = b->workspace,
    };
    assert_in_range(traj_probe_workspace(&b->input), 1, sizeof b->workspace);
    traj_probe_init(&b->probe);
}

/* x + factor * g: a factor below 0 descends. */
static void step(struct bench *b, double factor)
{
    for (size_t i = 0; i < b->f.n; i++) {
        b->param[i] = b->start[i] + factor * b->grad[i];
    }
}

static void probe(struct bench *b)
{
    assert_int_equal(traj_smoothness_probe(&b->input, &b->probe), TRAJ_OK);
    assert_int_equal(b->probe.n_points, b->input.n_gammas);
}

static double point(const struct bench *b, size_t i)
{
    return sqrt(b->probe.points[i].dgrad_sq) /
           sqrt(b->probe.points[i].delta_sq);
}

static void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

static void test_on_a_quadratic_every_gamma_gives_the_same_quotient(
    void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 3, 50 };
    for (size_t k = 0; k < 3; k++) {
        struct bench b;
        double x[N_MAX];
        for (size_t i = 0; i < sizes[k]; i++) {
            x[i] = 1 + 0.1 * (double)i;
        }
        prepare(
            &b, (struct function){ .gradient = quadratic, .n = sizes[k] }, x);
        step(&b, -0.01);
        probe(&b);
        double ad = 0;
        double d = 0;
        for (size_t i = 0; i < sizes[k]; i++) {
            double di = b.param[i] - b.start[i];
            ad += (double)((i + 1) * (i + 1)) * di * di;
            d += di * di;
        }
        for (size_t i = 0; i < N_GAMMAS; i++) {
            assert_close(point(&b, i), sqrt(ad / d), 1e-12);
        }
    }
}

static void test_exponential_has_the_closed_form_down_and_up(void **state)
{
    (void)state;
    for (int up = 0; up < 2; up++) {
        struct bench b;
        const double x = 1.5;
        prepare(&b,
            (struct function){ .gradient = exponential, .n = 1, .L1 = 0.8 },
            &x);
        step(&b, up ? 0.3 : -0.3);
        probe(&b);
        const double G = b.grad[0];
        const double z = 0.8 * (b.param[0] - b.start[0]);
        for (size_t i = 0; i < N_GAMMAS; i++) {
            assert_close(point(&b, i), 0.8 * G * psi(GAMMAS[i] * z), 1e-12);
        }
        assert_close(b.probe.smoothness, point(&b, up ? 3 : 0), 1e-15);
        assert_true(b.probe.smoothness_gamma == (up ? 1 : 0.25));
    }
}

static void check_radial(size_t n, double factor)
{
    struct bench b;
    double x[N_MAX];
    for (size_t i = 0; i < n; i++) {
        x[i] = (2 + sin((double)i)) / sqrt((double)n);
    }
    const double L0 = 2;
    const double L1 = 0.7;
    prepare(&b,
        (struct function){ .gradient = radial, .n = n, .L0 = L0, .L1 = L1 }, x);
    step(&b, factor);
    probe(&b);
    const double law = L0 + L1 * norm_of(b.grad, n);
    const double z = copysign(L1 * sqrt(b.probe.delta_sq), factor);
    for (size_t i = 0; i < N_GAMMAS; i++) {
        assert_close(point(&b, i), law * psi(GAMMAS[i] * z), 1e-12);
    }
}

static void test_radial_law_has_the_closed_form_in_any_dimension(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 3, 50 };
    for (size_t k = 0; k < 3; k++) {
        check_radial(sizes[k], -0.05);
        check_radial(sizes[k], 0.05);
    }
}

/* A step of one variable from x to end. */
static void go(struct bench *b, struct function f, double x, double end)
{
    prepare(b, f, &x);
    b->param[0] = end;
    probe(b);
}

static void test_the_other_functions_of_one_variable_have_their_closed_forms(
    void **state)
{
    (void)state;
    struct bench b;
    const double L0 = 2;
    const double L1 = 0.7;
    /* sinh u - sinh v = 2 cosh((u + v)/2) sinh((u - v)/2). */
    go(&b,
        (struct function){ .gradient = hyperbolic, .n = 1, .L0 = L0, .L1 = L1 },
        3, 2.5);
    for (size_t i = 0; i < N_GAMMAS; i++) {
        const double d = -0.5 * GAMMAS[i];
        assert_close(point(&b, i),
            L0 / L1 * 2 * cosh(L1 * (3 + d / 2)) * sinh(L1 * d / 2) / d, 1e-12);
    }
    go(&b, (struct function){ .gradient = quartic, .n = 1 }, 2, 1.5);
    for (size_t i = 0; i < N_GAMMAS; i++) {
        const double d = 0.5 * GAMMAS[i];
        assert_close(point(&b, i), 3 * 4 - 3 * 2 * d + d * d, 1e-12);
    }
    /* On either side of the knee at 1/L1 = 1.43. */
    const struct function f = { .gradient = knee, .n = 1, .L0 = L0, .L1 = L1 };
    go(&b, f, 1.25, 0.5);
    assert_close(b.probe.smoothness, L0, 1e-12);
    go(&b, f, 5, 4.75);
    for (size_t i = 0; i < N_GAMMAS; i++) {
        assert_close(
            point(&b, i), L1 * b.grad[0] * psi(-0.25 * L1 * GAMMAS[i]), 1e-12);
    }
}

static void test_logistic_loss_has_its_closed_form(void **state)
{
    (void)state;
    struct bench b;
    static const double a[3] = { 1, -2, 2 };
    const double x[3] = { 0.25, 0.5, 0.125 };
    prepare(&b, (struct function){ .gradient = logistic, .n = 3, .a = a }, x);
    step(&b, -0.5);
    probe(&b);
    /* s(u) - s(v) = sinh((u - v)/2) / (2 cosh(u/2) cosh(v/2)); d is along a,
     * ||a|| = 3. */
    const double z = 0.25 - 1 + 0.25;
    const double d = sqrt(b.probe.delta_sq);
    for (size_t i = 0; i < N_GAMMAS; i++) {
        const double far = z + 3 * d * GAMMAS[i];
        assert_close(point(&b, i),
            3 * sinh((far - z) / 2) / (2 * cosh(z / 2) * cosh(far / 2)) /
                (d * GAMMAS[i]),
            1e-12);
    }
}

/* H d at (x, y) of (x y - 1)^2 / 2. */
static void product_hessian(
    double x, double y, const double d[2], double weight, double sum[2])
{
    sum[0] += weight * (y * y * d[0] + (2 * x * y - 1) * d[1]);
    sum[1] += weight * ((2 * x * y - 1) * d[0] + x * x * d[1]);
}

/* Along a line its Hessian is quadratic: Simpson's rule is exact. */
static void test_the_smallest_linear_net_has_its_mean_hessian(void **state)
{
    (void)state;
    struct bench b;
    const double x[2] = { 1.5, -0.5 };
    prepare(&b, (struct function){ .gradient = product, .n = 2 }, x);
    b.param[0] = 1.25;
    b.param[1] = 0.25;
    probe(&b);
    const double d[2] = { -0.25, 0.75 };
    double sum[2] = { 0, 0 };
    product_hessian(1.5, -0.5, d, 1. / 6, sum);
    product_hessian(1.375, -0.125, d, 4. / 6, sum);
    product_hessian(1.25, 0.25, d, 1. / 6, sum);
    assert_close(point(&b, 3), norm_of(sum, 2) / norm_of(d, 2), 1e-12);
}

/* Acceptance check 1 of theory.md: gradient descent on S4 from x = 9. */
#define STEPS_MAX 400
static size_t descend(enum fit_regressor regressor, double *xs, double *ys)
{
    const double L0 = 2;
    const double L1 = 0.7;
    double x = 9;
    size_t n = 0;
    for (; n < STEPS_MAX; n++) {
        struct bench b;
        prepare(&b,
            (struct function){ .gradient = radial, .n = 1, .L0 = L0, .L1 = L1 },
            &x);
        double G = fabs(b.grad[0]);
        if (G < 1e-3) {
            break;
        }
        step(&b, -1 / (L0 + 1.5 * L1 * G));
        probe(&b);
        xs[n] = fit_regressor(regressor, b.probe.grad_sq, b.probe.grad_mid_sq,
            b.probe.grad_end_sq);
        ys[n] = sqrt(b.probe.dgrad_sq / b.probe.delta_sq);
        x = b.param[0];
    }
    return n;
}

static struct fit_line fit_descent(enum fit_regressor regressor)
{
    double xs[STEPS_MAX];
    double ys[STEPS_MAX];
    double workspace[2 * STEPS_MAX];
    struct fit_line line = { 0 };
    size_t n = descend(regressor, xs, ys);
    assert_in_range(n, 10, STEPS_MAX - 1);
    assert_true(fit_nnls_relative(xs, ys, n, workspace, &line));
    return line;
}

static void test_simpson_recovers_the_law_and_the_start_point_is_biased(
    void **state)
{
    (void)state;
    const struct fit_line simpson = fit_descent(FIT_REGRESSOR_SIMPSON);
    assert_true(fabs(simpson.L0 - 2) < 1e-3 && fabs(simpson.L1 - 0.7) < 1e-3);
    const struct fit_line trapezoid = fit_descent(FIT_REGRESSOR_TRAPEZOID);
    assert_true(fabs(trapezoid.L1 - 0.675) < 2e-3);
    const struct fit_line start = fit_descent(FIT_REGRESSOR_START);
    assert_true(start.L1 > 0.5 && start.L1 < 0.51);
}

static void test_named_fields_are_those_of_their_points(void **state)
{
    (void)state;
    struct bench b;
    const double x[2] = { 1, 2 };
    prepare(&b, (struct function){ .gradient = quadratic, .n = 2 }, x);
    b.param[0] = 1.5;
    b.param[1] = 1;
    probe(&b);
    /* g = (1, 4), g_mid = (1.25, 3), g_end = (1.5, 2), d = (.5, -1). */
    assert_true(b.probe.grad_sq == 17 && b.probe.grad_mid_sq == 10.5625);
    assert_true(b.probe.grad_end_sq == 6.25 && b.probe.delta_sq == 1.25);
    assert_true(b.probe.dgrad_sq == 4.25 && b.probe.grad_delta == -3.5);
    assert_true(b.probe.dgrad_delta == 2.25 && b.probe.grad_grad_end == 9.5);
    assert_true(b.probe.param_sq == 5 && b.probe.loss == 100);
    assert_true(b.probe.loss_end == 104 && b.probe.grad_evals == 4);
    assert_true(traj_is_unset(b.probe.idempotence));
    assert_true(traj_is_unset(b.probe.noise_floor));
    assert_int_equal(b.probe.flags, 0);
    assert_close(b.probe.rounding_floor,
        0x1p-53 * sqrt((17 + b.probe.points[0].grad_sq) / (8 * log(2))) /
            sqrt(b.probe.points[0].delta_sq),
        1e-12);
}

static void test_the_ceiling_is_that_of_the_gamma_of_the_maximum(void **state)
{
    (void)state;
    struct bench b;
    const double x[1] = { 3 };
    static const double gammas[] = { 0.5, 1 };
    /* g = e^x, downwards: the maximum is at gamma 1/2, where x is 2. */
    prepare(
        &b, (struct function){ .gradient = exponential, .n = 1, .L1 = 1 }, x);
    b.param[0] = 1;
    b.input.gammas = gammas;
    b.input.n_gammas = 2;
    probe(&b);
    assert_true(b.probe.smoothness_gamma == 0.5);
    assert_close(b.probe.ceiling, (b.grad[0] + b.grad[0] / exp(1)) / 1, 1e-12);
}

static void test_loss_and_parameter_units_scale_the_result(void **state)
{
    (void)state;
    struct bench one;
    struct bench two;
    const double x[3] = { 1, -2, 0.5 };
    const double twice[3] = { 2, -4, 1 };
    prepare(&one,
        (struct function){ .gradient = radial, .n = 3, .L0 = 2, .L1 = 0.5 }, x);
    step(&one, -0.125);
    probe(&one);
    /* f(x/2): half the gradient, so a step of the same shape is 4 times as
     * long in units of g; the smoothness is a quarter. */
    prepare(&two,
        (struct function){ .gradient = radial, .n = 3, .L0 = 0.5, .L1 = 0.25 },
        twice);
    step(&two, -0.5);
    probe(&two);
    assert_close(two.probe.smoothness, one.probe.smoothness / 4, 1e-14);
    assert_close(two.probe.grad_sq, one.probe.grad_sq / 4, 1e-14);
}

static void test_parameters_come_back_bit_for_bit_on_every_path(void **state)
{
    (void)state;
    for (int fail_at = 0; fail_at <= 5; fail_at++) {
        struct bench b;
        const double x[2] = { 0.1, 0.7 };
        prepare(&b, (struct function){ .gradient = quadratic, .n = 2 }, x);
        b.fail_at = fail_at;
        b.param[0] = 0.30000000000000004;
        b.param[1] = -0.0;
        b.input.check_idempotence = 1;
        const struct bench before = b;
        enum traj_status status = traj_smoothness_probe(&b.input, &b.probe);
        assert_int_equal(status, fail_at == 0 ? TRAJ_OK : TRAJ_ECALLBACK);
        assert_memory_equal(b.param, before.param, sizeof b.param);
        assert_memory_equal(b.start, before.start, sizeof b.start);
        assert_memory_equal(b.grad, before.grad, sizeof b.grad);
        if (fail_at > 0) {
            assert_memory_equal(&b.probe, &before.probe, sizeof b.probe);
            assert_int_equal(b.calls, fail_at);
            assert_non_null(strstr(traj_last_error(), "returned 7"));
        }
    }
}

/* Sees that at gamma = 1 the parameters are the trainer's own bits. */
static int sees_end(void *context, void *ret_grad, double *ret_loss)
{
    struct bench *b = context;
    (void)ret_loss;
    memset(ret_grad, 0, b->f.n * sizeof(double));
    ((double *)ret_grad)[0] = 1;
    b->calls += memcmp(b->param, &b->f.L0, sizeof(double)) == 0;
    return 0;
}

static void test_gamma_1_is_the_trainers_own_point(void **state)
{
    (void)state;
    struct bench b;
    const double x = 1e16;
    prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
    b.param[0] = 0.1; /* 1e16 + (0.1 - 1e16) is 0 in doubles */
    b.f.L0 = 0.1;
    b.input.gradient = sees_end;
    b.input.context = &b;
    probe(&b);
    assert_int_equal(b.calls, 1);
}

static void steep(const struct function *f, const double *x, double *g)
{
    g[0] = f->L0 + x[0];
}

static void test_differences_at_the_level_of_rounding_are_flagged(void **state)
{
    (void)state;
    struct bench b;
    const double x = 1;
    prepare(&b, (struct function){ .gradient = steep, .n = 1, .L0 = 1e12 }, &x);
    b.param[0] = 1 + 1e-4;
    probe(&b);
    assert_int_equal(b.probe.flags, TRAJ_PROBE_ROUNDING);
    b.param[0] = 1 + 1e-2;
    probe(&b);
    assert_int_equal(b.probe.flags, 0);
}

static void test_hidden_state_shows_as_idempotence(void **state)
{
    (void)state;
    struct bench b;
    const double x[2] = { 3, 2 };
    prepare(&b, (struct function){ .gradient = quadratic, .n = 2 }, x);
    step(&b, -0.1);
    b.input.check_idempotence = 1;
    probe(&b);
    assert_true(b.probe.idempotence == 0);
    assert_int_equal(b.probe.flags, 0);
    assert_int_equal(b.probe.grad_evals, 5);

    b.hidden = 0.5;
    b.calls = 0;
    probe(&b);
    assert_close(b.probe.idempotence, 0.5 / 5, 1e-15);
    assert_true(b.probe.flags & TRAJ_PROBE_NOT_IDEMPOTENT);
}

static void test_a_tiny_step_is_not_probed(void **state)
{
    (void)state;
    static const double ends[] = { 1, 1 + 0x1p-50 };
    for (size_t i = 0; i < 2; i++) {
        struct bench b;
        const double x = 1;
        prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
        b.param[0] = ends[i];
        assert_int_equal(traj_smoothness_probe(&b.input, &b.probe), TRAJ_OK);
        assert_int_equal(b.probe.flags, TRAJ_PROBE_TINY_STEP);
        assert_int_equal(b.calls, 0);
        assert_int_equal(b.probe.n_points, 0);
        assert_true(traj_is_unset(b.probe.smoothness));
        assert_true(b.probe.grad_sq == 1);
    }
}

static void nan_beyond(const struct function *f, const double *x, double *g)
{
    g[0] = x[0] > f->L0 ? (double)NAN : x[0];
}

static void test_a_nan_at_one_point_is_no_candidate_for_the_maximum(
    void **state)
{
    (void)state;
    struct bench b;
    const double x = 1;
    prepare(
        &b, (struct function){ .gradient = nan_beyond, .n = 1, .L0 = 1.6 }, &x);
    b.param[0] = 2;
    probe(&b);
    assert_int_equal(b.probe.flags, TRAJ_PROBE_NONFINITE);
    assert_close(b.probe.smoothness, 1, 1e-15);
    assert_true(isnan(b.probe.points[3].grad_sq));
    assert_false(traj_is_unset(b.probe.grad_end_sq));
}

static void test_nothing_is_called_where_x_or_g_is_not_finite(void **state)
{
    (void)state;
    struct bench b;
    const double x = 1;
    prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
    b.param[0] = (double)INFINITY;
    assert_int_equal(traj_smoothness_probe(&b.input, &b.probe), TRAJ_OK);
    assert_int_equal(b.probe.flags, TRAJ_PROBE_NONFINITE);
    assert_int_equal(b.calls, 0);
    assert_true(isinf(b.param[0]));
}

/* A trainer that traps, rounds up and has raised a flag. */
static int sees_environment(void *context, void *ret_grad, double *ret_loss)
{
    int *seen = context;
    *(double *)ret_grad = (double)NAN;
    *ret_loss = 1;
    *seen += fegetround() == FE_UPWARD && (fegetexcept() & FE_INVALID) &&
             fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT;
    return 0;
}

static void test_callbacks_run_in_the_callers_environment_and_it_stays(
    void **state)
{
    (void)state;
    struct bench b;
    const double x = 1;
    int seen = 0;
    prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
    b.param[0] = 2;
    b.input.gradient = sees_environment;
    b.input.context = &seen;
    b.input.check_idempotence = 1;
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feraiseexcept(FE_INEXACT);
    (void)fesetround(FE_UPWARD);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    enum traj_status status = traj_smoothness_probe(&b.input, &b.probe);
    const int traps = fegetexcept();
    const int flags = fetestexcept(FE_ALL_EXCEPT);
    const int rounding = fegetround();
    (void)fesetenv(FE_DFL_ENV);
    assert_int_equal(status, TRAJ_OK);
    assert_int_equal(seen, 5);
    assert_int_equal(traps, FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    assert_int_equal(flags, FE_INEXACT);
    assert_int_equal(rounding, FE_UPWARD);
    assert_int_equal(b.probe.flags, TRAJ_PROBE_NONFINITE);
}

static void test_float32_rounds_its_points_to_float(void **state)
{
    (void)state;
    const float start = 1;
    float param = 1 + 3 * 0x1p-23f;
    const float grad = 1;
    _Alignas(64) unsigned char workspace[4096];
    int seen = 0;
    const double gammas[] = { 0.5 };
    struct traj_probe_input input = { .size = sizeof input,
        .dtype = TRAJ_F32,
        .n = 1,
        .param = &param,
        .param_start = &start,
        .grad_start = &grad,
        .loss_start = traj_unset(),
        .gammas = gammas,
        .n_gammas = 1,
        .gradient = sees_environment,
        .context = &seen,
        .workspace = workspace };
    assert_in_range(traj_probe_workspace(&input), 1, sizeof workspace);
    struct traj_probe probe_32;
    traj_probe_init(&probe_32);
    probe_32.step = 12;
    assert_int_equal(traj_smoothness_probe(&input, &probe_32), TRAJ_OK);
    assert_true(probe_32.points[0].delta_sq == 4 * 0x1p-46);
    assert_int_equal(probe_32.dtype, TRAJ_F32);
    assert_int_equal(probe_32.step, 12);
    assert_true(traj_is_unset(probe_32.loss));
    assert_true(traj_is_unset(probe_32.grad_end_sq));
}

static void refused(struct bench *b, enum traj_status status, const char *text)
{
    assert_int_equal(traj_smoothness_probe(&b->input, &b->probe), status);
    assert_non_null(strstr(traj_last_error(), text));
    assert_int_equal(b->calls, 0);
}

static void test_null_arrays_say_which(void **state)
{
    (void)state;
    struct bench b;
    const double x = 1;
    prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
    const struct traj_probe_input good = b.input;
    b.input.param = NULL;
    refused(&b, TRAJ_ENOGRAD, "param is NULL");
    b.input = good;
    b.input.param_start = NULL;
    refused(&b, TRAJ_ENOGRAD, "param_start is NULL");
    b.input = good;
    b.input.grad_start = NULL;
    refused(&b, TRAJ_ENOGRAD, "grad_start is NULL");
    b.input = good;
    b.input.workspace = NULL;
    refused(&b, TRAJ_ENOGRAD, "workspace is NULL");
}

static void test_wrong_arguments_are_refused_before_any_call(void **state)
{
    (void)state;
    struct bench b;
    const double x = 1;
    prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
    const struct traj_probe_input good = b.input;
    b.input.param_start = b.param;
    refused(&b, TRAJ_EINVAL, "param_start is param itself");
    b.input = good;
    b.input.workspace = b.workspace + 8;
    refused(&b, TRAJ_EINVAL, "not aligned");
    b.input = good;
    b.input.dtype = (enum traj_dtype)9;
    refused(&b, TRAJ_EINVAL, "dtype 9");
    b.input = good;
    b.input.gradient = NULL;
    refused(&b, TRAJ_EINVAL, "callback");
    b.input = good;
    b.input.n = SIZE_MAX / 4;
    refused(&b, TRAJ_EINVAL, "too large");
    b.input = good;
    b.probe.size = 0;
    refused(&b, TRAJ_EINVAL, "traj_probe_init");
}

static void test_gammas_must_ascend_within_0_and_1(void **state)
{
    (void)state;
    static const double bad[][2] = { { 0, 1 }, { -0.5, 1 }, { 0.5, 1.5 },
        { 0.5, 0.5 }, { 0.75, 0.5 }, { 0.5, (double)NAN },
        { (double)INFINITY, 1 } };
    struct bench b;
    const double x = 1;
    prepare(&b, (struct function){ .gradient = quadratic, .n = 1 }, &x);
    b.param[0] = 2;
    b.input.n_gammas = 2;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        b.input.gammas = bad[i];
        refused(&b, TRAJ_EINVAL, "gammas[");
    }
    b.input.gammas = GAMMAS;
    b.input.n_gammas = 0;
    refused(&b, TRAJ_EINVAL, "1 to 32 gammas");
    b.input.n_gammas = 33;
    refused(&b, TRAJ_EINVAL, "1 to 32 gammas");
    b.input.gammas = NULL;
    refused(&b, TRAJ_EINVAL, "1 to 32 gammas");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_on_a_quadratic_every_gamma_gives_the_same_quotient),
        cmocka_unit_test(test_exponential_has_the_closed_form_down_and_up),
        cmocka_unit_test(test_radial_law_has_the_closed_form_in_any_dimension),
        cmocka_unit_test(
            test_the_other_functions_of_one_variable_have_their_closed_forms),
        cmocka_unit_test(test_logistic_loss_has_its_closed_form),
        cmocka_unit_test(test_the_smallest_linear_net_has_its_mean_hessian),
        cmocka_unit_test(
            test_simpson_recovers_the_law_and_the_start_point_is_biased),
        cmocka_unit_test(test_named_fields_are_those_of_their_points),
        cmocka_unit_test(test_the_ceiling_is_that_of_the_gamma_of_the_maximum),
        cmocka_unit_test(test_loss_and_parameter_units_scale_the_result),
        cmocka_unit_test(test_parameters_come_back_bit_for_bit_on_every_path),
        cmocka_unit_test(test_gamma_1_is_the_trainers_own_point),
        cmocka_unit_test(test_differences_at_the_level_of_rounding_are_flagged),
        cmocka_unit_test(test_hidden_state_shows_as_idempotence),
        cmocka_unit_test(test_a_tiny_step_is_not_probed),
        cmocka_unit_test(
            test_a_nan_at_one_point_is_no_candidate_for_the_maximum),
        cmocka_unit_test(test_nothing_is_called_where_x_or_g_is_not_finite),
        cmocka_unit_test(
            test_callbacks_run_in_the_callers_environment_and_it_stays),
        cmocka_unit_test(test_float32_rounds_its_points_to_float),
        cmocka_unit_test(test_null_arrays_say_which),
        cmocka_unit_test(test_wrong_arguments_are_refused_before_any_call),
        cmocka_unit_test(test_gammas_must_ascend_within_0_and_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* functions: pure, but for the workspace of a problem. One thread each. */
#include "examples/analytic/functions.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "examples/common/rng.h"

#define TURN 6.283185307179586 /* 2 pi */
#define SWING_STEPS 100.0

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* ---- functions of one variable ------------------------------------------ */

static struct jet s2(const struct problem *p, double x)
{
    double f = exp(p->L1 * x);
    return (struct jet){ f, p->L1 * f, p->L1 * p->L1 * f };
}

static struct jet s3(const struct problem *p, double x)
{
    double f = p->L0 / (p->L1 * p->L1) * cosh(p->L1 * x);
    return (
        struct jet){ f, p->L0 / p->L1 * sinh(p->L1 * x), p->L1 * p->L1 * f };
}

static struct jet s5(const struct problem *p, double x)
{
    double r = fabs(x);
    return (struct jet){ pow(r, p->power) / p->power,
        copysign(pow(r, p->power - 1), x),
        (p->power - 1) * pow(r, p->power - 2) };
}

static struct jet s6(const struct problem *p, double x)
{
    double z = p->L1 * fabs(x);
    double scale = p->L0 / (p->L1 * p->L1);
    if (z <= 1) {
        return (struct jet){ scale * (z * z + 1) / 2, p->L0 * x, p->L0 };
    }
    double e = exp(z - 1);
    double g = copysign(p->L0 / p->L1 * e, x);
    return (struct jet){ scale * e, g, p->L0 * e };
}

/* 2e is the slope outside, and 3e = L0 the largest curvature. */
static struct jet s6b(const struct problem *p, double x)
{
    double e = p->L0 / 3;
    double r = fabs(x);
    if (r > 1) {
        return (
            struct jet){ 2 * e * (r - 1) + 5 * e / 4, copysign(2 * e, x), 0 };
    }
    return (struct jet){ e / 4 * (6 * x * x - x * x * x * x),
        e * (3 * x - x * x * x), 3 * e * (1 - x * x) };
}

static struct jet s9(const struct problem *p, double x)
{
    double c = p->L0 * p->L1 * p->L1;
    return (struct jet){ c / 72 * x * x * x * x + p->L0 / 4 * x * x,
        c / 18 * x * x * x + p->L0 / 2 * x, c / 6 * x * x + p->L0 / 2 };
}

/* ---- S1: a quadratic with the eigenvalues L0 / i ------------------------ */

static void s1_hessian_vector(
    const struct problem *p, const double *x, const double *v, double *ret_hv)
{
    (void)x; /* constant */
    for (size_t i = 0; i < p->n; i++) {
        ret_hv[i] = p->L0 / (double)(i + 1) * v[i];
    }
}

static double s1_gradient(const struct problem *p, const double *x, double *g)
{
    s1_hessian_vector(p, x, x, g);
    return dot(g, x, p->n) / 2;
}

static double s1_operator_norm(const struct problem *p, const double *x)
{
    (void)x;
    return p->L0;
}

/* ---- S4: ||H|| = L0 + L1 ||g|| everywhere, in any dimension ------------- */

static double s4_gradient(const struct problem *p, const double *x, double *g)
{
    double rho = sqrt(dot(x, x, p->n));
    double z = p->L1 * rho;
    double along = rho > 0 ? p->L0 / p->L1 * expm1(z) / rho : p->L0;
    for (size_t i = 0; i < p->n; i++) {
        g[i] = along * x[i];
    }
    return p->L0 / (p->L1 * p->L1) * (expm1(z) - z);
}

/* The eigenvalue along x is L0 e^z, across it ||g|| / rho. */
static void s4_hessian_vector(
    const struct problem *p, const double *x, const double *v, double *ret_hv)
{
    double rho = sqrt(dot(x, x, p->n));
    double z = p->L1 * rho;
    double across = rho > 0 ? p->L0 / p->L1 * expm1(z) / rho : p->L0;
    double bent =
        rho > 0 ? (p->L0 * exp(z) - across) * dot(x, v, p->n) / (rho * rho) : 0;
    for (size_t i = 0; i < p->n; i++) {
        ret_hv[i] = across * v[i] + bent * x[i];
    }
}

static double s4_operator_norm(const struct problem *p, const double *x)
{
    return p->L0 * exp(p->L1 * sqrt(dot(x, x, p->n)));
}

/* ---- S7: log(1 + e^-s) of s = a'x, a = (1, .., 1) L1 / sqrt(n) ---------- */

static double s7_sum(const struct problem *p, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        sum += x[i];
    }
    return p->L1 / sqrt((double)p->n) * sum;
}

static double s7_gradient(const struct problem *p, const double *x, double *g)
{
    double s = s7_sum(p, x);
    double each = -p->L1 / sqrt((double)p->n) / (1 + exp(s));
    for (size_t i = 0; i < p->n; i++) {
        g[i] = each;
    }
    /* Neither exponential overflows. */
    return s > 0 ? log1p(exp(-s)) : log1p(exp(s)) - s;
}

static double s7_operator_norm(const struct problem *p, const double *x)
{
    double s = s7_sum(p, x);
    return p->L1 * p->L1 / (1 + exp(s)) / (1 + exp(-s));
}

static void s7_hessian_vector(
    const struct problem *p, const double *x, const double *v, double *ret_hv)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        sum += v[i];
    }
    double each = s7_operator_norm(p, x) * sum / (double)p->n;
    for (size_t i = 0; i < p->n; i++) {
        ret_hv[i] = each;
    }
}

/* ---- S8: (ab - 1)^2 / 2, the smallest deep linear net ------------------- */

static double s8_gradient(const struct problem *p, const double *x, double *g)
{
    (void)p;
    double e = x[0] * x[1] - 1;
    g[0] = e * x[1];
    g[1] = e * x[0];
    return e * e / 2;
}

static void s8_hessian_vector(
    const struct problem *p, const double *x, const double *v, double *ret_hv)
{
    (void)p;
    double cross = 2 * x[0] * x[1] - 1;
    ret_hv[0] = x[1] * x[1] * v[0] + cross * v[1];
    ret_hv[1] = cross * v[0] + x[0] * x[0] * v[1];
}

static double s8_operator_norm(const struct problem *p, const double *x)
{
    (void)p;
    double mean = (x[0] * x[0] + x[1] * x[1]) / 2;
    double half = (x[0] * x[0] - x[1] * x[1]) / 2;
    double cross = 2 * x[0] * x[1] - 1;
    return mean + sqrt(half * half + cross * cross);
}

/* ---- N1, N2: a plane. Whatever is measured of it but 0 is noise --------- */

static double plane_gradient(
    const struct problem *p, const double *x, double *g)
{
    double each = 0.1 / sqrt((double)p->n);
    double f = 0;
    for (size_t i = 0; i < p->n; i++) {
        g[i] = each;
        f += each * x[i];
    }
    return f;
}

static void plane_hessian_vector(
    const struct problem *p, const double *x, const double *v, double *ret_hv)
{
    (void)x;
    (void)v;
    memset(ret_hv, 0, p->n * sizeof *ret_hv);
}

static double plane_operator_norm(const struct problem *p, const double *x)
{
    (void)p;
    (void)x;
    return 0;
}

/* ---- the table ---------------------------------------------------------- */

#define VECTOR(f)                                                              \
    .gradient = f##_gradient, .hessian_vector = f##_hessian_vector,            \
    .operator_norm = f##_operator_norm

static const struct function table[] = {
    { .name = "s1",
        .formula = "x'Ax/2, eigenvalues L0/i: law (L0, 0)",
        .n = 500,
        .L0 = 1,
        VECTOR(s1),
        .start = 10,
        .lr = 1 },
    { .name = "s2",
        .formula = "exp(L1 x): law (0, L1), an equality",
        .n = 1,
        .L1 = 1,
        .jet = s2,
        .start = 3,
        .lr = 0.02 },
    { .name = "s3",
        .formula = "L0/L1^2 cosh(L1 x): law (L0, L1)",
        .n = 1,
        .L0 = 2,
        .L1 = 0.7,
        .jet = s3,
        .start = 4,
        .rule = RULE_L0L1 },
    { .name = "s4",
        .formula = "L0/L1^2 (e^z - z - 1), z = L1||x||: law (L0, L1), an "
                   "equality",
        .n = 3,
        .L0 = 2,
        .L1 = 0.7,
        VECTOR(s4),
        .start = 9,
        .rule = RULE_L0L1 },
    { .name = "s5",
        .formula = "|x|^p/p: ||H|| = (p-1) ||g||^((p-2)/(p-1))",
        .n = 1,
        .power = 4,
        .jet = s5,
        .start = 2,
        .lr = 0.05 },
    { .name = "s6",
        .formula = "L0 x^2/2, exponential beyond 1/L1: ||H|| = "
                   "max(L0, L1||g||)",
        .n = 1,
        .L0 = 1,
        .L1 = 1,
        .jet = s6,
        .start = 4.912023005428146, /* 1 + ln 50: ||g|| = 50 */
        .lr = 0.1 },
    { .name = "s6b",
        .formula = "slope 2 L0/3 beyond 1, (L0/12)(6x^2 - x^4) within: law "
                   "(L0, 0)",
        .n = 1,
        .L0 = 0.3,
        .jet = s6b,
        .start = -5,
        .lr = 1 },
    { .name = "s7",
        .formula = "log(1 + exp(-a'x)), ||a|| = L1: ||H|| = L1||g|| - ||g||^2",
        .n = 3,
        .L1 = 2,
        VECTOR(s7),
        .start = -3,
        .lr = 0.2 },
    { .name = "s8",
        .formula = "(ab - 1)^2/2",
        .n = 2,
        VECTOR(s8),
        .start = 2,
        .tilt = 0.5,
        .lr = 0.05 },
    { .name = "s9",
        .formula = "L0 L1^2/72 x^4 + L0/4 x^2: law (L0, L1), with slack",
        .n = 1,
        .L0 = 1,
        .L1 = 10,
        .jet = s9,
        .start = 1,
        .rule = RULE_L0L1 },
    { .name = "n1",
        .formula = "a plane with noise of varying size, steps of one length: "
                   "law (0, 0)",
        .n = 200,
        VECTOR(plane),
        .rule = RULE_NORMALIZED,
        .lr = 0.018,
        .noise = 1,
        .swing = 1 },
    { .name = "n2",
        .formula = "a plane with noise of one size, fixed step: law (0, 0)",
        .n = 20,
        VECTOR(plane),
        .lr = 0.01,
        .noise = 1 },
};

const struct function *function_at(size_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct function *function_find(const char *name)
{
    const struct function *f = table;
    for (size_t i = 0; f != NULL && strcmp(f->name, name) != 0;) {
        f = function_at(++i);
    }
    return f;
}

/* ---- a problem ---------------------------------------------------------- */

static void to_own_units(const struct problem *p, const double *u)
{
    for (size_t i = 0; i < p->n; i++) {
        p->x[i] = p->units * u[i];
    }
}

/* The noise is that of a linear term, so the loss has it too. */
static double add_noise(
    const struct problem *p, uint64_t step, uint64_t micro, double *grad)
{
    double size =
        p->noise * exp(p->swing * sin(TURN * (double)step / SWING_STEPS));
    struct rng rng = { p->seed };
    rng.state = rng_next(&rng) + step;
    rng.state = rng_next(&rng) + micro;
    double loss = 0;
    for (size_t i = 0; i < p->n; i++) {
        double z = size * rng_normal(&rng);
        grad[i] += z;
        loss += z * p->x[i];
    }
    return loss;
}

double problem_gradient(const struct problem *p, const double *u, uint64_t step,
    uint64_t micro, double *ret_grad)
{
    to_own_units(p, u);
    double loss = 0;
    if (p->function->jet != NULL) {
        struct jet jet = p->function->jet(p, p->x[0]);
        loss = jet.f;
        ret_grad[0] = jet.g;
    } else {
        loss = p->function->gradient(p, p->x, ret_grad);
    }
    if (p->noise > 0) {
        loss += add_noise(p, step, micro, ret_grad);
    }
    for (size_t i = 0; i < p->n; i++) {
        ret_grad[i] *= p->times * p->units;
    }
    return p->times * loss;
}

void problem_hessian_vector(
    const struct problem *p, const double *u, const double *v, double *ret_hv)
{
    to_own_units(p, u);
    if (p->function->jet != NULL) {
        ret_hv[0] = p->function->jet(p, p->x[0]).h * v[0];
    } else {
        p->function->hessian_vector(p, p->x, v, ret_hv);
    }
    for (size_t i = 0; i < p->n; i++) {
        ret_hv[i] *= p->times * p->units * p->units;
    }
}

double problem_operator_norm(const struct problem *p, const double *u)
{
    to_own_units(p, u);
    double norm = p->function->jet != NULL
                      ? fabs(p->function->jet(p, p->x[0]).h)
                      : p->function->operator_norm(p, p->x);
    return p->times * p->units * p->units * norm;
}

void problem_start(const struct problem *p, double start, double *ret_u)
{
    double each = start / sqrt((double)p->n) / p->units;
    for (size_t i = 0; i < p->n; i++) {
        ret_u[i] = each * (1 + p->function->tilt * (double)i);
    }
}

double problem_L0(const struct problem *p)
{
    return p->units * p->units * p->times * p->L0;
}

double problem_L1(const struct problem *p)
{
    return p->units * p->L1;
}

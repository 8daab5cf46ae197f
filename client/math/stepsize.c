/*
 * stepsize.c: the rules for step sizes. Pure; any thread; no memory.
 *
 * Letters as in traj.h: a law ||H|| <= L0 + L1 G, G = ||g||. All arguments are
 * checked by their bits, so that a NaN raises nothing and is never compared.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "held_env.h"
#include "traj.h"

/* Positive, 0 of either sign, or Inf. */
static bool is_magnitude(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits <= 0x7ff0000000000000u || bits == 0x8000000000000000u;
}

static bool are_magnitudes(const double *values, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        all = all && is_magnitude(values[i]);
    }
    return all;
}

static bool is_rule(enum traj_rule rule)
{
    return rule >= TRAJ_RULE_FIXED && rule <= TRAJ_RULE_CLIPPED_L0L1;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* A term of a law: at L1 = 0, or G = 0, there is none, whatever the other. */
static double times(double a, double b)
{
    return a > 0 && b > 0 ? a * b : 0;
}

/*
 * ln(1 + u/(L0 + u))/u with u = L1 G. With t = u/L0 this is
 * (ln(1 + 2t) - ln(1 + t))/(t L0) = (1 - 3/2 t + 7/3 t^2 - ...)/L0, of which
 * below t = 1e-9 two terms are exact to rounding; so u may even be subnormal,
 * or vanish.
 */
static double optimal(double L0, double u)
{
    if (u <= 0) {
        return 1 / L0;
    }
    if (u <= 1e-9 * L0) {
        return (1 - 1.5 * (u / L0)) / L0;
    }
    return log1p(u / (L0 + u)) / u;
}

/*
 * 1905.11881, Theorem 3: with eta = 1/(10 L0) and gamma = min{10 L0, L0/L1} are
 *   eta min{1, gamma/G} = 0.1/max{L0, L1 G, G/10}   and
 *   eta gamma/(G + gamma) = 0.1/(L0 + max{L1 G, G/10}),
 * which need no quotient that may vanish or overflow before the result does.
 */
static double clipped(double L0, double u, double G)
{
    return 0.1 / larger(L0, larger(u, G / 10));
}

static double normalized(double L0, double u, double G)
{
    return 0.1 / (L0 + larger(u, G / 10));
}

HELD_ENV_NOINLINE static double rule_step(
    enum traj_rule rule, double L0, double L1, double G)
{
    const double u = times(L1, G);
    if (L0 <= 0 && L1 <= 0) {
        return HUGE_VAL;
    }
    if (L0 > DBL_MAX || L1 > DBL_MAX || u > DBL_MAX) {
        return 0;
    }
    switch (rule) {
    case TRAJ_RULE_FIXED:
        return 0.5 / (L0 + u);
    case TRAJ_RULE_CLIPPED:
        return clipped(L0, u, G);
    case TRAJ_RULE_NORMALIZED:
        return normalized(L0, u, G);
    case TRAJ_RULE_L0L1:
        return 1 / (L0 + 1.5 * u);
    case TRAJ_RULE_OPTIMAL:
        return optimal(L0, u);
    case TRAJ_RULE_CLIPPED_L0L1:
        return smaller(0.5 / L0, 1 / (3 * u));
    }
    return (double)NAN;
}

HELD_ENV_NOINLINE static double rule_threshold(
    enum traj_rule rule, double L0, double L1)
{
    const bool clips =
        rule == TRAJ_RULE_CLIPPED || rule == TRAJ_RULE_CLIPPED_L0L1;
    if (!clips || (L0 <= 0 && L1 <= 0)) {
        return HUGE_VAL;
    }
    if (L1 > DBL_MAX) {
        return 0;
    }
    const double ratio = L1 > 0 ? L0 / L1 : HUGE_VAL;
    return rule == TRAJ_RULE_CLIPPED ? smaller(10 * L0, ratio) : ratio / 1.5;
}

HELD_ENV_NOINLINE static double stochastic_step(
    double L0, double L1, double tau, double steps, double G)
{
    if (steps <= 0) {
        return (double)NAN;
    }
    double eta = smaller(0.05 / L0, 1 / (128 * times(L1, tau)));
    eta = smaller(eta, 1 / sqrt(steps));
    return smaller(eta, 1 / (16 * times(eta, times(L1, G + tau))));
}

/* lr/(1 + x) with x = lr norm/gamma; for large x as gamma/norm/(1 + 1/x),
 * which does not overflow. */
static double mixed_part(double lr, double gamma, double norm)
{
    if (norm <= 0) {
        return lr;
    }
    double x = times(lr, norm / gamma);
    return x > 1 ? gamma / norm / (1 + 1 / x) : lr / (1 + x);
}

HELD_ENV_NOINLINE static void mixed_clipping(double lr, double nu, double gamma,
    const double norms[static 2], double ret[static 2])
{
    if (nu <= 1) {
        ret[0] = times(nu, mixed_part(lr, gamma, norms[0]));
        ret[1] = times(1 - nu, mixed_part(lr, gamma, norms[1]));
    }
}

/* As 1/(L0/||g||_* + L1), which does not overflow. */
HELD_ENV_NOINLINE static double layer_radius(
    double L0, double L1, double grad_dual)
{
    if (L0 <= 0 && L1 <= 0) {
        return HUGE_VAL;
    }
    if (L0 > DBL_MAX || L1 > DBL_MAX) {
        return 0;
    }
    return grad_dual > 0 ? 1 / (L0 / grad_dual + L1) : 0;
}

/* ---- the public faces: arguments checked, signs of zeros dropped --------- */

double traj_rule_step(
    enum traj_rule rule, double L0, double L1, double grad_norm)
{
    const double given[] = { L0, L1, grad_norm };
    if (!are_magnitudes(given, 3) || !is_rule(rule)) {
        return (double)NAN;
    }
    struct held_env held;
    held_env_take(&held);
    double step = rule_step(rule, fabs(L0), fabs(L1), fabs(grad_norm));
    held_env_give_back(&held);
    return step;
}

double traj_rule_threshold(enum traj_rule rule, double L0, double L1)
{
    const double given[] = { L0, L1 };
    if (!are_magnitudes(given, 2) || !is_rule(rule)) {
        return (double)NAN;
    }
    struct held_env held;
    held_env_take(&held);
    double threshold = rule_threshold(rule, fabs(L0), fabs(L1));
    held_env_give_back(&held);
    return threshold;
}

double traj_stochastic_step(
    double L0, double L1, double tau, double steps, double grad_norm)
{
    const double given[] = { L0, L1, tau, steps, grad_norm };
    if (!are_magnitudes(given, 5)) {
        return (double)NAN;
    }
    struct held_env held;
    held_env_take(&held);
    double step = stochastic_step(
        fabs(L0), fabs(L1), fabs(tau), fabs(steps), fabs(grad_norm));
    held_env_give_back(&held);
    return step;
}

void traj_mixed_clipping(double lr, double nu, double gamma,
    double momentum_norm, double grad_norm, double *ret_momentum,
    double *ret_gradient)
{
    const double given[] = { lr, nu, gamma, momentum_norm, grad_norm };
    const double norms[2] = { momentum_norm, grad_norm };
    double factors[2] = { (double)NAN, (double)NAN };
    if (are_magnitudes(given, 5)) {
        struct held_env held;
        held_env_take(&held);
        mixed_clipping(fabs(lr), fabs(nu), fabs(gamma), norms, factors);
        held_env_give_back(&held);
    }
    *ret_momentum = factors[0];
    *ret_gradient = factors[1];
}

double traj_layer_radius(double L0, double L1, double grad_dual)
{
    const double given[] = { L0, L1, grad_dual };
    if (!are_magnitudes(given, 3)) {
        return (double)NAN;
    }
    struct held_env held;
    held_env_take(&held);
    double radius = layer_radius(fabs(L0), fabs(L1), fabs(grad_dual));
    held_env_give_back(&held);
    return radius;
}

/*
 * student.c: P(T > t) = I_x(dof/2, 1/2) / 2 with x = dof/(dof + t^2), and the
 * same from the middle, P(0 < T < t) = I_{1-x}(1/2, dof/2) / 2; DLMF 8.17.
 * Whichever of the two has the quickly converging continued fraction (DLMF
 * 8.17.22, by Lentz's method; Numerical Recipes 6.4) is computed, the other is
 * the difference to a half, where nothing cancels.
 *
 * The quantile is found by Newton's method on ln P as a function of ln t. The
 * density of ln |T| is log-concave, so both ln P(T > t) and ln P(0 < T < t) are
 * concave there: after one step the iterates fall onto the root from one side,
 * from any start. Pure; any thread.
 */
#include "math/student.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define TERMS_MAX 200000 /* about sqrt(dof) are used */
#define NEWTON_MAX 200
#define SQRT_PI 1.7724538509055160273

/* Gamma(a + 1/2)/Gamma(a): the expansion for large a (DLMF 5.11.13), reached
 * by the recurrence. lgamma would lose six digits at a = 5e5. */
static double gamma_ratio(double a)
{
    double factor = 1;
    while (a < 30) {
        factor *= a / (a + 0.5);
        a += 1;
    }
    const double z = 1 / (8 * a);
    static const double terms[] = { 2457.8125, 54.3125, -49.875, -2.625, 2.5,
        0.5, -1, 1 };
    double series = 0;
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        series = series * z + terms[i];
    }
    return factor * sqrt(a) * series;
}

/* The continued fraction of I_x(a, b). */
static double fraction(double x, double a, double b)
{
    const double least = DBL_MIN;
    double c = 1;
    double d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < least ? least : d);
    double h = d;
    for (int m = 1; m <= TERMS_MAX; m++) {
        const double k = m;
        double term = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
        for (int half = 0; half < 2; half++) {
            d = 1 + term * d;
            d = 1 / (fabs(d) < least ? least : d);
            c = 1 + term / c;
            c = fabs(c) < least ? least : c;
            h *= c * d;
            if (half == 0) {
                term = -(a + k) * (a + b + k) * x /
                       ((a + 2 * k) * (a + 2 * k + 1));
            }
        }
        if (fabs(c * d - 1) <= DBL_EPSILON) {
            break;
        }
    }
    return h;
}

/* ln(1 + t^2/dof), also where t^2 is beyond double; u = t/dof^(1/2). */
static double log_share(double u)
{
    return u < 0x1p60 ? log1p(u * u) : 2 * log(u);
}

/* What both sides share: (1-x)^(1/2) x^(dof/2) / B(1/2, dof/2), as its
 * logarithm, since far out it is below all doubles. */
static double log_front(double t, double dof)
{
    const double a = dof / 2;
    const double u = t / sqrt(dof);
    const double root = u / hypot(1, u);
    return log(root * gamma_ratio(a) / SQRT_PI) - a * log_share(u);
}

struct masses {
    double log_middle; /* of P(0 < T < t) */
    double log_tail;   /* of P(T > t) */
};

/* t > 0. */
static struct masses masses(double t, double dof)
{
    const double a = dof / 2;
    const double share = t / dof * t;
    const double x = 1 / (1 + share);
    const double front = log_front(t, dof);
    struct masses m;
    if (x < (a + 1) / (a + 2.5)) {
        m.log_tail = front + log(fraction(x, a, 0.5) / (2 * a));
        m.log_middle = log(0.5 - exp(m.log_tail));
    } else {
        m.log_middle = front + log(fraction(share * x, 0.5, a));
        m.log_tail = log(0.5 - exp(m.log_middle));
    }
    return m;
}

static bool is_dof(double dof)
{
    return dof >= 1 && !isinf(dof);
}

double student_tail(double t, double dof)
{
    if (!is_dof(dof) || isnan(t)) {
        return (double)NAN;
    }
    if (isinf(t)) {
        return t > 0 ? 0 : 1;
    }
    if (!(fabs(t) > 0)) {
        return 0.5;
    }
    const double tail = exp(masses(fabs(t), dof).log_tail);
    return t > 0 ? tail : 1 - tail;
}

/* ln of t times the density at t. */
static double log_weight(double t, double dof)
{
    const double u = t / sqrt(dof);
    return log(u * gamma_ratio(dof / 2) / SQRT_PI) -
           (dof + 1) / 2 * log_share(u);
}

/* t > 0 of which the mass between 0 and t is `middle`, beyond t `tail`; they
 * sum to a half, and the smaller is exact. */
static double solve(double middle, double tail, double dof)
{
    const bool by_middle = middle < tail;
    const double wanted = log(by_middle ? middle : tail);
    double s = 0;
    double step = 1;
    /* Quadratic at the end: after a step of 1e-9 nothing is left to do. */
    for (int i = 0; i < NEWTON_MAX && fabs(step) > 1e-9; i++) {
        const double t = exp(s);
        const struct masses m = masses(t, dof);
        const double have = by_middle ? m.log_middle : m.log_tail;
        const double slope = exp(log_weight(t, dof) - have);
        step = (by_middle ? wanted - have : have - wanted) / slope;
        s += fmin(fmax(step, -20), 20);
    }
    return exp(s);
}

double student_quantile(double p, double dof)
{
    if (!(p > 0 && p < 1) || !is_dof(dof)) {
        return (double)NAN;
    }
    if (p > 0.5) {
        return solve(p - 0.5, 1 - p, dof);
    }
    return p < 0.5 ? -solve(0.5 - p, p, dof) : 0;
}

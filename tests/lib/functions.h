/*
 * functions: functions of n variables whose curvature has a closed form, by
 * their gradients. x > 0 or x != 0 where the form needs it.
 */
#ifndef TRAJD_TEST_FUNCTIONS_H
#define TRAJD_TEST_FUNCTIONS_H

#include <stddef.h>

struct function {
    void (*gradient)(const struct function *f, const double *x, double *g);
    size_t n;
    double L0, L1;
    const double *a; /* n numbers */
};

/* 1/2 sum a_i x_i^2; without a, a_i = i + 1. */
void quadratic(const struct function *f, const double *x, double *g);
/* e^(L1 x), n = 1. */
void exponential(const struct function *f, const double *x, double *g);
/* (L0/L1^2) cosh(L1 x), n = 1: f''^2 = L0^2 + L1^2 f'^2. */
void hyperbolic(const struct function *f, const double *x, double *g);
/* (L0/L1^2) phi(L1 ||x||), phi(z) = e^z - z - 1: ||H|| = L0 + L1 ||g||. */
void radial(const struct function *f, const double *x, double *g);
/* x^4 / 4, n = 1: f'' = 3 x^2. */
void quartic(const struct function *f, const double *x, double *g);
/* L0 x^2/2 + L0/(2 L1^2) for |x| <= 1/L1, (L0/L1^2) e^(L1 |x| - 1) beyond,
 * n = 1: f'' = max(L0, L1 |f'|). */
void knee(const struct function *f, const double *x, double *g);
/* log(1 + e^(-<a,x>)): ||H|| = ||a|| G - G^2. */
void logistic(const struct function *f, const double *x, double *g);
/* (x_0 x_1 - 1)^2 / 2, n = 2: the smallest deep linear net. */
void product(const struct function *f, const double *x, double *g);

double norm_of(const double *v, size_t n);
/* (e^z - 1) / z */
double psi(double z);

#endif

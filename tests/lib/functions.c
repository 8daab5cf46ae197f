/* functions.c: gradients, straight from the formulas in the header. */
#include "functions.h"

#include <math.h>

double norm_of(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i] * v[i];
    }
    return sqrt(sum);
}

double psi(double z)
{
    return expm1(z) / z;
}

void quadratic(const struct function *f, const double *x, double *g)
{
    for (size_t i = 0; i < f->n; i++) {
        g[i] = (f->a != NULL ? f->a[i] : (double)(i + 1)) * x[i];
    }
}

void exponential(const struct function *f, const double *x, double *g)
{
    g[0] = f->L1 * exp(f->L1 * x[0]);
}

void hyperbolic(const struct function *f, const double *x, double *g)
{
    g[0] = f->L0 / f->L1 * sinh(f->L1 * x[0]);
}

void radial(const struct function *f, const double *x, double *g)
{
    const double rho = norm_of(x, f->n);
    const double size = f->L0 / f->L1 * expm1(f->L1 * rho) / rho;
    for (size_t i = 0; i < f->n; i++) {
        g[i] = size * x[i];
    }
}

void quartic(const struct function *f, const double *x, double *g)
{
    (void)f;
    g[0] = x[0] * x[0] * x[0];
}

void knee(const struct function *f, const double *x, double *g)
{
    g[0] = fabs(x[0]) <= 1 / f->L1
               ? f->L0 * x[0]
               : copysign(f->L0 / f->L1 * exp(f->L1 * fabs(x[0]) - 1), x[0]);
}

void logistic(const struct function *f, const double *x, double *g)
{
    double z = 0;
    for (size_t i = 0; i < f->n; i++) {
        z += f->a[i] * x[i];
    }
    for (size_t i = 0; i < f->n; i++) {
        g[i] = -f->a[i] / (1 + exp(z));
    }
}

void product(const struct function *f, const double *x, double *g)
{
    (void)f;
    const double error = x[0] * x[1] - 1;
    g[0] = error * x[1];
    g[1] = error * x[0];
}

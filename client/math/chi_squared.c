/* chi_squared.c: pure; any thread. */
#include "math/chi_squared.h"

#include <math.h>

#define TWO_OVER_ROOT_PI 1.12837916709551257390

/* e^-h (1 + h + h^2/2! + ...), dof/2 terms. */
static double tail_even(double h, unsigned dof)
{
    double term = exp(-h);
    double sum = term;
    for (unsigned k = 1; k < dof / 2; k++) {
        term *= h / k;
        sum += term;
    }
    return sum;
}

/* erfc(sqrt h) + e^-h (h^(1/2)/Gamma(3/2) + h^(3/2)/Gamma(5/2) + ...), so many
 * terms that the last has Gamma(dof/2). */
static double tail_odd(double h, unsigned dof)
{
    double sum = erfc(sqrt(h));
    double term = exp(-h) * sqrt(h) * TWO_OVER_ROOT_PI;
    for (unsigned k = 1; k <= dof / 2; k++) {
        sum += term;
        term *= h / (k + 0.5);
    }
    return sum;
}

double chi_squared_tail(double x, unsigned dof)
{
    if (isnan(x) || dof == 0) {
        return (double)NAN;
    }
    if (x <= 0 || isinf(x)) {
        return x <= 0 ? 1 : 0;
    }
    return dof % 2 == 0 ? tail_even(x / 2, dof) : tail_odd(x / 2, dof);
}

/*
 * tridiagonal.c: QL with implicit shifts (Dubrulle, Martin, Wilkinson 1968;
 * imtql2 of EISPACK; Golub and Van Loan, 8.3). Pure; any thread.
 *
 * From the top, each off-diagonal element is driven to zero: a shift near the
 * eigenvalue, then plane rotations that chase the bulge up. The rotations
 * collect in the vectors.
 */
#include "math/tridiagonal.h"
#include <math.h>

#include "held_env.h"

#define SWEEPS_MAX 60u /* per eigenvalue; two or three are usual */

struct vectors {
    double *rows; /* NULL: not wanted */
    size_t n, stride;
};

/* Rotate vectors i and i + 1. */
static void rotate(
    const struct vectors *v, size_t i, double sine, double cosine)
{
    if (v->rows == NULL) {
        return;
    }
    double *lower = v->rows + i * v->stride;
    double *upper = lower + v->stride;
    for (size_t k = 0; k < v->n; k++) {
        const double u = upper[k];
        const double l = lower[k];
        upper[k] = sine * l + cosine * u;
        lower[k] = cosine * l - sine * u;
    }
}

/* One sweep with the shift of Wilkinson over first .. last, of which no
 * off-diagonal element is negligible. */
static void sweep(
    double *d, double *e, size_t first, size_t last, const struct vectors *v)
{
    const double half = (d[first + 1] - d[first]) / (2 * e[first]);
    double g =
        d[last] - d[first] + e[first] / (half + copysign(hypot(half, 1), half));
    double sine = 1;
    double cosine = 1;
    double shift = 0;
    for (size_t i = last; i-- > first;) {
        const double f = sine * e[i];
        const double b = cosine * e[i];
        const double r = hypot(f, g);
        e[i + 1] = r;
        if (!(r > 0)) { /* it has fallen apart on the way */
            d[i + 1] -= shift;
            e[last] = 0;
            return;
        }
        sine = f / r;
        cosine = g / r;
        g = d[i + 1] - shift;
        const double t = (d[i] - g) * sine + 2 * cosine * b;
        shift = sine * t;
        d[i + 1] = g + shift;
        g = cosine * t - b;
        rotate(v, i, sine, cosine);
    }
    d[first] -= shift;
    e[first] = g;
    e[last] = 0;
}

static double largest_of(const double *values, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fabs(values[i]) > largest ? fabs(values[i]) : largest;
    }
    return largest;
}

/* e[i] is negligible: small beside its neighbours or beside the whole. Among
 * eigenvalues that are all rounding, the neighbours alone may stay too small to
 * compare with. A NaN is not. */
static bool parts(const double *d, const double *e, size_t i, double negligible)
{
    const double size = fabs(e[i]);
    return size <= negligible ||
           size <= 0x1p-53 * (fabs(d[i]) + fabs(d[i + 1]));
}

HELD_ENV_NOINLINE bool tridiagonal_solve(
    double *d, double *e, size_t n, double *vectors, size_t stride)
{
    const struct vectors v = { vectors, n, stride };
    e[n - 1] = 0;
    const double negligible =
        0x1p-57 * largest_of(d, n) + 0x1p-57 * largest_of(e, n);
    if (!isfinite(negligible)) {
        return false;
    }
    for (size_t first = 0; first < n; first++) {
        for (unsigned sweeps = 0;; sweeps++) {
            size_t last = first;
            while (last + 1 < n && !parts(d, e, last, negligible)) {
                last++;
            }
            if (last == first) {
                break;
            }
            if (sweeps == SWEEPS_MAX) {
                return false;
            }
            sweep(d, e, first, last, &v);
        }
        if (!isfinite(d[first])) {
            return false;
        }
    }
    return true;
}

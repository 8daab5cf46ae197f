/*
 * lanczos.c: QL with implicit shifts (Dubrulle, Martin, Wilkinson 1968; imtql2
 * of EISPACK). Pure; any thread.
 *
 * From the top, each off-diagonal element is driven to zero: a shift near the
 * eigenvalue, then plane rotations that chase the bulge up. The rotations
 * collect in the vectors.
 */
#include "math/lanczos.h"
#include <math.h>

#include "held_env.h"

#define SWEEPS_MAX 60 /* per eigenvalue; two or three are usual */

/* The first row from l on behind which the matrix falls apart. */
static size_t block_end(const struct lanczos *s, const double *off, size_t l)
{
    size_t end = l;
    while (end + 1 < s->m) {
        const double around = fabs(s->values[end]) + fabs(s->values[end + 1]);
        if (fabs(off[end]) <= 0x1p-53 * around) {
            break;
        }
        end++;
    }
    return end;
}

/* Rotate vectors i and i + 1. */
static void rotate(struct lanczos *s, size_t i, double sine, double cosine)
{
    for (size_t k = 0; k < s->m; k++) {
        const double upper = s->vectors[i + 1][k];
        const double lower = s->vectors[i][k];
        s->vectors[i + 1][k] = sine * lower + cosine * upper;
        s->vectors[i][k] = cosine * lower - sine * upper;
    }
}

/* One sweep over rows l .. end. */
static void sweep(struct lanczos *s, double *off, size_t l, size_t end)
{
    double *d = s->values;
    const double half = (d[l + 1] - d[l]) / (2 * off[l]);
    double g = d[end] - d[l] + off[l] / (half + copysign(hypot(half, 1), half));
    double sine = 1;
    double cosine = 1;
    double shift = 0;
    for (size_t i = end; i-- > l;) {
        const double f = sine * off[i];
        const double b = cosine * off[i];
        const double r = hypot(f, g);
        off[i + 1] = r;
        if (!(r > 0)) { /* it has fallen apart on the way */
            d[i + 1] -= shift;
            off[end] = 0;
            return;
        }
        sine = f / r;
        cosine = g / r;
        g = d[i + 1] - shift;
        const double t = (d[i] - g) * sine + 2 * cosine * b;
        shift = sine * t;
        d[i + 1] = g + shift;
        g = cosine * t - b;
        rotate(s, i, sine, cosine);
    }
    d[l] -= shift;
    off[l] = g;
    off[end] = 0;
}

static bool find(struct lanczos *s, double *off, size_t l)
{
    for (int n = 0; n < SWEEPS_MAX; n++) {
        const size_t end = block_end(s, off, l);
        if (end == l) {
            return isfinite(s->values[l]);
        }
        sweep(s, off, l, end);
    }
    return false;
}

HELD_ENV_NOINLINE bool lanczos_solve(struct lanczos *s)
{
    double off[LANCZOS_MAX + 1] = { 0 };
    for (size_t i = 0; i < s->m; i++) {
        s->values[i] = s->diagonal[i];
        off[i] = i + 1 < s->m ? s->off[i] : 0;
        for (size_t k = 0; k < s->m; k++) {
            s->vectors[i][k] = i == k;
        }
    }
    for (size_t l = 0; l < s->m; l++) {
        if (!find(s, off, l)) {
            return false;
        }
    }
    s->smallest = s->largest = 0;
    for (size_t i = 1; i < s->m; i++) {
        s->smallest = s->values[i] < s->values[s->smallest] ? i : s->smallest;
        s->largest = s->values[i] > s->values[s->largest] ? i : s->largest;
    }
    return true;
}

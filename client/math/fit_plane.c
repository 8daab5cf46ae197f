/*
 * fit_plane.c: pure; any thread. Sums are about the weighted means and
 * compensated, as fit_line.c's; columns are scaled to be near 1.
 */
#include "math/fit_plane.h"

#include <math.h>

#include "math/fit.h"
#include "math/fit_weights.h"
#include "math/scale.h"
#include "sum.h"

#define COLUMNS 3 /* u, v, y */
/* A determinant below this part of its product of diagonals is rounding. */
#define SINGULAR 1e-13

struct moments {
    double s; /* sum of w */
    double mean[COLUMNS];
    double centred[COLUMNS][COLUMNS]; /* sum w (p - mean)(q - mean) */
};

struct data {
    const double *column[COLUMNS];
    const double *w; /* NULL: all 1 */
    size_t n;
    int exponent[COLUMNS];
};

static double weight(const struct data *data, size_t i)
{
    return data->w == NULL ? 1 : data->w[i];
}

static void sum_means(
    const struct data *data, const double *factor, struct moments *moments)
{
    struct sum s = { 0 };
    struct sum of[COLUMNS] = { { 0 } };
    for (size_t i = 0; i < data->n; i++) {
        const double w = weight(data, i);
        sum_add(&s, w);
        for (size_t k = 0; k < COLUMNS; k++) {
            sum_add(&of[k], w * (data->column[k][i] * factor[k]));
        }
    }
    moments->s = sum_value(&s);
    for (size_t k = 0; k < COLUMNS; k++) {
        moments->mean[k] = sum_value(&of[k]) / moments->s;
    }
}

static void sum_products(
    const struct data *data, const double *factor, struct moments *moments)
{
    struct sum of[COLUMNS][COLUMNS] = { { { 0 } } };
    for (size_t i = 0; i < data->n; i++) {
        const double w = weight(data, i);
        double d[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++) {
            d[k] = data->column[k][i] * factor[k] - moments->mean[k];
        }
        for (size_t j = 0; j < COLUMNS; j++) {
            for (size_t k = j; k < COLUMNS; k++) {
                sum_add(&of[j][k], w * d[j] * d[k]);
            }
        }
    }
    for (size_t j = 0; j < COLUMNS; j++) {
        for (size_t k = j; k < COLUMNS; k++) {
            moments->centred[j][k] = sum_value(&of[j][k]);
            moments->centred[k][j] = moments->centred[j][k];
        }
    }
}

/* sum w p q, about the means with an intercept, else as it is. */
static double product(
    const struct moments *m, size_t j, size_t k, bool intercept)
{
    const double about_zero = m->s * m->mean[j] * m->mean[k];
    return m->centred[j][k] + (intercept ? 0 : about_zero);
}

/* The least squares of a set of coefficients; false where it is singular or
 * one of them is negative. Sets are bits: 1 = a, 2 = b, 4 = c. */
static bool solve_set(
    const struct moments *m, unsigned set, struct fit_plane *ret)
{
    const bool intercept = (set & 1) != 0;
    const double uu = product(m, 0, 0, intercept);
    const double uv = product(m, 0, 1, intercept);
    const double vv = product(m, 1, 1, intercept);
    const double uy = product(m, 0, 2, intercept);
    const double vy = product(m, 1, 2, intercept);
    struct fit_plane plane = { 0 };
    if ((set & 6) == 6) {
        const double determinant = uu * vv - uv * uv;
        if (!(determinant > SINGULAR * uu * vv)) {
            return false;
        }
        plane.b = (uy * vv - vy * uv) / determinant;
        plane.c = (vy * uu - uy * uv) / determinant;
    } else if ((set & 2) != 0 && uu > 0) {
        plane.b = uy / uu;
    } else if ((set & 4) != 0 && vv > 0) {
        plane.c = vy / vv;
    }
    if (intercept) {
        plane.a = m->mean[2] - plane.b * m->mean[0] - plane.c * m->mean[1];
    }
    *ret = plane;
    return plane.a >= 0 && plane.b >= 0 && plane.c >= 0;
}

/* The sum of squares, less that of y about its mean. */
static double loss(const struct moments *m, struct fit_plane p)
{
    const double off = m->mean[2] - p.a - p.b * m->mean[0] - p.c * m->mean[1];
    return p.b * (p.b * m->centred[0][0] - 2 * m->centred[0][2]) +
           p.c * (p.c * m->centred[1][1] - 2 * m->centred[1][2]) +
           2 * p.b * p.c * m->centred[0][1] + m->s * off * off;
}

bool fit_plane_nnls(const double *u, const double *v, const double *y,
    const double *w, size_t n, struct fit_plane *ret)
{
    struct data data = { .column = { u, v, y }, .w = w, .n = n };
    double factor[COLUMNS];
    struct moments moments;
    if (!fit_determined(u, n) || !fit_determined(v, n)) {
        return false;
    }
    for (size_t k = 0; k < COLUMNS; k++) {
        data.exponent[k] = scale_exponent_of(data.column[k], n);
        factor[k] = scale_factor(data.exponent[k]);
    }
    sum_means(&data, factor, &moments);
    sum_products(&data, factor, &moments);
    struct fit_plane best = { 0 };
    double least = loss(&moments, best);
    for (unsigned set = 1; set < 8; set++) {
        struct fit_plane plane;
        if (solve_set(&moments, set, &plane) && loss(&moments, plane) < least) {
            least = loss(&moments, plane);
            best = plane;
        }
    }
    const int ey = data.exponent[2];
    *ret = (struct fit_plane){
        .a = ldexp(best.a, ey),
        .b = ldexp(best.b, ey - data.exponent[0]),
        .c = ldexp(best.c, ey - data.exponent[1]),
    };
    return true;
}

bool fit_plane_relative(const double *u, const double *v, const double *y,
    size_t n, double *workspace, struct fit_plane *ret)
{
    double *w = workspace;
    struct fit_plane plane;
    if (!fit_plane_nnls(u, v, y, NULL, n, &plane)) {
        return false;
    }
    for (int round = 1; round < FIT_RELATIVE_ROUNDS; round++) {
        for (size_t i = 0; i < n; i++) {
            w[i] = plane.a + plane.b * u[i] + plane.c * v[i];
        }
        if (!fit_weights_relative(w, n, workspace + n)) {
            break;
        }
        if (!fit_plane_nnls(u, v, y, w, n, &plane)) {
            return false;
        }
    }
    *ret = plane;
    return true;
}

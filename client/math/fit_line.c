/*
 * fit_line.c: least squares for y = L0 + L1 x, plain, non-negative, and of the
 * relative error. Pure; any thread.
 *
 * Sums are about the weighted mean and compensated: with x = 1e6 + noise the
 * textbook n Sxy - Sx Sy has no correct digit left, this has ten.
 */
#include "math/fit.h"

#include "math/fit_weights.h"
#include "math/scale.h"
#include "sum.h"

/* Weighted sums of the scaled data, s = sum of w. */
struct line_sums {
    double s;
    double x_mean, y_mean;
    double xx, xy;                 /* sum w x^2, sum w x y */
    double xx_centred, xy_centred; /* the same about the means */
};

struct line_data {
    const double *x, *y, *w; /* w NULL: all 1 */
    size_t n;
    int x_exponent, y_exponent;
};

static double weight(const struct line_data *data, size_t i)
{
    return data->w == NULL ? 1 : data->w[i];
}

static void sum_means(const struct line_data *data, struct line_sums *sums)
{
    const double fx = scale_factor(data->x_exponent);
    const double fy = scale_factor(data->y_exponent);
    struct sum s = { 0 }, sx = { 0 }, sy = { 0 };
    for (size_t i = 0; i < data->n; i++) {
        double w = weight(data, i);
        sum_add(&s, w);
        sum_add(&sx, w * (data->x[i] * fx));
        sum_add(&sy, w * (data->y[i] * fy));
    }
    sums->s = sum_value(&s);
    sums->x_mean = sum_value(&sx) / sums->s;
    sums->y_mean = sum_value(&sy) / sums->s;
}

static void sum_products(const struct line_data *data, struct line_sums *sums)
{
    const double fx = scale_factor(data->x_exponent);
    const double fy = scale_factor(data->y_exponent);
    struct sum xx = { 0 }, xy = { 0 }, cxx = { 0 }, cxy = { 0 };
    for (size_t i = 0; i < data->n; i++) {
        double w = weight(data, i);
        double x = data->x[i] * fx;
        double y = data->y[i] * fy;
        double dx = x - sums->x_mean;
        double dy = y - sums->y_mean;
        sum_add(&xx, w * x * x);
        sum_add(&xy, w * x * y);
        sum_add(&cxx, w * dx * dx);
        sum_add(&cxy, w * dx * dy);
    }
    sums->xx = sum_value(&xx);
    sums->xy = sum_value(&xy);
    sums->xx_centred = sum_value(&cxx);
    sums->xy_centred = sum_value(&cxy);
}

static struct fit_line unscale(const struct line_data *data, double a, double b)
{
    return (struct fit_line){
        .L0 = ldexp(a, data->y_exponent),
        .L1 = ldexp(b, data->y_exponent - data->x_exponent),
    };
}

bool fit_determined(const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (x[i] < x[0] || x[i] > x[0]) {
            return true;
        }
    }
    return false;
}

static struct line_data line_data(
    const double *x, const double *y, const double *w, size_t n)
{
    return (struct line_data){
        .x = x,
        .y = y,
        .w = w,
        .n = n,
        .x_exponent = scale_exponent_of(x, n),
        .y_exponent = scale_exponent_of(y, n),
    };
}

/* False where the sums do not tell a slope: weights or x have underflowed. */
static bool sum_up(const struct line_data *data, struct line_sums *ret)
{
    if (!fit_determined(data->x, data->n)) {
        return false;
    }
    sum_means(data, ret);
    sum_products(data, ret);
    return ret->xx_centred > 0;
}

bool fit_ols(const double *x, const double *y, size_t n, struct fit_line *ret)
{
    struct line_data data = line_data(x, y, NULL, n);
    struct line_sums sums = { 0 };
    if (!sum_up(&data, &sums)) {
        return false;
    }
    double b = sums.xy_centred / sums.xx_centred;
    *ret = unscale(&data, sums.y_mean - b * sums.x_mean, b);
    return true;
}

/* The better of the two edges of the quadrant, by how much of sum w y^2 each
 * explains; the corner (0,0) explains nothing. */
static struct fit_line best_edge(
    const struct line_data *data, const struct line_sums *sums)
{
    double a = fmax(0, sums->y_mean);
    double b = sums->xx > 0 ? fmax(0, sums->xy / sums->xx) : 0;
    if (sums->s * a * a >= sums->xx * b * b) {
        return unscale(data, a, 0);
    }
    return unscale(data, 0, b);
}

bool fit_nnls(const double *x, const double *y, const double *w, size_t n,
    struct fit_line *ret)
{
    struct line_data data = line_data(x, y, w, n);
    struct line_sums sums = { 0 };
    if (!sum_up(&data, &sums)) {
        return false;
    }
    double b = sums.xy_centred / sums.xx_centred;
    double a = sums.y_mean - b * sums.x_mean;
    *ret = a >= 0 && b >= 0 ? unscale(&data, a, b) : best_edge(&data, &sums);
    return true;
}

bool fit_nnls_relative(const double *x, const double *y, size_t n,
    double *workspace, struct fit_line *ret)
{
    double *w = workspace;
    struct fit_line line;
    if (!fit_nnls(x, y, NULL, n, &line)) {
        return false;
    }
    /* Where most of the line is 0 there is no relative error to speak of: the
     * plain fit stands. */
    for (int round = 1; round < FIT_RELATIVE_ROUNDS; round++) {
        if (!fit_relative_weights(line, x, n, workspace + n, w)) {
            break;
        }
        if (!fit_nnls(x, y, w, n, &line)) {
            return false;
        }
    }
    *ret = line;
    return true;
}

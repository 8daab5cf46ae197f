/* kernel_dense: what the norms of matrices spend their time in, for the level
 * that kernel_body.h is compiled for; included by it. No sum is taken in an
 * order that depends on the width of a vector. */
#ifndef TRAJ_KERNEL_DENSE_H
#define TRAJ_KERNEL_DENSE_H

#include "math/kernel_level.h"

#define DENSE_LANES (16u / KERNEL_VECTOR) /* vectors of 16 doubles */

ISA_INLINE vector load_vector(const double *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

ISA_INLINE void store_vector(double *p, vector v)
{
    memcpy(p, &v, sizeof v);
}

/* g[0..1] += a times the two vectors b0, b1. */
ISA_INLINE void add_scaled(vector g[static 2], double a, vector b0, vector b1)
{
    g[0] += a * b0;
    g[1] += a * b1;
}

ISA_INLINE void add_two(double *p, const vector g[static 2])
{
    store_vector(p, load_vector(p) + g[0]);
    store_vector(p + KERNEL_VECTOR, load_vector(p + KERNEL_VECTOR) + g[1]);
}

/* Four rows by two vectors of the product: eight sums in registers. */
ISA_INLINE void gram_tile(const double *a, const double *b, size_t stride,
    size_t depth, double *g, size_t width)
{
    vector g0[2] = { { 0 } }, g1[2] = { { 0 } }, g2[2] = { { 0 } },
           g3[2] = { { 0 } };
    for (size_t k = 0; k < depth; k++, a += stride, b += stride) {
        const vector b0 = load_vector(b);
        const vector b1 = load_vector(b + KERNEL_VECTOR);
        add_scaled(g0, a[0], b0, b1);
        add_scaled(g1, a[1], b0, b1);
        add_scaled(g2, a[2], b0, b1);
        add_scaled(g3, a[3], b0, b1);
    }
    add_two(g, g0);
    add_two(g + width, g1);
    add_two(g + 2 * width, g2);
    add_two(g + 3 * width, g3);
}

static void gram(
    const double *panel, size_t stride, size_t depth, double *g, size_t width)
{
    for (size_t i = 0; i < width; i += 4) {
        for (size_t j = 0; j < i + 4; j += 2u * KERNEL_VECTOR) {
            gram_tile(
                panel + i, panel + j, stride, depth, g + i * width + j, width);
        }
    }
}

ISA_INLINE double sum_of_lanes(const vector s[static DENSE_LANES])
{
    double lane[16];
    memcpy(lane, s, sizeof lane);
    for (size_t k = 8; k > 0; k /= 2) {
        for (size_t i = 0; i < k; i++) {
            lane[i] += lane[i + k];
        }
    }
    return lane[0];
}

static double dot_and_add(
    const double *row, const double *u, size_t n, double a, double *sum)
{
    vector s[DENSE_LANES] = { { 0 } };
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t k = 0; k < DENSE_LANES; k++) {
            const size_t at = i + k * KERNEL_VECTOR;
            const vector r = load_vector(row + at);
            s[k] += r * load_vector(u + at);
            store_vector(sum + at, load_vector(sum + at) + a * r);
        }
    }
    double rest = 0;
    for (; i < n; i++) {
        rest += row[i] * u[i];
        sum[i] += a * row[i];
    }
    return sum_of_lanes(s) + rest;
}

static void subtract_two(
    double *row, size_t n, double a, const double *u, double b, const double *v)
{
    size_t i = 0;
    for (; i + KERNEL_VECTOR <= n; i += KERNEL_VECTOR) {
        store_vector(
            row + i, load_vector(row + i) -
                         (a * load_vector(u + i) + b * load_vector(v + i)));
    }
    for (; i < n; i++) {
        row[i] -= a * u[i] + b * v[i];
    }
}

#endif

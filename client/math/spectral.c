/*
 * spectral.c: the Gram matrix, its largest eigenvalue by Lanczos's method, all
 * of them by Householder's tridiagonal form and the implicit QL method (Golub
 * and Van Loan, 8.3 and 10.1). Pure; any thread; works in the caller's memory.
 */
#include "math/spectral.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "math/kernel.h"
#include "math/kernel_level.h"
#include "math/tridiagonal.h"

#define PANEL 32u /* rows of the longer side that are squared at once */
#define STRIDE_PAD                                                             \
    8u /* keeps a power of two from sharing one set of a cache                 \
        */
#define LANCZOS_MAX 1000u

struct work {
    size_t m;      /* the smaller side */
    size_t width;  /* m up to a multiple of 16; the rest is zeros */
    double *gram;  /* width x width, the lower half */
    double *panel; /* PANEL x (width + STRIDE_PAD); then free for vectors */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t width_of(size_t rows, size_t cols)
{
    return (smaller(rows, cols) + 15) / 16 * 16;
}

/* The panel's memory holds the vectors of both methods afterwards. */
static size_t panel_size(size_t width)
{
    const size_t panel = PANEL * (width + STRIDE_PAD);
    const size_t vectors = 4 * width + 4 * LANCZOS_MAX;
    return panel > vectors ? panel : vectors;
}

size_t spectral_workspace(size_t rows, size_t cols)
{
    const size_t width = width_of(rows, cols);
    return width * width + panel_size(width);
}

/* ---- the Gram matrix --------------------------------------------------- */

/* n values from first on, scaled. */
static void read_values(
    const struct spectral_matrix *a, size_t first, size_t n, double *ret)
{
    double before[PANEL];
    const size_t bytes = kernel_element_bytes(a->dtype);
    for (size_t i = 0; i < n; i += PANEL) {
        const size_t m = smaller(PANEL, n - i);
        const size_t at = (first + i) * bytes;
        kernel_widen(a->dtype, (const char *)a->x + at, m, ret + i);
        memset(before, 0, sizeof before);
        if (a->x0 != NULL) {
            kernel_widen(a->dtype, (const char *)a->x0 + at, m, before);
        }
        for (size_t k = 0; k < m; k++) {
            ret[i + k] = a->scale * ret[i + k] - a->scale * before[k];
        }
    }
}

/* Rows first .. first + depth - 1 of the longer side, one after the other. */
static void read_panel(const struct spectral_matrix *a, const struct work *w,
    size_t first, size_t depth)
{
    const size_t stride = w->width + STRIDE_PAD;
    if (a->cols <= a->rows) {
        for (size_t k = 0; k < depth; k++) {
            read_values(
                a, (first + k) * a->cols, a->cols, w->panel + k * stride);
        }
        return;
    }
    double part[PANEL];
    for (size_t i = 0; i < a->rows; i++) {
        read_values(a, i * a->cols + first, depth, part);
        for (size_t k = 0; k < depth; k++) {
            w->panel[k * stride + i] = part[k];
        }
    }
}

static struct work square(const struct spectral_matrix *a, double *workspace)
{
    const size_t width = width_of(a->rows, a->cols);
    const size_t stride = width + STRIDE_PAD;
    const size_t longer = a->rows > a->cols ? a->rows : a->cols;
    struct work w = { .m = smaller(a->rows, a->cols),
        .width = width,
        .gram = workspace,
        .panel = workspace + width * width };
    memset(w.gram, 0, width * width * sizeof *w.gram);
    memset(w.panel, 0, PANEL * stride * sizeof *w.panel);
    for (size_t i = 0; i < longer; i += PANEL) {
        const size_t depth = smaller(PANEL, longer - i);
        read_panel(a, &w, i, depth);
        kernel_dense()->gram(w.panel, stride, depth, w.gram, width);
    }
    return w;
}

/* ret = the leading n x n part times v, from the lower half. */
static void multiply(
    const struct work *w, size_t n, const double *v, double *ret)
{
    memset(ret, 0, n * sizeof *ret);
    for (size_t i = 0; i < n; i++) {
        const double *row = w->gram + i * w->width;
        const double below = kernel_dense()->dot_and_add(row, v, i, v[i], ret);
        ret[i] += below + row[i] * v[i];
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* ---- the largest eigenvalue --------------------------------------------- */

/* A fixed vector that no matrix is likely to be orthogonal to. */
static void draw(double *v, size_t n)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        v[i] = (double)(state >> 11) * 0x1p-53 - 0.5;
    }
    const double norm = sqrt(dot(v, v, n));
    for (size_t i = 0; i < n; i++) {
        v[i] /= norm;
    }
}

static double largest_of(const double *v, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fabs(v[i]) > largest ? fabs(v[i]) : largest;
    }
    return largest;
}

struct lanczos {
    double *v, *before, *product; /* of m elements */
    double *alpha, *beta;         /* of LANCZOS_MAX elements, and two more of */
    double *d, *e;                /* it to find eigenvalues in */
    double beta_before;
};

/* The largest eigenvalue of what n steps have found; NaN if that fails. */
static double ritz_value(const struct lanczos *l, size_t n)
{
    memcpy(l->d, l->alpha, n * sizeof *l->d);
    memcpy(l->e, l->beta, n * sizeof *l->e);
    return tridiagonal_solve(l->d, l->e, n, NULL, 0) ? largest_of(l->d, n)
                                                     : (double)NAN;
}

/* Step j; false if the vectors so far span all that the start reaches. */
static bool lanczos_step(const struct work *w, struct lanczos *l, size_t j)
{
    const size_t m = w->m;
    multiply(w, m, l->v, l->product);
    const double alpha = dot(l->v, l->product, m);
    for (size_t i = 0; i < m; i++) {
        l->product[i] -= alpha * l->v[i] + l->beta_before * l->before[i];
    }
    const double beta = sqrt(dot(l->product, l->product, m));
    l->alpha[j] = alpha;
    l->beta[j] = beta;
    if (beta <= 0x1p-52 * fabs(alpha)) {
        return false;
    }
    for (size_t i = 0; i < m; i++) {
        l->product[i] /= beta;
    }
    double *oldest = l->before;
    l->before = l->v;
    l->v = l->product;
    l->product = oldest;
    l->beta_before = beta;
    return true;
}

/* Without keeping the vectors orthogonal: what that breeds are copies of
 * eigenvalues that have converged, and the largest is still the largest. */
static double largest_eigenvalue(const struct work *w)
{
    double *free_memory = w->panel;
    struct lanczos l = { .v = free_memory,
        .before = free_memory + w->width,
        .product = free_memory + 2 * w->width,
        .alpha = free_memory + 3 * w->width };
    l.beta = l.alpha + LANCZOS_MAX;
    l.d = l.beta + LANCZOS_MAX;
    l.e = l.d + LANCZOS_MAX;
    memset(l.before, 0, w->m * sizeof *l.before);
    draw(l.v, w->m);
    double value = 0;
    size_t look = 10; /* when to look at the value again: seldomer by and by */
    for (size_t j = 1; j <= LANCZOS_MAX; j++) {
        const bool more = lanczos_step(w, &l, j - 1);
        if (!more || j == look || j == LANCZOS_MAX) {
            const double now = ritz_value(&l, j);
            const bool settled = fabs(now - value) <= 1e-14 * now;
            value = now;
            look += 10 + look / 4;
            if (!more || settled || isnan(value)) {
                break;
            }
        }
    }
    return value;
}

/* ---- all eigenvalues ---------------------------------------------------- */

/* Turns the leading part of i + 1 rows so that its last row is 0 but for the
 * diagonal element and the one before it; returns that one. q is for n < i
 * doubles. */
static double eliminate(const struct work *w, size_t i, double *q)
{
    double *u = w->gram + i * w->width; /* row i, i elements */
    const double norm = sqrt(dot(u, u, i));
    const double end = u[i - 1];
    if (i == 1 || norm <= fabs(end) || norm < 0x1p-400) {
        return end; /* the others are 0, or their squares are */
    }
    for (size_t j = 0; j < i; j++) {
        u[j] /= norm; /* or h^2 below would vanish with rows of rounding */
    }
    u[i - 1] += copysign(1, end);
    const double h = 1 + fabs(end) / norm; /* ||u||^2 / 2 */
    multiply(w, i, u, q);
    const double k = dot(u, q, i) / (2 * h * h);
    for (size_t j = 0; j < i; j++) {
        q[j] = q[j] / h - k * u[j];
    }
    for (size_t j = 0; j < i; j++) {
        kernel_dense()->subtract_two(
            w->gram + j * w->width, j + 1, u[j], q, q[j], u);
    }
    return -copysign(norm, end);
}

/* The eigenvalues, at ret in the free memory; NULL if they are not found. */
static const double *all_eigenvalues(const struct work *w)
{
    double *d = w->panel;
    double *e = d + w->width;
    double *q = e + w->width;
    for (size_t i = w->m - 1; i > 0; i--) {
        d[i] = w->gram[i * w->width + i];
        e[i - 1] = eliminate(w, i, q);
    }
    d[0] = w->gram[0];
    return tridiagonal_solve(d, e, w->m, NULL, 0) ? d : NULL;
}

double spectral_largest(const struct spectral_matrix *a, double *workspace)
{
    const struct work w = square(a, workspace);
    return sqrt(largest_eigenvalue(&w));
}

double spectral_sum(const struct spectral_matrix *a, double *workspace)
{
    const struct work w = square(a, workspace);
    const double *values = all_eigenvalues(&w);
    if (values == NULL) {
        return (double)NAN;
    }
    double sum = 0;
    for (size_t i = 0; i < w.m; i++) {
        sum += values[i] > 0 ? sqrt(values[i]) : 0;
    }
    return sum;
}

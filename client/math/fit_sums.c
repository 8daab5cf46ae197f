/* fit_sums.c: sums of pairs in 106 bits, and lines from them. Pure; any
 * thread. */
#include "math/fit_sums.h"
#include <math.h>

#define LEAST 0x1p-400
#define MOST 0x1p400

bool fit_sums_takes(double value)
{
    const double size = fabs(value);
    return size <= MOST && !(size > 0 && size < LEAST);
}

void fit_sums_add(struct fit_sums *sums, double x, double y)
{
    sums->n += 1;
    sums->x = twofold_plus(sums->x, x);
    sums->y = twofold_plus(sums->y, y);
    sums->xx = twofold_add(sums->xx, twofold_product(x, x));
    sums->xy = twofold_add(sums->xy, twofold_product(x, y));
    sums->yy = twofold_add(sums->yy, twofold_product(y, y));
}

void fit_sums_add_weighted(struct fit_sums *sums, double x, double y, double w)
{
    struct fit_sums one = { 0 };
    fit_sums_add(&one, x, y);
    fit_sums_merge(sums, &one, w);
}

static struct twofold plus_times(struct twofold a, struct twofold b, double w)
{
    return twofold_add(a, twofold_times(b, w));
}

void fit_sums_merge(struct fit_sums *sums, const struct fit_sums *of, double w)
{
    sums->n += w * of->n;
    sums->x = plus_times(sums->x, of->x, w);
    sums->y = plus_times(sums->y, of->y, w);
    sums->xx = plus_times(sums->xx, of->xx, w);
    sums->xy = plus_times(sums->xy, of->xy, w);
    sums->yy = plus_times(sums->yy, of->yy, w);
}

struct fit_sums fit_sums_total(const struct fit_sums *rows, size_t n)
{
    struct fit_sums total = { 0 };
    for (size_t i = 0; i < n; i++) {
        fit_sums_merge(&total, &rows[i], 1);
    }
    return total;
}

/* sum (a - a0)(b - b0) from sum ab, sum a, sum b. */
static double product_about(struct twofold ab, struct twofold a,
    struct twofold b, double n, struct twofold a0, struct twofold b0)
{
    const struct twofold rest_b = twofold_minus(b, twofold_times(b0, n));
    struct twofold s = twofold_minus(ab, twofold_mul(b0, a));
    s = twofold_minus(s, twofold_mul(a0, rest_b));
    return twofold_value(s);
}

struct fit_about fit_sums_about(
    const struct fit_sums *sums, struct twofold x0, struct twofold y0)
{
    const struct fit_sums *s = sums;
    return (struct fit_about){
        .u = twofold_value(twofold_minus(s->x, twofold_times(x0, s->n))),
        .v = twofold_value(twofold_minus(s->y, twofold_times(y0, s->n))),
        .uu = product_about(s->xx, s->x, s->x, s->n, x0, x0),
        .uv = product_about(s->xy, s->x, s->y, s->n, x0, y0),
        .vv = product_about(s->yy, s->y, s->y, s->n, y0, y0),
    };
}

struct fit_centred fit_sums_centred(const struct fit_sums *sums)
{
    const struct twofold x_mean = twofold_over(sums->x, sums->n);
    const struct twofold y_mean = twofold_over(sums->y, sums->n);
    const struct fit_about about = fit_sums_about(sums, x_mean, y_mean);
    return (struct fit_centred){
        .n = sums->n,
        .x_mean = x_mean,
        .y_mean = y_mean,
        .xx = fmax(0, about.uu),
        .xy = about.uv,
        .yy = fmax(0, about.vv),
    };
}

bool fit_sums_determined(const struct fit_sums *sums)
{
    if (!(sums->n > 0)) {
        return false;
    }
    const struct fit_centred c = fit_sums_centred(sums);
    return c.xx > 1e-26 * sums->xx.high;
}

bool fit_sums_ols(const struct fit_sums *sums, struct fit_line *ret)
{
    if (!fit_sums_determined(sums)) {
        return false;
    }
    const struct fit_centred c = fit_sums_centred(sums);
    const double b = c.xy / c.xx;
    const struct twofold rise = twofold_times(c.x_mean, b);
    *ret = (struct fit_line){
        .L0 = twofold_value(twofold_minus(c.y_mean, rise)),
        .L1 = b,
    };
    return true;
}

/* The better of the two edges of the quadrant, by how much of sum y^2 each
 * explains; the corner (0,0) explains nothing. */
static struct fit_line best_edge(const struct fit_sums *s)
{
    const double a = fmax(0, twofold_value(s->y) / s->n);
    const double b = fmax(0, twofold_value(s->xy) / twofold_value(s->xx));
    const bool flat = s->n * a * a >= twofold_value(s->xx) * b * b;
    return flat ? (struct fit_line){ .L0 = a } : (struct fit_line){ .L1 = b };
}

bool fit_sums_nnls(const struct fit_sums *sums, struct fit_line *ret)
{
    struct fit_line line;
    if (!fit_sums_ols(sums, &line)) {
        return false;
    }
    *ret = line.L0 >= 0 && line.L1 >= 0 ? line : best_edge(sums);
    return true;
}

double fit_sums_sse(const struct fit_sums *sums, struct fit_line line)
{
    const struct fit_centred c = fit_sums_centred(sums);
    const double b = line.L1;
    const struct twofold rise = twofold_times(c.x_mean, b);
    const double miss = twofold_value(twofold_minus(c.y_mean, rise)) - line.L0;
    const double spread = c.yy - 2 * b * c.xy + b * b * c.xx;
    return fmax(0, spread) + c.n * miss * miss;
}

static void widen(struct fit_block *block, uint64_t first, uint64_t last,
    const double range[static 4])
{
    if (!(block->plain.n > 0)) {
        block->step_first = first;
        block->step_last = last;
        block->x_min = range[0];
        block->x_max = range[1];
        block->y_min = range[2];
        block->y_max = range[3];
        return;
    }
    block->step_first = first < block->step_first ? first : block->step_first;
    block->step_last = last > block->step_last ? last : block->step_last;
    block->x_min = fmin(block->x_min, range[0]);
    block->x_max = fmax(block->x_max, range[1]);
    block->y_min = fmin(block->y_min, range[2]);
    block->y_max = fmax(block->y_max, range[3]);
}

void fit_block_add(struct fit_block *block, uint64_t step, double x, double y)
{
    if (!fit_sums_takes(x) || !fit_sums_takes(y)) {
        block->n_excluded++;
        return;
    }
    widen(block, step, step, (const double[]){ x, x, y, y });
    fit_sums_add(&block->plain, x, y);
    if (x > 0 && y > 0) {
        fit_sums_add(&block->logs, log(x), log(y));
    }
}

void fit_block_merge(struct fit_block *block, const struct fit_block *of)
{
    block->n_excluded += of->n_excluded;
    if (!(of->plain.n > 0)) {
        return;
    }
    widen(block, of->step_first, of->step_last,
        (const double[]){ of->x_min, of->x_max, of->y_min, of->y_max });
    fit_sums_merge(&block->plain, &of->plain, 1);
    fit_sums_merge(&block->logs, &of->logs, 1);
}

size_t fit_rows(const double *x, const double *y, const double *w, size_t n,
    size_t length, struct fit_sums *ret_rows)
{
    size_t rows = n / length + (2 * (n % length) >= length ? 1 : 0);
    rows = rows > 0 || n == 0 ? rows : 1;
    for (size_t j = 0; j < rows; j++) {
        ret_rows[j] = (struct fit_sums){ 0 };
    }
    for (size_t i = 0; i < n; i++) {
        const size_t j = i / length < rows ? i / length : rows - 1;
        if (w == NULL) {
            fit_sums_add(&ret_rows[j], x[i], y[i]);
        } else {
            fit_sums_add_weighted(&ret_rows[j], x[i], y[i], w[i]);
        }
    }
    return rows;
}

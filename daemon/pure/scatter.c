/* scatter.c: pure; one thread at a time per grid. */
#include "pure/scatter.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

bool scatter_shown(double x, double y)
{
    return x > 0 && y > 0 && isfinite(x) && isfinite(y);
}

void scatter_range_add(struct scatter_range *range, double x, double y)
{
    assert(scatter_shown(x, y));
    if (range->n == 0) {
        *range = (struct scatter_range){ 0, x, x, y, y };
    }
    range->x_min = x < range->x_min ? x : range->x_min;
    range->x_max = x > range->x_max ? x : range->x_max;
    range->y_min = y < range->y_min ? y : range->y_min;
    range->y_max = y > range->y_max ? y : range->y_max;
    range->n++;
}

static void set_axis(double ret[static 2], double low, double high)
{
    ret[0] = log10(low);
    ret[1] = log10(high);
    if (!(ret[1] - ret[0] > 1e-9)) {
        /* All in one place: a decade around it, so that it has a cell. */
        ret[0] -= 0.5;
        ret[1] += 0.5;
    }
}

struct scatter_grid *scatter_grid_new(const struct scatter_range *range)
{
    assert(range->n > 0);
    struct scatter_grid *grid = calloc(1, sizeof *grid);
    if (grid == NULL) {
        return NULL;
    }
    set_axis(grid->x_log10, range->x_min, range->x_max);
    set_axis(grid->y_log10, range->y_min, range->y_max);
    return grid;
}

void scatter_grid_free(struct scatter_grid *grid)
{
    free(grid);
}

static size_t cell(double value, const double axis[static 2], size_t cells)
{
    double t = (log10(value) - axis[0]) / (axis[1] - axis[0]);
    double at = floor(t * (double)(cells - 1) + 0.5);
    at = at < 0 ? 0 : at;
    at = at > (double)(cells - 1) ? (double)(cells - 1) : at;
    return (size_t)at;
}

void scatter_grid_add(
    struct scatter_grid *grid, const struct scatter_point *point)
{
    size_t column = cell(point->x, grid->x_log10, SCATTER_WIDTH);
    size_t row = cell(point->y, grid->y_log10, SCATTER_HEIGHT);
    size_t at = row * SCATTER_WIDTH + column;
    grid->counts[at] += grid->counts[at] < UINT32_MAX ? 1 : 0;
    grid->step_sums[at] += (double)point->step;
    if (!grid->has[column] || point->y > grid->high[column].y) {
        grid->high[column] = *point;
    }
    if (!grid->has[column] || point->y < grid->low[column].y) {
        grid->low[column] = *point;
    }
    grid->has[column] = true;
}

size_t scatter_grid_extremes(const struct scatter_grid *grid,
    struct scatter_point out[static 2 * SCATTER_WIDTH])
{
    size_t n = 0;
    for (size_t c = 0; c < SCATTER_WIDTH; c++) {
        if (!grid->has[c]) {
            continue;
        }
        out[n++] = grid->high[c];
        if (grid->low[c].y < grid->high[c].y) {
            out[n++] = grid->low[c];
        }
    }
    return n;
}

/*
 * scatter: more points than a picture can show, as a density grid on
 * logarithmic axes with the extremes kept as points. Pure; memory only in
 * struct scatter_grid.
 */
#ifndef TRAJD_SCATTER_H
#define TRAJD_SCATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCATTER_WIDTH 300
#define SCATTER_HEIGHT 200
#define SCATTER_CELLS (SCATTER_WIDTH * SCATTER_HEIGHT)

/* The part of the plane that there are points in. n = 0: none yet. */
struct scatter_range {
    uint64_t n;
    double x_min, x_max, y_min, y_max; /* positive and finite */
};
/* Only points with positive, finite x and y have a place: scatter_shown. */
bool scatter_shown(double x, double y);
void scatter_range_add(struct scatter_range *range, double x, double y);

struct scatter_point {
    uint64_t step;
    double x, y;
};

/* Cell (column, row) is at row * SCATTER_WIDTH + column; row 0 is the lowest.
 * The first and last cells' centres lie on the range's ends. */
struct scatter_grid {
    double x_log10[2], y_log10[2];
    uint32_t counts[SCATTER_CELLS];
    double step_sums[SCATTER_CELLS];
    /* Per column its highest and its lowest point, where it has any. */
    struct scatter_point high[SCATTER_WIDTH];
    struct scatter_point low[SCATTER_WIDTH];
    bool has[SCATTER_WIDTH];
};

/* NULL: out of memory. range->n > 0. */
struct scatter_grid *scatter_grid_new(const struct scatter_range *range);
void scatter_grid_free(struct scatter_grid *grid);
/* A point of the range that the grid was made for. */
void scatter_grid_add(
    struct scatter_grid *grid, const struct scatter_point *point);
/* The points to keep, each once, by column: at most 2 * SCATTER_WIDTH. */
size_t scatter_grid_extremes(const struct scatter_grid *grid,
    struct scatter_point out[static 2 * SCATTER_WIDTH]);

#endif

/* fit_sketch.c: cells of a logarithmic histogram, in one growing array. */
#include "math/fit_sketch.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ln gamma = ln((1 + a)/(1 - a)) = 2 atanh(a). */
#define LOG_GAMMA 0.020000666706669525

int32_t fit_sketch_index(double log_y)
{
    return (int32_t)ceil(log_y / LOG_GAMMA);
}

static int32_t last_of(const struct fit_sketch *sketch)
{
    return sketch->first + (int32_t)sketch->n - 1;
}

static int32_t lower(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t higher(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* The lowest cell that is kept when `last` is the highest. */
static int32_t floor_of(int32_t last)
{
    return last - (int32_t)FIT_SKETCH_CELLS + 1;
}

bool fit_sketch_reserve(struct fit_sketch *sketch, int32_t first, int32_t last)
{
    if (sketch->n > 0) {
        first = lower(first, sketch->first);
        last = higher(last, last_of(sketch));
    }
    first = higher(first, floor_of(last));
    const uint32_t wanted = (uint32_t)(last - first + 1);
    if (wanted <= sketch->room) {
        return true;
    }
    uint32_t room = sketch->room > 0 ? 2 * sketch->room : 8;
    room = room < wanted ? wanted : room;
    room = room > FIT_SKETCH_CELLS ? FIT_SKETCH_CELLS : room;
    uint64_t *cells = realloc(sketch->cells, room * sizeof *cells);
    if (cells == NULL) {
        return false;
    }
    sketch->cells = cells;
    sketch->room = room;
    return true;
}

/* Drops the cells below `least`, counting them in it. */
static void cut(struct fit_sketch *sketch, int32_t least)
{
    uint64_t below = 0;
    uint32_t dropped = 0;
    while (dropped < sketch->n && sketch->first + (int32_t)dropped < least) {
        below += sketch->cells[dropped++];
    }
    if (dropped == 0) {
        return;
    }
    sketch->n -= dropped;
    sketch->first += (int32_t)dropped;
    memmove(sketch->cells, sketch->cells + dropped,
        sketch->n * sizeof *sketch->cells);
    if (sketch->n == 0) {
        sketch->first = least;
        sketch->n = 1;
        sketch->cells[0] = 0;
    }
    sketch->cells[0] += below;
}

static void widen_down(struct fit_sketch *sketch, int32_t index)
{
    const uint32_t by = (uint32_t)(sketch->first - index);
    assert(sketch->n + by <= sketch->room);
    memmove(
        sketch->cells + by, sketch->cells, sketch->n * sizeof *sketch->cells);
    memset(sketch->cells, 0, by * sizeof *sketch->cells);
    sketch->first = index;
    sketch->n += by;
}

static void widen_up(struct fit_sketch *sketch, int32_t index)
{
    const uint32_t by = (uint32_t)(index - last_of(sketch));
    assert(sketch->n + by <= sketch->room);
    memset(sketch->cells + sketch->n, 0, by * sizeof *sketch->cells);
    sketch->n += by;
}

void fit_sketch_count(struct fit_sketch *sketch, int32_t index, uint64_t count)
{
    if (count == 0) {
        return;
    }
    if (sketch->n == 0) {
        assert(sketch->room > 0);
        sketch->first = index;
        sketch->n = 1;
        sketch->cells[0] = 0;
    }
    if (index > last_of(sketch)) {
        cut(sketch, floor_of(index));
        widen_up(sketch, index);
    }
    index = higher(index, floor_of(last_of(sketch)));
    if (index < sketch->first) {
        widen_down(sketch, index);
    }
    sketch->cells[index - sketch->first] += count;
}

bool fit_sketch_merge(struct fit_sketch *sketch, const struct fit_sketch *of)
{
    if (of->n > 0 && !fit_sketch_reserve(sketch, of->first, last_of(of))) {
        return false;
    }
    sketch->zeros += of->zeros;
    if (of->n == 0) {
        return true;
    }
    if (sketch->n == 0) {
        memcpy(sketch->cells, of->cells, of->n * sizeof *of->cells);
        sketch->first = of->first;
        sketch->n = of->n;
        return true;
    }
    /* The ends first: what is between is then within reach. */
    fit_sketch_count(sketch, last_of(of), of->cells[of->n - 1]);
    if (of->n > 1) {
        fit_sketch_count(sketch, of->first, of->cells[0]);
    }
    for (uint32_t i = 1; i + 1 < of->n; i++) {
        const int32_t index = higher(of->first + (int32_t)i, sketch->first);
        sketch->cells[index - sketch->first] += of->cells[i];
    }
    return true;
}

uint64_t fit_sketch_total(const struct fit_sketch *sketch)
{
    uint64_t total = sketch->zeros;
    for (uint32_t i = 0; i < sketch->n; i++) {
        total += sketch->cells[i];
    }
    return total;
}

double fit_sketch_quantile(const struct fit_sketch *sketch, double tau)
{
    const double rank = ceil(tau * (double)fit_sketch_total(sketch));
    double seen = (double)sketch->zeros;
    if (seen > 0 && seen >= rank) {
        return 0;
    }
    uint32_t i = 0;
    for (; i + 1 < sketch->n; i++) {
        seen += (double)sketch->cells[i];
        if (seen >= rank && seen > 0) {
            break;
        }
    }
    /* 2 gamma^i/(gamma + 1) = (1 - a) gamma^i. */
    const double index = (double)sketch->first + (double)i;
    return (1 - FIT_SKETCH_ERROR) * exp(index * LOG_GAMMA);
}

void fit_sketch_done(struct fit_sketch *sketch)
{
    free(sketch->cells);
    *sketch = (struct fit_sketch){ 0 };
}

/*
 * fit_slope.c: the median of the slopes of all pairs of points (Theil 1950,
 * Sen 1968), exactly and without listing them. Pure; any thread.
 *
 * Points by x; r = y - s x. A pair has a slope below s if and only if its r
 * falls, so their number is that of the inversions of r, which a merge sort
 * counts. A bisection on s, over the doubles in their order, ends when few
 * slopes are left between its ends; these are the pairs whose order by r
 * differs between the two ends: an insertion sort from one order to the other
 * meets each of them once (Matousek 1991 counts and samples likewise).
 */
#include "math/fit.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "math/order.h"

struct slopes {
    const struct xy *points; /* by x, and by y where it is equal */
    size_t n;
    double *rest; /* n */
    double *room; /* 3 n: listed slopes, or half of a merge */
    size_t room_n;
};

/* Sorts; how many pairs were in falling order. */
static uint64_t merge_sort(double *v, size_t n, double *room)
{
    if (n < 2) {
        return 0;
    }
    const size_t half = n / 2;
    uint64_t count = merge_sort(v, half, room);
    count += merge_sort(v + half, n - half, room);
    memcpy(room, v, half * sizeof *v);
    size_t from = half;
    size_t to = 0;
    for (size_t i = 0; i < half; to++) {
        if (from < n && v[from] < room[i]) {
            v[to] = v[from++];
            count += half - i;
        } else {
            v[to] = room[i++];
        }
    }
    return count;
}

/* Of the pairs with two different x, those with a slope below s. */
static uint64_t count_below(const struct slopes *p, double s)
{
    for (size_t i = 0; i < p->n; i++) {
        p->rest[i] = p->points[i].y - s * p->points[i].x;
    }
    return merge_sort(p->rest, p->n, p->room);
}

static uint64_t count_pairs(const struct slopes *p)
{
    uint64_t count = (uint64_t)p->n * (p->n - 1) / 2;
    for (size_t first = 0, end = 0; first < p->n; first = end) {
        end = first + 1;
        while (end < p->n && p->points[end].x <= p->points[first].x) {
            end++;
        }
        count -= (uint64_t)(end - first) * (end - first - 1) / 2;
    }
    return count;
}

/* Doubles as integers in the same order, negative ones below 0. */
static int64_t order_of(double value)
{
    int64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static double at_order(int64_t order)
{
    const int64_t bits = order < 0 ? INT64_MIN - order : order;
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/*
 * Slopes in [lo, hi) into p->room; at most room_n. Points in their order by r
 * at lo are brought into that at hi: who passes whom has a slope in between.
 */
static size_t list(
    const struct slopes *p, double lo, double hi, struct xy *by_rest)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct xy point = p->points[i];
        /* Where r is equal, the one further left is first. */
        by_rest[i] = (struct xy){ point.y - lo * point.x, (double)i };
    }
    order_sort(by_rest, p->n);
    size_t listed = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct xy moving = by_rest[i];
        const struct xy a = p->points[(size_t)moving.y];
        const double rest = a.y - hi * a.x;
        size_t to = i;
        for (; to > 0; to--) {
            const struct xy b = p->points[(size_t)by_rest[to - 1].y];
            if (!(rest < b.y - hi * b.x)) {
                break;
            }
            by_rest[to] = by_rest[to - 1];
            if (listed < p->room_n && (a.x < b.x || a.x > b.x)) {
                p->room[listed++] = (a.y - b.y) / (a.x - b.x);
            }
        }
        by_rest[to] = moving;
    }
    return listed;
}

/* The k-th smallest slope, k from 0. */
static double select_slope(
    const struct slopes *p, uint64_t k, struct xy *by_rest)
{
    int64_t lo = order_of(-0x1p1000);
    int64_t hi = order_of(0x1p1000);
    uint64_t below_lo = 0;
    uint64_t below_hi = UINT64_MAX;
    while (below_hi - below_lo > p->room_n) {
        const int64_t middle = lo / 2 + hi / 2 + (lo % 2 + hi % 2) / 2;
        if (middle <= lo || middle >= hi) {
            return at_order(lo); /* equal but for rounding */
        }
        const uint64_t below = count_below(p, at_order(middle));
        if (below <= k) {
            lo = middle;
            below_lo = below;
        } else {
            hi = middle;
            below_hi = below;
        }
    }
    const size_t listed = list(p, at_order(lo), at_order(hi), by_rest);
    const uint64_t rank = k - below_lo;
    if (listed == 0) {
        return at_order(lo);
    }
    return order_select(
        p->room, listed, rank < listed ? (size_t)rank : listed - 1);
}

size_t fit_thin(size_t n)
{
    return n < FIT_THIN_MAX ? n : FIT_THIN_MAX;
}

size_t fit_thin_index(size_t n, size_t i)
{
    return (size_t)((double)i * ((double)n / (double)fit_thin(n)));
}

bool fit_median_slope(
    const double *x, const double *y, size_t n, double *workspace, double *ret)
{
    const size_t kept = fit_thin(n);
    struct xy *points = (struct xy *)workspace;
    struct xy *by_rest = points + kept;
    for (size_t i = 0; i < kept; i++) {
        const size_t from = fit_thin_index(n, i);
        points[i] = (struct xy){ x[from], y[from] };
    }
    order_sort(points, kept);
    const struct slopes slopes = {
        .points = points,
        .n = kept,
        .rest = workspace + 4 * kept,
        .room = workspace + 5 * kept,
        .room_n = 3 * kept,
    };
    const uint64_t pairs = kept > 0 ? count_pairs(&slopes) : 0;
    if (pairs == 0) {
        return false;
    }
    const double low = select_slope(&slopes, (pairs - 1) / 2, by_rest);
    const double high =
        pairs % 2 == 0 ? select_slope(&slopes, pairs / 2, by_rest) : low;
    *ret = low / 2 + high / 2;
    return true;
}

/* order.c: sorts and a selection. Pure; any thread. qsort(3) would do,
 * but glibc's takes memory, and the fits promise not to. */
#include "math/order.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INSERTION_MAX 24 /* points that are sorted by insertion */
#define SAMPLE_FROM 600  /* values of which a sample tells a good pivot */

/* Pivots are drawn, so that no ordering of the data is the slow one; from a
 * constant seed, so that equal data takes equal time. */
static size_t draw(uint64_t *state, size_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*state >> 33) % n;
}

#define SEED 0x9e3779b97f4a7c15u

static bool before(struct xy a, struct xy b)
{
    return a.x < b.x || (a.x <= b.x && a.y < b.y);
}

static void sort_by_insertion(struct xy *points, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct xy moving = points[i];
        size_t to = i;
        for (; to > 0 && before(moving, points[to - 1]); to--) {
            points[to] = points[to - 1];
        }
        points[to] = moving;
    }
}

static void swap_points(struct xy *a, struct xy *b)
{
    struct xy keep = *a;
    *a = *b;
    *b = keep;
}

/* Hoare's: none of the first `ret` is after the pivot, none of the others
 * before it, and both parts have a point. The pivot is points[0]. */
static size_t split(struct xy *points, size_t n)
{
    const struct xy pivot = points[0];
    size_t i = 0;
    size_t j = n - 1;
    for (;;) {
        while (before(points[i], pivot)) {
            i++;
        }
        while (before(pivot, points[j])) {
            j--;
        }
        if (i >= j) {
            return j + 1;
        }
        swap_points(&points[i++], &points[j--]);
    }
}

void order_sort(struct xy *points, size_t n)
{
    uint64_t state = SEED;
    while (n > INSERTION_MAX) {
        /* The median of three is the pivot. */
        struct xy three[3];
        size_t at[3];
        for (size_t i = 0; i < 3; i++) {
            at[i] = draw(&state, n);
            three[i] = points[at[i]];
        }
        size_t middle = before(three[0], three[1])
                            ? (before(three[1], three[2])      ? 1
                                  : before(three[0], three[2]) ? 2
                                                               : 0)
                            : (before(three[0], three[2])      ? 0
                                  : before(three[1], three[2]) ? 2
                                                               : 1);
        swap_points(&points[0], &points[at[middle]]);
        size_t first = split(points, n);
        /* The smaller part by recursion, so that its depth is below log2 n. */
        if (first <= n - first) {
            order_sort(points, first);
            points += first;
            n -= first;
        } else {
            order_sort(points + first, n - first);
            n = first;
        }
    }
    sort_by_insertion(points, n);
}

/* Of a double, so that they are ordered as the doubles are: of negative ones
 * all bits are turned, of others the sign. */
static uint64_t key_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

#define DIGITS 8 /* of 8 bits */

/* Where each digit's points begin, from how many there are; false: all have
 * the same digit. */
static bool begin_of(size_t *counts, size_t n)
{
    size_t begin = 0;
    bool several = true;
    for (size_t d = 0; d < 256; d++) {
        const size_t count = counts[d];
        several = several && count != n;
        counts[d] = begin;
        begin += count;
    }
    return several;
}

void order_sort_by_x(struct xy *points, size_t n, struct xy *room)
{
    size_t counts[DIGITS][256] = { { 0 } };
    for (size_t i = 0; i < n; i++) {
        const uint64_t key = key_of(points[i].x);
        for (size_t digit = 0; digit < DIGITS; digit++) {
            counts[digit][key >> 8 * digit & 255]++;
        }
    }
    struct xy *from = points;
    struct xy *to = room;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        if (!begin_of(counts[digit], n)) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            const uint64_t key = key_of(from[i].x);
            to[counts[digit][key >> 8 * digit & 255]++] = from[i];
        }
        struct xy *keep = from;
        from = to;
        to = keep;
    }
    if (from != points) {
        memcpy(points, from, n * sizeof *points);
    }
}

static void swap(double *a, double *b)
{
    double keep = *a;
    *a = *b;
    *b = keep;
}

/* Those below the pivot to the front; how many. Without a branch on the data,
 * which nothing could predict. */
static size_t below_first(double *values, size_t n, double pivot)
{
    size_t below = 0;
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        values[i] = values[below];
        values[below] = value;
        below += value < pivot;
    }
    return below;
}

/* The same for those not above it. */
static size_t upto_first(double *values, size_t n, double pivot)
{
    size_t upto = 0;
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        values[i] = values[upto];
        values[upto] = value;
        upto += value <= pivot;
    }
    return upto;
}

/*
 * A pivot a little beyond the k-th on its longer side, so that the next round
 * has about k values left, and the one after that very few (Floyd and Rivest
 * 1975).
 */
static double choose_pivot(double *values, size_t n, size_t k, uint64_t *state)
{
    if (n < SAMPLE_FROM) {
        return values[draw(state, n)];
    }
    const double root = cbrt((double)n);
    const size_t size = (size_t)(root * root / 2);
    for (size_t i = 0; i < size; i++) {
        swap(&values[i], &values[i + draw(state, n - i)]);
    }
    double at = (double)k / (double)n * (double)size;
    double margin = sqrt((double)size);
    at += k < n / 2 ? margin : -margin;
    at = fmin(fmax(at, 0), (double)(size - 1));
    return order_select(values, size, (size_t)at);
}

double order_select(double *values, size_t n, size_t k)
{
    uint64_t state = SEED;
    while (n > 1) {
        const double pivot = choose_pivot(values, n, k, &state);
        const size_t below = below_first(values, n, pivot);
        if (k < below) {
            n = below;
            continue;
        }
        const size_t upto =
            below + upto_first(values + below, n - below, pivot);
        if (k < upto) {
            return pivot;
        }
        values += upto;
        n -= upto;
        k -= upto;
    }
    return values[0];
}

double order_median(double *values, size_t n)
{
    return order_select(values, n, (n - 1) / 2);
}

double order_quantile(double *values, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t k = (size_t)at;
    const double low = order_select(values, n, k);
    if (k + 1 >= n) {
        return low;
    }
    const double high = order_select(values, n, k + 1);
    return low + (at - (double)k) * (high - low);
}
